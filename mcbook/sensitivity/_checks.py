"""What the entry points demand of models, samples and baselines, before anything is compiled.  Private."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mcbook.sensitivity import _layout
from mcbook.sensitivity._layout import Layout


class Rows(NamedTuple):
    """Samples as flat rows Z (n, d), in JAX's floating type."""

    Z: Any
    layout: Layout


def real(value: Any, name: str) -> np.ndarray:
    """value as a finite floating array.  Raises ValueError: integers have no derivative."""
    array = np.asarray(value)
    if array.dtype.kind not in "f":
        raise ValueError(
            f"{name} must hold floating-point numbers, got dtype {array.dtype}: a derivative needs values "
            "that can move a little; convert with .astype(float), letters to one-hot rows first."
        )
    bad = ~np.isfinite(array)
    if bad.any():
        raise ValueError(
            f"{name} holds {int(bad.sum())} NaN or infinite value(s), the first at index "
            f"{tuple(int(i) for i in np.argwhere(bad)[0])}; drop or impute those samples."
        )
    return array


def rows(X: Any, name: str = "X", *, least: int = 1) -> Rows:
    """X (n, ...) or a dict of (n, ...) as flat rows.  Raises ValueError."""
    if isinstance(X, dict):
        if not X or not all(isinstance(key, str) for key in X):
            raise ValueError(f"{name} must be a dict of named blocks, got keys {list(X)!r}.")
        blocks = {key: real(value, f"{name}[{key!r}]") for key, value in X.items()}
        names: tuple[str, ...] | None = tuple(blocks)
    else:
        blocks, names = {"": real(X, name)}, None
    for key, block in blocks.items():
        if block.ndim < 1 or block.size < 1:
            raise ValueError(
                f"{name}{f'[{key!r}]' if key else ''} must be (n, ...), rows are samples; got shape "
                f"{block.shape}. One sample alone is x[None]."
            )
    counts = {key: len(block) for key, block in blocks.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"{name}'s blocks must have one row per sample; their numbers of rows are {counts}.")
    n = next(iter(counts.values()))
    if n < least:
        raise ValueError(f"{name} holds {n} sample(s); at least {least} are needed.")
    layout = Layout(names, tuple(block.shape[1:] for block in blocks.values()))
    return Rows(jnp.asarray(_layout.flat(blocks, (n,)), jnp.result_type(float)), layout)


def scalar(f: Any, given: Rows) -> Any:
    """f as a Partial, if it maps one sample to one real number.  Raises ValueError."""
    if not callable(f):
        raise ValueError(f"f must be a function of one sample, got {type(f).__name__}.")
    f = _layout.model(f)
    out = jax.eval_shape(lambda z: f(_layout.sample(z, given.layout)), given.Z[0])
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.floating):
        what = f"shape {out.shape}, {out.dtype}" if hasattr(out, "shape") else type(out).__name__
        raise ValueError(
            f"f must map one sample (without the axis of samples) to one real number, shape (); it returns "
            f"{what}. Choose an output, as in lambda x: f(x)[0]; of class scores, the logit in question."
        )
    return f


def baseline(value: Any, given: Rows, name: str = "baseline") -> Any:
    """A number, one sample, or a baseline per sample of X, as flat rows (n, d).  Raises ValueError."""
    n, d = given.Z.shape
    if not isinstance(value, dict) and np.ndim(value) == 0:
        return jnp.full((n, d), float(real(float(value), name)), given.Z.dtype)
    blocks = _same_blocks(value, given.layout, name)
    shapes = given.layout.shapes
    if all(block.shape == shape for block, shape in zip(blocks, shapes, strict=True)):
        row = np.concatenate([block.ravel() for block in blocks])
        return jnp.broadcast_to(jnp.asarray(row, given.Z.dtype), (n, d))
    if all(block.shape == (n, *shape) for block, shape in zip(blocks, shapes, strict=True)):
        return jnp.asarray(np.concatenate([b.reshape(n, -1) for b in blocks], axis=1), given.Z.dtype)
    raise ValueError(
        f"{name} must be a number, one sample of shape(s) {list(shapes)}, or one for each of the {n} samples "
        f"of X; got {[block.shape for block in blocks]}."
    )


def baselines(value: Any, given: Rows, name: str = "baselines") -> Any:
    """A set of baselines (m, ...) of the shapes of X's samples, as flat rows (m, d).  Raises ValueError."""
    blocks = _same_blocks(value, given.layout, name)
    shapes = given.layout.shapes
    fit = all(block.shape[1:] == shape and block.ndim for block, shape in zip(blocks, shapes, strict=True))
    if not fit or len({len(block) for block in blocks}) > 1 or not len(blocks[0]):
        raise ValueError(
            f"{name} must be a set (m, ...) of samples of shape(s) {list(shapes)}, m ≥ 1; got "
            f"{[block.shape for block in blocks]}. One baseline alone is b[None]."
        )
    m = len(blocks[0])
    return jnp.asarray(np.concatenate([b.reshape(m, -1) for b in blocks], axis=1), given.Z.dtype)


def _same_blocks(value: Any, layout: Layout, name: str) -> list[np.ndarray]:
    if (layout.names is None) == isinstance(value, dict) or (
        isinstance(value, dict) and set(value) != set(layout.names or ())
    ):
        got = sorted(value) if isinstance(value, dict) else "one array"
        want = "one array" if layout.names is None else sorted(layout.names)
        raise ValueError(f"{name} must have the blocks of X, {want}; got {got}.")
    if not isinstance(value, dict):
        return [real(value, name)]
    return [real(value[key], f"{name}[{key!r}]") for key in layout.names or ()]


def attributions(A: Any, name: str = "A") -> dict[str, np.ndarray]:
    """A dict of named blocks (n, ...), finite, as NumPy arrays.  Raises ValueError."""
    if not isinstance(A, dict):
        raise ValueError(f"{name} must be a dict of named blocks; cut one array up with split(A, parts).")
    layout = rows(A, name).layout
    assert layout.names is not None
    return {key: np.asarray(A[key], dtype=float) for key in layout.names}


def one_hot(X: Any, name: str) -> np.ndarray:
    """X (n, L, A), every row of letters a unit row.  Raises ValueError."""
    X = real(X, name)
    if X.ndim != 3:
        raise ValueError(f"{name} must be (n, L, A): n sequences of L one-hot rows; got shape {X.shape}.")
    wrong = ~(np.isin(X, (0.0, 1.0)).all(axis=2) & (X.sum(axis=2) == 1))
    if wrong.any():
        i, j = (int(k) for k in np.argwhere(wrong)[0])
        raise ValueError(
            f"{name} must be one-hot: position {j} of sequence {i} is {X[i, j].tolist()}, which is not one 1 "
            "among zeros; a gap or an unknown letter has no single mutants."
        )
    return X
