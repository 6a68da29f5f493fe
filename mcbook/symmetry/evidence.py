"""Widths and weights from the forces themselves: the evidence of the force kernel, by its gradient.

Problem    choose theta = (log ell, log weight), one width and one weight for each class of pairs
Objective  minus the log evidence of y = Qᵀforces over its m entries, the kernel's variance at its best:
           L = ½ log(yᵀC⁻¹y/m) + log|C|/(2m),  C = K + lam I
Gradient   dL = tr(S dC),  S = (C⁻¹/m - α αᵀ/(yᵀα))/2,  α = C⁻¹y;  through K by `blocks.vjp_force_matrix`
Solver     L-BFGS-B from widths of three standard deviations of each distance, on a few dozen frames
References rasmussen2006 (evidence), byrd1995 (L-BFGS-B)
lam        stays: the evidence of a few frames takes what they cannot explain for noise, and asks for a lam
           that many frames do not want.  Its derivative is here for whoever wishes to learn it
Symbols    classes (p,) the orbit of each pair; K, S (m, m), m = n q
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import lapack
from scipy.optimize import minimize

from mcbook._pairs import orbits
from mcbook.symmetry.blocks import Internal, force_matrix, internal, vjp_force_matrix
from mcbook.symmetry.product import ProductKernel

Array = Any
REACH = np.log(50.0)  # widths and weights stay within this factor of where they start
WEIGHT = 0.2  # where the weights start


class Evidence(NamedTuple):
    """L and its derivatives at one point."""

    value: float
    by_log_ell: Float[np.ndarray, " p"]
    by_log_weight: Float[np.ndarray, " p"]
    by_log_lam: float


class Learnt(NamedTuple):
    """The kernel with the best evidence seen, and how the search went."""

    kernel: ProductKernel
    value: float
    evaluations: int
    gradient: float  # the largest component that the bounds do not hold
    converged: bool
    message: str


def evidence_loss(
    data: Internal, y: Float[Array, "n q"], pair_perms: Any, kernel: ProductKernel, lam: float
) -> float:
    """L alone, by a symmetric factorisation.  Raises ValueError where K + lam I is singular."""
    C = _matrix(data, pair_perms, kernel, lam, 1)
    _, alpha, log_det = _solve(C, y.ravel())
    return float(0.5 * np.log(y.ravel() @ alpha / y.size) + 0.5 * log_det / y.size)


def judge_evidence(
    data: Internal,
    y: Float[Array, "n q"],
    pair_perms: Int[Array, "g p"],
    kernel: ProductKernel,
    lam: float,
    *,
    threads: int = 1,
) -> Evidence:
    """L and its whole gradient: one factorisation, one inverse, one pass back through the blocks."""
    C = _matrix(data, pair_perms, kernel, lam, threads)
    L, alpha, log_det = _solve(C, y.ravel())
    m, fit = y.size, float(y.ravel() @ alpha)
    S = lapack.dpotri(L, lower=1, overwrite_c=1)[0]
    S = (np.tril(S) + np.tril(S, -1).T) / (2 * m) - np.outer(alpha, alpha) / (2 * fit)
    by_ell, by_weight = vjp_force_matrix(data, pair_perms, kernel, S.reshape(y.shape * 2), threads=threads)
    value = 0.5 * np.log(fit / m) + 0.5 * log_det / m
    return Evidence(float(value), by_ell, by_weight, lam * float(np.trace(S)))


def _matrix(data, pair_perms, kernel, lam, threads) -> np.ndarray:
    n, _, q = data.J.shape
    C = force_matrix(data, pair_perms, kernel, threads=threads).reshape(n * q, n * q)
    C[np.diag_indices_from(C)] += lam
    return C


def _solve(C: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The factor of C (lower triangle), C⁻¹y and log|C|."""
    L, info = lapack.dpotrf(C, lower=1)
    if info:
        raise ValueError(f"K + lam I is singular to working precision (row {info - 1}): raise lam.")
    return L, lapack.dpotrs(L, y, lower=1)[0], 2 * float(np.log(np.diagonal(L)).sum())


def learn_kernel(
    X: Float[Array, "n a 3"],
    F: Float[Array, "n a 3"],
    pair_perms: Int[Array, "g p"],
    *,
    lam: float = 1e-6,
    max_iter: int = 80,
    tol: float = 1e-3,
    threads: int = 1,
) -> Learnt:
    """Widths and weights of greatest evidence for forces F at X: no frame beside these is looked at.

    Not converging (a free component of the gradient above `tol`) is reported as data.
    """
    data = internal(X)
    y = np.einsum("ndq,nd->nq", data.Q, F.reshape(len(F), -1))
    classes = orbits(pair_perms)
    spread = np.array([data.x[:, classes == c].std() for c in range(classes.max() + 1)])
    start = np.concatenate([np.log(3 * spread + 1e-3), np.full(len(spread), np.log(WEIGHT))])
    bounds = [(t - REACH, t + REACH) for t in start]
    search = _Search(data, y, pair_perms, classes, lam, threads)
    options = {"maxiter": max_iter, "gtol": tol, "maxfun": 2 * max_iter}
    found = minimize(search, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    gradient = _free_gradient(found.x, found.jac, np.array(bounds))
    kernel = search.kernel(found.x)
    return Learnt(kernel, float(found.fun), int(found.nfev), gradient, gradient <= tol, str(found.message))


class _Search:
    """theta ↦ (L, gradient), summed over the pairs of each class."""

    def __init__(self, data, y, pair_perms, classes, lam, threads):
        self.given, self.threads = (data, y, pair_perms, lam), threads
        self.classes, self.count = classes, classes.max() + 1

    def kernel(self, theta: np.ndarray) -> ProductKernel:
        ell, weight = np.split(np.exp(theta), 2)
        return ProductKernel(ell[self.classes], weight[self.classes])

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        data, y, pair_perms, lam = self.given
        found = judge_evidence(data, y, pair_perms, self.kernel(theta), lam, threads=self.threads)
        by_class = [np.bincount(self.classes, g, self.count) for g in (found.by_log_ell, found.by_log_weight)]
        return found.value, np.concatenate(by_class)


def _free_gradient(theta, gradient, bounds) -> float:
    """The largest component that does not push against a bound."""
    held = ((theta <= bounds[:, 0]) & (gradient > 0)) | ((theta >= bounds[:, 1]) & (gradient < 0))
    return float(np.abs(np.where(held, 0.0, gradient)).max())
