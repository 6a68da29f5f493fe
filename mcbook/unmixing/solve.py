"""Unmixing from start to finish: centre, whiten, choose densities, descend, and say how far to trust it.

Problem    X = S Aᵀ + offset, rows are samples; find W with (X - mean) Wᵀ = S up to order, sign and scale
Objective  L(W) of `likelihood`, densities chosen per source
Solver     quasi-Newton, coarse to fine: settle on a subsample, finish on all samples
Trust      a pair of sources is separable when E[psi'_i]E[y_i²] · E[psi'_j]E[y_j²] > 1; two Gaussians give 1
References ablin2018faster, cardoso1998
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from mcbook.unmixing import _checks
from mcbook.unmixing._passes import CHUNKS, INLINE, Passes
from mcbook.unmixing.density import LAPLACE, QUARTIC, Density, per_source
from mcbook.unmixing.descent import Descent, descend, gradient_descent, natural_gradient
from mcbook.unmixing.whiten import whiten_covariance

METHODS = ("quasi-newton", "natural-gradient", "gradient")


class ICAResult(NamedTuple):
    """An unmixing and the evidence for it.  `unmix(X)` gives the sources; W includes the whitening.

    `converged` speaks of the gradient on all samples alone; `ambiguous` of what no gradient can tell.
    """

    W: np.ndarray  # (d, d), acts on centred samples
    mean: np.ndarray  # (d,)
    densities: tuple[Density, ...]
    losses: np.ndarray  # (iterations + 1,) on all samples, nats per sample
    gradient_norms: np.ndarray  # (iterations + 1,) sup norm of the relative gradient, all samples
    converged: bool
    iterations: int  # on all samples
    stability: np.ndarray  # (d,) E[psi'] E[y²] - E[psi y]; about zero for a Gaussian source
    stability_error: np.ndarray  # (d,) its standard error
    ambiguous: tuple[tuple[int, int], ...]  # pairs of sources that the data do not tell apart
    message: str

    def unmix(self, X) -> np.ndarray:
        """The sources of X (n, d): (X - mean) Wᵀ, (n, d)."""
        return (np.asarray(X) - self.mean) @ self.W.T

    @property
    def mixing(self) -> np.ndarray:
        """A = W⁻¹ (d, d): column j is how source j reaches the channels."""
        return np.linalg.inv(self.W)


def fit(
    X: Any,
    *,
    density: Any = "adaptive",
    method: str = "quasi-newton",
    tol: float = 1e-6,
    max_iter: int = 1000,
    eta: float | None = None,
    W_init: Any = None,
    rng: np.random.Generator | None = None,
    coarse_to_fine: bool = True,
    threads: int | None = None,
) -> ICAResult:
    """Maximum-likelihood ICA of X (n, d), rows are samples.

    density  "adaptive" (smoothed Laplace or quartic, per source), a name in `DENSITIES`, or a `Density`
    method   "quasi-newton", "natural-gradient" or "gradient" (the last two take the step size `eta`)
    tol      on the sup norm of the relative gradient over all samples, in float64
    W_init   (d, d); without it, whitening times a random rotation from `rng` (seed 0 when not given)

    Raises ValueError for input that cannot be unmixed: wrong shape or dtype, NaN or infinities, no more
    samples than channels, constant or linearly dependent channels; or for an unknown option.
    """
    X = _checks.samples(X)
    if method not in METHODS or not tol > 0 or max_iter < 0:
        raise ValueError(
            f"fit expects method in {METHODS}, tol > 0, max_iter >= 0; got {method!r}, {tol}, {max_iter}."
        )
    fixed = None if isinstance(density, str) and density == "adaptive" else _checks.named_density(density)
    with _pool(X.size, threads) as pool:
        mean = X.mean(0, dtype=float)
        C = Passes(X, mean, pool).covariance()
        _checks.finite(X, C)
        W = _start(whiten_covariance(mean, C).K, W_init, rng)
        densities = (fixed or LAPLACE,) * len(W)
        levels = _levels(*X.shape) if coarse_to_fine and method == "quasi-newton" else [1]
        for stride in levels[:-1]:
            part = Passes(np.ascontiguousarray(X[::stride]), mean, pool)
            goal = 0.5 / np.sqrt(part.n)  # below the sampling noise there is nothing to learn here
            W, densities = _settle(part, W, densities, fixed, goal)
        whole = Passes(X, mean, pool)
        return _finish(whole, W, densities, fixed, _minimiser(method, tol, max_iter, eta))


@contextmanager
def _pool(size: int, threads: int | None) -> Iterator[ThreadPoolExecutor | None]:
    """Our own threads over blocks, BLAS held to one; none at all for small data."""
    count = min(threads or os.cpu_count() or 1, CHUNKS)
    if count == 1 or size < INLINE:
        yield None
        return
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(count) as pool:
        yield pool


def _start(K: np.ndarray, W_init: Any, rng: np.random.Generator | None) -> np.ndarray:
    if W_init is not None:
        return _checks.initial(W_init, len(K))
    rng = np.random.default_rng(0) if rng is None else rng
    return np.linalg.qr(rng.normal(size=K.shape))[0] @ K


def _levels(n: int, d: int) -> list[int]:
    """Strides of the subsamples, coarse to fine, each with at least max(1000, 50 d) samples; 1 is all."""
    return [s for s in (32, 8) if n // s >= max(1000, 50 * d)] + [1]


def _choose(passes: Passes, W, densities: Sequence[Density]) -> tuple[Density, ...]:
    """Swap a source's density when the stability statistic contradicts it."""
    value, _ = passes.stability(W, (LAPLACE,) * len(W))
    return tuple(LAPLACE if v > 0 else QUARTIC for v in value)


def _settle(passes: Passes, W, densities, fixed: Density | None, tol: float, *, rounds: int = 30):
    """Descend in rounds of growing length, choosing densities between them, until both stand still."""
    if fixed is not None:
        return descend(passes, W, densities, tol=tol, max_iter=200).W, densities
    steps = 4
    for _ in range(rounds):
        chosen = _choose(passes, W, densities)
        steps = 2 * steps if chosen == densities else steps
        descent = descend(passes, W, chosen, tol=tol, max_iter=steps)
        if descent.converged and chosen == densities:
            break
        W, densities = descent.W, chosen
    return descent.W, chosen


def _minimiser(method: str, tol: float, max_iter: int, eta: float | None):
    if method == "quasi-newton":
        return lambda passes, W, densities: descend(passes, W, densities, tol=tol, max_iter=max_iter)
    step, default = {"natural-gradient": (natural_gradient, 0.3), "gradient": (gradient_descent, 0.1)}[method]

    def minimise(passes, W, densities) -> Descent:
        X = passes.X - passes.mean
        return step(X, W, per_source(densities), eta=eta or default, steps=max_iter, tol=tol)

    return minimise


def _finish(passes: Passes, W, densities, fixed: Density | None, minimise) -> ICAResult:
    """Descend on all samples; when a density turns out wrong there, change it and go on, three times at most."""
    if fixed is None:
        densities = _choose(passes, W, densities)
    for _ in range(4):
        descent = minimise(passes, W, densities)
        value, error = passes.stability(descent.W, densities)
        wrong = value < -4 * error
        if fixed is not None or not wrong.any():
            break
        W = descent.W
        densities = tuple(
            (QUARTIC if p is LAPLACE else LAPLACE) if bad else p
            for p, bad in zip(densities, wrong, strict=True)
        )
    pairs = _ambiguous(value, error)
    return ICAResult(
        descent.W, passes.mean, tuple(densities), descent.losses, descent.gradient_norms, descent.converged,
        descent.iterations, value, error, pairs, _message(descent, pairs, np.flatnonzero(wrong)),
    )  # fmt: skip


def _ambiguous(value, error, *, z: float = 5.0) -> tuple[tuple[int, int], ...]:
    """Pairs whose curvature a_i a_j - 1, a = 1 + stability, is within z standard errors of zero or below."""
    a = 1 + value
    margin = np.outer(a, a) - 1
    noise = np.sqrt(np.outer(a, error) ** 2 + np.outer(error, a) ** 2)
    return tuple((int(i), int(j)) for i, j in np.argwhere(np.triu(margin <= z * noise, 1)))


def _message(descent: Descent, pairs, wrong) -> str:
    norm = descent.gradient_norms[-1]
    said = [
        f"{'converged' if descent.converged else 'NOT converged'}: relative gradient {norm:.1e} "
        f"after {descent.iterations} iterations on all samples"
    ]
    if pairs:
        names = sorted({i for pair in pairs for i in pair})
        said.append(f"sources {names} look Gaussian or alike, and cannot be told apart: see .ambiguous")
    if len(wrong):
        said.append(f"the density does not suit source(s) {wrong.tolist()}: try density='adaptive'")
    return "; ".join(said)
