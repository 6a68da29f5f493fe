"""Numbers that are handed in, looked at before any work is done.  Private; several chapters share it."""

from typing import Any

import numpy as np


def reals(values: Any, name: str, *, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """values as finite float64, of that shape if one is given.  Raises ValueError naming the remedy."""
    out = np.asarray(values)
    if out.dtype.kind not in "fiub":
        raise ValueError(
            f"{name} must hold real numbers, got dtype {out.dtype}; convert with .astype(float)."
        )
    out = np.asarray(out, dtype=float)
    if shape is not None and out.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {out.shape}.")
    return finite(out, name)


def finite(values: Any, name: str, remedy: str = "") -> np.ndarray:
    """values as an array.  Raises ValueError for NaN or infinity: how many, and the place of the first."""
    out = np.asarray(values)
    bad = ~np.isfinite(out)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} holds {int(bad.sum())} NaN or infinite value(s), the first at {first}"
            f"{remedy and '; ' + remedy}."
        )
    return out


def whole(n: Any, name: str, *, least: int = 1) -> int:
    """n as an int ≥ least."""
    if isinstance(n, bool) or int(n) != n or n < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {n!r}.")
    return int(n)


def positive(value: Any, name: str, why: str = "") -> float:
    """value as a finite float > 0."""
    value = float(value)
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}{why and ': ' + why}.")
    return value


def not_negative(value: Any, name: str, why: str = "") -> float:
    """value as a finite float ≥ 0."""
    value = float(value)
    if not 0 <= value < np.inf:
        raise ValueError(f"{name} must be finite and not negative, got {value}{why and ': ' + why}.")
    return value
