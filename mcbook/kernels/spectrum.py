"""What lam means, eigenvector by eigenvector; and every lam at once from one eigendecomposition.

Problem    the fit's own predictions S y, S = K C⁻¹: how much of y does lam let through, and how much is right?
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
from scipy.linalg import eigh, qr_multiply
from scipy.optimize import minimize_scalar

from mcbook.kernels._checks import block, gram, ridge, survives, targets

LAMS = tuple(10.0**e for e in np.arange(-10, 2.25, 0.25))


class Spectrum(NamedTuple):
    """Eigenvalues mu (m,), ascending, and W (n, m) of K where P does not reach; m = n - q, WᵀW = I, WᵀP = 0."""

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
    """The eigenvalues and eigenvectors of K (n, n), restricted to the complement of P (n, q).

    Raises ValueError for a K that is not symmetric or has an eigenvalue well below zero, or a bad P.
    """
    K = gram(K)
    P = block(P, len(K))
    q = P.shape[1]
    if q:  # Qᵀ K Q with the full Q of P = Q R: its last n - q rows and columns are Nᵀ K N
        half, _ = qr_multiply(P, K, mode="right", pivoting=False, overwrite_c=False, conjugate=False)
        raise NotImplementedError(half.shape)
    mu, V = eigh(K, overwrite_a=False, check_finite=False)
    return Spectrum(mu, V)
