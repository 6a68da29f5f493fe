"""The ethanol trajectory: what it holds, its units; its test frames are no neighbours of the others."""

import numpy as np
import pytest

from mcbook import data
from mcbook.symmetry import _frames


@pytest.fixture(scope="module")
def ethanol() -> data.Ethanol:
    return data.ethanol()


def test_it_is_whole(ethanol):
    assert ethanol.numbers.tolist() == [6, 6, 8, 1, 1, 1, 1, 1, 1]
    for frames, n in ((ethanol.frames, 2000), (ethanol.test, 500), (ethanol.pbe, len(ethanol.pbe_frames))):
        assert frames.positions_angstrom.shape == frames.force_kcal_angstrom.shape == (n, 9, 3)
        assert frames.energy_kcal.shape == (n,)
        assert all(np.isfinite(values).all() for values in frames)


@pytest.mark.parametrize("name", ["frames", "test"])
def test_units_are_those_said(ethanol, name):
    frames = getattr(ethanol, name)
    X = _frames.frames(frames.positions_angstrom)
    _frames.labels(frames.energy_kcal, frames.force_kcal_angstrom, X.shape)
    assert 20 < np.sqrt((frames.force_kcal_angstrom**2).mean()) < 40
    assert 3 < frames.energy_kcal.std() < 8
    torque = np.cross(X, frames.force_kcal_angstrom).sum(axis=1)
    assert np.abs(torque).max() < 2e-2


def test_positions_are_exactly_what_was_labelled(ethanol):
    """Rounded to 1e-5 Å before they were labelled, and given back to the last bit."""
    X = ethanol.frames.positions_angstrom
    np.testing.assert_array_equal(X, np.round(X, 5))


def test_energies_and_forces_are_of_one_surface(ethanol):
    """Between neighbours in time the energy changes by -∫ F·dX; the trapezoid's error is of third order."""
    X, E, F = ethanol.frames
    work = -((F[1:] + F[:-1]) / 2 * (X[1:] - X[:-1])).sum(axis=(1, 2))
    change = np.diff(E)
    small = np.abs(X[1:] - X[:-1]).max(axis=(1, 2)) < 0.15
    assert small.sum() > 50
    assert np.corrcoef(work[small], change[small])[0, 1] > 0.98
    assert np.corrcoef(-work[small], change[small])[0, 1] < 0  # the planted sign


def test_the_second_trajectory_is_another(ethanol):
    """No test frame is as near to a frame of the first trajectory as neighbours in time are."""

    def shape(X):
        return np.linalg.norm(X[:, :, None] - X[:, None], axis=-1).reshape(len(X), -1)

    first, second = shape(ethanol.frames.positions_angstrom), shape(ethanol.test.positions_angstrom)
    across = min(np.linalg.norm(first - row, axis=1).min() for row in second)
    assert across > 0.3 * np.median(np.linalg.norm(np.diff(first, axis=0), axis=1))
