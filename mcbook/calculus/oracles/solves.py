"""A linear solve, and whatever is defined by an equation: the implicit function theorem, both ways.

Problem    A U = B;  R(u, p) = 0
Forward    A U_dot = B_dot - A_dot U;  R_u u_dot = -R_p p_dot
Reverse    Aᵀ B_bar = U_bar, A_bar = -B_bar Uᵀ;  R_uᵀ lam = u_bar, p_bar = -R_pᵀ lam (the adjoint state)
Validity   A, respectively R_u at the solution, invertible
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.calculus.oracles.doors import as_matrix, as_square, like

Array = Any


def solve(A: Any, B: Any) -> Float[Array, "..."]:
    """U with A U = B. Raises ValueError where A is singular to working precision."""
    A, B = as_square(A, "solve"), np.asarray(B)
    B = like(B, (len(A), *B.shape[1:2]), "B")
    if not np.linalg.cond(A) < 1 / np.finfo(float).eps:
        raise ValueError(f"solve needs an invertible A, but its condition number is {np.linalg.cond(A):.0e}.")
    return np.linalg.solve(A, B)


def jvp_solve(A: Any, B: Any, A_dot: Any, B_dot: Any) -> Float[Array, "..."]:
    """U_dot = A⁻¹(B_dot - A_dot U)."""
    U = solve(A, B)
    A_dot, B_dot = like(A_dot, np.shape(A), "A_dot"), like(B_dot, U.shape, "B_dot")
    return solve(A, B_dot - A_dot @ U)


def vjp_solve(A: Any, B: Any, U_bar: Any) -> tuple[Any, Any]:
    """(A_bar, B_bar) = (-B_bar Uᵀ, A⁻ᵀ U_bar): one solve with Aᵀ."""
    U = solve(A, B)
    B_bar = solve(np.asarray(A).T, like(U_bar, U.shape, "U_bar"))
    return -np.outer(B_bar, U) if U.ndim == 1 else -B_bar @ U.T, B_bar


class Implicit(NamedTuple):
    """u(p), defined by R(u, p) = 0: the partial derivatives ∂R/∂u (n, n) and ∂R/∂p (n, m) at a solution."""

    R_u: Float[Array, "n n"]
    R_p: Float[Array, "n m"]


def jvp_implicit(at: Implicit, p_dot: Any) -> Float[Array, " n"]:
    """R_u u_dot = -R_p p_dot, the implicit function theorem. Raises ValueError where R_u is singular."""
    R_p = as_matrix(at.R_p, "R_p")
    return solve(at.R_u, -R_p @ like(p_dot, R_p.shape[1:], "p_dot"))


def vjp_implicit(at: Implicit, u_bar: Any) -> Float[Array, " m"]:
    """p_bar = -R_pᵀ lam with the adjoint state R_uᵀ lam = u_bar. Raises ValueError where R_u is singular."""
    R_u, R_p = as_square(at.R_u, "R_u"), as_matrix(at.R_p, "R_p")
    return -R_p.T @ solve(R_u.T, like(u_bar, R_u.shape[:1], "u_bar"))
