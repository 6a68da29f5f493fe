"""Simulated sites: the published table, the truth that is promised, and the ceiling that Bayes' rule sets."""

import numpy as np
import pytest

from mcbook.splice import encode
from mcbook.splice.simulate import (
    ACCEPTOR,
    BACKGROUND,
    CLASSES,
    DONOR,
    JUNCTION,
    bayes_scores,
    simulate_stretch,
    simulate_windows,
    site_log_odds,
)


def test_the_tables_spell_the_consensus():
    """MAG|GTRAGT and a pyrimidine tract before CAG|G: what textbooks print, read off the rows."""
    assert "".join("ACGT"[k] for k in DONOR.frequencies.argmax(1)) == "CAGGTAAGT"
    assert "".join("ACGT"[k] for k in ACCEPTOR.frequencies.argmax(1)) == "TTTTTTTTTTCCAGG"
    for site in (DONOR, ACCEPTOR):
        np.testing.assert_allclose(site.frequencies.sum(1), 1, atol=1e-15)
    assert (DONOR.frequencies[DONOR.before :][:2] == np.eye(4)[[2, 3]]).all()
    assert (ACCEPTOR.frequencies[ACCEPTOR.before - 2 :][:2] == np.eye(4)[[0, 2]]).all()
    assert DONOR.positions() == ["-3", "-2", "-1", "+1", "+2", "+3", "+4", "+5", "+6"]
    assert ACCEPTOR.positions()[-3:] == ["-2", "-1", "+1"]


def test_windows_follow_their_law(rng):
    """Letters of each class at each position within five standard errors of their probabilities."""
    X, y = simulate_windows(20_000, rng=rng, decoys=0.4)
    laws = np.tile(BACKGROUND, (3, 60, 1))
    laws[0, DONOR.columns()], laws[1, ACCEPTOR.columns()] = DONOR.frequencies, ACCEPTOR.frequencies
    for at, letter in ((30, 2), (31, 3), (28, 0), (29, 2)):
        laws[2, at] = 0.8 * BACKGROUND + 0.2 * np.eye(4)[letter]
    for c in range(3):
        n = (y == c).sum()
        error = np.sqrt(laws[c] * (1 - laws[c]) / n)
        assert (np.abs(X[y == c].mean(0) - laws[c]) <= 5 * error + 1e-12).all(), CLASSES[c]
    np.testing.assert_allclose(np.bincount(y) / len(y), [0.25, 0.25, 0.5], atol=0.02)


def test_bayes_is_calibrated_and_nobody_is_better(rng):
    """Of windows with posterior p a share p is of the class; mean posterior of the choice = accuracy."""
    X, y = simulate_windows(20_000, rng=rng)
    p = np.exp(bayes_scores(X))
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-12)
    right = p.argmax(1) == y
    assert abs(right.mean() - p.max(1).mean()) < 5 * right.std() / np.sqrt(len(y))
    for low in (0.1, 0.3, 0.5, 0.7):
        within = (p[:, 0] >= low) & (p[:, 0] < low + 0.2)
        assert abs((y[within] == 0).mean() - p[within, 0].mean()) < 5 / np.sqrt(4 * within.sum())
    for wrong in (bayes_scores(X, shares=(0.6, 0.2, 0.2)), bayes_scores(X, decoys=0.0)):
        assert (wrong.argmax(1) == y).mean() < right.mean()


def test_bayes_by_enumeration(rng):
    """The posterior from the probabilities of whole windows, multiplied out letter by letter."""
    X, _ = simulate_windows(50, rng=rng)
    laws = np.tile(BACKGROUND, (2, 60, 1))
    laws[0, DONOR.columns()], laws[1, ACCEPTOR.columns()] = DONOR.frequencies, ACCEPTOR.frequencies
    likelihood = [(X * law).sum(2).prod(1) for law in laws]
    decoys = np.tile(BACKGROUND, (3, 60, 1))
    decoys[1, [30, 31]], decoys[2, [28, 29]] = np.eye(4)[[2, 3]], np.eye(4)[[0, 2]]
    likelihood.append(
        sum(w * (X * law).sum(2).prod(1) for w, law in zip((0.5, 0.25, 0.25), decoys, strict=True))
    )
    joint = np.array(likelihood).T * [0.25, 0.25, 0.5]
    np.testing.assert_allclose(np.exp(bayes_scores(X)), joint / joint.sum(1, keepdims=True), atol=1e-12)


def test_an_unknown_letter_says_nothing_and_a_missing_gt_forbids(rng):
    X, _ = simulate_windows(20, rng=rng, shares=(1, 0, 0))
    far = X.copy()
    far[:, :10] = 0.25
    np.testing.assert_allclose(bayes_scores(far), bayes_scores(X), atol=1e-12)
    X[:, JUNCTION] = [1, 0, 0, 0]
    assert (bayes_scores(X)[:, 0] == -np.inf).all()
    unknown = np.full((1, 60, 4), 0.25)
    np.testing.assert_allclose(np.exp(bayes_scores(unknown)), [[0.25, 0.25, 0.5]], atol=1e-12)


def test_planted_sites_are_where_they_are_said_to_be(rng):
    sequence, donors, acceptors = simulate_stretch(5, rng=rng)
    assert len(donors) == len(acceptors) >= 5
    assert (donors < acceptors).all()
    assert (acceptors[:-1] < donors[1:]).all()
    assert {sequence[j : j + 2] for j in donors} == {"GT"}
    assert {sequence[j - 2 : j] for j in acceptors} == {"AG"}
    assert sequence.count("GT") > 10 * len(donors), "decoys abound"
    for site, where in ((DONOR, donors), (ACCEPTOR, acceptors)):
        odds = site_log_odds(sequence, site)
        assert np.isfinite(odds[where]).all()
        assert np.mean(odds[where]) > 3 > np.mean(odds[np.isfinite(odds)])


def test_log_odds_are_the_table_at_each_junction(rng):
    letters = rng.integers(4, size=40)
    sequence = "".join("ACGT"[k] for k in letters)
    odds = site_log_odds(sequence, DONOR)
    np.testing.assert_array_equal(odds, site_log_odds(encode(sequence), DONOR))
    assert odds.shape == (41,)
    assert (odds[[0, 1, 2, 35, 36, 40]] == -np.inf).all(), "a site does not hang over the ends"
    with np.errstate(divide="ignore"):
        table = np.log(DONOR.frequencies / 0.25)
    for j in range(3, 35):
        expected = table[np.arange(9), letters[j - 3 : j + 6]].sum()
        assert odds[j] == pytest.approx(expected, abs=1e-12) or (odds[j] == expected == -np.inf)
    assert (site_log_odds("ACGT", DONOR) == -np.inf).all()


def test_the_same_generator_gives_the_same_sequences():
    one, two = (simulate_stretch(2, rng=np.random.default_rng(3)) for _ in range(2))
    assert one.sequence == two.sequence
    a, b = (simulate_windows(9, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a.X, b.X)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda rng: simulate_windows(0, rng=rng), "n ≥ 1"),
        (lambda rng: simulate_windows(5, rng=rng, shares=(0.5, 0.5)), "three probabilities"),
        (lambda rng: simulate_windows(5, rng=rng, shares=(0.5, 0.6, -0.1)), "three probabilities"),
        (lambda rng: simulate_windows(5, rng=rng, decoys=1.0), r"share in \[0, 1\)"),
        (lambda rng: bayes_scores(np.ones((60, 4))), r"X\[None\]"),
        (lambda rng: site_log_odds(np.ones((2, 60, 4)), DONOR), "one sequence"),
        (lambda rng: simulate_stretch(0, rng=rng), "genes ≥ 1"),
        (lambda rng: simulate_stretch(1, rng=rng, intron_length=(10, 50)), "intron_length .* 20 ≤"),
        (lambda rng: simulate_stretch(1, rng=rng, exons=(5, 3)), "exons must be"),
    ],
)
def test_bad_input(call, says, rng):
    with pytest.raises(ValueError, match=says):
        call(rng)
