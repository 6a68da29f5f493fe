"""What the chapter's entry points refuse, and how they say it."""

from typing import Any

import numpy as np


def finite(A: Any, name: str) -> np.ndarray:
    """An array of finite real numbers as float64, or a ValueError."""
    if np.iscomplexobj(A):
        raise ValueError(f"{name} expects real numbers, got complex ones; take the real part on purpose.")
    B = np.asarray(A, dtype=float)
    if not np.isfinite(B).all():
        bad = np.count_nonzero(~np.isfinite(B))
        raise ValueError(f"{name} expects finite numbers, got {bad} NaN or infinite; look for a 0/0.")
    return B


def of_shape(A: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """A finite array of that shape, or a ValueError."""
    B = finite(A, name)
    if B.shape != shape:
        raise ValueError(f"{name} expects the shape {shape}, got {B.shape}.")
    return B


def scalar(value: Any, name: str) -> Any:
    """One finite number, real or complex, or a ValueError."""
    number = np.asarray(value)
    if number.shape != () or number.dtype.kind not in "fciu" or not np.isfinite(number):
        raise ValueError(f"{name} expects one finite number, got shape {number.shape}: {value!r:.60}.")
    return number[()]


def widths(ds: Any) -> tuple[int, ...]:
    """The widths d₀, d₁, …, d_L of a chain of maps, or a ValueError."""
    found = tuple(ds)
    if len(found) < 3 or any(int(d) != d or d < 1 for d in found):
        raise ValueError(
            f"a chain expects three or more whole widths d₀, …, d_L ≥ 1, got {ds!r}; two are one Jacobian."
        )
    return tuple(int(d) for d in found)
