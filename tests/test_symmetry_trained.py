"""The network that ships with the book: as good as it says, lawful, and fit to move a molecule."""

import jax
import numpy as np
import pytest

from mcbook import calculus, data, symmetry
from mcbook.symmetry import laws, network, trained


@pytest.fixture(scope="module")
def shipped():
    return trained.ethanol_network()


@pytest.fixture(scope="module")
def test_frames():
    return data.ethanol().test


def test_it_is_as_good_as_the_book_says(shipped, test_frames):
    found = symmetry.predict(shipped, test_frames.positions_angstrom, data.ethanol().numbers)
    assert np.abs(found.force_kcal_angstrom - test_frames.force_kcal_angstrom).mean() < 0.66
    assert np.abs(found.energy_kcal - test_frames.energy_kcal).mean() < 0.16


def test_it_is_lawful_and_its_forces_are_its_slope(shipped, test_frames, rng):
    field, X = symmetry.force_field(shipped), test_frames.positions_angstrom[7]
    assert max(laws.symmetry_errors(field, X, trained.NUMBERS, rng=rng)) < 1e-12
    F = np.asarray(field(X)[1])
    calculus.check_grad(lambda X: float(field(X)[0]), -F, X, rng=rng)
    h = 1e-4
    for i, x in ((0, 0), (2, 1), (8, 2)):
        step = np.zeros((9, 3))
        step[i, x] = h
        slope = float(field(X + step)[0] - field(X - step)[0]) / (2 * h)
        assert F[i, x] == pytest.approx(-slope, abs=1e-7 * np.abs(F).max())


def test_a_picosecond_keeps_what_must_be_kept(shipped, test_frames):
    X, masses = test_frames.positions_angstrom[0], symmetry.masses_of(trained.NUMBERS)
    v = symmetry.thermal_velocities(X, masses, kelvin=500, rng=np.random.default_rng(0))
    run = symmetry.simulate(shipped, X, v, steps=2000, step_fs=0.5)
    assert run.finite
    assert np.abs(symmetry.spin(run, masses)).max() < 1e-11
    assert symmetry.drift(run).wobble_kcal < 0.1
    assert abs(symmetry.drift(run).over_run_kcal) < 0.1
    assert run.kinetic_kcal.std() > 10 * symmetry.drift(run).wobble_kcal  # energy does flow


def test_what_is_stored_are_the_weights_of_these_sizes(shipped):
    blank = network.init(jax.random.key(0), **trained.SIZES)
    shapes = [jax.tree.map(np.shape, params) for params in (blank, shipped.params)]
    assert shapes[0] == shapes[1]
    assert float(shipped.params.cutoff_angstrom) == 5.0
