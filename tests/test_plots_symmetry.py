"""The drawing of the chapter on symmetry: curves over time."""

import numpy as np
import pytest

from mcbook import plots


def courses(t):
    return {"energy": {"one": np.sin(t), "two": np.cos(t)}, "spin": {"two": t}}


def test_a_name_looks_the_same_in_every_panel():
    t = np.linspace(0, 1, 20)
    fig = plots.time_courses(t, courses(t))
    first, second = fig.axes
    looks = [(line.get_color(), line.get_linestyle()) for line in (*first.lines, *second.lines)]
    assert looks[1] == looks[2] != looks[0]
    np.testing.assert_allclose(first.lines[1].get_ydata(), np.cos(t))
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["energy", "spin"]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["one", "two"]


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ({"energy": {"one": np.ones(3)}}, "one for each time"),
        ({"energy": {"one": np.full(20, np.nan)}}, "finite values"),
        ({}, "one run or more"),
    ],
)
def test_what_cannot_be_drawn_is_named(panels, message):
    with pytest.raises(ValueError, match=message):
        plots.time_courses(np.linspace(0, 1, 20), panels)
