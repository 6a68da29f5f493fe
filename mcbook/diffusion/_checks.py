"""What the chapter's entry points demand of their input, before any work is done.  Private."""

from typing import Any

import jax
import numpy as np

from mcbook._numbers import finite as finite
from mcbook._numbers import not_negative as not_negative
from mcbook._numbers import positive as positive
from mcbook._numbers import reals as reals
from mcbook._numbers import whole as whole

SPREADS = "drop or impute those rows, one of them would spread through the whole batch"


def traced(*values: Any) -> bool:
    """Whether JAX is looking through the call: shapes are known then, numbers are not."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def samples(x: Any, name: str = "x", *, d: int | None = None) -> Any:
    """x (n, ...), or (n, d) where d is given: floating, finite unless traced.  Its own kind of array."""
    if not hasattr(x, "dtype"):
        x = np.asarray(x, dtype=float)
    if np.dtype(x.dtype).kind != "f":
        raise ValueError(
            f"{name} must hold floating-point numbers, got dtype {x.dtype}; convert with .astype(float), "
            "and scale pixels 0 … 255 to about -1 … 1."
        )
    if x.ndim < 2 or (d is not None and x.shape[1:] != (d,)):
        want = "(n, ...)" if d is None else f"(n, {d})"
        raise ValueError(
            f"{name} must be {want}, rows are samples; got shape {x.shape}. One alone is x[None]."
        )
    if not traced(x):
        finite(x, name, SPREADS)
    return x


def answered(D: Any, name: str, sigma: Any) -> None:
    """Raises ValueError where a denoiser's answer is not finite: one NaN would end in every sample."""
    if not np.isfinite(float(abs(D).max())):
        raise ValueError(
            f"{name} answered with NaN or infinity at sigma = {sigma:.4g}; look at its rows there."
        )


def ascending(low: Any, high: Any, names: tuple[str, str]) -> tuple[float, float]:
    """Two positive numbers, the first the smaller."""
    low, high = positive(low, names[0]), positive(high, names[1])
    if not low < high:
        raise ValueError(f"{names[0]} must be less than {names[1]}, got {low} and {high}.")
    return low, high


def times(values: Any, name: str = "times", *, least: float = 0.0) -> np.ndarray:
    """Increasing times ≥ least, at least one of them."""
    out = np.atleast_1d(reals(values, name))
    if out.ndim != 1 or len(out) < 1 or out[0] < least or (np.diff(out) <= 0).any():
        raise ValueError(f"{name} must be a list of increasing times from {least:g} on, got {out}.")
    return out


def generator(rng: Any) -> np.random.Generator:
    """A NumPy generator.  Raises ValueError for anything else, None above all."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng must be a NumPy generator, np.random.default_rng(seed), got {type(rng).__name__}: "
            "the same seed gives the same samples."
        )
    return rng
