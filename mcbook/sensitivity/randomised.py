"""The randomisation check: does an attribution notice when the model has forgotten what it learnt?

Problem    a picture of attributions may show the input, not the model (g ⊙ x shows x whatever g is)
Check      shuffle the weights, from the read-out downward; or train on shuffled labels. Attributions that
           stay alike did not come from what was learnt.
Likeness   Spearman's rank correlation of |a| over the features of a sample: 1 alike, 0 unrelated
Reference  adebayo2018
Symbols    A, B attributions (n, ...) or blocks; params any NamedTuple of arrays
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from scipy import stats

from mcbook.sensitivity import _checks, _layout


def similarity(A: Any, B: Any) -> Float[np.ndarray, " n"]:
    """Spearman's correlation of |A| and |B| over the features of each sample; NaN where one is constant.

    Raises ValueError for attributions of different shapes or blocks.
    """
    a, b = _checks.rows(A, "A"), _checks.rows(B, "B")
    if a.layout != b.layout or a.Z.shape != b.Z.shape:
        raise ValueError(f"A and B must be alike, got {a.Z.shape} {a.layout} and {b.Z.shape} {b.layout}.")
    return row_correlation(*(stats.rankdata(np.abs(np.asarray(v.Z)), axis=1) for v in (a, b)))


def row_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's correlation of the rows of a with those of b; NaN where a row is constant."""
    a, b = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(size > 0, (a * b).sum(axis=1) / np.where(size > 0, size, 1), np.nan)


def randomise(params: Any, *, rng: np.random.Generator, fields: Any = None) -> Any:
    """The parameters with the entries of each array shuffled: the values stay, what was learnt goes.

    `fields`: names of the fields of a NamedTuple to shuffle; None for all.  Raises ValueError for others.
    """
    known = getattr(params, "_fields", ())
    for field in fields or ():
        if field not in known:
            raise ValueError(f"params has no field {field!r}; known are {', '.join(known) or 'none'}.")

    def shuffle(array: _layout.Array) -> _layout.Array:
        return rng.permutation(np.asarray(array).ravel()).reshape(np.shape(array))

    if fields is None:
        return jax.tree.map(shuffle, params)
    return params._replace(**{field: jax.tree.map(shuffle, getattr(params, field)) for field in fields})
