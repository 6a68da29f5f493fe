"""Fitting a line: half the mean squared error of X w, its gradient and Hessian, and columns on one scale."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.downhill._checks import table, vector

Array = Any


class Scaled(NamedTuple):
    """Columns with mean 0 and standard deviation 1, and what was taken out: X = mean + sd * columns."""

    columns: Float[np.ndarray, "n d"]
    mean: Float[np.ndarray, " d"]
    sd: Float[np.ndarray, " d"]

    def like(self, X: Any) -> Float[np.ndarray, "m d"]:
        """Other samples (m, d), on the scale of these."""
        return (table(X, "X") - self.mean) / self.sd


def loss(w: Float[Array, " d"], X: Float[Array, "n d"], y: Float[Array, " n"]) -> Float[Array, ""]:
    """‖X w - y‖² / (2n): half the mean squared residual, in the unit of y squared."""
    r = X @ w - y
    return r @ r / (2 * len(y))


def grad_loss_w(w: Float[Array, " d"], X: Float[Array, "n d"], y: Float[Array, " n"]) -> Float[Array, " d"]:
    """Xᵀ (X w - y) / n.  Source: book/grammar/downhill, eq. (downhill-line)."""
    return X.T @ (X @ w - y) / len(y)


def hess_loss_w(X: Float[Array, "n d"]) -> Float[Array, "d d"]:
    """XᵀX / n, the same everywhere: the loss is a quadratic."""
    return X.T @ X / len(X)


def solution(X: Any, y: Any) -> Float[np.ndarray, " d"]:
    """Where the gradient vanishes: XᵀX w = Xᵀy.  Raises ValueError for columns that depend on one another."""
    X, y = table(X, "X"), vector(y, "y")
    if len(X) != len(y):
        raise ValueError(f"solution expects as many y as rows of X, got {len(y)} and {len(X)}.")
    if np.linalg.matrix_rank(X) < X.shape[1]:
        raise ValueError(
            f"X expects independent columns, got rank {np.linalg.matrix_rank(X)} of {X.shape[1]}: many "
            "weights are equally good; leave a column out, or add a ridge."
        )
    return np.linalg.lstsq(X, y)[0]


def with_ones(X: Any) -> Float[np.ndarray, "n m"]:
    """A first column of ones, whose weight is the intercept."""
    X = table(X, "X")
    return np.column_stack([np.ones(len(X)), X])


def standardise(X: Any) -> Scaled:
    """Every column less its mean, over its standard deviation.  Raises ValueError for a constant column."""
    X = table(X, "X")
    mean, sd = X.mean(axis=0), X.std(axis=0)
    if not (sd > 1e-12 * np.maximum(1, abs(mean))).all():
        which = int(np.argmin(sd))
        raise ValueError(
            f"standardise expects columns that vary, got a constant column {which}; leave it out."
        )
    return Scaled((X - mean) / sd, mean, sd)
