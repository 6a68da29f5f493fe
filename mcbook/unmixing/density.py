"""Source densities for ICA, and the choice among them.

Problem    which density p, written p(y) = exp(-f(y)) / Z, should stand in for an unknown source?
Score      psi = f', curvature psi' = f''; Z only matters when likelihoods of different densities are compared
Choice     a score separates a source when E[psi'(y)] E[y^2] > E[psi(y) y] (equality for a Gaussian, by Stein)
References amari1997stability, lee1999extended, hyvarinen1998gaussian
Symbols    y a source's samples, f negative log density, psi score, eps width of the rounded corner
"""

from collections.abc import Callable, Sequence
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
    stability: np.ndarray  # (d,) E[psi'] E[y^2] - E[psi y] of the super-Gaussian score; its sign decides
    standard_error: np.ndarray  # (d,) of that statistic
    looks_gaussian: np.ndarray  # (d,) bool: the statistic lies within `z` standard errors of zero


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

    Raises ValueError unless eps > 0.
    """
    if not eps > 0:
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
    """One density per column: the i-th acts on Y[:, i].  Y (n, d), d = len(densities)."""

    def columns(field):
        def apply(Y):
            return _xp(Y).stack([getattr(p, field)(Y[:, i]) for i, p in enumerate(densities)], axis=1)

        return apply

    return Density(
        "+".join(p.name for p in densities),
        columns("neg_log_p"),
        columns("score"),
        columns("score_prime"),
        sum(p.log_normaliser for p in densities) / len(densities),
    )


def stability(Y: Float[np.ndarray, "n d"], density: Density) -> tuple[np.ndarray, np.ndarray]:
    """E[psi'(y)] E[y^2] - E[psi(y) y] of every column, and its standard error (delta method).

    Y (n, d) centred.  Positive: the density's score separates this source.  Returns two (d,) arrays.
    """
    psi, slope, square = density.score(Y), density.score_prime(Y), Y * Y
    kappa, variance = slope.mean(0), square.mean(0)
    influence = slope * variance + kappa * square - psi * Y
    value = kappa * variance - (psi * Y).mean(0)
    return value, influence.std(0) / np.sqrt(len(Y))


def choose_densities(
    Y: Float[np.ndarray, "n d"],
    *,
    super_gaussian: Density = LAPLACE,
    sub_gaussian: Density = QUARTIC,
    z: float = 4.0,
) -> Choice:
    """Give every source the density under which it can be separated, by the sign of the stability statistic.

    Y (n, d), current estimates of the sources; each is scaled to E[y^2] = 1 first.  A source whose statistic
    lies within `z` standard errors of zero looks Gaussian: it is given a density, and reported.
    """
    Y = (Y - Y.mean(0)) / Y.std(0)
    value, error = stability(Y, super_gaussian)
    densities = tuple(super_gaussian if v > 0 else sub_gaussian for v in value)
    return Choice(densities, value, error, np.abs(value) <= z * error)
