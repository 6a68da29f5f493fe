"""Distances between rows, block by block.  Private.

Squared Euclidean ones come from one matrix product, ‖x‖² + ‖z‖² - 2 x·z; where that cancels (points much
closer to one another than to their centre) they are recomputed from the differences.  L1 distances add up
feature by feature in tiles that stay in the cache, compiled by JAX; small ones are left to SciPy.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.distance import cdist

BLOCK = 2**20  # numbers in a block: 8 MB, small beside any matrix that needs blocks
CANCELS = 1e-4  # below this fraction of ‖x‖² + ‖z‖², four digits or more would be lost
TILE_ROWS, TILE_COLUMNS = 64, 1024  # half a megabyte
COMPILE_FROM = 10**8  # additions, about 0.1 s of SciPy's: what compiling takes

Distances = Callable[[np.ndarray, int], np.ndarray]


def row_blocks(n: int, columns: int) -> Iterator[slice]:
    """Slices that cover n rows, each of about BLOCK numbers over that many columns."""
    step = max(1, BLOCK // max(1, columns))
    step = step - step % TILE_ROWS if step > TILE_ROWS else step
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def each_block(work: Callable[[slice], Any], n: int, columns: int) -> list[Any]:
    """[work(rows) for every block of rows], in threads where there is more than one."""
    blocks = list(row_blocks(n, columns))
    workers = min(len(blocks), os.cpu_count() or 1)
    if workers < 2:
        return [work(rows) for rows in blocks]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, blocks[::-1]))  # the longest rows of a triangle first


def distances_to(B: np.ndarray, metric: str, rows: int) -> Distances:
    """S(A, stop): the distances of A's rows to the first `stop` rows of B (m, d), after one preparation.

    `rows` is how many rows S will be asked for in all, to judge what is worth compiling.
    """
    if metric == "sqeuclidean":
        centre = B.mean(0)
        return partial(_squared, B - centre, ((B - centre) ** 2).sum(1), centre)
    if rows * B.size < COMPILE_FROM:
        return lambda A, stop: cdist(A, B[:stop], "cityblock")
    with double():
        tiles = [_tile(B[j : j + TILE_COLUMNS], TILE_COLUMNS) for j in range(0, len(B), TILE_COLUMNS)]
    return partial(_cityblock, tiles)


def distances(A: np.ndarray, B: np.ndarray, metric: str) -> np.ndarray:
    """S (n, m): squared Euclidean or L1 distances between the rows of A (n, d) and B (m, d)."""
    return distances_to(B, metric, len(A))(A, len(B))


def _squared(B: np.ndarray, sizes: np.ndarray, centre: np.ndarray, A: np.ndarray, stop: int) -> np.ndarray:
    A, B = A - centre, B[:stop]
    both = (A * A).sum(1)[:, None] + sizes[None, :stop]
    S = A @ B.T
    S *= -2
    S += both
    both *= CANCELS
    i, j = np.nonzero(both >= S)
    for part in row_blocks(len(i), A.shape[1]):
        S[i[part], j[part]] = ((A[i[part]] - B[j[part]]) ** 2).sum(1)
    return S


def _cityblock(tiles: list, A: np.ndarray, stop: int) -> np.ndarray:
    S = np.empty((len(A), stop))
    with double():
        for i in range(0, len(A), TILE_ROWS):
            rows = _tile(A[i : i + TILE_ROWS], TILE_ROWS)
            for k, j in enumerate(range(0, stop, TILE_COLUMNS)):
                part = S[i : i + TILE_ROWS, j : j + TILE_COLUMNS]
                part[...] = np.asarray(_add_up(rows, tiles[k]))[: part.shape[0], : part.shape[1]]
    return S


def _tile(rows: np.ndarray, size: int) -> Any:
    """`rows` (≤ size, d) as a JAX array (d, size), padded with zeros so that one shape is compiled."""
    return jnp.asarray(np.pad(rows, ((0, size - len(rows)), (0, 0))).T)


@jax.jit
def _add_up(AT, BT):
    """Σ_k |a_ik - b_jk|, feature by feature: the sums stay in the cache."""
    start = jnp.zeros((AT.shape[1], BT.shape[1]), AT.dtype)
    return jax.lax.scan(lambda S, ab: (S + jnp.abs(ab[0][:, None] - ab[1][None, :]), None), start, (AT, BT))[
        0
    ]


def double() -> Any:
    """A context in which JAX computes in float64, whatever the process is set to."""
    home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental  # where it stood before JAX 0.8
    return home.enable_x64(True)


def mirror(K: np.ndarray) -> np.ndarray:
    """Copy the lower triangle onto the upper one, in place, block by block; returns K."""
    for rows in row_blocks(len(K), len(K)):
        K[: rows.start, rows] = K[rows, : rows.start].T
        square = K[rows, rows]
        square[...] = np.tril(square) + np.tril(square, -1).T
    return K
