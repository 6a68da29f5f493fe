"""Cholesky, eigenvalues and eigenvectors, SVD: derivatives forward and in reverse.

Problem    A = L Lᵀ,  A = V diag(w) Vᵀ,  A = U diag(s) Vᵀ
Forward    the factorisation differentiated, with what its factors obey: L_dot lower triangular, VᵀV_dot skew
Reverse    the adjoint of the forward map
Validity   A positive definite; eigenvalues (singular values) pairwise different, and singular values not zero
Reference  giles2008 (all three), murray2016 (Cholesky)
Symbols    A_dot tangents, A_bar cotangents; F_ij = 1/(w_j - w_i), E_ij = 1/(s_j² - s_i²), zero for i = j
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.calculus.oracles.doors import as_matrix, as_symmetric, like, sym, symmetric_like

Array = Any
GAP = 1e-8  # relative to the largest: closer eigenvalues or singular values count as equal


class Eigen(NamedTuple):
    """A = V diag(w) Vᵀ, w rising, the columns of V orthonormal."""

    w: Float[Array, " n"]
    V: Float[Array, "n n"]


class SVD(NamedTuple):
    """A = U diag(s) Vᵀ, s falling; U (m, k), V (n, k) with k = min(m, n)."""

    U: Float[Array, "m k"]
    s: Float[Array, " k"]
    V: Float[Array, "n k"]


# --- Cholesky --------------------------------------------------------------------------------------------


def cholesky(A: Any) -> Float[Array, "n n"]:
    """L lower triangular, L Lᵀ = A. Raises ValueError unless A is symmetric positive definite."""
    A = as_symmetric(A, "cholesky")
    try:
        return np.linalg.cholesky(A)
    except np.linalg.LinAlgError:
        least = np.linalg.eigvalsh(A)[0]
        raise ValueError(
            f"cholesky needs a positive definite A, but its least eigenvalue is {least:.1e}."
        ) from None


def jvp_cholesky(A: Any, A_dot: Any) -> Float[Array, "n n"]:
    """L_dot = L Φ(L⁻¹ A_dot L⁻ᵀ): of the strict lower triangle all, of the diagonal half."""
    L = cholesky(A)
    inner = np.linalg.solve(L, np.linalg.solve(L, symmetric_like(A_dot, L.shape, "A_dot")).T)
    return L @ _half_lower(inner)


def vjp_cholesky(A: Any, L_bar: Any) -> Float[Array, "n n"]:
    """A_bar = sym(L⁻ᵀ Φ(Lᵀ L_bar) L⁻¹)."""
    L = cholesky(A)
    P = _half_lower(L.T @ np.tril(like(L_bar, L.shape, "L_bar")))
    return sym(np.linalg.solve(L.T, np.linalg.solve(L.T, P.T).T))


def _half_lower(A: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Φ: the lower triangle, its diagonal halved."""
    return np.tril(A) - np.diag(np.diag(A)) / 2


# --- eigenvalues and eigenvectors of a symmetric matrix ---------------------------------------------------


def eigh(A: Any) -> Eigen:
    """Eigenvalues, rising, and eigenvectors, each with its largest entry positive (their sign is free)."""
    w, V = np.linalg.eigh(as_symmetric(A, "eigh"))
    return Eigen(w, V * np.sign(V[np.abs(V).argmax(0), np.arange(len(w))]))


def jvp_eigh(A: Any, A_dot: Any) -> Eigen:
    """w_dot = diag(Vᵀ A_dot V), V_dot = V (F ∘ Vᵀ A_dot V). Raises ValueError where eigenvalues coincide."""
    w, V = eigh(A)
    F = _inverse_gaps(w)
    inner = V.T @ symmetric_like(A_dot, V.shape, "A_dot") @ V
    return Eigen(np.diag(inner).copy(), V @ (F * inner))


def vjp_eigh(A: Any, w_bar: Any, V_bar: Any) -> Float[Array, "n n"]:
    """A_bar = V (diag(w_bar) + sym(F ∘ VᵀV_bar)) Vᵀ. Raises ValueError where eigenvalues coincide."""
    w, V = eigh(A)
    F = _inverse_gaps(w)
    w_bar, V_bar = like(w_bar, w.shape, "w_bar"), like(V_bar, V.shape, "V_bar")
    return V @ (np.diag(w_bar) + sym(F * (V.T @ V_bar))) @ V.T


def _inverse_gaps(w: Float[Array, " n"]) -> Float[Array, "n n"]:
    """F_ij = 1/(w_j - w_i), zero on the diagonal. Raises ValueError where a gap is none."""
    gaps = w[None, :] - w[:, None]
    apart = np.abs(gaps) + np.diag(np.full(len(w), np.inf))
    if apart.min(initial=np.inf) <= GAP * max(np.abs(w).max(), np.finfo(float).tiny):
        i, j = np.unravel_index(apart.argmin(), apart.shape)
        raise ValueError(
            f"values {i} and {j} coincide ({w[i]:.6g} and {w[j]:.6g}): their vectors have no derivative. "
            "A function of the whole eigenspace, or of all values alike, has one."
        )
    return np.divide(1.0, gaps, out=np.zeros_like(gaps), where=gaps != 0)


# --- singular values and vectors --------------------------------------------------------------------------


def svd(A: Any) -> SVD:
    """The thin SVD, each column of U with its largest entry positive (the common sign of u and v is free)."""
    U, s, Vt = np.linalg.svd(as_matrix(A, "svd"), full_matrices=False)
    signs = np.sign(U[np.abs(U).argmax(0), np.arange(len(s))])
    return SVD(U * signs, s, Vt.T * signs)


def jvp_svd(A: Any, A_dot: Any) -> SVD:
    """From dP = UᵀA_dot V: s_dot its diagonal, the rest turns U and V. Needs distinct, nonzero s."""
    U, s, V = svd(A)
    E = _inverse_gaps_squared(s)
    A_dot = like(A_dot, (len(U), len(V)), "A_dot")
    P = U.T @ A_dot @ V
    turned_U, turned_V = E * (P * s + (P * s).T), E * (s[:, None] * P + (s[:, None] * P).T)
    U_dot = U @ turned_U + (A_dot @ V - U @ P) / s
    V_dot = V @ turned_V + (A_dot.T @ U - V @ P.T) / s
    return SVD(U_dot, np.diag(P).copy(), V_dot)


def vjp_svd(A: Any, U_bar: Any, s_bar: Any, V_bar: Any) -> Float[Array, "m n"]:
    """The adjoint of `jvp_svd`, term by term. Raises ValueError for equal or vanishing singular values."""
    U, s, V = svd(A)
    E = _inverse_gaps_squared(s)
    U_bar, V_bar = like(U_bar, U.shape, "U_bar"), like(V_bar, V.shape, "V_bar")
    s_bar = like(s_bar, s.shape, "s_bar")
    J, K = E * (U.T @ U_bar), E * (V.T @ V_bar)
    P_bar = np.diag(s_bar) + (J + J.T) * s + s[:, None] * (K + K.T)
    left, right = U_bar / s, V_bar / s  # what leaves the column spaces
    P_bar = P_bar - U.T @ left - right.T @ V
    return U @ P_bar @ V.T + left @ V.T + U @ right.T


def _inverse_gaps_squared(s: Float[Array, " k"]) -> Float[Array, "k k"]:
    """E_ij = 1/(s_j² - s_i²). Raises ValueError where singular values coincide or vanish."""
    if s.min(initial=np.inf) <= GAP * max(s.max(initial=0.0), np.finfo(float).tiny):
        raise ValueError(
            f"a singular value vanishes ({s.min():.1e}): its vectors have no derivative; A needs full rank."
        )
    _inverse_gaps(s)
    return _inverse_gaps(s**2)
