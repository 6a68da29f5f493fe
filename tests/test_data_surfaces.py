"""Water and ammonia at three levels of theory: what the loaders return is physics."""

import numpy as np
import pytest

from mcbook import correction, data
from mcbook.data import make_surfaces

SETS = {"water": (data.water, make_surfaces.waters), "ammonia": (data.ammonia, make_surfaces.ammonias)}


@pytest.fixture(scope="module", params=SETS)
def set_(request):
    return request.param, SETS[request.param][0]()


def test_geometries_are_those_of_the_script(set_):
    name, found = set_
    np.testing.assert_array_equal(found.positions_angstrom, SETS[name][1]())
    assert len(found.test) == make_surfaces.TESTS
    assert not set(found.test) & set(found.pool)
    assert len(found.test) + len(found.pool) == len(found.positions_angstrom)


def test_every_level_has_its_numbers(set_):
    name, found = set_
    bases = ("dz", "tz") if name == "water" else ("dz",)
    expected = {f"{method}_{basis}" for basis in bases for method in ("hf", "pbe", "ccsd_t")}
    assert set(found.levels) == expected
    for level, values in found.levels.items():
        assert values.energy_kcal.shape == (len(found.positions_angstrom),)
        rows = make_surfaces.TESTS if level == "ccsd_t_tz" else len(found.positions_angstrom)
        assert values.gradient_kcal_angstrom.shape == (rows, len(found.symbols), 3)
        assert np.isfinite(values.gradient_kcal_angstrom).all()


def test_correlation_lowers_the_energy_and_so_does_a_larger_basis(set_):
    _, found = set_
    E = {level: values.energy_kcal for level, values in found.levels.items()}
    assert (E["ccsd_t_dz"] < E["hf_dz"]).all()
    if "hf_tz" in E:
        assert (E["hf_tz"] < E["hf_dz"]).all()
        assert (E["ccsd_t_tz"] < E["ccsd_t_dz"]).all()


def test_no_net_force_and_no_torque(set_):
    _, found = set_
    for level, values in found.levels.items():
        G = values.gradient_kcal_angstrom
        R, size = found.positions_angstrom[: len(G)], np.abs(G).max()
        grid = (
            2e-4 if level.startswith("pbe") else 2e-6
        )  # a functional's grid does not turn with the molecule
        assert np.abs(G.sum(1)).max() < 2e-6 * size
        assert np.abs(np.cross(R, G).sum(1)).max() < grid * size


def test_gradients_are_the_slopes_of_the_energies(set_):
    """A model of energies alone predicts the gradients; half of one (bohr) it would not."""
    _, found = set_
    some = found.pool[:150]
    for values in found.levels.values():
        learnt = correction.learn(
            found.positions_angstrom[some],
            energy_kcal=values.energy_kcal[some],
            symmetries=correction.like_atoms(found.symbols),
            feature="log",
            starts=[4.0],
        )
        G = values.gradient_kcal_angstrom[found.test]
        predicted = correction.gradient(learnt.model, found.positions_angstrom[found.test])
        assert np.abs(predicted - G).mean() < 0.03 * np.abs(G).mean()


def test_the_minima_are_stationary_for_coupled_cluster_alone():
    water = data.water()
    masses = correction.masses_of(water.symbols)
    for basis, here in water.minima.items():
        assert np.abs(here.gradient_kcal_angstrom["ccsd_t"]).max() < 1e-2
        assert np.abs(here.gradient_kcal_angstrom["hf"]).max() > 1
        lowest = water.levels[f"ccsd_t_{basis}"].energy_kcal.min()
        assert here.energy_kcal["ccsd_t"] < lowest
        waves = correction.harmonic(
            here.positions_angstrom, here.hessian["ccsd_t"], masses=masses
        ).wavenumbers
        assert waves == pytest.approx([1680, 3830, 3935], abs=25)


@pytest.mark.data("water102")
def test_water_102_is_in_angstrom_and_kcal():
    found = data.water102(fetch=False)
    R = found.positions_angstrom
    assert R.shape == (102, 3, 3)
    bonds = np.linalg.norm(R[:, :2] - R[:, 2:], axis=-1)
    assert 0.9 < np.median(bonds) < 1.05
    gap = found.ccsd_t_kcal - found.pbe_kcal
    assert found.ccsd_t_kcal.std() == pytest.approx(21.66, abs=0.01)
    assert gap.std() == pytest.approx(2.25, abs=0.01)
    nearest = found.ccsd_t_kcal.min() / correction.HARTREE_KCAL
    assert nearest == pytest.approx(-76.342, abs=1e-3)
