"""Minima and harmonic frequencies of a surface.

Problem    near a minimum E ≈ E0 + ½⟨x, H x⟩: which frequencies do the atoms swing with?
Equation   M ẍ = -H x;  with y = M^½x:  ÿ = -A y,  A = M^-½ H M^-½,  and the frequencies are √eig(A)
Project    six directions of A cost no energy, three shifts and three turns (two for a linear molecule): M^½
           times them spans D (3a, 6), and A is looked at in the orthogonal complement
Minimum    Newton steps -H⁺∇E within the rest, H⁺ the inverse there
References wilson1955
Symbols    X (a, 3) in Å, H (a, 3, a, 3) in kcal/mol/Å², masses (a,) in u; frequencies in cm⁻¹
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.correction import _checks
from mcbook.correction.compose import Surface
from mcbook.correction.units import MASSES, WAVENUMBER

Array = Any
FLAT = 1e-8  # singular values of shifts and turns below this share of the largest are none


class Harmonic(NamedTuple):
    """Frequencies, rising, imaginary ones as negative numbers, and their modes (columns, mass-weighted)."""

    wavenumbers: np.ndarray  # (m,) cm⁻¹, m = 3a - 6, or 3a - 5 for a linear molecule
    modes: np.ndarray  # (3a, m)


class Minimum(NamedTuple):
    """Where Newton's steps ended."""

    positions_angstrom: np.ndarray  # (a, 3)
    energy_kcal: float
    hessian: np.ndarray  # (a, 3, a, 3)
    gradient_norm: float  # kcal/mol/Å
    steps: int
    converged: bool


def masses_of(symbols: Any) -> np.ndarray:
    """Masses (a,) in u of the most abundant isotopes.  Raises ValueError for an element not in the table."""
    unknown = sorted({s for s in symbols if s not in MASSES})
    if unknown:
        raise ValueError(f"no mass for {unknown[0]!r}; known are {', '.join(MASSES)}. Pass masses in u.")
    return np.array([MASSES[s] for s in symbols])


def harmonic(positions_angstrom: Any, hessian: Any, *, masses: Any) -> Harmonic:
    """Harmonic wavenumbers (cm⁻¹) of one geometry (a, 3) with the Hessian (a, 3, a, 3) in kcal/mol/Å².

    Raises ValueError for shapes, NaN, a Hessian that is not symmetric to 1e-4, masses that are not positive.
    """
    X = _checks.frames(np.asarray(positions_angstrom)[None])[0]
    H = _checks.gradients(hessian, (*X.shape, *X.shape), "hessian")
    m = _checks.positive(masses, "masses", (len(X),)) * np.ones(len(X))
    H = H.reshape(X.size, X.size)
    if np.abs(H - H.T).max() > 1e-4 * np.abs(H).max():
        raise ValueError("hessian must be symmetric; the two halves differ: axes in another order?")
    root = np.sqrt(np.repeat(m, 3))
    A = (H + H.T) / 2 / np.outer(root, root)
    free = inner_directions(X, m)
    curvature, modes = np.linalg.eigh(free.T @ A @ free)
    return Harmonic(WAVENUMBER * np.sign(curvature) * np.sqrt(np.abs(curvature)), free @ modes)


def inner_directions(X: Float[Array, "a 3"], masses: Float[Array, " a"]) -> Float[Array, "c m"]:
    """An orthonormal basis (3a, m) of what is left when shifts and turns are taken out, mass-weighted."""
    weight = np.sqrt(masses)[:, None]
    centred = X - masses @ X / masses.sum()
    axes = np.eye(3)
    shifts = [weight * axis for axis in axes]
    turns = [weight * np.cross(axis, centred) for axis in axes]
    D = np.reshape(shifts + turns, (6, -1)).T
    left, sizes, _ = np.linalg.svd(D, full_matrices=True)
    return left[:, int((sizes > FLAT * sizes[0]).sum()) :]


def minimise(
    surface: Surface, positions_angstrom: Any, *, max_steps: int = 20, tol: float = 1e-6, longest: float = 0.1
) -> Minimum:
    """Newton's method from a geometry (a, 3); steps of at most `longest` Å; done when ‖∇E‖ < tol kcal/mol/Å.

    Not arriving is reported.  Raises ValueError for a surface without a Hessian, or bad positions.
    """
    if surface.hessian is None:
        raise ValueError(
            "minimise needs a surface with a Hessian: the base and the regressor must each have one."
        )
    X = _checks.frames(np.asarray(positions_angstrom)[None])[0]
    for steps in range(max_steps + 1):
        g, H = np.asarray(surface.gradient(X[None]))[0], np.asarray(surface.hessian(X[None]))[0]
        size = float(np.linalg.norm(g))
        if size < tol or steps == max_steps:
            break
        X = X + _newton(X, g, H, longest)
    return Minimum(X, float(np.asarray(surface.energy(X[None]))[0]), H, size, steps, size < tol)


def _newton(X: np.ndarray, g: np.ndarray, H: np.ndarray, longest: float) -> np.ndarray:
    """-H⁺g without shifts and turns, uphill directions turned down, no longer than `longest`."""
    free = inner_directions(X, np.ones(len(X)))
    curvature, modes = np.linalg.eigh(free.T @ H.reshape(X.size, X.size) @ free)
    D = free @ modes
    step = -D @ (D.T @ g.ravel() / np.maximum(np.abs(curvature), 1e-3 * np.abs(curvature).max()))
    return (step * min(1.0, longest / np.abs(step).max())).reshape(X.shape)
