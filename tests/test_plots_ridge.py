"""Drawings of the chapter on ridge."""

import numpy as np
import pytest

from mcbook import plots

X = np.linspace(0, 1, 5)


def test_profiles_stack_panels_that_share_the_line():
    panels = {"moved, mm": {"rail": (X, X**2)}, "force, kN": {"rail": (X, 2 * X), "limit": (X, 0 * X + 1)}}
    fig = plots.profiles(panels, xlabel="place, m", span=(0.2, 0.4))
    top, bottom = fig.axes
    assert [ax.get_ylabel() for ax in fig.axes] == list(panels)
    assert (top.get_xlabel(), bottom.get_xlabel()) == ("", "place, m")
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), 2 * X)
    assert top.lines[0].get_color() == bottom.lines[0].get_color()  # one name, one colour
    assert bottom.lines[0].get_linestyle() != bottom.lines[1].get_linestyle()
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["rail", "limit"]
    shaded = [ax.patches[0].get_bbox().intervalx for ax in fig.axes]
    np.testing.assert_allclose(shaded, [[0.2, 0.4]] * 2)


def test_profiles_beside_one_another_share_the_ordinate_and_the_points():
    fig = plots.profiles(
        {"with M": {"fit": (X, X)}, "with I": {"fit": (X, 3 * X)}},
        xlabel="x",
        points=(X[:2], X[1:3]),
        beside=True,
    )
    left, right = fig.axes
    assert left.get_ylim() == right.get_ylim()
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["with M", "with I"]
    for ax in fig.axes:
        np.testing.assert_allclose(ax.collections[0].get_offsets(), np.transpose([X[:2], X[1:3]]))


def test_scales_mark_few_points_and_named_places():
    many = np.geomspace(1, 100, 40)
    fig = plots.scales(
        {"many": (many, 1 / many), "few": (many[:4], many[:4])},
        xlabel="h",
        ylabel="error",
        marks={"six": 6.0},
        ylim=(0.01, 10),
    )
    ax = fig.axes[0]
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_ylim()) == ("log", "log", (0.01, 10))
    assert [line.get_marker() for line in ax.lines[:2]] == ["None", "s"]
    assert [t.get_text() for t in ax.texts] == ["six"]
    np.testing.assert_allclose(ax.lines[2].get_xdata(), [6, 6])


def test_pictures_are_cut_to_the_range_and_rounded():
    grey = np.linspace(-0.5, 1.5, 12).reshape(3, 4)
    colour = np.zeros((3, 4, 3))
    fig = plots.pictures({"grey": grey, "colour": colour, "again": grey}, columns=2, levels=3)
    assert len(fig.axes) == 4
    shown = fig.axes[0].images[0].get_array()
    assert set(np.unique(shown)) == {0.0, 0.5, 1.0}
    assert not fig.axes[3].images
    assert [ax.get_title(loc="left") for ax in fig.axes[:3]] == ["grey", "colour", "again"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.profiles({"a": {"b": (X, X[:2])}}, xlabel="x"), r"'b' expects x and values"),
        (lambda: plots.scales({"c": (X * np.nan, X)}, xlabel="x", ylabel="y"), r"'c' expects x and values"),
        (lambda: plots.pictures({"d": np.ones(3)}), r"pictures expects .* 'd'"),
        (lambda: plots.pictures({"e": np.full((2, 2), np.nan)}), r"pictures expects .* 'e'"),
    ],
)
def test_what_cannot_be_drawn_is_named(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
