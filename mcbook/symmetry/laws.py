"""What a potential energy has to satisfy, as numbers: symmetries, forces, and the condition on one layer.

Problem    E(X Rᵀ + 1tᵀ) = E(X) and E(P X) = E(X) for every orthogonal R, shift t and permutation P of like
           atoms.  Atoms are rows of X (a, 3).
Gradient   dE at X Rᵀ: ⟨∇E(X Rᵀ), dX Rᵀ⟩ = ⟨∇E(X), dX⟩ for all dX, so ∇E(X Rᵀ) = ∇E(X) Rᵀ and
           ∇E(P X) = P ∇E(X)                                 derived: book/understanding/symmetry
Small R    R = exp(εA), A skew, at ε = 0: ⟨∇E, X Aᵀ⟩ = 0 for all A, so FᵀX is symmetric (no net torque);
           t in place of R: the forces sum to zero
A layer    y(X Rᵀ) = y(X) Rᵀ for all R  ⇒  Dy(X)[X Aᵀ] = y(X) Aᵀ; transposed: a pass back through the layer
           leaves the skew part of Σ x_barᵀ x, the torque, as it was
Symbols    a atoms, R rotation or reflection, P permutation, A = -Aᵀ, F = -∇E forces
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

Array = Any  # NumPy or JAX
EnergyAndForces = Callable[[Any], tuple[Any, Any]]  # X (a, 3) -> energy, forces (a, 3)


class SymmetryErrors(NamedTuple):
    """Greatest errors over the trials, relative: of forces to the greatest component, of the energy to it.

    `energy` is taken over all four symmetries, to the greatest force times 1 Å.  Sums: of the forces to the
    sum of their norms; of the torques (about the centroid) to the sum of the norms of theirs.
    """

    rotation: float
    reflection: float
    translation: float
    permutation: float
    energy: float
    net_force: float
    net_torque: float


def random_rotation(rng: np.random.Generator, *, reflect: bool = False) -> Float[np.ndarray, "3 3"]:
    """R, uniform over the rotations; over the reflections (determinant -1) if asked."""
    Q, T = np.linalg.qr(rng.normal(size=(3, 3)))
    Q = Q * np.sign(np.diag(T))  # without it, not uniform
    return Q * np.sign(np.linalg.det(Q)) * (-1 if reflect else 1)


def random_permutation(numbers: Any, rng: np.random.Generator) -> Int[np.ndarray, " a"]:
    """An order of the atoms in which every place keeps its element."""
    numbers = np.asarray(numbers)
    order = np.arange(len(numbers))
    for element in np.unique(numbers):
        order[numbers == element] = rng.permutation(np.flatnonzero(numbers == element))
    return order


def skew(a: Float[Array, " 3"]) -> Float[np.ndarray, "3 3"]:
    """A with A v = a × v: the generator of rotations about the axis a."""
    x, y, z = np.asarray(a, dtype=float)
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def net_force(force: Float[Array, "a 3"]) -> Float[Array, " 3"]:
    """Σ f_i: zero when the energy does not change as the molecule is moved."""
    return force.sum(axis=0)


def torque(x_bar: Float[Array, "*n 3"], x: Float[Array, "*n 3"]) -> Float[Array, "3 3"]:
    """x_barᵀ x - xᵀ x_bar, summed over the leading axes: twice the skew part; its entries are Σ x × x_bar.

    With x_bar = ∇E and x = X it is zero when the energy does not change as the molecule is turned.
    """
    M = x_bar.reshape(-1, 3).T @ x.reshape(-1, 3)
    return M - M.T


def symmetry_errors(
    energy_and_forces: EnergyAndForces,
    X: Any,
    numbers: Any,
    *,
    rng: np.random.Generator,
    trials: int = 5,
    shift_angstrom: int | float = 10.0,
) -> SymmetryErrors:
    """How far a model of one molecule is from the symmetries of its energy, at one geometry X (a, 3).

    Raises ValueError for X that is not (a, 3), finite, with a number for each atom.
    """
    X, numbers = np.asarray(X, dtype=float), np.asarray(numbers)
    if X.ndim != 2 or X.shape[1:] != (3,) or numbers.shape != X.shape[:1] or not np.isfinite(X).all():
        raise ValueError(
            f"symmetry_errors expects one finite geometry (a, 3) and a atomic numbers, got {X.shape} and "
            f"{numbers.shape}; take one frame at a time."
        )
    E, F = _numpy(energy_and_forces, X)
    size = np.abs(F).max()
    worst: dict[str, float] = dict.fromkeys(SymmetryErrors._fields, 0.0)
    for _ in range(trials):
        for name, moved, turned in _moves(X, F, numbers, rng, shift_angstrom):
            e, f = _numpy(energy_and_forces, moved)
            worst[name] = max(worst[name], float(np.abs(f - turned).max() / size))
            worst["energy"] = max(worst["energy"], float(np.abs(e - E) / size))
    arms = X - X.mean(axis=0)
    twist = np.cross(arms, F)
    worst["net_force"] = float(np.linalg.norm(net_force(F)) / np.linalg.norm(F, axis=1).sum())
    worst["net_torque"] = float(np.linalg.norm(twist.sum(0)) / np.linalg.norm(twist, axis=1).sum())
    return SymmetryErrors(**worst)


def _moves(X, F, numbers, rng, shift):
    """(name, X moved, the forces that a symmetric energy has there)."""
    R, S = random_rotation(rng), random_rotation(rng, reflect=True)
    order = random_permutation(numbers, rng)
    yield "rotation", X @ R.T, F @ R.T
    yield "reflection", X @ S.T, F @ S.T
    yield "translation", X + shift * rng.normal(size=3), F
    yield "permutation", X[order], F[order]


def _numpy(energy_and_forces, X):
    E, F = energy_and_forces(X)
    return float(E), np.asarray(F, dtype=float)


# One layer


def equivariance_error(layer: Callable[[Any], Any], x: Any, R: Any) -> float:
    """max|y(x Rᵀ) - y(x) Rᵀ| / max|y|, for a layer from vectors (…, 3) to vectors (…, 3)."""
    y = layer(x)
    return float(abs(layer(x @ R.T) - y @ R.T).max() / abs(y).max())


def generator_error(layer: Callable[[Any], Any], x: Any, A: Any) -> float:
    """max|Dy(x)[x Aᵀ] - y(x) Aᵀ| / max|y|: the condition on the layer's Jacobian, for skew A (3, 3).

    Zero at every x and for three independent A exactly when the layer is equivariant under rotations.
    """
    y, y_dot = jax.jvp(layer, (x,), (x @ A.T,))
    return float(abs(y_dot - y @ A.T).max() / abs(y).max())


def torque_error(layer: Callable[[Any], Any], x: Any, y_bar: Any) -> float:
    """The same condition, transposed: |torque(x_bar, x) - torque(y_bar, y)|, to the latter's size."""
    y, back = jax.vjp(layer, x)
    after = torque(y_bar, y)
    return float(abs(torque(back(y_bar)[0], x) - after).max() / abs(after).max())
