"""Drawings of the chapter on sensitivity: a protein with what each residue contributes."""

import numpy as np
import pytest

from mcbook import plots

LETTERS = "MKTAYIAKQRQISFVKSHFSRQ"
PARTS = np.abs(np.random.default_rng(2).normal(size=(22, 2)))


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_every_letter_stands_in_its_row_and_marks_below():
    fig = plots.protein_map(LETTERS, PARTS, first=24, per_row=10, marks={30: "a", 45: "b"})
    assert len(fig.axes) == 3
    for row, ax in enumerate(fig.axes):
        shown = [text for text in texts(ax) if len(text) == 1]
        assert "".join(shown) == LETTERS[10 * row : 10 * row + 10]
    assert "▲a" in texts(fig.axes[0])
    assert "30" not in texts(fig.axes[0])
    assert "40" in texts(fig.axes[1])
    assert "50" not in texts(plots.protein_map(LETTERS, PARTS, first=30, marks={48: "b"}).axes[0])
    assert "▲b" in texts(fig.axes[2])


def test_bars_are_stacked_on_one_scale():
    fig = plots.protein_map(LETTERS, PARTS, per_row=11)
    for row, ax in enumerate(fig.axes):
        here, (lower, upper) = PARTS[11 * row : 11 * row + 11], [patch.get_path() for patch in ax.patches]
        ends = [bars.vertices.reshape(-1, 5, 2)[:, [0, 2], 1] for bars in (lower, upper)]
        np.testing.assert_allclose(ends[0], np.stack([0 * here[:, 0], here[:, 0]], axis=1))
        np.testing.assert_allclose(ends[1], np.stack([here[:, 0], here.sum(axis=1)], axis=1))
    assert len({ax.get_ylim() for ax in fig.axes}) == 1
    assert all(0 < ax.get_yticks()[1] <= PARTS.sum(axis=1).max() for ax in fig.axes)


def test_a_real_length_is_light():
    rng = np.random.default_rng(3)
    letters = "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 263))
    fig = plots.protein_map(letters, rng.random((263, 2)), blocks=("its letters", "its relatives"))
    svg = plots.figure(fig, alt="A long protein, with two bars for each of its residues").svg
    assert len(svg) < 150_000
    assert "its relatives" in svg


@pytest.mark.parametrize("parts", [PARTS[:-1], -PARTS, PARTS * np.nan, PARTS[:, :1]])
def test_parts_that_cannot_be_drawn_are_named(parts):
    with pytest.raises(ValueError, match=r"protein_map expects finite parts \(22, 2\)"):
        plots.protein_map(LETTERS, parts)


def test_a_mark_beyond_the_end_is_named():
    with pytest.raises(ValueError, match=r"marks from 1 to 22, got \[23\]"):
        plots.protein_map(LETTERS, PARTS, marks={23: "x"})
