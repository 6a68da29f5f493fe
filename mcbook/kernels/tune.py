"""Width and lam by descent instead of a grid.

Problem    minimise a judge of (sigma, lam), the leave-one-out error or the evidence, from `criteria`
Variables  theta = (log sigma, log lam): positive by construction, and steps are ratios
Objective  log of the mean squared leave-one-out residual, or evidence/n: both free of the units of y
Solver     L-BFGS-B within bounds, from the median distance; each step one factorisation and one inverse
References sundararajan2001, byrd1995 (L-BFGS-B)
Symbols    as in `criteria`; groups (d,) the index of the width that each feature uses

Widths: one (`groups` None), or one per group of features; a grid over g widths costs its points to the power
g, a gradient the same as for one.  For a kernel matrix handed in, where only
lam is free, see `lam_path`.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from mcbook.kernels._checks import named_kernel, points, ridge, targets, widths
from mcbook.kernels.criteria import Judgement, judge_evidence, judge_loo
from mcbook.kernels.functions import KERNELS, median_width

LAM_BOUNDS = (1e-10, 1e2)
SIGMA_RANGE = 1e3  # widths stay within this factor of where they start
JUDGES = {"loo": judge_loo, "evidence": judge_evidence}


class Step(NamedTuple):
    """One evaluation: where, and what the judge said."""

    sigma: np.ndarray
    lam: float
    value: float


class Tuning(NamedTuple):
    """The best width and lam seen, the judge's value there, and how the search went."""

    sigma: np.ndarray  # () or (d,)
    lam: float
    value: float
    steps: tuple[Step, ...]
    gradient: float  # largest component that the bounds do not hold, at the end
    converged: bool
    message: str


def tune(
    X: Any,
    y: Any,
    *,
    kernel: Any = "gaussian",
    P: Any = None,
    judge: str = "loo",
    groups: Any = None,
    sigma: Any = None,
    lam: Any = 1e-3,
    lam_bounds: Any = LAM_BOUNDS,
    max_iter: int = 50,
    tol: float = 1e-3,
) -> Tuning:
    """The width(s) and lam at which the judge, "loo" or "evidence", is least.

    X (n, d), y (n,), P (n, q).  groups (d,): features of one label share a width, `range(d)` gives each its
    own; sigma then starts at (d,), else at a number; without it at the median distance.  Stops when no
    component of the gradient that is free to move exceeds `tol`; otherwise `converged` is False.
    Raises ValueError as `fit` does, for an unknown judge, and for groups or bounds that make no sense.
    """
    kernel, X = named_kernel(kernel, KERNELS), points(X, "X", least=2)
    y = targets(y, len(X), one=True)
    spread = _spread(groups, X.shape[1])
    start = _start(X, kernel, sigma, lam, spread, lam_bounds)
    objective = _Objective(X, y, P, kernel, judge, spread)
    bounds = [(t - np.log(SIGMA_RANGE), t + np.log(SIGMA_RANGE)) for t in start[:-1]]
    bounds.append((np.log(lam_bounds[0]), np.log(lam_bounds[1])))
    limits = {"maxiter": max_iter, "gtol": tol}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=limits)
    best = min(objective.steps, key=lambda step: step.value)
    gradient = _free_gradient(found.x, found.jac, bounds)
    return Tuning(*best, tuple(objective.steps), gradient, gradient <= tol, str(found.message))


def _free_gradient(theta, gradient, bounds) -> float:
    """The largest component that does not push against a bound."""
    low, high = np.array(bounds).T
    held = ((theta <= low) & (gradient > 0)) | ((theta >= high) & (gradient < 0))
    return float(np.abs(np.where(held, 0.0, gradient)).max())


class _Objective:
    """theta ↦ (value, gradient) for the optimiser; it remembers what it was asked."""

    def __init__(self, X, y, P, kernel, judge: str, spread: np.ndarray | None):
        if judge not in JUDGES:
            raise ValueError(f"judge must be one of {sorted(JUDGES)}, got {judge!r}.")
        self.problem, self.judge, self.spread = (X, y, P, kernel), judge, spread
        self.steps: list[Step] = []

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        X, y, P, kernel = self.problem
        log_sigma = theta[0] if self.spread is None else self.spread @ theta[:-1]
        sigma, lam = np.exp(log_sigma), float(np.exp(theta[-1]))
        found: Judgement = JUDGES[self.judge](X, y, kernel=kernel, sigma=sigma, lam=lam, P=P)
        self.steps.append(Step(sigma, lam, found.value))
        wide = found.grad_log_sigma if self.spread is None else self.spread.T @ found.grad_log_sigma
        gradient = np.append(wide, found.grad_log_lam)
        if self.judge == "evidence":
            return found.value / len(y), gradient / len(y)
        return float(np.log(found.value)), gradient / found.value


def _spread(groups: Any, d: int) -> np.ndarray | None:
    """The 0/1 matrix (d, g) that hands each feature its group's width; None for one width."""
    if groups is None:
        return None
    groups = np.asarray(groups)
    if groups.shape != (d,):
        raise ValueError(f"groups must be ({d},), a label for every feature; got shape {groups.shape}.")
    return np.equal.outer(groups, np.unique(groups)).astype(float)


def _start(X, kernel, sigma, lam: Any, spread: np.ndarray | None, lam_bounds) -> np.ndarray:
    low, high = lam_bounds
    if not 0 < low < high < np.inf:
        raise ValueError(f"lam_bounds must be 0 < low < high, got {lam_bounds}.")
    sigma = widths(median_width(X, kernel=kernel) if sigma is None else sigma, X.shape[1])
    if spread is None:
        if sigma.ndim:
            raise ValueError("a width per feature was given; pass groups=range(d) to tune them all.")
        log_sigma = np.atleast_1d(np.log(sigma))
    else:
        log_sigma = spread.T @ np.broadcast_to(np.log(sigma), X.shape[1:]) / spread.sum(0)
    return np.append(log_sigma, np.log(np.clip(ridge(lam), low, high)))
