"""Molecular dynamics: order, reversibility, symplecticity, what is conserved, and bad input."""

import ase
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from symmetry_problems import ETHANOL, NUMBERS

from mcbook import calculus, symmetry
from mcbook.symmetry import dynamics

MASSES = symmetry.masses_of(NUMBERS)
K = 700.0  # kcal/mol/Å²: a stiff bond
REST = np.linalg.norm(ETHANOL[:, None] - ETHANOL[None], axis=-1)
A, OMEGA = dynamics.ACCELERATION, 0.05  # Å/fs² per kcal/mol/Å/Da; rad/fs


def springs(_, X):
    """½ K Σ_pairs (r - r₀)² with its forces, traceable: every law holds."""

    def energy(X):
        D = X[None] - X[:, None]
        r = jnp.sqrt((D**2).sum(-1) + jnp.eye(len(X)))
        return 0.25 * K * (((r - REST) * (1 - jnp.eye(len(X)))) ** 2).sum()

    E, G = jax.value_and_grad(energy)(X)
    return E, -G


def wells(_, X):
    """½ Σ m ω² x²: independent oscillators, of which everything is known."""
    k = OMEGA**2 / A * MASSES[:, None]
    return 0.5 * (k * X**2).sum(), -k * X


SPRINGS, WELLS = (symmetry.Potential(model, None, NUMBERS) for model in (springs, wells))


def start(kelvin=300.0, seed=0):
    rng = np.random.default_rng(seed)
    return ETHANOL, symmetry.thermal_velocities(ETHANOL, MASSES, kelvin=kelvin, rng=rng)


def test_units_are_derived_from_the_constants():
    """F/m in kcal/mol/Å/Da to Å/fs²; k in kcal/mol/K."""
    from scipy import constants

    kcal = constants.calorie * 1000 / constants.N_A
    dalton = constants.physical_constants["atomic mass constant"][0]
    assert kcal / 1e-10 / dalton * 1e10 * 1e-30 == pytest.approx(dynamics.ACCELERATION, rel=1e-8)
    assert constants.k / kcal == pytest.approx(dynamics.BOLTZMANN, rel=1e-12)


def test_the_period_of_a_bond():
    """HCl: 516 N/m and reduced mass 0.98 Da make 2990 cm⁻¹, a period of 11.2 fs."""
    k = 516 / 0.0694769 / 100  # N/m to kcal/mol/Å²: 1 kcal/mol/Å² = 0.694769 N/m
    mass = 1.008 * 35.45 / (1.008 + 35.45)
    period = 2 * np.pi / np.sqrt(10 * k * dynamics.ACCELERATION / mass)
    assert period == pytest.approx(11.16, abs=0.05)


def test_thermal_velocities_have_the_temperature_and_nothing_else():
    X, v = start()
    np.testing.assert_allclose(symmetry.momentum(v, MASSES), 0, atol=1e-14)
    arms = X - MASSES @ X / MASSES.sum()
    np.testing.assert_allclose(symmetry.angular_momentum(arms, v, MASSES), 0, atol=1e-13)
    assert float(symmetry.kinetic(v, MASSES)) == pytest.approx(0.5 * 21 * dynamics.BOLTZMANN * 300)
    assert not symmetry.thermal_velocities(X, MASSES, kelvin=0, rng=np.random.default_rng(0)).any()


def test_oscillators_follow_the_discrete_solution():
    """Verlet turns (x, v) by θ a step, sin(θ/2) = hω/2, on an ellipse: exact, and no slow growth."""
    h, steps = 2.0, 400
    X, v = start()
    run = symmetry.simulate(WELLS, X, v, steps=steps, step_fs=h, every=1)
    theta = 2 * np.arcsin(h * OMEGA / 2) * np.arange(steps + 1)
    effective = OMEGA * np.sqrt(1 - (h * OMEGA) ** 2 / 4)
    expected = np.cos(theta)[:, None, None] * X + np.sin(theta)[:, None, None] * v / effective
    np.testing.assert_allclose(run.X_angstrom, expected, atol=1e-11)
    np.testing.assert_allclose(run.time_ps, np.arange(steps + 1) * h / 1000, rtol=1e-12)


def test_the_shadow_energy_is_kept_exactly():
    """½ m v² + ½ m ω² (1 - h²ω²/4) x² does not change at all; the energy itself wobbles."""
    h = 4.0
    run = symmetry.simulate(WELLS, *start(), steps=500, step_fs=h, every=1)
    shadow = run.kinetic_kcal + (1 - (h * OMEGA) ** 2 / 4) * run.potential_kcal
    assert np.ptp(shadow) < 1e-10 * shadow[0]
    assert np.ptp(run.total_kcal) > 1e-3 * shadow[0]


def test_second_order():
    """Halving the step quarters the error of the places; a kick at the wrong time is of first order."""
    X, v = start()

    def end(h):
        return symmetry.simulate(SPRINGS, X, v, steps=round(8 / h), step_fs=h, every=round(8 / h)).X_angstrom[
            -1
        ]

    exact = end(1 / 256)
    errors = [np.abs(end(h) - exact).max() for h in (0.25, 0.125, 0.0625)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 2, atol=0.1)


def test_a_euler_step_is_caught():
    """The planted fault: force taken before the drift, both kicks at once.  The energy grows."""
    h, (X, v) = 1.0, start()
    energies = []
    for _ in range(200):
        E, F = wells(None, X)
        energies.append(E + symmetry.kinetic(v, MASSES))
        X, v = X + h * v, v + h * A * F / MASSES[:, None]
    assert energies[-1] > 1.3 * energies[0]


def test_time_can_be_reversed():
    X, v = start()
    there = symmetry.simulate(SPRINGS, X, v, steps=400, step_fs=0.5, every=400)
    back = symmetry.simulate(
        SPRINGS, there.X_angstrom[-1], -there.velocity_angstrom_fs[-1], steps=400, every=400
    )
    np.testing.assert_allclose(back.X_angstrom[-1], X, atol=1e-9)
    np.testing.assert_allclose(back.velocity_angstrom_fs[-1], -v, atol=1e-10)


@pytest.mark.parametrize("planted", [False, True])
def test_a_step_is_symplectic(planted):
    """Jᵀ Ω J = Ω for the Jacobian of (x, p) ↦ one step; a damped velocity is not."""
    a = 9
    m = jnp.repeat(jnp.asarray(MASSES), 3)

    def step(z):
        X, v = z[: 3 * a].reshape(a, 3), (z[3 * a :] / m).reshape(a, 3)
        F = springs(None, X)[1]
        X, v, _, _ = symmetry.verlet_step(lambda X: springs(None, X), X, v, F, jnp.asarray(MASSES), 0.5)
        v = 0.999 * v if planted else v
        return jnp.concatenate([X.reshape(-1), v.reshape(-1) * m])

    X, v = start()
    J = jax.jit(jax.jacobian(step))(jnp.concatenate([X.reshape(-1), (v * MASSES[:, None]).reshape(-1)]))
    zero, one = np.zeros((27, 27)), np.eye(27)
    form = np.block([[zero, one], [-one, zero]])
    error = np.abs(J.T @ form @ J - form).max()
    assert error > 5e-4 if planted else error < 1e-12


def test_what_is_conserved(rng):
    """Momenta to rounding, the energy up to a wobble of second order without a slope."""
    X, v = start()
    runs = {h: symmetry.simulate(SPRINGS, X, v, steps=round(1000 / h), step_fs=h) for h in (0.5, 0.25)}
    for run in runs.values():
        assert run.finite
        for x, w in zip(run.X_angstrom, run.velocity_angstrom_fs, strict=True):
            np.testing.assert_allclose(symmetry.momentum(w, MASSES), 0, atol=1e-12)
            np.testing.assert_allclose(symmetry.angular_momentum(x, w, MASSES), 0, atol=1e-11)
        np.testing.assert_allclose(symmetry.spin(run, MASSES), 0, atol=1e-11)
    wobble = [symmetry.drift(run).wobble_kcal for run in runs.values()]
    assert np.log2(wobble[0] / wobble[1]) == pytest.approx(2, abs=0.3)
    assert abs(symmetry.drift(runs[0.5]).over_run_kcal) < wobble[0]


def test_drift_is_the_slope_times_the_run():
    t = np.linspace(0, 2, 101)
    wave = 0.3 * np.sin(2 * np.pi * 10 * t)
    run = symmetry.Trajectory(t, np.zeros((101, 1, 3)), np.zeros((101, 1, 3)), 5 + 0.2 * t, wave, True)
    found = symmetry.drift(run)
    assert found.over_run_kcal == pytest.approx(0.4, abs=0.06)
    assert found.wobble_kcal == pytest.approx(0.3 / np.sqrt(2), rel=0.02)
    with pytest.raises(ValueError, match="three records"):
        symmetry.drift(run._replace(time_ps=t[:2]))


def test_a_run_that_blows_up_says_so():
    def repelling(_, X):
        return -1e6 * (X**2).sum(), 2e6 * X

    run = symmetry.simulate(symmetry.Potential(repelling, None, NUMBERS), *start(), steps=2000, step_fs=5.0)
    assert not run.finite


def test_ase_sees_the_same_forces(rng):
    potential = symmetry.Potential(springs, None, NUMBERS)
    atoms = ase.Atoms(NUMBERS, ETHANOL + 0.03 * rng.normal(size=ETHANOL.shape))
    atoms.calc = symmetry.ase_calculator(potential)
    E, F = springs(None, jnp.asarray(atoms.positions))
    unit = ase.units.kcal / ase.units.mol
    np.testing.assert_allclose(atoms.get_forces(), np.asarray(F) * unit, rtol=1e-7)
    assert atoms.get_potential_energy() == pytest.approx(float(E) * unit, rel=1e-7)
    X, G = atoms.positions.copy(), -atoms.get_forces()

    def energy(X):
        atoms.positions = X
        return atoms.get_potential_energy()

    calculus.check_grad(energy, G, X, rng=rng)
    atoms.numbers[3] = 9
    with pytest.raises(ValueError, match="says nothing of other molecules"):
        atoms.get_potential_energy()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v": np.zeros((3, 3))}, "finite velocities"),
        ({"v": np.full((9, 3), np.nan)}, "finite velocities"),
        ({"masses": np.zeros(9)}, "positive masses"),
        ({"steps": 5}, "1 ≤ every ≤ steps"),
        ({"step_fs": 0.0}, "step_fs in fs"),
        ({"X": ETHANOL / 0.529177}, "bohr"),
    ],
)
def test_bad_runs_are_named(change, message):
    X, v = start()
    with pytest.raises(ValueError, match=message):
        symmetry.simulate(SPRINGS, **({"X": X, "v": v, "steps": 100} | change))


def test_other_bad_input_is_named():
    with pytest.raises(ValueError, match="hand masses in"):
        symmetry.masses_of([92])
    with pytest.raises(ValueError, match="kelvin ≥ 0"):
        symmetry.thermal_velocities(ETHANOL, MASSES, kelvin=-1, rng=np.random.default_rng(0))
