"""Judging samples without a network that judges: nearest neighbours.

Two samples  pool two sets of equal size, ask each point's nearest other point which set it is from: ½ of the
             answers are right where the two laws are the same, all of them where the sets lie apart
             (lopezpaz2017); below ½ where one set copies the other
Copying      distances from samples to their nearest training images, beside those from images that the
             training never saw: smaller ones on the whole would betray copies
Distances    Euclidean, of rows (n, ...) laid flat
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mcbook.diffusion import _checks


class Nearest(NamedTuple):
    """For each row its nearest among the references, and how far that is."""

    row: Int[np.ndarray, " n"]
    distance: Float[np.ndarray, " n"]


def nearest(x: Any, references: Any) -> Nearest:
    """The nearest of the references (m, ...) for each row of x (n, ...).  Raises ValueError."""
    x, references = _flat(x, "x"), _flat(references, "references")
    if x.shape[1] != references.shape[1]:
        raise ValueError(
            f"x and references must have rows alike, got {x.shape[1]} and {references.shape[1]} numbers."
        )
    squares = _squared_distances(x, references)
    index = squares.argmin(axis=1)
    return Nearest(index, np.sqrt(((x - references[index]) ** 2).sum(axis=1)))


def two_sample_accuracy(first: Any, second: Any) -> float:
    """Share of points of both sets (n, ...) whose nearest other point is of their own set; ½ is ideal.

    Raises ValueError for sets of different size: the ideal would not be ½.
    """
    first, second = _flat(first, "first"), _flat(second, "second")
    if first.shape != second.shape or len(first) < 2:
        raise ValueError(
            f"the two sets must have the same shape, at least 2 rows; got {first.shape}, {second.shape}."
        )
    both = np.concatenate([first, second])
    squares = _squared_distances(both, both)
    np.fill_diagonal(squares, np.inf)
    own = np.arange(len(both)) < len(first)
    return float((own[squares.argmin(axis=1)] == own).mean())


def _flat(x: Any, name: str) -> np.ndarray:
    x = _checks.reals(x, name)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"{name} must be (n, ...), rows are samples; got shape {x.shape}.")
    return x.reshape(len(x), -1)


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x**2).sum(1)[:, None] - 2 * x @ y.T + (y**2).sum(1)[None, :]
