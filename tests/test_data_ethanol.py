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


@pytest.mark.parametrize("name", ["frames", "test"])
def test_forces_hold_the_molecule_together(ethanol, name):
    """The virial theorem: the mean of Σ x·F is minus twice the kinetic energy about the centre of mass.

    24 degrees of freedom at 500 K would give -24 kcal/mol; the hydrogens are hotter.  Forces of the wrong
    sign make it positive, forces in eV/Å or in Hartree/bohr make it -1.4 or -0.03.
    """
    frames = getattr(ethanol, name)
    virial = (frames.positions_angstrom * frames.force_kcal_angstrom).sum(axis=(1, 2))
    assert -60 < virial.mean() < -15


def test_the_second_trajectory_is_another(ethanol):
    """No test frame is as near to a frame of the first trajectory as neighbours in time are."""

    def shape(X):
        return np.linalg.norm(X[:, :, None] - X[:, None], axis=-1).reshape(len(X), -1)

    first, second = shape(ethanol.frames.positions_angstrom), shape(ethanol.test.positions_angstrom)
    across = min(np.linalg.norm(first - row, axis=1).min() for row in second)
    assert across > 0.3 * np.median(np.linalg.norm(np.diff(first, axis=0), axis=1))


def test_the_other_method_labels_the_same_frames(ethanol):
    """PBE's forces are GFN2-xTB's in the main, and balance as forces of one molecule must."""
    cheap = ethanol.frames.force_kcal_angstrom[ethanol.pbe_frames]
    assert ethanol.pbe_frames.tolist() == list(range(0, 1800, 6))
    assert np.corrcoef(ethanol.pbe.force_kcal_angstrom.ravel(), cheap.ravel())[0, 1] > 0.95
    assert np.abs(ethanol.pbe.force_kcal_angstrom.sum(axis=1)).max() < 2e-2
    torque = np.cross(ethanol.pbe.positions_angstrom, ethanol.pbe.force_kcal_angstrom).sum(axis=1)
    assert np.abs(torque).max() < 0.2  # the functional's grid of points does not turn with the molecule
