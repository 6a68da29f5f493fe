"""A kernel between molecules, summed over their atoms.

Problem    energies add up over atoms: E(A) = Σ_i f_e(i)(G_i), f_e one function for each element e
Kernel     if f_e ~ GP(0, k), then Cov(E(A), E(B)) = Σ_e Σ_{i in A, j in B, both e} k(G_i, G_j)
           k(G, G') = exp(-‖G - G'‖²/(2 sigma²))
Work       exponents by one matrix product per tile, [G/sigma, -‖G‖²/(2 sigma²), 1] · [G'/sigma, 1, -‖G'‖²/…];
           then exp, then sums over the atoms of a molecule: the matrix between atoms is never stored
References christensen2020
Symbols    n, m molecules; G (atoms, p) features; sigma the width, in the features' units
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from mcbook.kernels.local import Environments

TILE_ROWS, TILE_COLUMNS = 384, 3072  # atoms: 9 MB of exponents


class Neighbours(NamedTuple):
    """The most similar molecules, most similar first, and their similarity in [0, 1]."""

    indices: np.ndarray
    similarity: np.ndarray


class _Atoms(NamedTuple):
    """The atoms of one element: augmented features left and right, and where molecules begin."""

    left: np.ndarray  # (atoms, p + 2)
    right: np.ndarray
    rows: np.ndarray  # the molecules that have any, ascending
    starts: np.ndarray  # the first atom of each


def local_kernel(A: Environments, B: Environments | None = None, *, sigma: float) -> Float[np.ndarray, "n m"]:
    """K (n, m) between the molecules of A and of B (of A among themselves if None; then half the work).

    A molecule without common elements with another has the kernel 0 with it.  K_ii is not 1: larger
    molecules have larger kernels, as their energies have larger variances.
    Raises ValueError for features that do not fit together, or a width that is not positive.
    """
    if not (np.ndim(sigma) == 0 and 0 < sigma < np.inf):
        raise ValueError(f"sigma must be a positive number, got {sigma!r}.")
    other = A if B is None else B
    if A.features.shape[1] != other.features.shape[1]:
        raise ValueError(
            f"the environments have {A.features.shape[1]} and {other.features.shape[1]} features: make both "
            "with the same basis and elements."
        )
    K = np.zeros((len(A.counts), len(other.counts)))
    for z in np.intersect1d(A.numbers, other.numbers).tolist():
        centre = A.features[A.numbers == z].mean(axis=0)
        left = _atoms(A, z, centre, sigma)
        _add_element(K, left, left if B is None else _atoms(B, z, centre, sigma), symmetric=B is None)
    if B is None:
        lower = np.tril_indices(len(K), -1)
        K.T[lower] = K[lower]
    return K


def similarity(K: Any) -> Float[np.ndarray, "n n"]:
    """K_ij/√(K_ii K_jj), the cosine of the angle between two molecules in feature space.

    Raises ValueError unless K is square with a positive diagonal.
    """
    K = np.asarray(K, dtype=float)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or not (np.diagonal(K) > 0).all():
        raise ValueError(f"expected a kernel matrix (n, n) with a positive diagonal, got shape {K.shape}.")
    size = np.sqrt(np.diagonal(K))
    return K / size / size[:, None]


def neighbours(K: Any, i: int, *, count: int = 5) -> Neighbours:
    """The `count` molecules most similar to molecule i, without itself; ties in the order of their rows.

    Raises ValueError as `similarity` does, and for i or count out of range.
    """
    K = np.asarray(K, dtype=float)
    if not (K.ndim == 2 and 0 <= i < len(K) and 1 <= count < len(K)):
        raise ValueError(f"expected 0 ≤ i < n and 1 ≤ count < n, got i = {i}, count = {count}, K {K.shape}.")
    row = similarity(K)[i]
    order = np.argsort(-row, kind="stable")
    order = order[order != i][:count]
    return Neighbours(order, row[order])


def _atoms(env: Environments, z: int, centre: np.ndarray, sigma: float) -> _Atoms:
    of = np.repeat(np.arange(len(env.counts)), env.counts)[env.numbers == z]
    G = (env.features[env.numbers == z] - centre) / sigma  # centred: less to cancel in the exponent
    half = -(G**2).sum(axis=1, keepdims=True) / 2
    one = np.ones_like(half)
    rows, starts = np.unique(of, return_index=True)
    return _Atoms(np.hstack([G, half, one]), np.hstack([G, one, half]), rows, starts)


def _add_element(K: np.ndarray, A: _Atoms, B: _Atoms, *, symmetric: bool) -> None:
    """K[i, j] += Σ exp(exponents) over the atoms of i and j; below the diagonal only where symmetric."""
    columns = list(_tiles(B, TILE_COLUMNS))

    def work(tile: tuple[slice, slice]) -> None:
        rows, atoms = tile
        starts = A.starts[rows] - atoms.start
        for mols, others in columns:
            if symmetric and B.starts[mols.start] >= atoms.stop:
                break
            E = A.left[atoms] @ B.right[others].T
            np.exp(E, out=E)
            by_row = np.add.reduceat(E, starts, axis=0)
            by_both = np.add.reduceat(by_row, B.starts[mols] - others.start, axis=1)
            K[np.ix_(A.rows[rows], B.rows[mols])] += by_both

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(work, list(_tiles(A, TILE_ROWS))[::-1]))  # the longest rows of the triangle first


def _tiles(A: _Atoms, size: int) -> Iterator[tuple[slice, slice]]:
    """Slices of molecules and of their atoms, of about `size` atoms; a molecule is never cut."""
    ends = np.append(A.starts[1:], len(A.left))
    start = 0
    while start < len(ends):
        stop = max(start + 1, int(np.searchsorted(ends, A.starts[start] + size, side="right")))
        yield slice(start, stop), slice(int(A.starts[start]), int(ends[stop - 1]))
        start = stop
