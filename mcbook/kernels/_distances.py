"""Distances between rows, block by block.  Private.

Squared Euclidean ones come from one matrix product, ‖x‖² + ‖z‖² - 2 x·z; where that cancels (points much
closer to one another than to their centre) they are recomputed from the differences.
"""

from collections.abc import Iterator

import numpy as np
from scipy.spatial.distance import cdist

BLOCK = 2**20  # numbers in a block: 8 MB, small beside any matrix that needs blocks
CANCELS = 1e-4  # below this fraction of ‖x‖² + ‖z‖², four digits or more would be lost


def row_blocks(n: int, columns: int) -> Iterator[slice]:
    """Slices that cover n rows, each of about BLOCK numbers over that many columns."""
    step = max(1, BLOCK // max(1, columns))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def distances(A: np.ndarray, B: np.ndarray, metric: str) -> np.ndarray:
    """S (n, m): squared Euclidean or L1 distances between the rows of A (n, d) and B (m, d)."""
    if metric == "cityblock":
        return cdist(A, B, "cityblock")
    centre = B.mean(0)
    A, B = A - centre, B - centre
    sizes = (A * A).sum(1)[:, None] + (B * B).sum(1)[None, :]
    S = A @ B.T
    S *= -2
    S += sizes
    i, j = np.nonzero(CANCELS * sizes >= S)
    for part in row_blocks(len(i), A.shape[1]):
        S[i[part], j[part]] = ((A[i[part]] - B[j[part]]) ** 2).sum(1)
    return S


def mirror(K: np.ndarray) -> np.ndarray:
    """Copy the lower triangle onto the upper one, in place, block by block; returns K."""
    for rows in row_blocks(len(K), len(K)):
        K[: rows.start, rows] = K[rows, : rows.start].T
        square = K[rows, rows]
        square[...] = np.tril(square) + np.tril(square, -1).T
    return K
