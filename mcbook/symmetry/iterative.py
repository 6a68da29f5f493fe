"""The gradient-domain model beyond memory: conjugate gradients, the kernel never stored.

Problem    (K + lam I) α = QᵀF with too many frames for (n q)² numbers
Product    K α = the forces that coefficients α predict at the training frames (`blocks.force_product`)
Precondition  a sparse C⁻¹ ≈ Σ_i W_i W_iᵀ: in an order that spreads frames first and fills in later, each is
           conditioned on its s nearest predecessors only; with their C = L Lᵀ, i last, W_i = L⁻ᵀ E_last.
           All predecessors would make it exact.  (A low rank does not serve: no eigenvalue of K is small.)
Solver     preconditioned conjugate gradients, until ‖r‖ ≤ tol ‖QᵀF‖; the residual is computed anew at the end
References hestenes1952, schafer2021
Symbols    as in `gradient_domain`; memory n q s q numbers for the preconditioner, n q for the rest
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cholesky, solve_triangular

from mcbook._pairs import pair_permutations
from mcbook.symmetry._group import check_kernel, checked
from mcbook.symmetry.blocks import Internal, force_matrix, force_product, internal
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
    neighbours: int = 30,
    tol: float = 1e-5,
    max_iter: int = 500,
    threads: int | None = None,
) -> IterativeFit:
    """`fit_gradient_domain` by conjugate gradients: the same model to within `tol`, without its matrix.

    neighbours : how many predecessors the preconditioner conditions each frame on; 0 for its own block.
    Raises ValueError as `fit_gradient_domain` does, and for tol ≤ 0, max_iter < 0 or neighbours < 0.
    Not converging is reported in `run`.
    """
    if not tol > 0 or max_iter < 0 or neighbours < 0:
        raise ValueError(
            f"expected tol > 0, max_iter ≥ 0 and neighbours ≥ 0; got {tol}, {max_iter} and {neighbours}."
        )
    X, F, E, numbers, group = checked(X, F, numbers, energy, permutations)
    threads = threads or os.cpu_count() or 1
    pair_perms = pair_permutations(group)
    kernel = kernel or learn_on_some(X, F, pair_perms, lam, learn_frames, threads).kernel
    check_kernel(kernel, pair_perms, lam)
    data = internal(X)
    y = np.einsum("ndq,nd->nq", data.Q, F.reshape(len(X), -1))
    run = conjugate_gradients(
        lambda alpha: force_product(data, pair_perms, kernel, alpha, threads=threads) + lam * alpha,
        y,
        precondition=sparse_inverse(data, pair_perms, kernel, lam, neighbours=neighbours),
        tol=tol,
        max_iter=max_iter,
    )
    return IterativeFit(assemble(X, numbers, group, kernel, lam, data, run.solution, E), run)


def sparse_inverse(
    data: Internal, pair_perms: Int[Array, "g p"], kernel: ProductKernel, lam: float, *, neighbours: int
) -> Map:
    """r (n, q) ↦ Σ W_i W_iᵀ r ≈ (K + lam I)⁻¹ r: one small factorisation for each frame."""
    n, _, q = data.J.shape
    groups, W = nearest_predecessors(data.x, pair_perms, kernel, neighbours), []
    for frames in groups:
        some = Internal(*(part[frames] for part in data))
        C = force_matrix(some, pair_perms, kernel).reshape(len(frames) * q, -1)
        C[np.diag_indices_from(C)] += lam
        last = np.eye(len(C))[:, -q:]
        W.append(solve_triangular(cholesky(C, lower=True), last, lower=True, trans=1))

    def apply(r: np.ndarray) -> np.ndarray:
        found = np.zeros((n, q))
        for frames, W_i in zip(groups, W, strict=True):
            found[frames] += (W_i @ (W_i.T @ r[frames].ravel())).reshape(-1, q)
        return found

    return apply


def nearest_predecessors(x: Any, pair_perms: Any, kernel: ProductKernel, s: int) -> list[np.ndarray]:
    """For each frame the s nearest of those before it, and itself last; coarse to fine.

    The next frame is always the one furthest from all before it; distances are scaled as the kernel's.
    """
    scale = np.sqrt(kernel.weight / (1 + kernel.weight)) / kernel.ell
    apart = np.empty((len(x), len(x)))
    for i in range(len(x)):
        apart[i] = (((x[:, None] - x[i, pair_perms]) * scale) ** 2).sum(-1).min(-1)
    order, least = [0], apart[0].copy()
    while len(order) < len(x):
        least[order[-1]] = -1
        order.append(int(least.argmax()))
        least = np.minimum(least, apart[order[-1]])
    return [np.append(_nearest(apart[f], order[:i], s), f) for i, f in enumerate(order)]


def _nearest(apart: np.ndarray, before: list[int], s: int) -> np.ndarray:
    earlier = np.array(before, int)
    return earlier[np.argsort(apart[earlier], kind="stable")[:s]]


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
