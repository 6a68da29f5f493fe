"""Kernel ridge regression: the exact solve, with an unpenalised block, in the memory of one matrix.

Problem    min over f and beta of  Σ (y_i - f(x_i) - p_i·beta)² + lam ‖f‖²_H
Solution   f = Σ alpha_i k(·, x_i) (representer theorem),  C alpha + P beta = y,  Pᵀalpha = 0,  C = K + lam I
Solver     Cholesky of C in place, the block by a QR of L⁻¹P: one n x n buffer, half of it computed
Primal     for f = Phi w:  w = (PhiᵀPhi + lam I)⁻¹Phiᵀy = Phiᵀ(PhiPhiᵀ + lam I)⁻¹y
References saunders1998, rasmussen2006, wahba1990 (the unpenalised block)
Symbols    X (n, d), y (n,) or (n, k), K, C (n, n), P (n, q), alpha, beta, lam a noise variance

P holds what must not be shrunk: a column of ones, or the counts of each element in a molecule.
"""

from typing import Any, NamedTuple

import numpy as np

from mcbook.kernels._checks import block, gram, named_kernel, points, ridge, targets, widths
from mcbook.kernels._distances import distances_to, each_block
from mcbook.kernels._factor import coefficients, factorise
from mcbook.kernels.functions import KERNELS, Kernel, fill_lower


class Solution(NamedTuple):
    """alpha (n,) or (n, k) and beta (q,) or (q, k): predictions are K_new @ alpha + P_new @ beta."""

    alpha: np.ndarray
    beta: np.ndarray


class KernelRidge(NamedTuple):
    """A fit: its weights, and what `predict` needs to use them."""

    alpha: np.ndarray  # (n,) or (n, k)
    beta: np.ndarray  # (q,) or (q, k)
    X: np.ndarray  # (n, d)
    kernel: Kernel
    sigma: np.ndarray  # () or (d,)
    lam: float


def solve(K: Any, y: Any, *, lam: Any, P: Any = None, overwrite: bool = False) -> Solution:
    """alpha and beta for a kernel matrix handed in: C alpha + P beta = y, Pᵀalpha = 0.

    K (n, n) symmetric, of which the lower triangle is used; y (n,) or (n, k); P (n, q), rank q < n.
    `overwrite` lets the factor take K's place (a C-ordered float64 K is then destroyed, and no other n x n
    array is made).
    Raises ValueError for shapes that do not fit, NaN, an asymmetric K, P without full rank, lam < 0, or a
    K + lam I that is not positive definite.
    """
    K, lam = gram(K), ridge(lam)
    y, P = targets(y, len(K)), block(P, len(K))
    C = np.ascontiguousarray(K) if overwrite else np.array(K, order="C")
    C[np.diag_indices_from(C)] += lam
    return Solution(*coefficients(factorise(C, P), y))


def fit(X: Any, y: Any, *, kernel: Any = "gaussian", sigma: Any, lam: Any, P: Any = None) -> KernelRidge:
    """Kernel ridge regression of y (n,) or (n, k) on X (n, d), with the unpenalised block P (n, q).

    kernel a `Kernel` or one of `KERNELS`; sigma > 0, a number or one per feature; lam ≥ 0.
    Memory: one n x n float64 buffer, and blocks.
    Raises ValueError as `solve` does; a singular K with lam = 0 names the row, and its duplicate if any.
    """
    kernel, X, lam = named_kernel(kernel, KERNELS), points(X, "X", least=2), ridge(lam)
    sigma, y, P = widths(sigma, X.shape[1]), targets(y, len(X)), block(P, len(X))
    C = np.empty((len(X), len(X)))
    fill_lower(C, X, kernel=kernel, sigma=sigma)
    C[np.diag_indices_from(C)] += lam
    alpha, beta = coefficients(factorise(C, P, X=X), y)
    return KernelRidge(alpha, beta, X, kernel, sigma, lam)


def predict(model: KernelRidge, X: Any, *, P: Any = None) -> np.ndarray:
    """f(x) + p·beta at the rows of X (m, d), P (m, q): (m,) or (m, k).  K is used in blocks, never stored.

    Raises ValueError when X's features, or P's columns, are not those of the fit.
    """
    X = points(X, "X", d=model.X.shape[1])
    q = len(model.beta)
    if (q == 0) != (P is None) or (P is not None and np.shape(P) != (len(X), q)):
        raise ValueError(f"P must be ({len(X)}, {q}), the columns of the fit; got {np.shape(P)}.")
    out = np.empty((len(X), *model.alpha.shape[1:]))
    measure = distances_to(model.X / model.sigma, model.kernel.metric, len(X))

    def fill(rows: slice) -> None:
        out[rows] = model.kernel.phi(measure(X[rows] / model.sigma, len(model.X))) @ model.alpha

    each_block(fill, len(X), len(model.X))
    return out if P is None else out + np.asarray(P, dtype=float) @ model.beta


def ridge_primal(Phi: Any, y: Any, *, lam: Any) -> np.ndarray:
    """w = (PhiᵀPhi + lam I)⁻¹Phiᵀy, one weight per feature: Phi (n, p), y (n,), w (p,).  Needs lam > 0."""
    Phi, y, lam = _ridge_inputs(Phi, y, lam)
    return np.linalg.solve(Phi.T @ Phi + lam * np.eye(Phi.shape[1]), Phi.T @ y)


def ridge_dual(Phi: Any, y: Any, *, lam: Any) -> np.ndarray:
    """The same w as Phiᵀalpha, alpha = (PhiPhiᵀ + lam I)⁻¹y: one weight per sample.  Needs lam > 0."""
    Phi, y, lam = _ridge_inputs(Phi, y, lam)
    return Phi.T @ np.linalg.solve(Phi @ Phi.T + lam * np.eye(len(Phi)), y)


def _ridge_inputs(Phi: Any, y: Any, lam: Any) -> tuple[np.ndarray, np.ndarray, float]:
    Phi = points(Phi, "Phi")
    if not ridge(lam) > 0:
        raise ValueError("lam must be positive here: without it one of the two matrices is singular.")
    return Phi, targets(y, len(Phi), one=True), float(lam)
