"""The sum rule, the slips that break it, minima and frequencies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from correction_problems import (
    SWAPS,
    WELL,
    close,
    energy_one,
    geometries,
    toy,
    toy_energy,
    toy_gradient,
)

from mcbook import correction
from mcbook.calculus import check_grad
from mcbook.correction import vibrations
from mcbook.correction.units import GRADIENT_KCAL, HARTREE_KCAL, HESSIAN_KCAL

pytestmark = pytest.mark.usefixtures("one_blas_thread")


def dear_one(x):
    """What the cheap theory (the toy) misses: a little of every distance, and a constant."""
    r = [jnp.sqrt(((x[i] - x[j]) ** 2).sum()) for i, j in ((0, 1), (0, 2), (1, 2))]
    return energy_one(x) - 40.0 + 3 * jnp.exp(-r[0]) + 3 * jnp.exp(-r[1]) + jnp.cos(r[2])


dear = jax.jit(jax.vmap(dear_one))
dear_gradient = jax.jit(jax.vmap(jax.grad(dear_one)))


@pytest.fixture(scope="module")
def composite():
    """The toy, corrected by 24 geometries and their gradients."""
    X = geometries(np.random.default_rng(8), 24)
    learnt = correction.learn(
        X,
        energy_kcal=np.asarray(dear(X) - toy_energy(X)),
        gradient_kcal_angstrom=np.asarray(dear_gradient(X) - toy_gradient(X)),
        symmetries=SWAPS,
    )
    return correction.compose(toy(), learnt.model), learnt.model


def test_the_sum_is_term_by_term(composite, rng):
    surface, model = composite
    X, base = geometries(rng, 3), toy()
    f = correction.correction(model)
    for name in ("energy", "gradient", "hessian"):
        parts = getattr(base, name)(X) + getattr(f, name)(X)
        np.testing.assert_array_equal(getattr(surface, name)(X), parts)
    np.testing.assert_array_equal(correction.forces(surface, X), -surface.gradient(X))


def test_composite_forces_are_the_slopes_of_the_composite_energy(composite, rng):
    """Central differences of eighth order, h = 0.01 Å: to 1e-8 of the force; a forgotten part fails."""
    surface, _ = composite
    X, h = geometries(rng, 1, spread=0.05)[0], 0.01
    steps = h * np.eye(9).reshape(9, 3, 3)
    eighth = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
    slope = sum(
        c * (surface.energy(X + k * steps) - surface.energy(X - k * steps)) for k, c in enumerate(eighth, 1)
    )
    slope = slope / h
    F = correction.forces(surface, X[None])[0].ravel()
    forgotten = correction.forces(toy(), X[None])[0].ravel()
    assert np.abs(F + slope).max() <= 1e-8 * np.abs(F).max()
    assert np.abs(forgotten + slope).max() > 1e-3 * np.abs(F).max()

    def energy(x):
        return surface.energy(x[None])[0]

    assert check_grad(energy, lambda x: surface.gradient(x[None])[0], X, rng=rng)
    for wrong in (
        lambda x: toy().gradient(x[None])[0],  # the correction's force forgotten
        lambda x: 2 * toy().gradient(x[None])[0] - surface.gradient(x[None])[0],  # its sign
    ):
        with pytest.raises(AssertionError, match="the gradient is wrong"):
            check_grad(energy, wrong, X, rng=rng)


def test_the_composite_is_the_dear_theory(composite, rng):
    surface, _ = composite
    X = geometries(rng, 20, spread=0.06)
    assert np.abs(surface.energy(X) - dear(X)).mean() < 1e-2
    assert np.abs(surface.gradient(X) - dear_gradient(X)).mean() < 0.1
    assert np.abs(toy_energy(X) - dear(X)).mean() > 30  # what was there to correct


def test_any_regressor_will_do(rng):
    X = geometries(rng, 2)
    constant = correction.Surface(lambda X: np.full(len(X), 3.0), np.zeros_like)
    both = correction.compose(toy(), constant)
    np.testing.assert_array_equal(both.energy(X), toy().energy(X) + 3)
    assert both.hessian is None
    with pytest.raises(ValueError, match="needs a surface with a Hessian"):
        correction.minimise(both, X[0])
    wrong = correction.compose(toy(), constant._replace(energy=lambda X: np.zeros((len(X), 1))))
    with pytest.raises(ValueError, match=r"the base's energy has shape \(2,\), the correction's \(2, 1\)"):
        wrong.energy(X)


def test_a_table_answers_where_it_was_computed(rng):
    X = geometries(rng, 4)
    E, G = np.asarray(toy_energy(X)), np.asarray(toy_gradient(X))
    base = correction.tabulated(X, energy_kcal=E, gradient_kcal_angstrom=G)
    np.testing.assert_array_equal(base.energy(X[[2, 0]]), E[[2, 0]])
    np.testing.assert_array_equal(base.gradient(X[[3]]), G[[3]])
    with pytest.raises(ValueError, match="geometry 0 is not in the base's table"):
        base.energy(X[:1] + 1e-6 * np.eye(3))


def test_hartree_and_bohr_come_back_as_kcal_and_angstrom(rng):
    X = geometries(rng, 2)

    def program(x):  # a quantum chemistry program: bohr in, Hartree and Hartree/bohr out
        angstrom = np.asarray(x)[None] * correction.BOHR_ANGSTROM
        slope = toy().gradient(angstrom)[0] / HARTREE_KCAL * correction.BOHR_ANGSTROM
        return toy().energy(angstrom)[0] / HARTREE_KCAL, slope

    def curvature(x):
        angstrom = np.asarray(x)[None] * correction.BOHR_ANGSTROM
        return toy().hessian(angstrom)[0] / HARTREE_KCAL * correction.BOHR_ANGSTROM**2

    surface = correction.surface_from_hartree(program, curvature)
    for name in ("energy", "gradient", "hessian"):
        close(getattr(surface, name)(X), getattr(toy(), name)(X), 1e-12)
    E, G, H = correction.from_hartree(2.0, np.ones(3), None)
    assert (float(E), float(G[0]), H) == (2 * HARTREE_KCAL, GRADIENT_KCAL, None)
    assert pytest.approx(2240.877, abs=1e-3) == HESSIAN_KCAL


def test_free_atoms_make_the_offset():
    base, target = {"O": -75.0, "H": -0.5}, {"O": -75.1, "H": -0.49}
    assert correction.offset_of_atoms("OHH", base, target) == pytest.approx(-0.08)
    with pytest.raises(ValueError, match="no energy of the free atom N"):
        correction.offset_of_atoms("NHHH", base, target)


# --- slips in the training data


SLIPS = {
    "forces instead of gradients": (1.0, -1.0),
    r"gradients in Hartree/bohr \(": (1.0, 1 / GRADIENT_KCAL),
    "gradients in Hartree/Å": (1.0, 1 / HARTREE_KCAL),
    "bohr instead of Å in the gradients": (1.0, correction.BOHR_ANGSTROM),
    "energies in Hartree": (1 / HARTREE_KCAL, 1.0),
}


@pytest.mark.parametrize("said", SLIPS)
def test_slips_between_energies_and_gradients_are_named(said, rng):
    X = geometries(rng, 30)
    E, G = np.asarray(toy_energy(X)), np.asarray(toy_gradient(X))
    e, g = SLIPS[said]
    data = correction.observe(X, energy_kcal=E, gradient_kcal_angstrom=G, symmetries=SWAPS)
    assert len(data.y) == 30 * 4
    with pytest.raises(ValueError, match=said):
        correction.observe(X, energy_kcal=e * E, gradient_kcal_angstrom=g * G, symmetries=SWAPS)


def test_gradients_of_another_frame_are_named(rng):
    X = geometries(rng, 6)
    E, G = np.asarray(toy_energy(X)), np.asarray(toy_gradient(X))
    for spoilt in (G[:, :, [1, 0, 2]], G[:, [1, 0, 2]]):
        with pytest.raises(ValueError, match="is net force or torque"):
            correction.observe(X, energy_kcal=E, gradient_kcal_angstrom=spoilt, symmetries=SWAPS)


# --- minima and frequencies


def test_a_diatomic_has_the_frequency_of_the_textbook():
    """ν = √(k/μ)/2πc, by hand: 500 N/m and the masses of carbon monoxide make 2218 cm⁻¹ or so."""
    k = 1000.0  # kcal/mol/Å²
    x = np.array([[0.0, 0.0, 0.0], [0.4, 0.9, -0.5]])
    u = (x[1] - x[0]) / np.linalg.norm(x[1] - x[0])
    B = k * np.outer(u, u)
    H = np.block([[B, -B], [-B, B]]).reshape(2, 3, 2, 3)
    m = np.array([12.0, 15.99491461926])
    found = correction.harmonic(x, H, masses=m)
    mu = m[0] * m[1] / m.sum() * 1.66053906660e-27
    si = k * 4184 / 6.02214076e23 * 1e20
    by_hand = np.sqrt(si / mu) / (2 * np.pi * 29979245800)
    assert found.wavenumbers == pytest.approx([by_hand], rel=1e-9)


def test_shifts_and_turns_cost_nothing(rng):
    """Wavenumbers do not depend on the frame, and the projection takes nothing else out at a minimum."""
    surface = toy()
    end = correction.minimise(surface, WELL)
    assert end.converged
    assert end.steps < 10
    m = correction.masses_of("OHH")
    H = end.hessian.reshape(9, 9) / np.sqrt(np.outer(*[np.repeat(m, 3)] * 2))
    full = correction.WAVENUMBER * np.sqrt(np.abs(np.linalg.eigvalsh(H)))
    found = correction.harmonic(end.positions_angstrom, end.hessian, masses=m)
    assert found.wavenumbers == pytest.approx(np.sort(full)[6:], rel=1e-8)
    assert np.sort(full)[5] < 1e-2
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned = np.einsum("ab,iajc,dc->ibjd".replace("ibjd", "ibjd"), Q.T, end.hessian, Q.T)
    turned = np.einsum("ba,iajc,dc->ibjd", Q, end.hessian, Q)
    again = correction.harmonic(end.positions_angstrom @ Q.T, turned, masses=m)
    assert again.wavenumbers == pytest.approx(found.wavenumbers, rel=1e-9)
    heavy = correction.harmonic(end.positions_angstrom, end.hessian, masses=4 * m)
    assert heavy.wavenumbers == pytest.approx(found.wavenumbers / 2, rel=1e-12)


def test_a_linear_molecule_keeps_one_direction_more():
    x = np.array([[0.0, 0, 0], [0, 0, 1.16], [0, 0, -1.16]])
    assert vibrations.inner_directions(x, np.array([12.0, 16, 16])).shape == (9, 4)
    bent = x + [[0.1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert vibrations.inner_directions(bent, np.array([12.0, 16, 16])).shape == (9, 3)


def test_newton_arrives_quadratically_and_says_when_not(rng):
    surface = toy()
    shaken = WELL + 0.05 * rng.normal(size=(3, 3))
    end = correction.minimise(surface, shaken)
    assert end.converged
    assert np.abs(surface.gradient(end.positions_angstrom[None])).max() < 1e-6
    early = correction.minimise(surface, shaken, max_steps=1)
    assert not early.converged
    assert early.steps == 1
    imaginary = correction.harmonic(WELL, -surface.hessian(end.positions_angstrom[None])[0], masses=1.0)
    assert (imaginary.wavenumbers < 0).all()


def test_frequencies_refuse_what_is_no_hessian(rng):
    H = toy().hessian(WELL[None])[0]
    with pytest.raises(ValueError, match="must be symmetric"):
        correction.harmonic(WELL, H + rng.normal(size=H.shape), masses=1.0)
    with pytest.raises(ValueError, match="must have the positions' shape"):
        correction.harmonic(WELL, H.reshape(9, 9), masses=1.0)
    with pytest.raises(ValueError, match="masses must be positive"):
        correction.harmonic(WELL, H, masses=[1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="no mass for 'Xe'"):
        correction.masses_of(["Xe"])
