"""Unmixing: independent component analysis by maximum likelihood.

Problem    X = S Aᵀ, rows are samples; recover the sources S from X alone
Modules    density, likelihood (objective, gradient, Hessian), descent, solve (`fit`), whiten, metrics, bound
Page       book/learning/unmixing
"""

from mcbook.unmixing.bound import cramer_rao, expected_amari, fisher_information, score_error, score_moments
from mcbook.unmixing.density import (
    DENSITIES,
    LAPLACE,
    LOG_COSH,
    QUARTIC,
    TWO_HUMPS,
    Choice,
    Density,
    choose_densities,
    gaussian_noise,
    per_source,
    smoothed_laplace,
    stability,
)
from mcbook.unmixing.descent import Descent, gradient_descent, natural_gradient, quasi_newton
from mcbook.unmixing.likelihood import (
    grad_loss_W,
    hessian_approx,
    hvp_loss,
    loss,
    regularise,
    relative_grad,
    relative_hvp,
    solve_blocks,
)
from mcbook.unmixing.metrics import Match, amari_distance, match_sources
from mcbook.unmixing.solve import ICAResult, fit
from mcbook.unmixing.whiten import Whitening, whiten

__all__ = [
    "DENSITIES",
    "LAPLACE",
    "LOG_COSH",
    "QUARTIC",
    "TWO_HUMPS",
    "Choice",
    "Density",
    "Descent",
    "ICAResult",
    "Match",
    "Whitening",
    "amari_distance",
    "choose_densities",
    "cramer_rao",
    "expected_amari",
    "fisher_information",
    "fit",
    "gaussian_noise",
    "grad_loss_W",
    "gradient_descent",
    "hessian_approx",
    "hvp_loss",
    "loss",
    "match_sources",
    "natural_gradient",
    "per_source",
    "quasi_newton",
    "regularise",
    "relative_grad",
    "relative_hvp",
    "score_error",
    "score_moments",
    "smoothed_laplace",
    "solve_blocks",
    "stability",
    "whiten",
]
