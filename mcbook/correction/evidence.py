"""How likely the data are under given widths and noise, and which way to turn them.

Problem    minimise L(theta) = -log p(y | widths, noise) over theta = log (sigma_1 … sigma_c, lam_E, lam_G)
Model      y ~ N(P beta, s² C),  C = K(sigma) + diag(lam);  flat in beta; s² at its best, yᵀB y/(N - q)
Rules      B = C⁻¹ - C⁻¹P(PᵀC⁻¹P)⁻¹PᵀC⁻¹,  alpha = B y,  dB = -B dC B,  d log|C| + d log|PᵀC⁻¹P| = tr(B dC)
Gradient   dL = ⟨G, dC⟩,  G = ½(B - alpha alphaᵀ/s²);  by log sigma_c in `kernel`, by log lam a sum of G_ii
Left out   all of a geometry F, energy and gradient: residual r_F = B_FF⁻¹ alpha_F, covariance s² B_FF⁻¹
References rasmussen2006 (chapter 5), harville1977, wahba1990
Symbols    N observations: n energies, then n s parts of gradients; P (N, q) ones for the energies, q 0 or 1
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_solve, lapack

from mcbook.correction.kernel import matrix, scaled, vjp_matrix_log_sigma

Array = Any


class Observations(NamedTuple):
    """What was computed, in reduced coordinates; s = 0 when there are no gradients."""

    q: np.ndarray  # (n, p) features
    J: np.ndarray  # (n, p, s) their slopes
    y: np.ndarray  # (N,), N = n (1 + s)
    P: np.ndarray  # (N, 1) or (N, 0)
    pairs: np.ndarray  # (g, p) permutations
    labels: np.ndarray  # (p,) kind of pair


class Solved(NamedTuple):
    """One factorisation's worth: alpha = B y, beta, L, B, log|C| + log|PᵀC⁻¹P|, and the variance s²."""

    alpha: np.ndarray  # (N,)
    beta: np.ndarray  # (q,)
    L: np.ndarray  # (N, N) C = L Lᵀ
    B: np.ndarray  # (N, N)
    V: np.ndarray  # (N, q) = C⁻¹P
    M: np.ndarray  # (q, q) = PᵀC⁻¹P, and beta = M⁻¹Vᵀy
    log_det: float
    s2: float


class Evidence(NamedTuple):
    """L in nats, and its gradient by log sigma (c,) and by log lam_E, log lam_G (2,)."""

    value: float
    grad_log_sigma: np.ndarray
    grad_log_lam: np.ndarray


def covariance(data: Observations, sigma: Float[Array, " c"], lam: Float[Array, "2"]) -> Float[Array, "N N"]:
    """C = K + diag(lam): lam[0] for energies, lam[1] (1/Å²) for gradients, both over the variance s²."""
    C = matrix(scaled(data.q, data.J, sigma[data.labels]), data.pairs)
    C[np.diag_indices_from(C)] += np.repeat(lam, [len(data.q), len(C) - len(data.q)])
    return C


def solved(C: Float[Array, "N N"], y: Float[Array, " N"], P: Float[Array, "N q"]) -> Solved:
    """alpha, beta and B by one Cholesky factorisation.  Raises ValueError where C is singular."""
    L, info = lapack.dpotrf(C, lower=1, clean=1)
    if info:
        raise ValueError(
            f"K + lam is singular to working precision at observation {info - 1}: raise lam, or drop "
            "geometries that are there twice."
        )
    both = cho_solve((L, True), np.column_stack([P, y]), check_finite=False)
    V, M = both[:, :-1], P.T @ both[:, :-1]
    beta = np.linalg.solve(M, V.T @ y)
    alpha = both[:, -1] - V @ beta
    inverse = lapack.dpotri(L.copy(order="F"), lower=1, overwrite_c=1)[0]
    inverse += np.tril(inverse, -1).T
    B = inverse - V @ np.linalg.solve(M, V.T)
    log_det = 2 * float(np.log(np.diag(L)).sum()) + float(np.linalg.slogdet(M)[1])
    return Solved(alpha, beta, L, B, V, M, log_det, float(y @ alpha) / (len(y) - P.shape[1]))


def evidence_loss(data: Observations, sigma: Float[Array, " c"], lam: Float[Array, "2"]) -> float:
    """L = ½(N - q)(log(2 pi s²) + 1) + ½ log|C| + ½ log|PᵀC⁻¹P|."""
    return _loss(solved(covariance(data, sigma, lam), data.y, data.P), data)


def judge(data: Observations, sigma: Float[Array, " c"], lam: Float[Array, "2"]) -> Evidence:
    """`evidence_loss` and its gradient in all the logarithms."""
    found = solved(covariance(data, sigma, lam), data.y, data.P)
    G = grad_evidence_loss_C(found.B, found.alpha, found.s2)
    A = scaled(data.q, data.J, sigma[data.labels])
    n = len(data.q)
    diagonal = np.diag(G)
    by_lam = lam * np.array([diagonal[:n].sum(), diagonal[n:].sum()])
    return Evidence(_loss(found, data), vjp_matrix_log_sigma(A, G, data.pairs, data.labels), by_lam)


def grad_evidence_loss_C(B: Float[Array, "N N"], alpha: Float[Array, " N"], s2: float) -> Float[Array, "N N"]:
    """G = ½(B - alpha alphaᵀ/s²)."""
    return 0.5 * (B - np.outer(alpha, alpha) / s2)


def _loss(found: Solved, data: Observations) -> float:
    free = len(data.y) - data.P.shape[1]
    return 0.5 * (free * (np.log(2 * np.pi * found.s2) + 1) + found.log_det)


def left_out(
    B: Float[Array, "N N"], alpha: Float[Array, " N"], n: int
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Each geometry's energy residual when all that is known of it is left out, and its variance over s²."""
    rows = geometry_rows(n, len(alpha))
    inverses = np.linalg.inv(B[rows[:, :, None], rows[:, None, :]])
    return np.einsum("ns,ns->n", inverses[:, 0], alpha[rows]), inverses[:, 0, 0]


def geometry_rows(n: int, N: int) -> Int[Array, "n w"]:
    """Which observations belong to each geometry: its energy first."""
    s = N // n - 1
    return np.column_stack([np.arange(n)[:, None], n + np.arange(n * s).reshape(n, s)])
