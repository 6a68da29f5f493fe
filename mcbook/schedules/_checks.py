"""What the chapter's entry points demand of their input, before any work is done.  Private."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from mcbook._numbers import finite as finite
from mcbook._numbers import positive as positive
from mcbook._numbers import whole as whole


def prepared(run: Any, schedule: Any) -> tuple[Any, Any]:
    """Run and schedule as JAX arrays in the precision of the weights.  Raises ValueError naming the fault."""
    run = run_arrays(run)
    return run, schedule_arrays(schedule, run.batches.shape[-2], run.w.dtype)


def run_arrays(run: Any) -> Any:
    """A `Run` as JAX arrays; a leading axis of seeds on w and batches is left to the caller."""
    w = np.asarray(run.w)
    if w.dtype.kind != "f" or w.ndim == 0 or w.size == 0:
        raise ValueError(
            f"w must be a flat vector of real weights, got dtype {w.dtype} and shape {w.shape}; "
            "`flattened` makes one from any tree of parameters."
        )
    finite(w, "w")
    rows = _same_rows(run.data, "data")
    _same_rows(run.held_out, "held_out")
    indices(run.batches, rows)
    data, held_out = (tuple(jnp.asarray(a) for a in part) for part in (run.data, run.held_out))
    return run._replace(w=jnp.asarray(w), data=data, batches=jnp.asarray(run.batches), held_out=held_out)


def single(run: Any) -> None:
    """One run, not an ensemble."""
    if np.ndim(run.w) != 1 or np.ndim(run.batches) != 2:
        raise ValueError(
            f"a run has w (p,) and batches (T, b), got {np.shape(run.w)} and {np.shape(run.batches)}; "
            "for several seeds together use `mean_hypergradient` and `evaluate`."
        )


def indices(batches: Any, rows: int) -> None:
    """(T, b) row numbers of the data, T ≥ 1."""
    batches = np.asarray(batches)
    if batches.ndim < 2 or batches.dtype.kind not in "iu":
        raise ValueError(
            f"batches must be whole numbers (T, b), the rows of the data that each step reads; got dtype "
            f"{batches.dtype}, shape {batches.shape}."
        )
    if 0 in batches.shape:
        raise ValueError(
            f"a run needs at least one step and one row a step, got batches of shape {batches.shape}."
        )
    low, high = int(batches.min()), int(batches.max())
    if low < 0 or high >= rows:
        raise ValueError(f"batches must lie in 0 … {rows - 1}, the rows of the data; got {low} … {high}.")


def schedule_arrays(schedule: Any, T: int, dtype: Any) -> Any:
    """A `Schedule` of T steps as JAX arrays: finite, rates and decays ≥ 0, momenta in [0, 1)."""
    found: list[Any] = []
    for name, values in zip(schedule._fields, schedule, strict=True):
        if values is None and name != "rates":
            found.append(None)
            continue
        out = np.asarray(values)
        if out.dtype.kind not in "fiu" or out.shape != (T,):
            raise ValueError(
                f"{name} must hold {T} real numbers, one for each step of the run; got dtype {out.dtype}, "
                f"shape {out.shape}."
            )
        finite(out, name)
        if out.min() < 0 or (name == "momenta" and out.max() >= 1):
            bound = "lie in [0, 1)" if name == "momenta" else "not be negative"
            worst = out.argmax() if name == "momenta" and out.min() >= 0 else out.argmin()
            raise ValueError(f"{name} must {bound}, got {out[worst]} at step {worst}.")
        found.append(jnp.asarray(out, dtype))
    return type(schedule)(*found)


def vector(values: Any, name: str, dtype: Any) -> Any:
    """values as a finite JAX vector of that dtype."""
    out = np.asarray(values)
    if out.dtype.kind not in "fiu" or out.ndim != 1 or out.size == 0:
        raise ValueError(
            f"{name} must be a vector of real numbers, got dtype {out.dtype}, shape {out.shape}."
        )
    finite(out, name)
    return jnp.asarray(out, dtype)


def _same_rows(arrays: Any, name: str) -> int:
    """How many rows; every array of the tuple has as many."""
    if not isinstance(arrays, tuple) or not arrays:
        raise ValueError(f"{name} must be a tuple of arrays, such as (X, y), got {type(arrays).__name__}.")
    lengths = {len(a) for a in arrays}
    if len(lengths) > 1 or lengths == {0}:
        raise ValueError(f"the arrays of {name} must have equally many rows, got {sorted(lengths)}.")
    for a in arrays:
        if np.asarray(a).dtype.kind == "f":
            finite(np.asarray(a), name)
    return lengths.pop()
