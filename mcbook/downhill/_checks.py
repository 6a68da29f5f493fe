"""What the chapter's entry points refuse, and how they say it."""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray


def vector(x: Any, name: str) -> Array:
    """A vector of finite real numbers as float64, or a ValueError."""
    if np.iscomplexobj(x):
        raise ValueError(f"{name} expects real numbers, got complex ones; take the real part on purpose.")
    v = np.array(x, dtype=float)
    if v.ndim != 1 or not v.size:
        raise ValueError(
            f"{name} expects a vector (d,), got shape {v.shape}; W.ravel() makes one of a matrix."
        )
    if not np.isfinite(v).all():
        bad = np.count_nonzero(~np.isfinite(v))
        raise ValueError(f"{name} expects finite numbers, got {bad} NaN or infinite; start somewhere else.")
    return v


def table(X: Any, name: str) -> Array:
    """A matrix (n, d) of finite real numbers, rows are samples, or a ValueError."""
    A = np.asarray(X, dtype=float)
    if A.ndim != 2 or not A.size or not np.isfinite(A).all():
        raise ValueError(f"{name} expects finite numbers (n, d), a sample to a row; got shape {A.shape}.")
    return A


def setting(
    value: int | float, name: str, *, low: int | float = 0.0, high: int | float = np.inf, closed: bool = False
) -> float:
    """low < value < high (low ≤ value if closed), or a ValueError."""
    if not (low <= value if closed else low < value) or not value < high:
        sign = "≤" if closed else "<"
        raise ValueError(f"{name} expects {low:g} {sign} {name} < {high:g}, got {value}.")
    return float(value)


def count(steps: int) -> int:
    """A number of steps, at least one, or a ValueError."""
    if steps < 1 or int(steps) != steps:
        raise ValueError(f"steps expects a whole number ≥ 1, got {steps}.")
    return int(steps)


def of_shape(f: Callable[[Array], Any], x: Array, shape: tuple[int, ...], name: str) -> Array:
    """f(x) as an array of the shape that it must have, or a ValueError that says which it has."""
    value = np.asarray(f(x), dtype=float)
    if value.shape != shape:
        raise ValueError(f"{name} expects to return shape {shape} at w {x.shape}, got {value.shape}.")
    return value
