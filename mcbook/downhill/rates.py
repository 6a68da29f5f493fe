"""Descent on a quadratic with curvatures h_min … h_max, exactly: which steps converge, and how fast."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.downhill._checks import setting


class Settings(NamedTuple):
    """A step, a momentum, and the factor by which the error shrinks with every step, in the long run."""

    eta: float
    beta: float
    rate: float


def curvatures(H: Any) -> Float[np.ndarray, " d"]:
    """Eigenvalues of a symmetric H (d, d), rising.  Raises ValueError for another matrix."""
    H = np.asarray(H, dtype=float)
    if H.ndim != 2 or H.shape[0] != H.shape[1] or not np.isfinite(H).all():
        raise ValueError(f"curvatures expects a finite square matrix, got shape {H.shape}.")
    if abs(H - H.T).max() > 1e-10 * abs(H).max():
        raise ValueError(
            "curvatures expects a symmetric matrix; a Hessian is one: (H + H.T) / 2 of rounding."
        )
    return np.linalg.eigvalsh(H)


def _both(h_min: int | float, h_max: int | float) -> tuple[float, float]:
    setting(h_min, "h_min")
    if not h_min <= h_max < np.inf:
        raise ValueError(f"h_max expects h_min ≤ h_max < ∞, got {h_min} and {h_max}.")
    return float(h_min), float(h_max)


def best_step(h_min: int | float, h_max: int | float) -> Settings:
    """eta = 2/(h_min + h_max) makes the slowest direction fastest: rate (c - 1)/(c + 1), c = h_max/h_min.

    Raises ValueError unless 0 < h_min ≤ h_max.
    """
    h_min, h_max = _both(h_min, h_max)
    return Settings(2 / (h_min + h_max), 0.0, (h_max - h_min) / (h_max + h_min))


def best_momentum(h_min: int | float, h_max: int | float) -> Settings:
    """eta = (2/(√h_min + √h_max))², beta = rate²; rate (√c - 1)/(√c + 1).  Source: polyak1964.

    Raises ValueError unless 0 < h_min ≤ h_max.
    """
    low, high = (float(np.sqrt(h)) for h in _both(h_min, h_max))
    rate = (high - low) / (high + low)
    return Settings((2 / (low + high)) ** 2, rate**2, rate)


def iteration_matrix(h: int | float, eta: int | float, beta: int | float = 0.0) -> Float[np.ndarray, "2 2"]:
    """What a step with momentum does to (e now, e before) in a direction of curvature h."""
    return np.array([[1 - eta * h + beta, -beta], [1.0, 0.0]])


def contraction(h: Any, eta: int | float, beta: int | float = 0.0) -> float:
    """The error's factor at every step, in the long run: the largest |eigenvalue| over curvatures h (d,)."""
    setting(eta, "eta")
    setting(beta, "beta", high=1.0, closed=True)
    return max(float(abs(np.linalg.eigvals(iteration_matrix(k, eta, beta))).max()) for k in np.atleast_1d(h))


def steps_to(rate: int | float, factor: int | float) -> float:
    """How many steps shrink the error to `factor` of itself, log factor / log rate; ∞ where none do."""
    setting(factor, "factor", high=1.0)
    setting(rate, "rate", closed=True)
    return float(np.inf) if rate >= 1 else 1.0 if rate == 0 else float(np.log(factor) / np.log(rate))
