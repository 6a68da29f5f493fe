"""What the chapter's entry points demand of their input, before any work is done.  Private."""

from typing import Any

import numpy as np

from mcbook._numbers import finite as finite
from mcbook._numbers import not_negative as not_negative
from mcbook._numbers import positive as positive
from mcbook._numbers import reals as reals
from mcbook._numbers import whole as whole


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
