"""From positions to pairs: differences, lengths, a cutoff that ends smoothly, radial functions.

Problem    describe the surroundings of an atom by what its neighbours' places differ from its own
Forward    D_ij = x_j - x_i (a, a, 3),  r_ij = ‖D_ij‖,  u_ij = D_ij / r_ij
Backward   dE = Σ_ij ⟨D_bar_ij, dx_j - dx_i⟩  ⇒  X_bar_k = Σ_i D_bar_ik - Σ_j D_bar_kj: whatever D_bar is,
           the rows of X_bar sum to zero
Cutoff     c(r) = 1 - 10x³ + 15x⁴ - 6x⁵, x = r/r_c: value, slope and curvature vanish at r_c, so that the
           force stays smooth when an atom crosses it
References gasteiger2020 (radial functions sin(kπr/r_c)/r)
Symbols    a atoms, r_c cutoff (Å), k number of a radial function
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

Array = Any  # NumPy or JAX


def displacements(X: Float[Array, "a 3"]) -> Float[Array, "a a 3"]:
    """D_ij = x_j - x_i."""
    return X[None, :, :] - X[:, None, :]


def vjp_displacements(D_bar: Float[Array, "a a 3"]) -> Float[Array, "a 3"]:
    """X_bar_k = Σ_i D_bar_ik - Σ_j D_bar_kj: what the others do to k, less what k does to them."""
    return D_bar.sum(axis=0) - D_bar.sum(axis=1)


def lengths(D: Float[Array, "a a 3"]) -> Float[Array, "a a"]:
    """r_ij = ‖D_ij‖; 1 on the diagonal, where there is no pair (and ‖·‖ no derivative)."""
    return jnp.sqrt((D**2).sum(-1) + jnp.eye(len(D)))


def cutoff(r: Float[Array, "*n"], r_c: Any) -> Float[Array, "*n"]:
    """c(r), from 1 at r = 0 to 0 at r_c and beyond; twice continuously differentiable."""
    x = jnp.minimum(r / r_c, 1.0)
    return 1 - x**3 * (10 - 15 * x + 6 * x**2)


def grad_cutoff_r(r: Float[Array, "*n"], r_c: Any) -> Float[Array, "*n"]:
    """c'(r) = -30 x² (1 - x)² / r_c."""
    x = jnp.minimum(r / r_c, 1.0)
    return -30 * x**2 * (1 - x) ** 2 / r_c


def radial_functions(r: Float[Array, "a a"], r_c: Any, count: int) -> Float[Array, "a a k"]:
    """sin(kπr/r_c)/r · c(r), k = 1..count; zero on the diagonal: no atom is its own neighbour."""
    k = jnp.arange(1, count + 1)
    waves = jnp.sin(jnp.pi / r_c * r[..., None] * k[None, None]) / r[..., None]
    return waves * (cutoff(r, r_c) * (1 - jnp.eye(len(r))))[..., None]


def align(X: Float[Array, "a 3"], reference: Float[Array, "a 3"]) -> Float[np.ndarray, "3 3"]:
    """The rotation R that brings the centred X Rᵀ nearest to the centred reference.

    ‖X Rᵀ - Y‖² = const - 2⟨R, YᵀX⟩ is least where R is the orthogonal factor of YᵀX = U S Vᵀ with
    determinant 1: R = U diag(1, 1, ±1) Vᵀ.  Source: kabsch1976.
    """
    X, Y = (np.asarray(Z, dtype=float) for Z in (X, reference))
    U, _, Vt = np.linalg.svd((Y - Y.mean(axis=0)).T @ (X - X.mean(axis=0)))
    return (U * [1, 1, np.linalg.det(U @ Vt)]) @ Vt
