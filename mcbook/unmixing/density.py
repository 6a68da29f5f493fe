"""Source densities for ICA, and the choice among them.

Problem    which density p, written p(y) = exp(-f(y)) / Z, should stand in for an unknown source?
Score      psi = f', curvature psi' = f''; Z only matters when likelihoods of different densities are compared
Choice     a score separates a source when E[psi'(y)] E[y²] > E[psi(y) y]; a Gaussian gives equality (Stein)
References amari1997, lee1999
Symbols    y a source's samples, f negative log density, psi score, eps width of the rounded corner
"""

from collections.abc import Callable, Sequence
from functools import cache
from math import lgamma, log, pi
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import kve

Map = Callable[[Any], Any]


class Density(NamedTuple):
    """A source density p(y) = exp(-neg_log_p(y) - log_normaliser), with its score and the score's slope.

    The three maps act element by element and take NumPy or JAX arrays.
    """

    name: str
    neg_log_p: Map
    score: Map
    score_prime: Map
    log_normaliser: float


class Choice(NamedTuple):
    """What `choose_densities` decided, and on what evidence, source by source."""

    densities: tuple[Density, ...]
    stability: np.ndarray  # (d,) of `JUDGE`; its sign decides
    looks_gaussian: np.ndarray  # (d,) bool: within `z` standard deviations of what a Gaussian shows


def _xp(y):
    return y.__array_namespace__()


def _log_cosh(y):
    xp = _xp(y)
    a = xp.abs(y)  # log cosh y = |y| + log(1 + exp(-2|y|)) - log 2 never overflows
    return a + xp.log1p(xp.exp(-2 * a)) - log(2)


def smoothed_laplace(eps: float = 0.1) -> Density:
    """f(y) = sqrt(y^2 + eps^2): Laplace's |y| with its corner rounded over a width `eps` (in scales of y).

    The corner of |y| makes the gradient jump whenever a sample changes sign, so that it cannot be driven
    to zero; the rounded one can.  Z = 2 eps K_1(eps).

    Raises ValueError unless eps is positive and finite.
    """
    if not 0 < eps < float("inf"):
        raise ValueError(f"smoothed_laplace expects eps > 0, got {eps}; 0.1 is a good start.")
    eps2 = eps * eps

    def radius(y):
        return _xp(y).sqrt(y * y + eps2)

    return Density(
        name=f"smoothed-laplace({eps:g})",
        neg_log_p=radius,
        score=lambda y: y / radius(y),
        score_prime=lambda y: eps2 / radius(y) ** 3,
        log_normaliser=log(2 * eps * float(kve(1, eps))) - eps,
    )


LAPLACE = smoothed_laplace()

JUDGE = smoothed_laplace(
    0.5
)  # tells super- from sub-Gaussian: a wider corner, so that its slope is less noisy

LOG_COSH = Density(
    name="log-cosh",
    neg_log_p=_log_cosh,
    score=lambda y: _xp(y).tanh(y),
    score_prime=lambda y: 1 - _xp(y).tanh(y) ** 2,
    log_normaliser=log(pi),
)

QUARTIC = Density(
    name="quartic",
    neg_log_p=lambda y: (y * y) ** 2 / 4,
    score=lambda y: y * y * y,
    score_prime=lambda y: 3 * y * y,
    log_normaliser=1.5 * log(2) + lgamma(1.25),
)

TWO_HUMPS = (
    Density(  # exp(-y^2/2) cosh y: two unit Gaussians at +1 and -1, the sub-Gaussian of extended infomax
        name="two-humps",
        neg_log_p=lambda y: y * y / 2 - _log_cosh(y),
        score=lambda y: y - _xp(y).tanh(y),
        score_prime=lambda y: _xp(y).tanh(y) ** 2,
        log_normaliser=0.5 * log(2 * pi) + 0.5,
    )
)

DENSITIES = {p.name: p for p in (LOG_COSH, QUARTIC, TWO_HUMPS)} | {"smoothed-laplace": LAPLACE}


def per_source(densities: Sequence[Density]) -> Density:
    """One density per column: the i-th acts on Y[:, i].  Y (n, d), d = len(densities).

    Raises ValueError without densities; the maps raise it for Y with another number of columns.
    """
    if not densities:
        raise ValueError("per_source expects one density or more, got none.")

    def columns(field):
        def apply(Y):
            if Y.shape[1:] != (len(densities),):
                raise ValueError(f"expected Y (n, {len(densities)}), a column per density, got {Y.shape}.")
            return _xp(Y).stack([getattr(p, field)(Y[:, i]) for i, p in enumerate(densities)], axis=1)

        return apply

    return Density(
        "+".join(p.name for p in densities),
        columns("neg_log_p"),
        columns("score"),
        columns("score_prime"),
        sum(p.log_normaliser for p in densities) / len(densities),
    )


def stability(Y: Float[np.ndarray, "n d"], density: Density) -> np.ndarray:
    """E[psi'(y)] E[y²] / E[psi(y) y] - 1 of every column, scaled to E[y²] = 1 first.  Y (n, d); returns (d,).

    Zero for a Gaussian under any score (Stein's identity); positive where the score separates the source.
    """
    Y = Y / np.sqrt((Y * Y).mean(0))
    return density.score_prime(Y).mean(0) / (density.score(Y) * Y).mean(0) - 1


@cache
def gaussian_noise(density: Density) -> float:
    """sqrt(n) times the standard deviation of `stability` over n samples of a Gaussian (delta method)."""
    y, weight = np.polynomial.hermite_e.hermegauss(100)
    weight = weight / weight.sum()
    psi_y, slope = density.score(y) * y, density.score_prime(y)
    kappa = weight @ slope
    influence = (slope - psi_y) / kappa + y * y
    return float(np.sqrt(weight @ influence**2 - (weight @ influence) ** 2))


def choose_densities(
    Y: Float[np.ndarray, "n d"],
    *,
    super_gaussian: Density = LAPLACE,
    sub_gaussian: Density = QUARTIC,
    z: float = 4.0,
) -> Choice:
    """Give every source the density under which it can be separated, by the sign of its stability.

    Y (n, d), current estimates of the sources, centred.  A source whose stability lies within `z` standard
    deviations of what a Gaussian would show looks Gaussian: it is given a density, and reported.
    Raises ValueError when Y is not (n, d), holds NaN or infinities, or a column is zero.
    """
    if Y.ndim != 2 or not np.isfinite(Y).all() or not Y.any(0).all():
        raise ValueError(
            f"choose_densities expects finite sources Y (n, d) that vary, got shape {Y.shape} with "
            "NaN, infinities or silent columns; drop those."
        )
    value = stability(Y, JUDGE)
    densities = tuple(super_gaussian if v > 0 else sub_gaussian for v in value)
    return Choice(densities, value, np.abs(value) <= z * gaussian_noise(JUDGE) / np.sqrt(len(Y)))
