"""Ridge regression: the same energy, with data in place of a load.

Objective  J(w) = ½‖Xw - y‖² + ½ lam ‖w‖²
Gradient   dJ = ⟨Xᵀ(Xw - y) + lam w, dw⟩
Solver     X = U S Vᵀ:  w = V (s/(s² + lam)) Uᵀy; each direction is shrunk by s²/(s² + lam), and these
           factors add up to the effective degrees of freedom
Beside it  XᵀX ↔ K, lam I ↔ kappa M, Xᵀy ↔ b: J(w) of `energy`, up to the constant ½‖y‖²
Reference  hoerl1970
Symbols    X (n, p), y (n,), w (p,), lam ≥ 0, s (r,) singular values
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.ridge._checks import not_negative, reals

Array = Any


class RidgePath(NamedTuple):
    """Fits along lams (L,): W (L, p), dof (L,), shrinkage (L, r), and the singular values s (r,)."""

    lams: np.ndarray
    W: np.ndarray
    dof: np.ndarray
    shrinkage: np.ndarray
    s: np.ndarray


def ridge_loss(
    w: Float[Array, " p"], X: Float[Array, "n p"], y: Float[Array, " n"], lam: Any
) -> Float[Array, ""]:
    """½‖Xw - y‖² + ½ lam ‖w‖²."""
    r = X @ w - y
    return (r @ r + lam * (w @ w)) / 2


def grad_ridge_loss_w(
    w: Float[Array, " p"], X: Float[Array, "n p"], y: Float[Array, " n"], lam: Any
) -> Float[Array, " p"]:
    """Xᵀ(Xw - y) + lam w."""
    return X.T @ (X @ w - y) + lam * w


def hvp_ridge_loss_w(w_dot: Float[Array, " p"], X: Float[Array, "n p"], lam: Any) -> Float[Array, " p"]:
    """(XᵀX + lam I) w_dot."""
    return X.T @ (X @ w_dot) + lam * w_dot


def fit_ridge(X: Any, y: Any, *, lam: Any) -> Float[Array, " p"]:
    """w (p,) for X (n, p), y (n,), lam ≥ 0.  Raises ValueError as `ridge_path` does."""
    return ridge_path(X, y, [lam]).W[0]


def ridge_path(X: Any, y: Any, lams: Any) -> RidgePath:
    """The fits for every lam of lams (L,), from one singular value decomposition.

    Raises ValueError for bad shapes, NaN, a negative lam, or lam = 0 where X has not full column rank.
    """
    X, lams = reals(X, "X"), reals(lams, "lams")
    if X.ndim != 2 or not X.size:
        raise ValueError(f"X must be (n, p), rows are samples; got shape {X.shape}.")
    if lams.ndim != 1 or not len(lams):
        raise ValueError(f"lams must be (L,), L ≥ 1; got shape {lams.shape}.")
    y, least = reals(y, "y", shape=(len(X),)), not_negative(lams.min(), "lam")
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    if least == 0 and (len(s) < X.shape[1] or s[-1] <= 1e-14 * s[0]):
        raise ValueError("with lam = 0 and columns of X that depend on one another w is not unique; lam > 0.")
    W = (s / (s**2 + lams[:, None]) * (U.T @ y)) @ Vt
    shrinkage = s**2 / (s**2 + lams[:, None])
    return RidgePath(lams, W, shrinkage.sum(1), shrinkage, s)
