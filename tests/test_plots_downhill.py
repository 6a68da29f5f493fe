"""Level lines and walks of the chapter on descent."""

import numpy as np
import pytest

from mcbook import plots


def bowl(w):
    return w[0] ** 2 + 4 * (w[1] - 0.5) ** 2


WINDOW = (-2.0, 2.0, -1.0, 1.0)


def test_each_panel_has_its_level_lines_its_walks_and_a_cross_at_the_bottom():
    walk = np.array([[1.0, 0.0], [0.5, 0.25], [0.0, 0.5]])
    fig = plots.bowls(
        {
            "plain": (bowl, WINDOW, {"descent": walk}),
            "turned": (bowl, WINDOW, {"ball": walk, "descent": walk}),
        },
        xlabel="a",
        ylabel="b",
    )
    left, right = fig.axes
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["descent", "ball"]
    cross, drawn = left.lines
    np.testing.assert_allclose(cross.get_xydata(), [[0.0, 0.5]], atol=0.03)
    np.testing.assert_allclose(drawn.get_xydata(), walk)
    assert left.get_xlim() == WINDOW[:2]
    assert len(left.collections) == 1
    same = next(line for line in right.lines if line.get_label() == "descent")
    assert same.get_color() == drawn.get_color()  # one name, one colour


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        ((bowl, (1.0, 1.0, 0.0, 1.0), {}), "a window"),
        ((bowl, WINDOW, {"walk": np.ones(3)}), r"a walk \(t, 2\)"),
    ],
)
def test_what_cannot_be_drawn_is_named(panel, words):
    with pytest.raises(ValueError, match=words):
        plots.bowls({"p": panel}, xlabel="a", ylabel="b")
