"""Unmixing: independent component analysis by maximum likelihood.

Problem    X = S Aᵀ, rows are samples; recover the sources S from X alone
Modules    density, likelihood (objective, gradient, Hessian), descent, solve (`fit`), whiten, metrics,
           bound; convolutive (a room), separation (scores in dB), heart (beats)
Page       book/learning/unmixing
"""

from mcbook.unmixing.bound import cramer_rao, expected_amari, fisher_information, score_error, score_moments
from mcbook.unmixing.convolutive import (
    IVAResult,
    RoomSeparation,
    aux_iva,
    grad_iva_loss_W,
    istft,
    iva_loss,
    natural_gradient_iva,
    project_back,
    separate_room,
    stft,
)
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
from mcbook.unmixing.heart import Beats, Heartbeats, detect_beats, heart_rate_bpm, pick_heartbeats
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
from mcbook.unmixing.separation import SeparationScore, sdr_sir
from mcbook.unmixing.solve import ICAResult, fit
from mcbook.unmixing.whiten import Whitening, whiten

__all__ = [
    "DENSITIES",
    "LAPLACE",
    "LOG_COSH",
    "QUARTIC",
    "TWO_HUMPS",
    "Beats",
    "Choice",
    "Density",
    "Descent",
    "Heartbeats",
    "ICAResult",
    "IVAResult",
    "Match",
    "RoomSeparation",
    "SeparationScore",
    "Whitening",
    "amari_distance",
    "aux_iva",
    "choose_densities",
    "cramer_rao",
    "detect_beats",
    "expected_amari",
    "fisher_information",
    "fit",
    "gaussian_noise",
    "grad_iva_loss_W",
    "grad_loss_W",
    "gradient_descent",
    "heart_rate_bpm",
    "hessian_approx",
    "hvp_loss",
    "istft",
    "iva_loss",
    "loss",
    "match_sources",
    "natural_gradient",
    "natural_gradient_iva",
    "per_source",
    "pick_heartbeats",
    "project_back",
    "quasi_newton",
    "regularise",
    "relative_grad",
    "relative_hvp",
    "score_error",
    "score_moments",
    "sdr_sir",
    "separate_room",
    "smoothed_laplace",
    "solve_blocks",
    "stability",
    "stft",
    "whiten",
]
