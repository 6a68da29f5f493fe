"""What the networks demand of their input, before anything is compiled.  Private.

Inside `jax.jit` or `jax.grad` only shapes can be judged; values are, as soon as they are there.
"""

from typing import Any

import jax
import numpy as np

from mcbook.splice.cells import Cell, GRUCell, RNNCell

FIELDS = (("cell", "V", "c"), ("forward", "backward", "V", "c"))  # of a OneWay and a TwoWay


def traced(*values: Any) -> bool:
    """Whether one of them is a tracer, whose values nobody can look at."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def finite(name: str, value: Any) -> None:
    """Raises ValueError naming the first NaN or infinity."""
    if traced(value):
        return
    bad = ~np.isfinite(np.asarray(value))
    if bad.any():
        raise ValueError(
            f"{name} holds {int(bad.sum())} NaN or infinite value(s), the first at index "
            f"{tuple(int(i) for i in np.argwhere(bad)[0])}; a diverged training leaves such parameters, "
            "a failed division such data."
        )


def shaped(name: str, value: Any, shape: tuple[int, ...], meaning: str) -> None:
    """Raises ValueError unless value has that shape."""
    if np.shape(value) != shape:
        raise ValueError(f"{name} must have shape {shape}, {meaning}; got {np.shape(value)}.")


def cell(cell: Any, name: str = "cell") -> int:
    """The hidden size of a cell whose parts fit each other.  Raises ValueError."""
    if not isinstance(cell, RNNCell | GRUCell):
        raise ValueError(f"{name} must be an RNNCell or a GRUCell, got {type(cell).__name__}.")
    blocks = 1 if isinstance(cell, RNNCell) else 3
    if np.ndim(cell.W_h) != 2 or np.ndim(cell.W_x) != 2 or min(*np.shape(cell.W_h), *np.shape(cell.W_x)) < 1:
        raise ValueError(
            f"{name}.W_x and {name}.W_h must be matrices, got {np.shape(cell.W_x)} and {np.shape(cell.W_h)}."
        )
    h = np.shape(cell.W_h)[1]
    rows = f"{blocks} h rows for h = {h} hidden units (one more axis of W_h is h itself)"
    shaped(f"{name}.W_h", cell.W_h, (blocks * h, h), rows)
    shaped(f"{name}.W_x", cell.W_x, (blocks * h, np.shape(cell.W_x)[1]), rows)
    shaped(f"{name}.b", cell.b, (blocks * h,), rows)
    for part, value in zip(cell._fields, cell, strict=True):
        finite(f"{name}.{part}", value)
    return h


def network(params: Any) -> int:
    """The number of classes of a OneWay or TwoWay whose parts fit each other.  Raises ValueError."""
    if not isinstance(params, tuple) or getattr(params, "_fields", ()) not in FIELDS:
        raise ValueError(f"params must be a OneWay or a TwoWay, got {type(params).__name__}.")
    *the_cells, V, c = params
    names = getattr(params, "_fields", ())[:-2]
    widths = [cell(a, name) for a, name in zip(the_cells, names, strict=True)]
    letters = {np.shape(a.W_x)[1] for a in the_cells}
    if len(letters) > 1 or len({type(a) for a in the_cells}) > 1:
        raise ValueError(f"both cells must be of one kind and read the same letters; they read {letters}.")
    if np.ndim(V) != 2 or len(V) < 1:
        raise ValueError(f"V must be (k, {sum(widths)}) with k ≥ 1 classes, got shape {np.shape(V)}.")
    shaped("V", V, (len(V), sum(widths)), "(k, sum of the cells' hidden units)")
    shaped("c", c, (len(V),), "(k,), one per row of V")
    finite("V", V)
    finite("c", c)
    return len(V)


def inputs(X: Any, a_cell: Cell, name: str = "X") -> None:
    """X (n, T, d), finite, n ≥ 1 and T ≥ 1, d the letters that the cell reads.  Raises ValueError."""
    d = np.shape(a_cell.W_x)[1]
    shape = np.shape(X)
    if len(shape) != 3:
        raise ValueError(
            f"{name} must be (n, T, d): n sequences of T letters, each a row of d = {d} numbers; got shape "
            f"{shape}." + (" One sequence alone is X[None]." if len(shape) == 2 else "")
        )
    if shape[0] < 1 or shape[1] < 1:
        raise ValueError(f"{name} is empty: shape {shape}; at least one sequence of one letter is needed.")
    if shape[2] != d:
        raise ValueError(
            f"{name} must be (n, T, {d}), since W_x has {d} columns; got {shape}. Is it encoded, and are "
            "its axes in this order?"
        )
    finite(name, X)


def labels(y: Any, n: int, k: int) -> None:
    """y (n,) integers in 0..k-1.  Raises ValueError."""
    kind = np.dtype(getattr(y, "dtype", None) or np.asarray(y).dtype).kind
    if np.shape(y) != (n,) or kind not in "iu":
        raise ValueError(
            f"y must be {n} integer labels, one per sequence of X; got shape {np.shape(y)}, kind {kind!r}. "
            "One-hot labels: y.argmax(1)."
        )
    if traced(y):
        return
    y = np.asarray(y)
    if y.min() < 0 or y.max() >= k:
        raise ValueError(f"y must lie in 0..{k - 1}, for {k} classes; got {y.min()}..{y.max()}.")


def class_weight(weight: Any, k: int) -> None:
    """None, or k positive weights.  Raises ValueError."""
    if weight is None:
        return
    shaped("class_weight", weight, (k,), "one weight per class")
    finite("class_weight", weight)
    if not traced(weight) and np.asarray(weight).min() <= 0:
        raise ValueError("class_weight must be positive: a class of weight 0 is never learned; leave it out.")
