"""One factorisation, in one buffer: Cholesky of C, and the inverse of the saddle system.  Private.

    [ C  P ] [alpha]   [y]        C = L Lᵀ,  L⁻¹P = Q R
    [ Pᵀ 0 ] [beta ] = [0]        alpha = L⁻ᵀ(I - QQᵀ)L⁻¹y,  beta = R⁻¹QᵀL⁻¹y
    B = L⁻ᵀ(I - QQᵀ)L⁻¹ = C⁻¹ - UUᵀ,  U = L⁻ᵀQ          the block of the inverse that takes y to alpha

C lies in the lower triangle of a C-ordered buffer: LAPACK sees the upper triangle of its transpose, column
by column, and overwrites it with L, then with B.  The other triangle is neither read nor written before
`inverse` mirrors B.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import lapack, solve_triangular
from scipy.linalg.blas import dsyrk

from mcbook._cholesky import cholesky_in_place
from mcbook.kernels._distances import mirror

TINY = 10 * np.finfo(float).eps  # a pivot this small, relative to its diagonal, is rounding


class Factor(NamedTuple):
    """L (n, n) in the lower triangle of its buffer, Q (n, q) and R (q, q) of the unpenalised block."""

    L: np.ndarray
    Q: np.ndarray
    R: np.ndarray


def factorise(C: np.ndarray, P: np.ndarray, *, X: np.ndarray | None = None) -> Factor:
    """Overwrites the lower triangle of C (n, n), C-ordered, with L.  X only serves the error's wording.

    Raises ValueError naming the row when C is not positive definite, or not to working precision.
    """
    diagonal = np.diagonal(C).copy()
    L, info = cholesky_in_place(C)
    pivots = np.diagonal(L) ** 2
    last = info - 1 if info > 0 else len(L)
    small = np.flatnonzero(~(pivots[:last] > TINY * diagonal[:last]))
    if info > 0 or len(small):
        raise ValueError(_singular(int(small[0]) if len(small) else last, diagonal, X))
    V = forward(L, P)
    Q, R = np.linalg.qr(V)
    return Factor(L, Q, R)


def _singular(row: int, diagonal: np.ndarray, X: np.ndarray | None) -> str:
    if diagonal[row] <= 0:
        return (
            f"K + lam I is not positive definite: its diagonal entry {row} is {diagonal[row]:.1e}, and a "
            "kernel's is positive. Is K made of inner products, between the samples in one order?"
        )
    twins: Any = [] if X is None else np.flatnonzero((X[:row] == X[row]).all(1))
    why = f"equals row {twins[0]}" if len(twins) else "is a combination of the rows before it"
    return (
        f"K + lam I is singular to working precision: row {row} {why}. Raise lam (noise makes it "
        "invertible), merge duplicates, or take a smaller width."
    )


def forward(L: np.ndarray, y: np.ndarray) -> np.ndarray:
    """L⁻¹y, y (n,) or (n, k)."""
    return _triangular(L, y, trans=1)


def backward(L: np.ndarray, y: np.ndarray) -> np.ndarray:
    """L⁻ᵀy, y (n,) or (n, k)."""
    return _triangular(L, y, trans=0)


def _triangular(L: np.ndarray, y: np.ndarray, trans: int) -> np.ndarray:
    """L.T is LAPACK's upper triangle, column by column: nothing is copied, the other triangle not read."""
    return lapack.dtrtrs(L.T, y, lower=0, trans=trans)[0] if y.size else y


def coefficients(factor: Factor, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """alpha and beta of the saddle system; y (n,) or (n, k)."""
    L, Q, R = factor
    w = forward(L, y)
    c = Q.T @ w
    return backward(L, w - Q @ c), solve_triangular(R, c)


def log_det(factor: Factor) -> float:
    """log|C| + log|PᵀC⁻¹P|."""
    return 2 * float(np.log(np.diagonal(factor.L)).sum() + np.log(np.abs(np.diagonal(factor.R))).sum())


def inverse(factor: Factor) -> np.ndarray:
    """B (n, n), full and symmetric, in the buffer of L: the factor is spent."""
    L, Q, _ = factor
    U = backward(L, Q)
    upper, info = lapack.dpotri(L.T, lower=0, overwrite_c=1)
    if info:
        raise ValueError(f"the factor's pivot {info - 1} is zero; raise lam.")
    if U.shape[1]:
        upper = dsyrk(-1.0, U, beta=1.0, c=upper, lower=0, overwrite_c=1)
    return mirror(upper.T)
