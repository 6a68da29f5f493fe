"""Drawings of the chapter on schedules."""

import numpy as np
import pytest

from mcbook import plots

RATES = np.array([1.0, 1.0, 0.1])


def test_every_step_is_a_stair():
    panels = {"rate": {"learned": RATES, "constant": RATES[:1].repeat(3)}, "gradient": {"learned": -RATES}}
    fig = plots.step_values(panels, zero=True)
    left, right = fig.axes
    x, y = left.lines[0].get_data()
    np.testing.assert_allclose(x, [0, 1, 2, 3])
    np.testing.assert_allclose(y, [1.0, 1.0, 0.1, 0.1])  # the last stair is as long as the others
    assert left.lines[0].get_color() == right.lines[0].get_color()  # one name, one colour
    assert left.lines[0].get_linestyle() != left.lines[1].get_linestyle()
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["learned", "constant"]
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["rate", "gradient"]


def test_one_curve_needs_no_legend_and_may_be_logarithmic():
    fig = plots.step_values({"rate": {"learned": RATES}}, log=True)
    assert fig.legends == []
    assert fig.axes[0].get_yscale() == "log"


@pytest.mark.parametrize("bad", [np.full(3, np.nan), np.zeros((2, 2)), np.zeros(0)])
def test_stairs_that_cannot_be_drawn_are_named(bad):
    with pytest.raises(ValueError, match="finite values"):
        plots.step_values({"rate": {"learned": bad}})


def test_an_interval_is_a_row():
    fig = plots.intervals({"constant": (-3.0, -2.0, -1.0), "cosine": (-0.5, 0.1, 0.7)}, xlabel="nats")
    (ax,) = fig.axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["constant", "cosine"]
    np.testing.assert_allclose(ax.lines[0].get_data(), [[-3, -1], [0, 0]])
    np.testing.assert_allclose(ax.lines[3].get_data(), [[0.1], [1]])
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row is the uppermost
    assert ax.get_xlabel() == "nats"


@pytest.mark.parametrize("bad", [(1.0, 0.0, 2.0), (0.0, np.nan, 1.0), (0.0, 1.0)])
def test_an_interval_out_of_order_is_named(bad):
    with pytest.raises(ValueError, match="low ≤ middle ≤ high"):
        plots.intervals({"constant": bad}, xlabel="nats")
