"""The drawings of the chapter on corrections."""

import numpy as np
import pytest

from mcbook import plots


def test_clouds_share_their_x_and_differ_in_their_markers(rng):
    x = rng.normal(size=8)
    fig = plots.clouds(x, {"all of it": 2 * x, "what is left": x**2}, xlabel="r", ylabel="E")
    first, second = fig.axes[0].lines
    np.testing.assert_array_equal(first.get_xdata(), x)
    np.testing.assert_array_equal(second.get_ydata(), x**2)
    assert first.get_marker() != second.get_marker()
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["all of it", "what is left"]


def test_clouds_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="finite values"):
        plots.clouds(np.zeros(3), {"a": np.zeros(4)}, xlabel="", ylabel="")
    with pytest.raises(ValueError, match="finite values"):
        plots.clouds(np.zeros(3), {"a": np.full(3, np.nan)}, xlabel="", ylabel="")
