"""What the penalty does to each mode, and how much freedom it leaves.

Problem    min ½(w - g)ᵀM(w - g) + ½ lam wᵀKw: smooth a field g
Modes      K v = mu M v, VᵀMV = I: in them the solution is  v_kᵀM g / (1 + lam mu_k)
Freedom    tr (M + lam K)⁻¹M = Σ 1/(1 + lam mu_k), the effective degrees of freedom
Limits     on an interval of length L with natural ends mu_k → (kπ/L)², from above, as the mesh is refined
Symbols    mu (n,) ascending, V (n, n) columns, lam = length²
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from scipy.linalg import eigh

from mcbook.ridge._checks import not_negative, reals

Array = Any
MOST = 5000  # unknowns in a dense eigenproblem: 200 MB a matrix


class Modes(NamedTuple):
    """K V = M V diag(mu), VᵀMV = I, mu ascending."""

    mu: np.ndarray
    V: np.ndarray


def spectrum(K: Any, M: Any) -> Modes:
    """All modes of a pair of symmetric matrices, sparse or dense, M positive definite.

    Raises ValueError for matrices that do not fit, more than 5000 unknowns, or an M that is not definite.
    """
    if K.shape != M.shape or K.shape[0] != K.shape[1]:
        raise ValueError(f"K and M must be square and of one size, got {K.shape} and {M.shape}.")
    if K.shape[0] > MOST:
        raise ValueError(
            f"all modes of {K.shape[0]} unknowns are too many; at most {MOST}: use a coarser mesh."
        )
    try:
        mu, V = eigh(*(X.toarray() if sp.issparse(X) else reals(X, "K, M") for X in (K, M)))
    except np.linalg.LinAlgError as error:
        raise ValueError("M must be positive definite: is there a node without mass?") from error
    return Modes(mu, V)


def shrinkage(mu: Any, lam: Any) -> Float[Array, " n"]:
    """1/(1 + lam mu): what is left of each mode; lam ≥ 0.  Raises ValueError for lam < 0 or mu < 0."""
    mu, lam = reals(mu, "mu"), not_negative(lam, "lam")
    if mu.min() < -1e-9 * max(1.0, np.abs(mu).max()):
        raise ValueError(f"mu must not be negative, got {mu.min()}: K must be positive semidefinite.")
    return 1 / (1 + lam * mu)


def effective_dof(mu: Any, lam: Any) -> float:
    """Σ 1/(1 + lam mu): between the number of modes with mu = 0 and their number in all."""
    return float(shrinkage(mu, lam).sum())
