"""What the chapter's entry points demand of their input, before any work is done.  Private."""

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


def finite(out: np.ndarray, name: str) -> np.ndarray:
    """out itself, if it holds neither NaN nor infinity."""
    if not np.isfinite(out).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])
        count = int((~np.isfinite(out)).sum())
        raise ValueError(f"{name} holds {count} NaN or infinite value(s), the first at {first}.")
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


def coefficient(value: Any, cells: int, name: str, *, zero: bool) -> np.ndarray:
    """A material's coefficient as float64, () or one per cell (T,); positive, or ≥ 0 where `zero` is fine."""
    out = reals(value, name)
    if out.shape not in ((), (cells,)):
        raise ValueError(f"{name} must be a number or ({cells},), one per cell; got shape {out.shape}.")
    low = float(out.min())
    if low < 0 or (low == 0 and not zero):
        bound = "negative" if zero else "zero or negative"
        raise ValueError(
            f"{name} must not be {bound}, got {low}: the energy would have no minimum. "
            f"Is its sign, or its unit, the equation's -∇·(a∇u) + kappa u = f?"
        )
    return out


def degree_of(degree: Any) -> int:
    """1 or 2."""
    if degree not in (1, 2):
        raise ValueError(f"degree must be 1 (P1) or 2 (P2), got {degree!r}.")
    return int(degree)


def node_indices(indices: Any, n: int, name: str) -> np.ndarray:
    """Distinct node numbers in 0 … n - 1, in the order given."""
    out = np.asarray(indices)
    if out.size == 0:
        return np.zeros(0, dtype=np.int64)
    if out.ndim != 1 or out.dtype.kind not in "iu":
        raise ValueError(f"{name} must be a list of node numbers, got dtype {out.dtype}, shape {out.shape}.")
    if out.min() < 0 or out.max() >= n:
        raise ValueError(f"{name} must lie in 0 … {n - 1}, got {int(out.min())} … {int(out.max())}.")
    if len(np.unique(out)) < len(out):
        raise ValueError(f"{name} names a node twice; np.unique drops the copies.")
    return out.astype(np.int64)
