"""What lam means, eigenvector by eigenvector; and every lam at once from one eigendecomposition.

Problem    the fit's own predictions S y, S = K C⁻¹: how much of y does lam let through?
Solution   K = V diag(mu) Vᵀ:  S y = Σ mu_j/(mu_j + lam) v_j (v_j·y)              shrinkage, one factor a mode
           effective degrees of freedom  tr S = Σ mu_j/(mu_j + lam)                        (plus q with P)
With P     K restricted to what P does not span, Nᵀ K N = V diag(mu) Vᵀ, Nᵀ P = 0, W = N V:
           B = W diag(1/(mu + lam)) Wᵀ,  S = I - lam B
LOO        alpha = W (z/(mu + lam)),  b = (W ∘ W)(1/(mu + lam)),  z = Wᵀy: O(n²) for each further lam
Units      y = f + noise, Var f(x) = s² k(x, x): lam = noise²/s², a pure number where k(x, x) = 1
References wahba1990, rasmussen2006 (section 2.6)
Symbols    mu eigenvalues, V or W eigenvectors; S the smoother; the rest as in `solve`
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar

from mcbook.kernels._checks import block, gram, ridge, survives, targets

LAMS = tuple(10.0**e for e in np.arange(-10, 2.25, 0.25))


class Spectrum(NamedTuple):
    """Eigenvalues mu (m,), ascending, and W (n, m) of K beside P; m = n - q, WᵀW = I, WᵀP = 0."""

    mu: np.ndarray
    W: np.ndarray


class LamPath(NamedTuple):
    """Leave-one-out errors over a grid of lam, and the best lam, refined between its neighbours."""

    lams: np.ndarray
    rmse: np.ndarray
    lam: float
    best_rmse: float
    at_edge: bool  # the best lam is the least or the largest asked for: widen the grid


def spectrum(K: Any, *, P: Any = None) -> Spectrum:
    """The eigenvalues and eigenvectors of K (n, n), restricted to the complement of P (n, q), about 9 n³.

    P's directions are projected out of K and then given an eigenvalue above all others, so that they come
    last and can be dropped without a guess at what is zero.
    Raises ValueError for a K that is not symmetric or has an eigenvalue well below zero, or a bad P.
    """
    K = gram(K)
    P = block(P, len(K))
    A, q = K, P.shape[1]
    if q:
        Q = np.linalg.qr(P)[0]
        KQ = K @ Q
        above = 2 * float(np.abs(K).sum(1).max())
        A = K - KQ @ Q.T - Q @ KQ.T + Q @ ((Q.T @ KQ) + above * np.eye(q)) @ Q.T
    mu, V = eigh(A, driver="evd", overwrite_a=q > 0, check_finite=False)
    mu, W = mu[: len(K) - q], V[:, : len(K) - q]
    if mu[0] < -1e-8 * abs(mu[-1]):
        raise ValueError(
            f"K has the eigenvalue {mu[0]:.1e} beside {mu[-1]:.1e}: it is no kernel matrix. Is it symmetric "
            "and made of inner products, between the samples in one order?"
        )
    return Spectrum(np.maximum(mu, 0.0), W)


def shrinkage(mu: Any, lam: Any) -> np.ndarray:
    """mu/(mu + lam): what is left of y along each eigenvector.  lam > 0, or mu > 0."""
    mu, lam = np.asarray(mu, dtype=float), ridge(lam)
    if lam == 0 and not (mu > 0).all():
        raise ValueError("shrinkage by lam = 0 is undefined where an eigenvalue is 0; give lam > 0.")
    return mu / (mu + lam)


def smoother_matrix(K: Any, *, lam: Any, P: Any = None) -> np.ndarray:
    """S (n, n), symmetric, with S y the fit at the training points: S = I - lam B; without P it is K C⁻¹.

    P is reproduced, S P = P; an eigenvector w_j beside it is shrunk by mu_j/(mu_j + lam).
    Raises ValueError as `spectrum` does.
    """
    mu, W = spectrum(K, P=P)
    return np.eye(len(W)) - (W * (1 - shrinkage(mu, lam))) @ W.T


def effective_dof(K: Any, *, lam: Any, P: Any = None) -> float:
    """tr S = q + Σ mu/(mu + lam): how many numbers the fit could choose freely, between q and n."""
    mu, W = spectrum(K, P=P)
    return float(shrinkage(mu, lam).sum()) + len(W) - len(mu)


def lam_from_noise(noise: Any, signal: Any) -> float:
    """lam = (noise/signal)², two standard deviations in units of y: a pure number, for k(x, x) = 1.

    Raises ValueError unless noise ≥ 0 and signal > 0, both finite.
    """
    if not (0 <= noise < np.inf and 0 < signal < np.inf):
        raise ValueError(f"lam_from_noise expects noise ≥ 0 and signal > 0, got {noise} and {signal}.")
    return (noise / signal) ** 2


def lam_path(K: Any, y: Any, *, P: Any = None, lams: Any = LAMS) -> LamPath:
    """Leave-one-out errors for every lam in the grid, and the best lam; one eigendecomposition in all.

    K (n, n), y (n,) or (n, k) (the error is over all k), P (n, q), lams > 0, ascending.
    Raises ValueError as `spectrum` and `leave_one_out` do, and for a grid that is not positive and ascending.
    """
    lams = np.asarray(lams, dtype=float)
    if lams.ndim != 1 or len(lams) < 2 or not lams[0] > 0 or not (np.diff(lams) > 0).all():
        raise ValueError(f"lams must be positive and ascending, two or more; got {lams}.")
    y = targets(y, len(K))
    survives(P, np.arange(len(K)))
    modes = spectrum(K, P=P)
    z, squares = modes.W.T @ y, modes.W**2

    def rmse(log_lam: Any) -> float:
        return _loo_rmse(modes, z, squares, float(np.exp(log_lam)))

    errors = np.array([rmse(t) for t in np.log(lams)])
    k = int(np.argmin(errors))
    between = np.log(lams[[max(k - 1, 0), min(k + 1, len(lams) - 1)]])
    found = minimize_scalar(rmse, bounds=tuple(between), method="bounded", options={"xatol": 1e-2})
    refined = found.fun < errors[k]
    best = (float(np.exp(found.x)), float(found.fun)) if refined else (float(lams[k]), float(errors[k]))
    return LamPath(lams, errors, *best, at_edge=k in (0, len(lams) - 1))


def _loo_rmse(modes: Spectrum, z: np.ndarray, squares: np.ndarray, lam: Any) -> float:
    inverse = 1 / (modes.mu + lam)
    alpha, b = modes.W @ (z.T * inverse).T, squares @ inverse
    return float(np.sqrt(np.mean((alpha.T / b) ** 2)))
