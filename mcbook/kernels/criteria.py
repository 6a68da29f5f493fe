"""Two judges of width and lam, with their gradients: the leave-one-out error and the evidence.

Problem    L(sigma, lam) to be lowered; C = K(sigma) + lam I, B = C⁻¹ - C⁻¹P(PᵀC⁻¹P)⁻¹PᵀC⁻¹, alpha = B y
LOO        L = (1/n) Σ r_i²,  r_i = alpha_i/b_i,  b = diag B
Evidence   L = -log p(y | sigma, lam), y ~ N(P beta, s² C), flat in beta, at the best s² = yᵀB y/(n - q):
           L = ½(n - q)(log(2 pi s²) + 1) + ½ log|C| + ½ log|PᵀC⁻¹P|           without P: log|C| alone
Rule       dB = -B dC B,  dalpha = -B dC alpha,  d log|C| + d log|PᵀC⁻¹P| = tr(B dC)
Gradients  LOO       G_C = B diag(w) B - sym(B u alphaᵀ),  u = 2 r/(n b), w = u ∘ r
           evidence  G_C = ½(B - alpha alphaᵀ/s²)
           then      dL = ⟨G_C, dC⟩:   dL/dlog sigma = ⟨G_C, ∂K/∂log sigma⟩,   dL/dlog lam = lam tr G_C
References rasmussen2006 (chapter 5), sundararajan2001, harville1977 (the restricted likelihood)
Symbols    as in `leave_out`; G_C (n, n) the free gradient in C, symmetric; s2 the kernel's variance

Formed: L, then B in L's buffer, by one factorisation and one inverse.  For LOO one more n x n buffer and one
symmetric product, B diag(√w) times its transpose; for the evidence nothing.  After that every width costs an
elementwise sum over blocks of ∂K that are never stored together; no product with ∂K is taken.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg.blas import dger, dsyrk

from mcbook.kernels._checks import block, gram, named_kernel, points, ridge, survives, targets, widths
from mcbook.kernels._distances import mirror
from mcbook.kernels._factor import coefficients, factorise, inverse, log_det
from mcbook.kernels.functions import KERNELS, fill_lower, vjp_kernel_matrix_log_sigma
from mcbook.kernels.leave_out import leave_one_out

Matrix = Float[np.ndarray, "n n"]
Vector = Float[np.ndarray, " n"]


class Judgement(NamedTuple):
    """A criterion and its gradient in log-coordinates: of log sigma, () or (d,), and of log lam."""

    value: float
    grad_log_sigma: np.ndarray
    grad_log_lam: float


def loo_loss(K: Any, y: Any, *, lam: Any, P: Any = None) -> float:
    """(1/n) Σ r_i², the mean squared leave-one-out residual; K (n, n), y (n,), P (n, q).

    Raises ValueError as `leave_one_out` does.
    """
    return leave_one_out(K, targets(y, len(K), one=True), lam=lam, P=P).rmse ** 2


def evidence_loss(K: Any, y: Any, *, lam: Any, P: Any = None) -> float:
    """-log p(y), restricted to what P does not explain and at the best s² (module docstring), in nats.

    K (n, n), y (n,), P (n, q).  Raises ValueError as `solve` does.
    """
    K, lam = gram(K), ridge(lam)
    y, P = targets(y, len(K), one=True), block(P, len(K))
    C = np.array(K, order="C")
    C[np.diag_indices_from(C)] += lam
    factor = factorise(C, P)
    alpha, _ = coefficients(factor, y)
    return _evidence(alpha, y, log_det(factor), P.shape[1])


def grad_loo_loss_C(B: Matrix, alpha: Vector, *, overwrite: bool = False) -> Matrix:
    """G_C = B diag(w) B - sym(B u alphaᵀ), u = 2 r/(n b), w = u ∘ r.  (n, n), symmetric.

    B and alpha as `weights_and_inverse` gives them; `overwrite` puts G_C in B's place.  w ≥ 0, so that the
    first term is the square of B diag(√w): one symmetric product, and the only other n x n array.
    """
    b = np.diagonal(B).copy()
    r = alpha / b
    u = 2 * r / (len(r) * b)
    v = B @ u / 2
    A = B * np.sqrt(u * r)
    C = B if overwrite else np.empty_like(B)
    G = mirror(dsyrk(1.0, A.T, trans=1, lower=0, c=C.T, overwrite_c=1).T)
    return _add_outer(_add_outer(G, -v, alpha), -alpha, v)


def grad_evidence_loss_C(B: Matrix, alpha: Vector, s2: float, *, overwrite: bool = False) -> Matrix:
    """G_C = ½(B - alpha alphaᵀ/s²).  (n, n), symmetric; s2 as `signal_variance` gives it.

    `overwrite` puts G_C in B's place: no other n x n array is made.
    """
    G = np.multiply(B, 0.5, out=B if overwrite else None)
    return _add_outer(G, -alpha / (2 * s2), alpha)


def _add_outer(G: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """G + x yᵀ in G's place."""
    return dger(1.0, y, x, a=G.T, overwrite_a=1).T


def signal_variance(alpha: Vector, y: Vector, q: int = 0) -> float:
    """s² = yᵀB y/(n - q) = y·alpha/(n - q): the kernel's variance at which the data are likeliest.

    In units of y²; the noise variance is then s² lam.
    """
    return float(y @ alpha) / (len(y) - q)


def judge_loo(X: Any, y: Any, *, kernel: Any = "gaussian", sigma: Any, lam: Any, P: Any = None) -> Judgement:
    """`loo_loss` of the kernel matrix of X (n, d), and its gradient: 2 n³ + O(n² d) operations.

    sigma a number, or (d,) for a width per feature: then as many derivatives at the price of one.
    Raises ValueError as `fit` and `leave_one_out` do.
    """
    X, y, P, kernel, sigma, factor = _from_points(X, y, kernel, sigma, lam, P)
    survives(P, np.arange(len(X)))
    alpha, B = _spent(y, factor)
    value, G = _loo(alpha, np.diagonal(B)), grad_loo_loss_C(B, alpha, overwrite=True)
    return _chain(value, G, X, kernel, sigma, lam)


def judge_evidence(
    X: Any, y: Any, *, kernel: Any = "gaussian", sigma: Any, lam: Any, P: Any = None
) -> Judgement:
    """`evidence_loss` of the kernel matrix of X (n, d), and its gradient: n³ + O(n² d) operations.

    As `judge_loo`.  Raises ValueError as `fit` does.
    """
    X, y, P, kernel, sigma, factor = _from_points(X, y, kernel, sigma, lam, P)
    log_determinants = log_det(factor)
    alpha, B = _spent(y, factor)
    value, s2 = _evidence(alpha, y, log_determinants, P.shape[1]), signal_variance(alpha, y, P.shape[1])
    return _chain(value, grad_evidence_loss_C(B, alpha, s2, overwrite=True), X, kernel, sigma, lam)


def _loo(alpha, b) -> float:
    return float(np.mean((alpha / b) ** 2))


def _evidence(alpha, y, log_determinants: float, q: int) -> float:
    s2 = signal_variance(alpha, y, q)
    if not s2 > 1e-28 * float(y @ y):
        raise ValueError("y lies in the span of P: nothing is left to judge a kernel by; check y and P.")
    return 0.5 * ((len(y) - q) * (np.log(2 * np.pi * s2) + 1) + log_determinants)


def _chain(value: float, G: np.ndarray, X, kernel, sigma, lam: Any) -> Judgement:
    grad_log_sigma = vjp_kernel_matrix_log_sigma(X, G, kernel=kernel, sigma=sigma)
    return Judgement(value, grad_log_sigma, lam * float(np.trace(G)))


def _from_points(X: Any, y: Any, kernel: Any, sigma: Any, lam: Any, P: Any):
    kernel, X, lam = named_kernel(kernel, KERNELS), points(X, "X", least=2), ridge(lam)
    sigma, y, P = widths(sigma, X.shape[1]), targets(y, len(X), one=True), block(P, len(X))
    C = np.empty((len(X), len(X)))
    fill_lower(C, X, kernel=kernel, sigma=sigma)
    C[np.diag_indices_from(C)] += lam
    return X, y, P, kernel, sigma, factorise(C, P, X=X)


def _spent(y, factor):
    """alpha, then B in the factor's memory."""
    alpha, _ = coefficients(factor, y)
    return alpha, inverse(factor)
