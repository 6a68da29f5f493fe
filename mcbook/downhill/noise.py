"""Stochastic gradients: a minibatch in place of all samples, its noise, and the floor that the noise leaves.

On a quadratic with gradient noise of covariance C, the error in a direction of curvature h settles at the
variance that a step leaves as it is: v = (1 - eta h)² v + eta² c, so v = eta c / (h (2 - eta h)).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from mcbook.downhill._checks import count, of_shape, setting, vector
from mcbook.downhill.rates import curvatures

Array = np.ndarray
Rates = Callable[[int], float]


def rows_at_random(rng: np.random.Generator, n: int, batch: int) -> Array:
    """Which samples a minibatch takes: `batch` of n, with replacement, so that all draws are alike."""
    if not 1 <= batch <= n:
        raise ValueError(f"batch expects 1 ≤ batch ≤ n = {n}, got {batch}.")
    return rng.integers(n, size=batch)


def minibatch(
    grad: Callable[..., Any], X: Float[Array, "n d"], y: Float[Array, " n"], *, batch: int
) -> Callable[[Array, np.random.Generator], Array]:
    """(w, rng) -> grad(w, X[rows], y[rows]), rows drawn at random: unbiased where the gradient is a mean."""

    def noisy(w: Array, rng: np.random.Generator) -> Array:
        rows = rows_at_random(rng, len(y), batch)
        return grad(w, X[rows], y[rows])

    return noisy


def noise_of(
    w: Float[Array, " d"], X: Float[Array, "n d"], y: Float[Array, " n"], *, batch: int
) -> Float[np.ndarray, "d d"]:
    """Covariance of the line's minibatch gradient at w: that of one sample's x (x·w - y), over the batch."""
    each = X * (X @ w - y)[:, None]
    return np.cov(each, rowvar=False, ddof=0).reshape(X.shape[1], -1) / batch


def stochastic(
    noisy: Callable[[Array, np.random.Generator], Any],
    w: Any,
    *,
    eta: int | float | Rates,
    steps: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "k d"]:
    """w ← w - eta_k g(w), with a gradient of which only the mean is right; all points, the start first.

    noisy  (w, rng) -> (d,)
    eta    a number, or a function of the step k = 0, 1, …

    Raises ValueError for a start with NaN or a step that is not positive; FloatingPointError with the step
    at which numbers overflow.
    """
    w = vector(w, "w")
    count(steps)
    rate: Rates = eta if callable(eta) else lambda k: eta
    points = np.empty((steps + 1, w.size))
    points[0] = w
    for k in range(steps):
        g = of_shape(lambda v: noisy(v, rng), w, w.shape, "noisy")
        w = w - setting(rate(k), "eta") * g
        if not np.isfinite(w).all():
            raise FloatingPointError(f"step {k} overflows: a smaller eta than {rate(k):g} is needed.")
        points[k + 1] = w
    return points


def stationary_excess(H: Any, C: Any, eta: int | float) -> float:
    """½ Σ eta cᵢ/(2 - eta hᵢ): how far above the bottom the loss settles, on average, for a constant step.

    H (d, d) Hessian, C (d, d) covariance of the gradient's noise, cᵢ its variance along H's eigenvector i.
    Exact on a quadratic whose noise does not depend on w.  Raises ValueError unless 0 < eta < 2/h_max.
    """
    h = curvatures(H)
    _, Q = np.linalg.eigh(np.asarray(H, dtype=float))
    setting(eta, "eta", high=2 / h[-1])
    c = np.einsum("ij,ik,kj->j", Q, np.asarray(C, dtype=float), Q)
    return float(0.5 * np.sum(eta * c / (2 - eta * h)))
