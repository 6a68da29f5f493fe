"""Conjugate gradients: the exact solution of C alpha = y where C = K + lam I is too large to store.

Problem    C alpha = y, n too large for n² numbers: only products C V can be had
Product    K V tile by tile; a tile and its transpose serve two blocks of rows, so half of K is computed
Solver     preconditioned conjugate gradients, several right-hand sides at once
Precondition  Π = F Fᵀ + lam I with F (n, m) of low rank:  Π⁻¹ = (I - F (FᵀF + lam I)⁻¹Fᵀ)/lam   (Woodbury)
Rate       the error falls by (√c - 1)/(√c + 1) per step, c the condition number of Π^-½ C Π^-½;
           F = 0 gives c ≤ 1 + ‖K‖/lam, and K - F Fᵀ ≽ 0 gives c ≤ 1 + ‖K - F Fᵀ‖/lam
Block      C alpha + P beta = y, Pᵀalpha = 0: C⁻¹[y P] in one run, beta = (PᵀC⁻¹P)⁻¹PᵀC⁻¹y
References hestenes1952, rudi2017
Symbols    X (n, d), V (n, k), y (n,) or (n, k), F (n, m), P (n, q), alpha, beta
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from mcbook.kernels._checks import block, named_kernel, points, ridge, targets, widths
from mcbook.kernels._distances import distances
from mcbook.kernels.functions import KERNELS
from mcbook.kernels.nystroem import pivoted_cholesky
from mcbook.kernels.solve import KernelRidge

TILE = 1024  # rows and columns of a tile: 8 MB

Map = Callable[[np.ndarray], np.ndarray]


class Conjugate(NamedTuple):
    """The end of a run of conjugate gradients, one column per right-hand side."""

    solution: np.ndarray  # (n, k)
    residuals: np.ndarray  # (iterations + 1, k) ‖r‖/‖b‖ as the recurrence has it
    true_residual: np.ndarray  # (k,) ‖b - C x‖/‖b‖ computed anew at the end
    iterations: int
    converged: bool
    message: str


class IterativeRidge(NamedTuple):
    """A fit without a stored matrix: `predict(model, X)` serves as for `fit`; `run` is the evidence."""

    model: KernelRidge
    run: Conjugate


def kernel_product(
    X: Any,
    V: Any,
    *,
    kernel: Any = "gaussian",
    sigma: Any,
    tile: int = TILE,
    threads: int | None = None,
) -> np.ndarray:
    """K V (n, k) for K between the rows of X (n, d), V (n, k) or (n,), in tiles: O(n d + tile²) memory.

    Raises ValueError for shapes that do not fit, NaN, an unknown kernel, widths ≤ 0, tile or threads < 1.
    """
    X = points(X, "X")
    V = targets(V, len(X), "V")
    columns = V.reshape(len(X), -1)
    K = _product(X, kernel, sigma, tile, threads)
    return K(columns).reshape(V.shape)


def _product(X: np.ndarray, kernel: Any, sigma: Any, tile: int, threads: int | None) -> Map:
    """V ↦ K V; the tiles are dealt to the threads in turn, each thread with a sum of its own."""
    kernel = named_kernel(kernel, KERNELS)
    A = X / widths(sigma, X.shape[1])
    count = os.cpu_count() or 1 if threads is None else threads
    if tile < 1 or count < 1:
        raise ValueError(f"expected tile ≥ 1 and threads ≥ 1, got {tile} and {count}.")
    edges = range(0, len(A), tile)
    tiles = [(slice(i, i + tile), slice(j, j + tile)) for i in edges for j in edges if j <= i]

    def share(V: np.ndarray, mine: list[tuple[slice, slice]]) -> np.ndarray:
        out = np.zeros_like(V)
        for rows, columns in mine:
            K_IJ = kernel.phi(distances(A[rows], A[columns], kernel.metric))
            if rows == columns:
                np.fill_diagonal(K_IJ, 1.0)
            else:
                out[columns] += K_IJ.T @ V[rows]
            out[rows] += K_IJ @ V[columns]
        return out

    def product(V: np.ndarray) -> np.ndarray:
        with threadpool_limits(1 if count > 1 else None), ThreadPoolExecutor(count) as pool:
            parts = list(pool.map(lambda s: share(V, tiles[s::count]), range(count)))
        return sum(parts[1:], start=parts[0])

    return product


def low_rank_preconditioner(F: Any, *, lam: float) -> Map:
    """V ↦ (F Fᵀ + lam I)⁻¹V for F (n, m), by Woodbury: O(n m) per column.

    Raises ValueError for NaN or lam ≤ 0.
    """
    F = points(F, "F")
    if not ridge(lam) > 0:
        raise ValueError("lam must be positive: F Fᵀ alone has no inverse.")
    inner = F.T @ F
    inner[np.diag_indices_from(inner)] += lam
    factor = cho_factor(inner, lower=True, overwrite_a=True)
    return lambda V: (V - F @ cho_solve(factor, F.T @ V)) / lam


def conjugate_gradients(
    product: Map,
    B: Any,
    *,
    precondition: Map | None = None,
    tol: float = 1e-8,
    max_iter: int = 1000,
) -> Conjugate:
    """Solves C X = B for a symmetric positive definite C known by its products; B (n,) or (n, k).

    Every column has steps of its own, and stops when ‖r‖ ≤ tol ‖b‖; not converging is data, as is a C that
    turns out not to be positive definite.
    Raises ValueError for NaN, tol ≤ 0 or max_iter < 0.
    """
    B = np.asarray(B, dtype=float)
    B = targets(B, len(B) if B.ndim else 0, "B").reshape(len(B), -1)
    if not tol > 0 or max_iter < 0:
        raise ValueError(f"expected tol > 0 and max_iter ≥ 0, got {tol} and {max_iter}.")
    size = np.linalg.norm(B, axis=0)
    size[size == 0] = 1.0
    precondition = precondition or (lambda R: R)
    X, R = np.zeros_like(B), B.copy()
    Z = precondition(R)
    D, rho, residuals, definite = Z.copy(), (R * Z).sum(0), [np.linalg.norm(R, axis=0) / size], True
    while len(residuals) <= max_iter and (open_ := residuals[-1] > tol).any():
        Q = product(D)
        curvature = (D * Q).sum(0)
        definite = bool((curvature[open_] > 0).all() and (rho[open_] > 0).all())
        if not definite:
            break
        step = np.where(open_, rho / np.where(open_, curvature, 1.0), 0.0)
        X += step * D
        R -= step * Q
        Z = precondition(R)
        rho, before = (R * Z).sum(0), rho
        D = Z + np.where(open_, rho / np.where(open_, before, 1.0), 0.0) * D
        residuals.append(np.linalg.norm(R, axis=0) / size)
    return _report(product, X, B, size, np.array(residuals), tol, definite)


def _report(product, X, B, size, residuals, tol, definite) -> Conjugate:
    true = np.linalg.norm(B - product(X), axis=0) / size
    converged = bool((residuals[-1] <= tol).all() and (true <= 10 * tol).all())
    steps, worst = len(residuals) - 1, true.max()
    if converged:
        message = f"converged in {steps} iterations, residual {worst:.1e}"
    elif not definite:
        message = (
            f"NOT converged: the matrix or its preconditioner is not positive definite (step {steps + 1})"
        )
    else:
        message = f"NOT converged: residual {worst:.1e} after {steps} iterations, {tol:.0e} was asked for"
    return Conjugate(X, residuals, true, steps, converged, message)


def solve_with_block(
    product: Map, y: np.ndarray, P: np.ndarray, *, precondition: Map | None, tol: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, Conjugate]:
    """alpha and beta of C alpha + P beta = y, Pᵀalpha = 0 from one run on [y P]; y and P are checked."""
    B = np.concatenate([y.reshape(len(y), -1), P], axis=1)
    run = conjugate_gradients(product, B, precondition=precondition, tol=tol, max_iter=max_iter)
    C_y, C_P = np.split(run.solution, [B.shape[1] - P.shape[1]], axis=1)
    beta = np.linalg.solve(P.T @ C_P, P.T @ C_y)
    return (C_y - C_P @ beta).reshape(y.shape), beta.reshape(-1, *y.shape[1:]), run


def fit_iterative(
    X: Any,
    y: Any,
    *,
    kernel: Any = "gaussian",
    sigma: Any,
    lam: float,
    P: Any = None,
    rank: int = 500,
    tol: float = 1e-8,
    max_iter: int = 1000,
    threads: int | None = None,
) -> IterativeRidge:
    """Kernel ridge regression of y (n,) or (n, k) on X (n, d), the same answer as `fit`, K never stored.

    P (n, q) the unpenalised block; `rank` columns in the preconditioner, 0 for none: O(n rank) memory.
    Raises ValueError for shapes that do not fit, NaN, widths or lam that are not positive, or rank < 0.
    """
    kernel, X = named_kernel(kernel, KERNELS), points(X, "X", least=2)
    sigma, y, P = widths(sigma, X.shape[1]), targets(y, len(X)), block(P, len(X))
    if not ridge(lam) > 0 or rank < 0:
        raise ValueError(f"fit_iterative expects lam > 0 and rank ≥ 0, got {lam} and {rank}.")
    K = _product(X, kernel, sigma, TILE, threads)
    precondition = None
    if rank:
        F = pivoted_cholesky(X, min(rank, len(X)), kernel=kernel, sigma=sigma).F
        precondition = low_rank_preconditioner(F, lam=lam)
    alpha, beta, run = solve_with_block(
        lambda V: K(V) + lam * V, y, P, precondition=precondition, tol=tol, max_iter=max_iter
    )
    return IterativeRidge(KernelRidge(alpha, beta, X, kernel, sigma, float(lam)), run)
