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


def test_a_landscape_has_contours_and_walks_that_end_in_a_star():
    across, up = np.geomspace(1, 100, 5), np.geomspace(1e-3, 1, 4)
    heights = np.log10(across)[None, :] ** 2 + np.log10(up)[:, None] ** 2
    walk = [(50, 0.5), (20, 0.1), (10, 0.01)]
    names = {"xlabel": "width", "ylabel": "lam", "levels": (1, 3, 6)}
    ax = plots.landscape(across, up, heights, walks={"downhill": walk}, **names).axes[0]
    np.testing.assert_allclose(ax.lines[0].get_xydata(), walk)
    np.testing.assert_allclose(ax.lines[1].get_xydata(), walk[-1:])
    assert ax.lines[1].get_marker() == "*"
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlim()) == ("log", "log", (1, 100))


def test_fits_show_curves_and_the_points_that_they_were_fitted_to():
    x, points = np.linspace(0, 1, 5), (np.array([0.2, 0.8]), np.array([1.0, 2.0]))
    fig = plots.fits(x, {"true": x, "fitted": x**2}, points, xlabel="length", ylabel="energy")
    ax = fig.axes[0]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), x**2)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), np.transpose(points))
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
