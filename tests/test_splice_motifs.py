"""Motifs: log odds that are Bayes' rule give the table back; sites, logos and distances by hand."""

import numpy as np
import pytest

from mcbook import plots
from mcbook.plots.logo import unit_letter
from mcbook.splice import motifs, networks, simulate
from mcbook.splice.initial import init_two_way

ALT = "Two logos of a donor site, one below the other: a tall G and T in the middle of each."


def test_sites_are_peaks_that_keep_apart():
    p = np.zeros((20, 3))
    p[[3, 4, 9, 15], 0] = [0.7, 0.9, 0.8, 0.4]
    assert motifs.find_sites(p, 0).tolist() == [4, 9]
    assert motifs.find_sites(p, 0, above=0.3).tolist() == [4, 9, 15]
    assert motifs.find_sites(p, 0, apart=6).tolist() == [4]
    assert motifs.find_sites(p, 0, apart=1).tolist() == [3, 4, 9]
    assert motifs.find_sites(p, 1).tolist() == []


def test_windows_at_junctions(rng):
    sequence = simulate.simulate_stretch(1, rng=rng).sequence
    X = motifs.windows_at(sequence, [5, 30, 77, len(sequence) - 30, len(sequence) - 29])
    assert X.shape == (3, 60, 4), "those too near the ends are left out"
    np.testing.assert_array_equal(X[1], simulate.encode(sequence[47:107]))


def test_input_gradients_are_derivatives_along_what_letters_can_do(rng):
    """Moving probability from one letter to another changes the log odds by the difference of entries."""
    params = init_two_way(rng, hidden=4)
    X = np.eye(4)[rng.integers(4, size=(3, 60))]
    g = motifs.input_gradients(params, X, 0, reach=3)
    np.testing.assert_allclose(g.sum(axis=2), 0, atol=1e-15)
    for _ in range(5):
        i, t, (a, b) = rng.integers(3), rng.integers(60), rng.permutation(4)[:2]
        step = np.zeros_like(X)
        step[i, t, a], step[i, t, b] = 1e-5, -1e-5
        odds = [np.asarray(networks.logits(params, X + s * step, reach=3)) @ [1, 0, -1] for s in (1, -1)]
        assert (odds[0] - odds[1])[i] / 2e-5 == pytest.approx(g[i, t, a] - g[i, t, b], abs=1e-9)


def test_gradients_of_bayes_rule_give_the_table_back(rng):
    """Where log odds are Σ x · log(f / b), the implied frequencies are f: the law behind the motif."""
    f = rng.dirichlet(np.ones(4), size=9)
    background = rng.dirichlet(np.full(4, 9.0))
    g = np.log(f / background)
    g -= g.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(motifs.implied_frequencies(g, background=background), f, atol=1e-12)


def test_information_by_hand():
    f = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(motifs.information(f), [2, 0, 1], atol=1e-15)
    np.testing.assert_allclose(motifs.logo_heights(f).sum(axis=1), [2, 0, 1], atol=1e-15)
    np.testing.assert_allclose(motifs.kl_divergence(f, np.full((3, 4), 0.25)), [2, 0, 1], atol=1e-15)
    assert motifs.kl_divergence(f[1:2], f[2:])[0] == np.inf


def test_agreement(rng):
    f, other = rng.dirichlet(np.ones(4), size=(2, 9))
    assert (motifs.kl_divergence(f, f) == 0).all()
    assert (motifs.kl_divergence(f, other) > 0).all()
    assert motifs.height_correlation(f, f) == pytest.approx(1)
    assert motifs.height_correlation(f, other) < 0.99
    np.testing.assert_allclose(
        motifs.letter_frequencies(np.eye(4)[[[0, 1], [0, 2]]], pseudocount=0.5),
        [[2.5 / 4, 0.125, 0.125, 0.125], [0.125, 0.375, 0.375, 0.125]],
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: motifs.find_sites(np.zeros(5), 0), "p .T"),
        (lambda p: motifs.find_sites(np.zeros((5, 3)), 3), "class"),
        (lambda p: motifs.find_sites(np.zeros((5, 3)), 0, apart=0), "apart ≥ 1"),
        (lambda p: motifs.windows_at("ACGT" * 20, [3]), "no junction"),
        (lambda p: motifs.input_gradients(p, np.zeros((1, 60, 4)), 2), "two different classes"),
        (lambda p: motifs.input_gradients(p, np.zeros((1, 60, 4)), 3), r"0\.\.2"),
        (lambda p: motifs.input_gradients(p, np.zeros((60, 4)), 0), "n, T, d"),
    ],
)
def test_bad_input(call, says, rng):
    with pytest.raises(ValueError, match=says):
        call(init_two_way(rng, hidden=2))


# ---- the drawing


def test_a_letter_is_as_high_as_it_should_be():
    heights = np.array([[0.2, 0, 1.5, 0.3], [0, 0.4, 0, 0]])
    (ax,) = plots.sequence_logo({"one": heights}).axes
    boxes = [patch.get_path().get_extents() for patch in ax.patches]
    np.testing.assert_allclose(sorted(box.height for box in boxes), [0.2, 0.3, 0.4, 1.5], atol=1e-9)
    first = sorted((box for box in boxes if box.x0 < 0.5), key=lambda box: box.y0)
    np.testing.assert_allclose([box.y0 for box in first], [0, 0.2, 0.5], atol=1e-9)
    assert all(box.width < 1 for box in boxes), "letters keep to their position"


def test_negative_heights_hang_below_and_stay_upright():
    (ax,) = plots.sequence_logo({"g": [[-0.5, 1.0, 0.0, -0.25]]}).axes
    boxes = sorted((patch.get_path().get_extents() for patch in ax.patches), key=lambda box: box.y0)
    np.testing.assert_allclose(
        [(box.y0, box.y1) for box in boxes], [(-0.75, -0.25), (-0.25, 0), (0, 1)], atol=1e-9
    )
    assert ax.get_ylim()[0] < -0.75


def test_letters_are_outlines_of_four_shapes_and_colours():
    outlines = [unit_letter(letter).vertices.round(3).tolist() for letter in "ACGT"]
    assert all(a != b for i, a in enumerate(outlines) for b in outlines[:i])
    (ax,) = plots.sequence_logo({"one": np.eye(4)}).axes
    assert len({patch.get_facecolor() for patch in ax.patches}) == 4
    f = plots.figure(plots.sequence_logo({"one": np.eye(4), "two": np.eye(4)}, junction=2), alt=ALT)
    assert f.svg.count("<path") >= 8
    assert ">A<" not in f.svg, "no text stands for a letter"
    acceptor = motifs.logo_heights(simulate.ACCEPTOR.frequencies)
    full = plots.sequence_logo({"a": acceptor, "b": acceptor}, positions=simulate.ACCEPTOR.positions())
    assert len(plots.figure(full, alt=ALT).svg) < 150_000


@pytest.mark.parametrize(
    ("logos", "settings", "says"),
    [
        ({}, {}, "one length"),
        ({"a": np.ones((3, 3))}, {}, "columns A, C, G, T"),
        ({"a": np.full((3, 4), np.nan)}, {}, "finite"),
        ({"a": np.ones((3, 4)), "b": np.ones((2, 4))}, {}, r"\[2, 3\]"),
        ({"a": np.ones((3, 4))}, {"positions": ["1"]}, "3 positions or none, got 1"),
    ],
)
def test_bad_logos(logos, settings, says):
    with pytest.raises(ValueError, match=says):
        plots.sequence_logo(logos, **settings)
