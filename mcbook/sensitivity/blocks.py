"""Blocks of features: cutting a vector up, and norms of a gradient that can be compared between blocks.

Problem    a model reads s (the sequence) and m (its relatives): whose change moves ŷ more?
Gradient   dŷ = ⟨∂ŷ/∂s, ds⟩ + ⟨∂ŷ/∂m, dm⟩: one gradient per block, of the block's own shape
Comparable three things make ‖∂ŷ/∂s‖ and ‖∂ŷ/∂m‖ measures of the same kind
           scale    a feature in metres has a gradient 1000 times that of one in millimetres: multiply by its
                    standard deviation σ_i over the data, and g_i σ_i is ŷ's change per typical change of x_i
           width    d features of one size have norm √d: divide by √d where a typical feature is meant
           simplex  letters are rows that sum to one, so only directions that sum to zero can be walked; the
                    gradient's mean over the letters is a direction that no mutation takes: project it out
Symbols    X, G dict of blocks, each (n, ...); σ scales; d a block's width
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.sensitivity import _checks, _layout


def split(X: Any, parts: Any) -> dict[str, Any]:
    """Cut X (..., d) up along its last axis: {"PS": range(0, 20), "MSA": range(20, 40)} → a dict of blocks.

    Raises ValueError for parts that overlap, leave a feature out, or name one that is not there.
    """
    index = _checked_parts(parts, np.shape(X)[-1] if np.ndim(X) else 0)
    return {name: X[..., at] for name, at in index.items()}


def on_blocks(f: Callable[..., Any], parts: Any) -> Callable[..., Any]:
    """A model of one flat vector as a model of the dict that `split` makes of it.  Raises ValueError."""
    if any(isinstance(part, slice) for part in parts.values()):
        raise ValueError("on_blocks cannot tell how long a slice is; give ranges or lists of features.")
    d = sum(len(list(part)) for part in parts.values())
    index = _checked_parts(parts, d)
    order = np.argsort(np.concatenate(list(index.values())))

    def of_blocks(x: dict[str, Any]) -> Any:
        return f(jnp.concatenate([x[name] for name in index])[order])

    return of_blocks


def project_simplex(G: Float[_layout.Array, "*lead A"]) -> Float[_layout.Array, "*lead A"]:
    """G less its mean over the last axis, the letters: the part along which one-hot rows can move."""
    return G - G.mean(axis=-1, keepdims=True)


def block_norms(
    G: Any, *, scales: Any = None, simplex: Any = (), per_width: bool = True
) -> dict[str, Float[np.ndarray, " n"]]:
    """‖G_block‖ of each sample, made comparable between blocks.

    Parameters
    ----------
    G : dict of gradients (n, ...), one block each.
    scales : dict of the features' standard deviations, arrays of a sample's shape or numbers; None: 1.
        A one-hot block has no natural one: 1 means "one whole letter".
    simplex : names of the blocks whose last axis is a row of letters; there the mean is projected out.
    per_width : divide by √d, d the block's width: the root mean square instead of the norm.

    Raises
    ------
    ValueError : G that is no dict, a name that is no block, scales that are not positive or do not fit.
    """
    G = _checks.attributions(G, "G")
    for name in (*simplex, *(scales or {})):
        if name not in G:
            raise ValueError(f"there is no block {name!r}; the blocks are {', '.join(map(repr, G))}.")
    found = {}
    for name, g in G.items():
        g = project_simplex(g) if name in simplex else g
        g = (g * feature_scale(scales, name, g.shape[1:])).reshape(len(g), -1)
        found[name] = np.linalg.norm(g, axis=1) / (np.sqrt(g.shape[1]) if per_width else 1.0)
    return found


def feature_scale(scales: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The scales of one block's features, of a sample's shape; 1 where none are given.  Raises ValueError."""
    if scales is None or name not in scales:
        return np.ones(shape)
    sigma = np.asarray(scales[name], dtype=float)
    if sigma.shape not in ((), shape) or not (np.isfinite(sigma).all() and (sigma >= 0).all()):
        raise ValueError(
            f"scales[{name!r}] must be a number or an array {shape}, finite and not negative; got shape "
            f"{sigma.shape}. A feature that never varies has scale 0 and moves nothing."
        )
    return np.broadcast_to(sigma, shape)


def _checked_parts(parts: Any, d: int) -> dict[str, np.ndarray]:
    index = {name: np.arange(d)[part] if isinstance(part, slice) else np.asarray(list(part), dtype=int)
             for name, part in parts.items()}  # fmt: skip
    counts = np.zeros(d, dtype=int)
    for name, at in index.items():
        if not len(at) or at.min() < 0 or at.max() >= d:
            raise ValueError(f"part {name!r} must name features 0..{d - 1}, at least one; got {at.tolist()}.")
        np.add.at(counts, at, 1)
    if (counts != 1).any():
        twice, never = np.flatnonzero(counts > 1).tolist(), np.flatnonzero(counts == 0).tolist()
        raise ValueError(
            f"each of the {d} features must be in exactly one part; in several: {twice}, in none: {never}."
        )
    return index
