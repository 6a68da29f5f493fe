"""A forecast that keeps to its scale: low + (high - low) σ(w·x), fitted by least squares.

Residual   r = low + (high - low) σ(X w) - y
Jacobian   J = ∂r/∂w = diag(s) X with s = (high - low) σ(1 - σ), the slope of each sample
Gradient   Jᵀ r / n
Hessian    (JᵀJ + Xᵀ diag(r s (1 - 2σ)) X) / n: Gauss and Newton keep the first half
           derived: book/grammar/downhill, eq. (downhill-half)
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit

Array = Any


class Scale(NamedTuple):
    """The least and the greatest value that can be forecast, in the unit of y."""

    low: float
    high: float


def forecast(w: Float[Array, " d"], X: Float[Array, "n d"], scale: Scale) -> Float[np.ndarray, " n"]:
    """low + (high - low) σ(X w).  Raises ValueError for a scale that ends below its beginning."""
    if not scale.low < scale.high < np.inf:
        raise ValueError(f"Scale expects low < high, both finite; got {scale.low} and {scale.high}.")
    return scale.low + (scale.high - scale.low) * expit(X @ w)


def residual(
    w: Float[Array, " d"], X: Float[Array, "n d"], y: Float[Array, " n"], scale: Scale
) -> Float[np.ndarray, " n"]:
    """Forecast less what came, in the unit of y."""
    return forecast(w, X, scale) - y


def _slope(w: Array, X: Array, scale: Scale) -> tuple[Array, Array]:
    p = expit(X @ w)
    return p, (scale.high - scale.low) * p * (1 - p)


def jac_residual_w(w: Float[Array, " d"], X: Float[Array, "n d"], scale: Scale) -> Float[np.ndarray, "n d"]:
    """diag(s) X."""
    _, s = _slope(w, X, scale)
    return s[:, None] * X


def fit_loss(
    w: Float[Array, " d"], X: Float[Array, "n d"], y: Float[Array, " n"], scale: Scale
) -> Float[Array, ""]:
    """‖r‖² / (2n)."""
    r = residual(w, X, y, scale)
    return r @ r / (2 * len(y))


def grad_fit_w(
    w: Float[Array, " d"], X: Float[Array, "n d"], y: Float[Array, " n"], scale: Scale
) -> Float[np.ndarray, " d"]:
    """Jᵀ r / n."""
    return jac_residual_w(w, X, scale).T @ residual(w, X, y, scale) / len(y)


def half_hess_fit_w(w: Float[Array, " d"], X: Float[Array, "n d"], scale: Scale) -> Float[np.ndarray, "d d"]:
    """JᵀJ / n, the half that Gauss and Newton keep: never indefinite."""
    J = jac_residual_w(w, X, scale)
    return J.T @ J / len(X)


def hess_fit_w(
    w: Float[Array, " d"], X: Float[Array, "n d"], y: Float[Array, " n"], scale: Scale
) -> Float[np.ndarray, "d d"]:
    """(JᵀJ + Xᵀ diag(r s (1 - 2σ)) X) / n: the whole."""
    p, s = _slope(w, X, scale)
    bent = residual(w, X, y, scale) * s * (1 - 2 * p)
    return half_hess_fit_w(w, X, scale) + X.T @ (bent[:, None] * X) / len(y)
