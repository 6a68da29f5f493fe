"""Drawings of the chapter on diffusion."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mcbook import plots
from mcbook.plots.palette import MUTED

X = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])


def test_swarms_share_a_scale_and_colour_their_groups():
    fig = plots.swarms({"a": X, "b": X + 1}, groups={"b": np.array([0, 2, 0])}, reach=2.5)
    first, second = fig.axes
    assert first.get_xlim() == second.get_ylim() == (-2.5, 2.5)
    np.testing.assert_allclose(second.collections[0].get_offsets(), X + 1)
    faces = second.collections[0].get_facecolors()
    assert len(first.collections[0].get_facecolors()) == 1
    np.testing.assert_array_equal(faces[0], faces[2])
    assert np.abs(faces[0] - faces[1]).max() > 0.1
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["a", "b"]


def test_large_clouds_are_thinned_with_their_colours():
    many = np.column_stack([np.linspace(-1, 1, 1000), np.zeros(1000)])
    fig = plots.swarms({"a": many}, groups={"a": np.arange(1000) // 500}, limit=100)
    points = fig.axes[0].collections[0]
    np.testing.assert_allclose(points.get_offsets(), np.round(many[::10], 2))
    faces = points.get_facecolors()
    assert np.abs(faces[49] - faces[50]).max() > 0.1


def test_arrows_lie_behind_the_points():
    fig = plots.swarms({"a": X}, arrows={"a": (X, 2 * X)}, columns=2)
    field, points = fig.axes[0].collections
    np.testing.assert_allclose(np.column_stack([field.U, field.V]), 2 * X)
    np.testing.assert_allclose(points.get_offsets(), X)
    np.testing.assert_allclose(field.get_facecolor()[0, :3], to_rgb(MUTED))


@pytest.mark.parametrize(
    ("panels", "options", "message"),
    [
        ({"a": X.T}, {}, r"points \(n, 2\)"),
        ({"a": X * np.nan}, {}, "finite points"),
        ({"a": X}, {"groups": {"a": np.array([0, 1])}}, "each of the 3 points"),
        ({"a": X}, {"groups": {"a": np.zeros(3)}}, "a whole number"),
        ({"a": X}, {"arrows": {"a": (X, X[:, :1])}}, r"points \(n, 2\)"),
    ],
)
def test_swarms_that_cannot_be_drawn_are_named(panels, options, message):
    with pytest.raises(ValueError, match=message):
        plots.swarms(panels, **options)


def test_sprites_stand_in_rows_with_gaps():
    rows = {"two": np.ones((2, 3, 4)), "three": np.full((3, 3, 4), 0.4)}
    fig = plots.sprites(rows, levels=11)
    sheets = [np.ma.filled(ax.images[0].get_array(), np.nan) for ax in fig.axes]
    assert [s.shape for s in sheets] == [(3, 14), (3, 14)]
    assert np.isnan(sheets[0][:, [4, 9, 10, 13]]).all()
    np.testing.assert_allclose(sheets[1][:, :4], 0.4)
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["two", "three"]


@pytest.mark.parametrize("P", [np.ones((3, 4)), np.ones((2, 5, 4)), np.full((2, 3, 4), np.nan)])
def test_sprites_that_cannot_be_drawn_are_named(P):
    with pytest.raises(ValueError, match="of one size"):
        plots.sprites({"sound": np.ones((1, 3, 4)), "not": P})
