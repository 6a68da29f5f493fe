"""Molecular dynamics: velocity Verlet by hand, and how well it keeps what must be kept.

Problem    m_i ẍ_i = F_i(X), F = -∇E: the total energy ½ Σ m v² + E(X), momentum Σ m v and angular momentum
           Σ m x × v do not change
Solver     v ← v + ½h F/m,  x ← x + h v,  v ← v + ½h F(x)/m: time-reversible, symplectic, of second order;
           the energy wobbles by O(h²) and does not drift, as long as F is a smooth gradient
References verlet1967, hairer2003
Symbols    h step (fs), m masses (Dalton), x Å, v Å/fs, E kcal/mol, F kcal/mol/Å; ACCELERATION turns F/m into
           Å/fs²: 1 kcal/mol/Å/Da = 4184 J/mol / 1e-10 m / 1e-3 kg/mol
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.symmetry import _frames
from mcbook.symmetry.potential import Potential

Array = Any  # NumPy or JAX
ACCELERATION = 4.184e-4  # Å/fs² per kcal/mol/Å/Da
BOLTZMANN = 1.98720425864083e-3  # kcal/mol/K
MASSES = {1: 1.008, 6: 12.011, 7: 14.007, 8: 15.999, 9: 18.998, 16: 32.06}  # Da, by atomic number


class Trajectory(NamedTuple):
    """Records of a run, one every `every` steps, the start among them.

    `finite` is false where something was infinite or NaN: the run had blown up.
    """

    time_ps: Float[np.ndarray, " t"]
    X_angstrom: Float[np.ndarray, "t a 3"]
    velocity_angstrom_fs: Float[np.ndarray, "t a 3"]
    potential_kcal: Float[np.ndarray, " t"]
    kinetic_kcal: Float[np.ndarray, " t"]
    finite: bool

    @property
    def total_kcal(self) -> Float[np.ndarray, " t"]:
        """½ Σ m v² + E."""
        return self.potential_kcal + self.kinetic_kcal


class Drift(NamedTuple):
    """How the total energy moves over a run: its least-squares line from end to end, and around that line."""

    over_run_kcal: float
    wobble_kcal: float  # standard deviation about the line


def masses_of(numbers: Any) -> Float[np.ndarray, " a"]:
    """Standard atomic weights in Dalton.  Raises ValueError for an element without one here."""
    numbers = np.asarray(numbers, dtype=int)
    unknown = sorted(set(numbers.tolist()) - set(MASSES))
    if unknown:
        raise ValueError(f"masses_of knows the elements {sorted(MASSES)}, got {unknown}: hand masses in.")
    return np.array([MASSES[z] for z in numbers.tolist()])


def kinetic(v: Float[Array, "a 3"], masses: Float[Array, " a"]) -> Float[Array, ""]:
    """½ Σ m v², kcal/mol."""
    return 0.5 * (masses @ (v**2).sum(-1)) / ACCELERATION


def momentum(v: Float[Array, "a 3"], masses: Float[Array, " a"]) -> Float[Array, " 3"]:
    """Σ m v, Da Å/fs."""
    return masses @ v


def angular_momentum(
    X: Float[Array, "a 3"], v: Float[Array, "a 3"], masses: Float[Array, " a"]
) -> Float[Array, " 3"]:
    """Σ m x × v about the origin, Da Å²/fs."""
    return masses @ np.cross(X, v)


def thermal_velocities(
    X: Any, masses: Any, *, kelvin: int | float, rng: np.random.Generator
) -> Float[np.ndarray, "a 3"]:
    """Maxwell-Boltzmann velocities with no momentum and no angular momentum, scaled to the temperature.

    3a - 6 degrees of freedom are left, each with ½kT.  Raises ValueError for a temperature below zero.
    """
    X, masses = _frames.frames(X)[0], np.asarray(masses, dtype=float)
    if not 0 <= kelvin < np.inf or masses.shape != (len(X),) or not (masses > 0).all():
        raise ValueError(
            f"thermal_velocities expects kelvin ≥ 0 and {len(X)} positive masses, got {kelvin}, "
            f"{masses.shape}."
        )
    v = rng.normal(size=X.shape) / np.sqrt(masses)[:, None]
    v = v - momentum(v, masses) / masses.sum()
    arms = X - masses @ X / masses.sum()
    inertia = np.einsum("a,abc->bc", masses, _inertia(arms))
    v = v - np.cross(np.linalg.solve(inertia, angular_momentum(arms, v, masses)), arms)
    wanted = 0.5 * (3 * len(X) - 6) * BOLTZMANN * kelvin
    return v * np.sqrt(wanted / kinetic(v, masses))


def _inertia(x: np.ndarray) -> np.ndarray:
    """|x|² I - x xᵀ of each atom, (a, 3, 3)."""
    return (x**2).sum(-1)[:, None, None] * np.eye(3) - x[:, :, None] * x[:, None, :]


def verlet_step(
    force: Callable[[Any], tuple[Any, Any]],
    X: Float[Array, "a 3"],
    v: Float[Array, "a 3"],
    F: Float[Array, "a 3"],
    masses: Float[Array, " a"],
    h: Any,
) -> tuple[Any, Any, Any, Any]:
    """One step: half a kick, drift, half a kick.  (X, v, E, F) at the new place."""
    kick = 0.5 * h * ACCELERATION / masses[:, None]
    v = v + kick * F
    X = X + h * v
    E, F = force(X)
    return X, v + kick * F, E, F


def simulate(
    potential: Potential,
    X: Any,
    v: Any,
    *,
    steps: int,
    step_fs: int | float = 0.5,
    every: int = 20,
    masses: Any = None,
) -> Trajectory:
    """Run `steps` steps from X (a, 3) in Å and v (a, 3) in Å/fs, at constant energy; compiled as one.

    Parameters
    ----------
    every : steps between two records; `steps` is rounded down to a multiple.
    masses : in Dalton; the elements' weights by default.

    Raises
    ------
    ValueError : a geometry that `predict` refuses, velocities of another shape or NaN, settings out of range.
    """
    X = _frames.frames(X)[0]
    masses = masses_of(potential.numbers) if masses is None else np.asarray(masses, dtype=float)
    v = np.asarray(v, dtype=float)
    if v.shape != X.shape or not np.isfinite(v).all() or masses.shape != (len(X),) or not (masses > 0).all():
        raise ValueError(
            f"simulate expects finite velocities {X.shape} and {len(X)} positive masses, got {v.shape} and "
            f"{masses.shape}."
        )
    if not (1 <= every <= steps and 0 < step_fs < 100):
        raise ValueError(
            f"simulate expects 1 ≤ every ≤ steps, step_fs in fs; got {every}, {steps}, {step_fs}."
        )
    run = _run(potential.model, steps // every, every)
    records = run(potential.params, jnp.asarray(X), jnp.asarray(v), jnp.asarray(masses), step_fs)
    places, velocities, E, K = (np.asarray(r) for r in records)
    time = np.arange(len(E)) * every * step_fs * 1e-3
    finite = bool(np.isfinite(E).all() and np.isfinite(places).all())
    return Trajectory(time, places, velocities, E, K, finite)


@lru_cache(maxsize=8)
def _run(model, records, every):
    def run(params, X, v, masses, h):
        force = partial(model, params)

        def step(_, state):
            X, v, _, F = state
            return verlet_step(force, X, v, F, masses, h)

        def record(state, _):
            X, v, E, _ = state
            return jax.lax.fori_loop(0, every, step, state), (X, v, E, kinetic(v, masses))

        last, seen = jax.lax.scan(record, (X, v, *force(X)), None, length=records)
        end = (last[0], last[1], last[2], kinetic(last[1], masses))
        return jax.tree.map(lambda s, e: jnp.concatenate([s, e[None]]), seen, end)

    return jax.jit(run)


def drift(trajectory: Trajectory) -> Drift:
    """The slope of the total energy, times the length of the run, and the spread about that line."""
    t, H = trajectory.time_ps, trajectory.total_kcal
    if len(t) < 3:
        raise ValueError(f"drift expects three records or more, got {len(t)}.")
    slope, start = np.polyfit(t, H - H[0], 1)
    left = H - H[0] - (slope * t + start)
    return Drift(float(slope * (t[-1] - t[0])), float(left.std()))
