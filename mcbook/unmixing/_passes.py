"""The solver's inner loops: one walk over the samples per evaluation, in blocks that stay in the cache.

Private.  Every quantity here is defined, readably, in `likelihood.py` and `density.py`; the tests hold the
two equal.  Y is never stored: a block of X is centred, unmixed and folded into (d, d) sums.  Blocks add up
within fixed chunks and chunks in a fixed order, so the result does not depend on the number of threads.
Inside, a block lies as (d, b): one source's samples are contiguous, and so are sources of one density.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from mcbook.unmixing.density import QUARTIC, Density

BLOCK_BYTES = 512 * 1024  # one (d, b) array; five are alive per thread
CHUNKS = 8
INLINE = 100_000  # elements below which threads cost more than they bring


class Evaluation(NamedTuple):
    """What one pass returns: loss without constants, relative gradient (d, d), blocks h (d, d) or None."""

    loss: float
    R: np.ndarray
    h: np.ndarray | None


def _laplace(eps2: float, y, psi, slope, work) -> np.ndarray:
    np.multiply(y, y, out=work)
    work += eps2
    np.sqrt(work, out=work)
    np.divide(y, work, out=psi)
    if slope is not None:
        np.multiply(work, work, out=slope)
        slope *= work
        np.divide(eps2, slope, out=slope)
    return work.sum(1)


def _quartic(y, psi, slope, work) -> np.ndarray:
    np.multiply(y, y, out=work)
    np.multiply(work, y, out=psi)
    if slope is not None:
        np.multiply(work, 3, out=slope)
    work *= work
    return work.sum(1) / 4


def _general(density: Density, y, psi, slope, work) -> np.ndarray:
    psi[...] = density.score(y)
    if slope is not None:
        slope[...] = density.score_prime(y)
    return density.neg_log_p(y).sum(1)


def _kernel(density: Density) -> Callable[..., np.ndarray]:
    if density.name.startswith("smoothed-laplace("):
        eps2 = float(density.neg_log_p(np.zeros(1))[0]) ** 2
        return lambda *blocks: _laplace(eps2, *blocks)
    if density is QUARTIC:
        return _quartic
    return lambda *blocks: _general(density, *blocks)


def _grouped(
    densities: Sequence[Density],
) -> tuple[np.ndarray, list[tuple[slice, Callable[..., np.ndarray]]]]:
    """An order of the sources in which equal densities are neighbours, and (slice, kernel) of every run."""
    distinct = list(dict.fromkeys(densities))
    label = np.array([distinct.index(p) for p in densities])
    edges = np.concatenate([[0], np.cumsum(np.bincount(label))])
    runs = [(slice(edges[k], edges[k + 1]), _kernel(p)) for k, p in enumerate(distinct)]
    return np.argsort(label, kind="stable"), runs


class Passes:
    """Passes over X (n, d), centred by `mean`, with `pool` None for one thread.

    dtype float32 halves the work within a block; blocks are added up in float64 in any case.
    """

    def __init__(self, X: np.ndarray, mean: np.ndarray, pool: ThreadPoolExecutor | None = None, dtype=float):
        self.X, self.mean, self.dtype = X, mean, np.dtype(dtype)
        self.n, self.d = X.shape
        self.pool = pool if X.size >= INLINE else None
        self.chunks = CHUNKS if self.n >= 1024 * CHUNKS else 2
        longest = -(-self.n // self.chunks)
        self.block = min(longest, max(32, BLOCK_BYTES // (self.dtype.itemsize * self.d)))
        self._spare: list[
            np.ndarray
        ] = []  # scratch of finished chunks: fresh memory costs as much as the work

    def _scratch(self) -> np.ndarray:
        """Room for a centred block and four buffers, one row each; a thread's own until it is given back."""
        try:
            return self._spare.pop()
        except IndexError:
            return np.empty((5, self.d * self.block), self.dtype)

    def _walk(self, body: Callable[..., Any], sums: Callable[[], list[np.ndarray]]) -> list:
        """Run body(centred block (b, d), buffers (d, b), sums) over all blocks; add up in a fixed order."""
        edges = np.linspace(0, self.n, self.chunks + 1).astype(int)

        def chunk(k: int) -> list[np.ndarray]:
            out = sums()
            scratch = self._scratch()
            with np.errstate(over="ignore", invalid="ignore"):  # `fit` says so when a sum overflows
                for i in range(edges[k], edges[k + 1], self.block):
                    rows = self.X[i : min(i + self.block, edges[k + 1])]
                    b = len(rows)
                    centred, *buffers = (row[: self.d * b] for row in scratch)
                    x = np.subtract(rows, self.mean, out=centred.reshape(b, self.d), casting="same_kind")
                    body(x, [buffer.reshape(self.d, b) for buffer in buffers], out)
            self._spare.append(scratch)
            return out

        numbers = range(self.chunks)
        chunks = list(self.pool.map(chunk, numbers) if self.pool else map(chunk, numbers))
        with np.errstate(over="ignore", invalid="ignore"):
            return [sum(parts[1:], start=parts[0]) for parts in zip(*chunks, strict=True)]

    def covariance(self) -> np.ndarray:
        """(X - mean)ᵀ(X - mean)/n, (d, d)."""

        def body(x, _, out):
            out[0] += x.T @ x

        return self._walk(body, lambda: [np.zeros((self.d, self.d))])[0] / self.n

    def evaluate(self, W: np.ndarray, densities: Sequence[Density], *, blocks: bool = True) -> Evaluation:
        """Loss, relative gradient and, unless told otherwise, Hessian blocks at W."""
        order, groups = _grouped(densities)
        W_grouped = W[order].astype(self.dtype)

        def body(x, buffers, out):
            y, psi, slope, work = buffers
            np.matmul(W_grouped, x.T, out=y)
            for rows, kernel in groups:
                out[0][rows] += kernel(y[rows], psi[rows], slope[rows] if blocks else None, work[rows])
            out[1] += psi @ y.T
            if blocks:
                out[2] += slope @ np.multiply(y, y, out=work).T

        def sums():
            return [np.zeros(self.d), np.zeros((self.d, self.d)), np.zeros((self.d, self.d))]

        f, C, h = (s / self.n for s in self._walk(body, sums))
        back, one = np.ix_(np.argsort(order), np.argsort(order)), np.eye(self.d)
        return Evaluation(
            float(f.sum() - np.linalg.slogdet(W)[1]), C[back] - one, h[back] + one if blocks else None
        )

    def stability(self, W: np.ndarray, densities: Sequence[Density]) -> np.ndarray:
        """`density.stability` of every source under its own density, W giving unit variances; (d,)."""
        order, groups = _grouped(densities)
        W_grouped = W[order].astype(self.dtype)

        def body(x, buffers, out):
            y, psi, slope, work = buffers
            np.matmul(W_grouped, x.T, out=y)
            for rows, kernel in groups:
                kernel(y[rows], psi[rows], slope[rows], work[rows])
            psi *= y
            out[0] += slope.sum(1)
            out[1] += psi.sum(1)

        kappa, psi_y = self._walk(body, lambda: [np.zeros(self.d), np.zeros(self.d)])
        return (kappa / psi_y - 1)[np.argsort(order)]
