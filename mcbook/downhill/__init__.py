"""Going downhill: fit a line, then anything, and know beforehand how many steps it takes.

Problem    the least of L(w), where only L and its derivatives at single points can be asked for
Objective  a line:    L(w) = ‖X w - y‖² / (2n);   anything:  L(w) = ‖r(w)‖² / (2n), r = forecast - y
Gradient   Xᵀ (X w - y) / n;   Jᵀ r / n, J = ∂r/∂w      derived: book/grammar/downhill, (downhill-line)
Solver     w ← w - eta ∇L, and what a momentum, a metric, a Hessian or half of one make of it
Rate       on a quadratic the error is multiplied by I - eta H at every step, and everything follows
Reference  nocedal2006, polyak1964, bottou2018

Symbols    H → hess; its eigenvalues h, least h_min and largest h_max; condition number h_max / h_min;
           step η → eta; momentum β → beta; damping μ → mu; rows of X are samples (n, d)
"""

from mcbook.downhill.descend import Path, accelerated, backtrack, descend, searched, with_momentum
from mcbook.downhill.line import (
    Scaled,
    grad_loss_w,
    hess_loss_w,
    loss,
    solution,
    standardise,
    with_ones,
)
from mcbook.downhill.newton import Damped, gauss_newton, levenberg_marquardt, newton
from mcbook.downhill.noise import minibatch, noise_of, rows_at_random, stationary_excess, stochastic
from mcbook.downhill.rates import (
    Settings,
    best_momentum,
    best_step,
    contraction,
    curvatures,
    iteration_matrix,
    steps_to,
)
from mcbook.downhill.saturating import (
    Scale,
    fit_loss,
    forecast,
    grad_fit_w,
    half_hess_fit_w,
    hess_fit_w,
    jac_residual_w,
    residual,
)

__all__ = [
    "Damped",
    "Path",
    "Scale",
    "Scaled",
    "Settings",
    "accelerated",
    "backtrack",
    "best_momentum",
    "best_step",
    "contraction",
    "curvatures",
    "descend",
    "fit_loss",
    "forecast",
    "gauss_newton",
    "grad_fit_w",
    "grad_loss_w",
    "half_hess_fit_w",
    "hess_fit_w",
    "hess_loss_w",
    "iteration_matrix",
    "jac_residual_w",
    "levenberg_marquardt",
    "loss",
    "minibatch",
    "newton",
    "noise_of",
    "residual",
    "rows_at_random",
    "searched",
    "solution",
    "standardise",
    "stationary_excess",
    "steps_to",
    "stochastic",
    "with_momentum",
    "with_ones",
]
