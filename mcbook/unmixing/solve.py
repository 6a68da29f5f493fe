"""Unmixing from start to finish: centre, whiten, choose densities, descend, and say how far to trust it.

Problem    X = S Aᵀ + offset, rows are samples; find W with (X - mean) Wᵀ = S up to order, sign and scale
Objective  L(W) of `likelihood`, densities chosen per source
Solver     quasi-Newton, coarse to fine: settle on a subsample, finish on all samples
Trust      sources i, j can be told apart when a_i a_j > 1, a = E[psi'] E[y²] / E[psi y]; two Gaussians give 1
References ablin2018
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from mcbook.unmixing import _checks
from mcbook.unmixing._passes import CHUNKS, INLINE, Passes
from mcbook.unmixing.density import JUDGE, LAPLACE, QUARTIC, Density, gaussian_noise, per_source
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
    losses: np.ndarray  # (iterations + 1,) on all samples, nats per sample; the last in float64
    gradient_norms: np.ndarray  # (iterations + 1,) sup norm of the relative gradient, likewise
    converged: bool
    iterations: int  # on all samples
    stability: np.ndarray  # (d,) E[psi'] E[y²] / E[psi y] - 1; about zero for a Gaussian source
    gaussian_noise: np.ndarray  # (d,) the standard deviation of the stability of a Gaussian source
    ambiguous: tuple[tuple[int, int], ...]  # pairs of sources that the data do not tell apart
    message: str

    def unmix(self, X) -> np.ndarray:
        """The sources of X (n, d): (X - mean) Wᵀ, (n, d).

        Raises ValueError when X does not have the channels that the fit has seen.
        """
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != len(self.mean):
            raise ValueError(
                f"unmix expects X (n, {len(self.mean)}), the channels of the fit, got {X.shape}; "
                "rows are samples (transpose?)."
            )
        return (X - self.mean) @ self.W.T

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
    if eta is not None and not eta > 0:
        raise ValueError(f"fit expects a step size eta > 0 (or None, for the method's own), got {eta}.")
    fixed = None if isinstance(density, str) and density == "adaptive" else _checks.named_density(density)
    with _pool(X.size, threads) as pool:
        mean = X.mean(0, dtype=float)
        whole = Passes(X, mean, pool)
        C = whole.covariance()
        _checks.finite(X, C)
        W = _start(whiten_covariance(mean, C).K, W_init, rng)
        densities = (fixed or LAPLACE,) * len(W)
        levels = _levels(*X.shape) if coarse_to_fine and method == "quasi-newton" else [1]
        rough = np.float32 if len(levels) > 1 and _mild(C) else np.float64
        for stride in levels[:-1] or [1]:
            part = Passes(X if stride == 1 else np.ascontiguousarray(X[::stride]), mean, pool, rough)
            W, densities = _settle(part, C, W, densities, fixed)
        first = Passes(X, mean, pool, rough)
        if method == "quasi-newton":
            minimise = partial(
                descend, tol=tol, max_iter=max_iter, rough=None if rough is np.float64 else first
            )
        else:
            minimise = partial(_plainly, method, tol, max_iter, eta)
        judges = (part, first) if part.n < first.n else (first,)
        return _finish(judges, whole, C, W, densities, fixed, minimise)


@contextmanager
def _pool(size: int, threads: int | None) -> Iterator[ThreadPoolExecutor | None]:
    """Our own threads over blocks, BLAS held to one; none at all for small data."""
    count = min(threads or os.cpu_count() or 1, CHUNKS)
    if count == 1 or size < INLINE:
        yield None
        return
    with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(count) as pool:
        yield pool


@cache
def _blas() -> ThreadpoolController:
    """BLAS's own threads.  Found once: the search takes milliseconds."""
    return ThreadpoolController()


def _start(K: np.ndarray, W_init: Any, rng: np.random.Generator | None) -> np.ndarray:
    if W_init is not None:
        return _checks.initial(W_init, len(K))
    rng = np.random.default_rng(0) if rng is None else rng
    return np.linalg.qr(rng.normal(size=K.shape))[0] @ K


def _mild(C) -> bool:
    """Whether single precision serves for a first approach: moderate units and correlations."""
    std = np.sqrt(np.diag(C))
    moderate = std.min() > 1e-12 and std.max() < 1e12
    return bool(moderate and np.linalg.cond(C / np.outer(std, std)) < 1e6)


def _levels(n: int, d: int) -> list[int]:
    """Strides of the subsamples, coarse to fine, each with at least max(1000, 50 d) samples; 1 is all."""
    return [s for s in (32, 8) if n // s >= max(1000, 50 * d)] + [1]


def _stability(passes: Passes, C, W, judges: Sequence[Density]) -> np.ndarray:
    unit = np.sqrt(np.einsum("ij,jk,ik->i", W, C, W))
    return passes.stability(W / unit[:, None], judges)


def _choose(passes: Passes, C, W) -> tuple[Density, ...]:
    """`choose_densities` at the current sources."""
    return tuple(LAPLACE if v > 0 else QUARTIC for v in _stability(passes, C, W, (JUDGE,) * len(W)))


def _settle(passes: Passes, C, W, densities, fixed: Density | None, *, rounds: int = 40):
    """Descend in rounds of growing length, choosing densities between them, until both stand still.

    The gradient need not fall below the sampling noise, about 1/sqrt(n): there is nothing to learn there.
    Sources that then still look Gaussian may be mixtures held together by a wrong density: three times, all
    of them are given the other one.
    """
    tol, steps, doubts = 0.5 / np.sqrt(passes.n), 4, 0
    for _ in range(rounds):
        chosen = densities if fixed else _choose(passes, C, W)
        steps = min(2 * steps, 64) if chosen == densities else steps
        descent = descend(passes, W, chosen, tol=tol, max_iter=steps)
        settled = chosen == densities and (descent.converged or descent.iterations < steps)
        W, densities = descent.W, chosen
        if settled:
            doubtful = _doubtful(passes, C, W)
            if fixed or doubts == 3 or doubtful.sum() < 2:
                break
            doubts, steps = doubts + 1, 4
            densities = _swap(densities, doubtful)
            W = descend(passes, W, densities, tol=tol, max_iter=16).W
    return W, densities


def _doubtful(passes: Passes, C, W) -> np.ndarray:
    limit = (3 + np.sqrt(len(W))) * gaussian_noise(JUDGE) / np.sqrt(passes.n)
    return np.abs(_stability(passes, C, W, (JUDGE,) * len(W))) < limit


def _swap(densities, which) -> tuple[Density, ...]:
    other = {LAPLACE: QUARTIC, QUARTIC: LAPLACE}
    return tuple(other[p] if yes else p for p, yes in zip(densities, which, strict=True))


def _plainly(
    method: str, tol: float, max_iter: int, eta: float | None, passes: Passes, W, densities
) -> Descent:
    X, density = passes.X - passes.mean, per_source(densities)
    if method == "natural-gradient":
        return natural_gradient(X, W, density, eta=eta or 0.3, steps=max_iter, tol=tol)
    return gradient_descent(X, W, density, eta=eta or 0.1, steps=max_iter, tol=tol)


def _finish(
    judges: Sequence[Passes], passes: Passes, C, W, densities, fixed: Density | None, minimise
) -> ICAResult:
    """Descend on all samples; when a density turns out wrong there, change it and go on, thrice at most.

    The evidence comes from the first of the `judges` that leaves no doubt, or else from the last of them.
    """
    for _ in range(4):
        descent = minimise(passes, W, densities)
        for judge in judges:
            value, noise, pairs, wrong = _evidence(judge, C, descent.W, densities)
            if not pairs and not wrong.any():
                break
        if fixed is not None or not wrong.any():
            break
        W, densities = descent.W, _swap(densities, wrong)
    return ICAResult(
        descent.W, passes.mean, tuple(densities), descent.losses, descent.gradient_norms, descent.converged,
        descent.iterations, value, noise, pairs, _message(descent, pairs, np.flatnonzero(wrong)),
    )  # fmt: skip


def _evidence(passes: Passes, C, W, densities: Sequence[Density]):
    """Stability, its noise for a Gaussian, pairs that cannot be told apart, sources of a wrong density."""
    judges = [JUDGE if p is LAPLACE else p for p in densities]
    value = _stability(passes, C, W, judges)
    noise = np.array([gaussian_noise(p) for p in judges]) / np.sqrt(passes.n)
    return value, noise, _ambiguous(value, noise, passes.n), value < -4 * noise


def _ambiguous(value, noise, n: int) -> tuple[tuple[int, int], ...]:
    """Pairs whose a_i a_j - 1, a = 1 + stability, is no more than d Gaussians show.

    Of d Gaussians the descent finds the rotation that looks least Gaussian: it lifts the statistic from 0 to
    about 2 sqrt(d) of its standard deviations, more when n is small (simulated, d = 2 to 40, n >= 25 d).
    """
    a, d = 1 + value, len(value)
    spread = np.sqrt(noise[:, None] ** 2 + noise[None, :] ** 2)
    limit = (3 + 2.5 * np.sqrt(d)) * (1 + 10 * d / n) * spread
    return tuple((int(i), int(j)) for i, j in np.argwhere(np.triu(np.outer(a, a) - 1 <= limit, 1)))


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
