"""Drawings of the chapter on kernels."""

import numpy as np
import pytest

from mcbook import plots

BENT = ("water", ["O", "H", "H"], [[0.0, 0.1, 0.0], [0.76, -0.5, 0.1], [-0.76, -0.5, 0.1]], [(0, 1), (0, 2)])


def test_learning_curves_show_mean_and_spread():
    sizes = np.array([100, 200, 400])
    errors = np.array([[8.0, 4.0, 2.0], [12.0, 6.0, 3.0]])
    fig = plots.learning_curves({"local": (sizes, errors)}, ylabel="error", target=1)
    ax = fig.axes[0]
    line = ax.containers[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), [10, 5, 2.5])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [t.get_text() for t in ax.texts] == ["1"]
    np.testing.assert_allclose(ax.get_xticks(), sizes)
    svg = plots.figure(fig, alt="Error against the number of molecules, a straight line").svg
    assert "local" in svg
    assert ">400</text>" in svg


@pytest.mark.parametrize("errors", [np.ones(3), np.ones((2, 4)), np.zeros((2, 3)), np.full((2, 3), np.nan)])
def test_errors_that_make_no_curve_are_named(errors):
    with pytest.raises(ValueError, match=r"learning_curves expects positive errors .* 'local'"):
        plots.learning_curves({"local": (np.arange(1, 4), errors)}, ylabel="error")


def test_molecules_have_an_axis_each_and_letters():
    fig = plots.molecules([BENT] * 5, columns=4)
    assert len(fig.axes) == 8
    assert [t.get_text() for t in fig.axes[0].texts] == ["O"]
    assert len(fig.axes[0].lines) == 2
    assert len(fig.axes[0].collections) == 3
    assert not fig.axes[5].collections
