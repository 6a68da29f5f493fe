"""Ridge regression on features, from one walk over the data: n x m is never stored.

Problem    min over w and c of  Σ (y_i - phi(x_i)·w - c)² + lam ‖w‖²
Sums       G = Σ f_i f_iᵀ,  M = Σ f_i y_iᵀ,  s = Σ y_i²,   f_i = [phi(x_i), 1]
Solution   (G + lam D) [w; c] = M,   D = diag(1, …, 1, 0): the constant is not penalised
Error      Σ (y - f·w)² = s - 2 wᵀM + wᵀG w: from the sums too, so a second lam costs no second walk
Memory     (m + 1)² and a block of rows per thread, whatever n
Symbols    Phi (b, m) a block's features, G `gram`, M `moment`, s `square`
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from mcbook.kernels._checks import points, ridge, targets

ROWS = 2048  # in a block: with m = 500, 8 MB of features per thread


@runtime_checkable
class Basis(Protocol):
    """Anything that maps X (b, d) to features Phi (b, m): `draw_fourier`, `nystroem_basis`, a function."""

    def __call__(self, X: Any, /) -> np.ndarray: ...


class Sums(NamedTuple):
    """What ridge regression needs to know of the rows: the last of the p = m + 1 columns is the constant."""

    gram: np.ndarray  # (p, p)
    moment: np.ndarray  # (p, k)
    square: np.ndarray  # (k,)
    n: int


class FeatureRidge(NamedTuple):
    """A fit on features: phi(x)·w + c, and the mean squared error on the rows it saw."""

    basis: Basis
    w: np.ndarray  # (m, k)
    c: np.ndarray  # (k,)
    lam: float
    n: int
    training_mse: np.ndarray  # (k,) in the units of y, squared
    single: bool  # y was (n,): predictions are too


def stream_rows(X: Any, y: Any, *, rows: int = ROWS) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(X, y) in blocks of rows; X may be a memory-mapped file.  Raises ValueError when the lengths differ."""
    if len(X) != len(y) or rows < 1:
        raise ValueError(f"expected a y for every row of X and rows ≥ 1, got {len(X)}, {len(y)}, {rows}.")
    for i in range(0, len(X), rows):
        yield np.asarray(X[i : i + rows]), np.asarray(y[i : i + rows])


def add_up(
    basis: Basis,
    blocks: Iterable[tuple[Any, Any]],
    *,
    threads: int | None = None,
) -> Sums:
    """The sums over blocks (X (b, d), y (b,) or (b, k)), walked once; `basis` maps X to Phi (b, m).

    Blocks are dealt to the threads in turn, so the result depends on their number by rounding alone.
    Raises ValueError for an empty stream, NaN, shapes that do not fit, or threads < 1.
    """
    threads = os.cpu_count() or 1 if threads is None else threads
    if threads < 1:
        raise ValueError(f"add_up expects threads ≥ 1, got {threads}.")
    walk = iter(blocks)
    totals: list[Sums | None] = [None] * threads

    def work(slot: int, block: tuple[Any, Any]) -> None:
        totals[slot] = _plus(totals[slot], basis, *block)

    with threadpool_limits(1 if threads > 1 else None), ThreadPoolExecutor(threads) as pool:
        while round_ := [block for _, block in zip(range(threads), walk, strict=False)]:
            list(pool.map(work, range(len(round_)), round_))
    parts = [part for part in totals if part is not None]
    if not parts:
        raise ValueError("add_up expects at least one block of rows, the stream was empty.")
    return Sums(*(sum(x[1:], start=x[0]) for x in zip(*parts, strict=True)))


def _plus(total: Sums | None, basis: Basis, X: Any, y: Any) -> Sums:
    Phi = basis(X)
    y = targets(y, len(Phi)).reshape(len(Phi), -1)
    b, m = Phi.shape
    if total is None:
        total = Sums(np.zeros((m + 1, m + 1)), np.zeros((m + 1, y.shape[1])), np.zeros(y.shape[1]), 0)
    G, M, s, n = total
    G[:m, :m] += Phi.T @ Phi
    G[m, :m] += Phi.sum(0)
    G[:m, m] = G[m, :m]
    G[m, m] += b
    M[:m] += Phi.T @ y
    M[m] += y.sum(0)
    s += (y * y).sum(0)
    return Sums(G, M, s, n + b)


def ridge_from_sums(sums: Sums, *, lam: float) -> Float[np.ndarray, "p k"]:
    """[w; c] (m + 1, k) = (G + lam D)⁻¹M.

    Raises ValueError when lam ≤ 0 (features may be redundant) or too small for the sums' own rounding.
    """
    if not ridge(lam) > 0:
        raise ValueError("lam must be positive: features may be combinations of each other.")
    C = sums.gram.copy()
    C[np.diag_indices(len(C) - 1)] += lam
    try:
        factor = cho_factor(C, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            f"lam = {lam:.1e} drowns in the rounding of PhiᵀPhi, which is not positive definite: raise it or "
            "take float64 features."
        ) from error
    return cho_solve(factor, sums.moment)


def mse_from_sums(sums: Sums, w: Float[np.ndarray, "p k"]) -> Float[np.ndarray, " k"]:
    """Mean squared error (k,) of the weights [w; c] (m + 1, k) on the rows behind the sums."""
    error = sums.square - 2 * (w * sums.moment).sum(0) + (w * (sums.gram @ w)).sum(0)
    return np.maximum(error, 0) / sums.n


def choose_lam(train: Sums, validation: Sums, lams: Iterable[float]) -> float:
    """The lam of least validation error (summed over the targets), from sums alone.

    Raises ValueError when there is none to choose from, or the two were made with different features.
    """
    lams = list(lams)
    if not lams or train.gram.shape != validation.gram.shape:
        raise ValueError("choose_lam expects candidates, and sums over the same features.")
    return min(lams, key=lambda lam: mse_from_sums(validation, ridge_from_sums(train, lam=lam)).sum())


def fit_streamed(
    basis: Basis,
    X: Any,
    y: Any,
    *,
    lam: float,
    rows: int = ROWS,
    threads: int | None = None,
) -> FeatureRidge:
    """Ridge regression of y (n,) or (n, k) on basis(X), X (n, d) walked in blocks of rows; lam > 0.

    Raises ValueError as `add_up` and `ridge_from_sums` do.
    """
    y = np.asarray(y)
    sums = add_up(basis, stream_rows(X, y, rows=rows), threads=threads)
    w = ridge_from_sums(sums, lam=lam)
    return FeatureRidge(basis, w[:-1], w[-1], float(lam), sums.n, mse_from_sums(sums, w), y.ndim == 1)


def predict_streamed(model: FeatureRidge, X: Any, *, rows: int = ROWS) -> np.ndarray:
    """phi(x)·w + c at the rows of X (m, d), in blocks: (m,) or (m, k)."""
    X = points(X, "X")
    out = np.concatenate([model.basis(X[i : i + rows]) @ model.w for i in range(0, len(X), rows)])
    out += model.c[None, :]
    return out[:, 0] if model.single else out
