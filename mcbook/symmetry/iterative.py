"""The gradient-domain model beyond memory: conjugate gradients, the kernel never stored.

Problem    (K + lam I) α = QᵀF with too many frames for (n q)² numbers
Product    K α = the forces that coefficients α predict at the training frames (`blocks.force_product`)
Precondition  the columns of m frames, U = K[:, m], W = K[m, m] = L Lᵀ: K ≈ G Gᵀ, G = U L⁻ᵀ (Nyström), and
           (G Gᵀ + lam I)⁻¹ r = (r - G (GᵀG + lam I)⁻¹ Gᵀ r)/lam                              (Woodbury)
Solver     preconditioned conjugate gradients, until ‖r‖ ≤ tol ‖QᵀF‖; the residual is computed anew at the end
References hestenes1952, chmiela2023
Symbols    as in `gradient_domain`; memory n q m q numbers for the preconditioner, n q for the rest
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

from mcbook._pairs import pair_permutations
from mcbook.symmetry._group import check_kernel, checked
from mcbook.symmetry.blocks import Internal, force_columns, force_product, internal
from mcbook.symmetry.gradient_domain import LAM, GradientDomain, assemble, learn_on_some
from mcbook.symmetry.product import ProductKernel

Array = Any
Map = Callable[[np.ndarray], np.ndarray]


class Run(NamedTuple):
    """The end of a run of conjugate gradients."""

    solution: Float[np.ndarray, "n q"]
    residuals: Float[np.ndarray, " steps"]  # ‖r‖/‖y‖ as the recurrence has it, from 1
    true_residual: float  # computed anew at the end
    converged: bool


class IterativeFit(NamedTuple):
    """A fit without a stored matrix: `predict_gradient_domain(model, X)`; `run` is the evidence."""

    model: GradientDomain
    run: Run


def fit_iterative(
    X: Any,
    F: Any,
    numbers: Any,
    *,
    energy: Any = None,
    permutations: Any = None,
    kernel: ProductKernel | None = None,
    lam: float = LAM,
    learn_frames: int | None = None,
    inducing: int = 50,
    tol: float = 1e-6,
    max_iter: int = 500,
    threads: int | None = None,
) -> IterativeFit:
    """`fit_gradient_domain` by conjugate gradients: the same model to within `tol`, without its matrix.

    inducing : the frames, evenly spaced, whose columns make the preconditioner; 0 for none.
    Raises ValueError as `fit_gradient_domain` does, and for tol ≤ 0, max_iter < 0 or inducing < 0.
    Not converging is reported in `run`.
    """
    if not tol > 0 or max_iter < 0 or inducing < 0:
        raise ValueError(f"expected tol > 0, max_iter ≥ 0, inducing ≥ 0; got {tol}, {max_iter}, {inducing}.")
    X, F, E, numbers, group = checked(X, F, numbers, energy, permutations)
    threads = threads or os.cpu_count() or 1
    pair_perms = pair_permutations(group)
    kernel = kernel or learn_on_some(X, F, pair_perms, lam, learn_frames, threads).kernel
    check_kernel(kernel, pair_perms, lam)
    data = internal(X)
    y = np.einsum("ndq,nd->nq", data.Q, F.reshape(len(X), -1))
    chosen = np.linspace(0, len(X) - 1, min(inducing, len(X))).astype(int)
    run = conjugate_gradients(
        lambda alpha: force_product(data, pair_perms, kernel, alpha, threads=threads) + lam * alpha,
        y,
        precondition=nystroem(data, chosen, pair_perms, kernel, lam) if len(chosen) else None,
        tol=tol,
        max_iter=max_iter,
    )
    return IterativeFit(assemble(X, numbers, group, kernel, lam, data, run.solution, E), run)


def nystroem(
    data: Internal, chosen: Int[Array, " m"], pair_perms: Any, kernel: ProductKernel, lam: float
) -> Map:
    """r (n, q) ↦ (G Gᵀ + lam I)⁻¹ r, from the columns of the chosen frames."""
    n, _, q = data.J.shape
    U = force_columns(data, chosen, pair_perms, kernel)
    W = U[chosen].reshape(len(chosen) * q, -1)
    W[np.diag_indices_from(W)] += lam
    U = U.reshape(n * q, -1)
    G = solve_triangular(cholesky(W, lower=True), U.T, lower=True).T
    inner = G.T @ G
    inner[np.diag_indices_from(inner)] += lam
    factor = cho_factor(inner, lower=True, overwrite_a=True)
    return lambda r: ((r.ravel() - G @ cho_solve(factor, G.T @ r.ravel())) / lam).reshape(r.shape)


def conjugate_gradients(
    product: Map,
    y: Float[Array, "n q"],
    *,
    precondition: Map | None = None,
    tol: float = 1e-6,
    max_iter: int = 500,
) -> Run:
    """Solves C α = y for a symmetric positive definite C known by its products.

    Stops at tol, at max_iter, or where rounding has made a curvature negative; which of them, `converged` and
    `true_residual` say.
    """
    precondition = precondition or (lambda r: r)
    alpha, r, size = np.zeros_like(y), y.copy(), float(np.linalg.norm(y)) or 1.0
    z = precondition(r)
    d, rho, residuals = z, float((r * z).sum()), [float(np.linalg.norm(r)) / size]
    while residuals[-1] > tol and len(residuals) <= max_iter:
        Cd = product(d)
        curvature = float((d * Cd).sum())
        if not (curvature > 0 and rho > 0):
            break
        alpha, r = alpha + rho / curvature * d, r - rho / curvature * Cd
        z = precondition(r)
        rho, before = float((r * z).sum()), rho
        d = z + rho / before * d
        residuals.append(float(np.linalg.norm(r)) / size)
    true = float(np.linalg.norm(y - product(alpha))) / size
    return Run(alpha, np.array(residuals), true, max(residuals[-1], true / 10) <= tol)
