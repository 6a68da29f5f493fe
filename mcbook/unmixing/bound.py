"""How well any unbiased method can unmix: the Cramér–Rao bound, and what a given score attains.

Model      sources of unit variance, Y = S (I + E)ᵀ; E_ij (i ≠ j) is the share of source j left in estimate i
Bound      var E_ij ≥ (1/n) I_j / (I_i I_j - 1),  I = E[phi²] with phi the source's own score at unit variance
Score psi  pair (E_ij, E_ji) solves [[a_i, 1], [1, a_j]] e = -(mean of psi(y_i) y_j, psi(y_j) y_i)
References tichavsky2006
Symbols    I Fisher information of location (1 for a Gaussian: the bound is infinite), a = E[psi'] E[y²]
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from mcbook.unmixing.density import Density


class ScoreMoments(NamedTuple):
    """What a score makes of a source, at the scale where E[psi(y) y] = 1: all free of units."""

    curvature: float  # a = E[psi'(y)] E[y²]; must exceed 1 for the source to be separable by this score
    power: float  # v = E[psi(y)²] E[y²]
    scale: float  # of y for a source of unit variance


def _expect(g, source) -> float:
    lo, hi = source.support()
    lo, hi = max(lo, -60 * source.std()), min(hi, 60 * source.std())
    marks = [c * source.std() for c in (-10, -3, -1, -0.1, 0, 0.1, 1, 3, 10)]
    edges = [lo, *[m for m in marks if lo < m < hi], hi]
    return sum(
        quad(lambda y: g(y) * source.pdf(y), a, b, epsabs=1e-12, epsrel=1e-10)[0] for a, b in pairwise(edges)
    )


def fisher_information(source: Any) -> float:
    """I = E[(d log p / dy)²] Var[y] of a centred scipy.stats distribution: 1 for a Gaussian, 2 for Laplace.

    Raises ValueError when the density jumps at the edge of a bounded support, as the uniform does: there is
    no Cramér–Rao bound then, and estimates can converge faster than 1/sqrt(n).
    """
    for edge in source.support():
        if np.isfinite(edge) and source.pdf(edge) > 1e-12 / source.std():
            raise ValueError(
                f"{source.dist.name} jumps to zero at {edge:g}: its Fisher information is infinite and there "
                "is no such bound; compare with `score_error` of the score in use instead."
            )
    h = 1e-6 * source.std()

    def score_squared(y):
        return ((source.logpdf(y + h) - source.logpdf(y - h)) / (2 * h)) ** 2

    return _expect(score_squared, source) * source.var()


def score_moments(density: Density, source: Any) -> ScoreMoments:
    """The moments of a density's score under a centred scipy.stats distribution, by quadrature."""
    one = np.ones(1)

    def at(field, y):
        return float(field(one * y)[0])

    def excess(c):
        return _expect(lambda y: at(density.score, c * y) * c * y, source) - 1

    c = brentq(excess, 1e-3 / source.std(), 1e3 / source.std(), xtol=1e-13)
    variance = c * c * source.var()
    kappa = _expect(lambda y: at(density.score_prime, c * y), source)
    power = _expect(lambda y: at(density.score, c * y) ** 2, source)
    return ScoreMoments(kappa * variance, power * variance, c * source.std())


def cramer_rao(source: Any, other: Any | None = None) -> float:
    """The least n · var E_ij, for sources i = `source` and j = `other` (the same when not given).

    I_j / (I_i I_j - 1).  Raises ValueError for two Gaussians (infinite) and as `fisher_information`.
    """
    I_i = fisher_information(source)
    I_j = I_i if other is None else fisher_information(other)
    if I_i * I_j < 1 + 1e-6:
        raise ValueError("two Gaussian sources cannot be told apart: the bound is infinite.")
    return I_j / (I_i * I_j - 1)


def score_error(density: Density, source: Any, other: tuple[Density, Any] | None = None) -> float:
    """n · var E_ij of maximum likelihood with this density: (a_j² v_i - 2 a_j + v_j) / (a_i a_j - 1)².

    `other` is the (density, source) of j, the same when not given.  Equals `cramer_rao` for the true density.
    Raises ValueError when the score cannot separate the pair (a_i a_j <= 1).
    """
    a_i, v_i, _ = score_moments(density, source)
    a_j, v_j, _ = (a_i, v_i, 0.0) if other is None else score_moments(*other)
    if a_i * a_j <= 1 + 1e-9:
        raise ValueError(
            f"{density.name} cannot separate these sources: a_i a_j = {a_i * a_j:.3g} is not above 1."
        )
    return (a_j**2 * v_i - 2 * a_j + v_j) / (a_i * a_j - 1) ** 2


def expected_amari(n_var: float, n: int) -> float:
    """The Amari distance to expect for alike sources and normal errors: sqrt(2 n_var / (pi n)), n samples."""
    return float(np.sqrt(2 * n_var / (np.pi * n)))
