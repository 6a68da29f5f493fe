"""Widths and noise from the data: the evidence, descended from several starts.

Problem    maximise p(y | theta), theta = log (sigma_1 … sigma_c, lam_E, lam_G)
Solver     L-BFGS-B with the closed-form gradient of `evidence`, within bounds; the best of the starts
Why many   the evidence of a few points has several modes, which predict differently; all are reported.
           Features are compared in the same currency, p(y): the likeliest is taken
References rasmussen2006 (chapter 5), byrd1995
Symbols    as in `evidence`
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from mcbook.correction import _checks
from mcbook.correction.evidence import Observations, judge
from mcbook.correction.features import Feature, named_feature
from mcbook.correction.process import Model, model_of, observe

STARTS = (1.5, 5.0)  # widths, in standard deviations of the features
LAM_BOUNDS = (1e-12, 1e-8)  # computed energies carry rounding, not noise
USUAL = ("log", "distance")
RANGE = (0.1, 300.0)  # of the widths, in the same
FAILED = 1e10


class Mode(NamedTuple):
    """Where one start ended: feature, widths, noise, -log p(y) in nats, whether the search says it arrived."""

    feature: str
    sigma: np.ndarray
    lam: np.ndarray
    value: float
    converged: bool
    evaluations: int


class Learnt(NamedTuple):
    """The model at the best mode, and all the modes, best first."""

    model: Model
    modes: tuple[Mode, ...]

    @property
    def converged(self) -> bool:
        """Whether the search that won says that it arrived."""
        return self.modes[0].converged


def learn(
    positions_angstrom: Any,
    *,
    energy_kcal: Any,
    gradient_kcal_angstrom: Any = None,
    symmetries: Any = None,
    feature: Any = USUAL,
    offset_kcal: Any = None,
    starts: Sequence[float] = STARTS,
    lam_bounds: tuple[float, float] = LAM_BOUNDS,
    max_iter: int = 60,
) -> Learnt:
    """Widths, noise and feature by maximal evidence, then the fit.

    feature: one, or several to choose from.  starts: widths to start from, in standard deviations of the
    features.  lam_bounds: raise the upper one for noisy energies.  Arguments and ValueErrors else as
    `process.observe`; and fewer than 3 geometries.
    """
    choices = [feature] if isinstance(feature, str | Feature) else list(feature)
    if not choices or not len(starts):
        raise ValueError("learn needs one feature and one start or more.")
    observations = {}
    for choice in map(named_feature, choices):
        observations[choice] = observe(
            positions_angstrom,
            energy_kcal=energy_kcal,
            gradient_kcal_angstrom=gradient_kcal_angstrom,
            symmetries=symmetries,
            feature=choice,
            offset_kcal=offset_kcal,
        )
    modes = []
    for choice, data in observations.items():
        if len(data.q) < 3:
            raise ValueError(f"learn needs 3 geometries or more, got {len(data.q)}; `fit` takes fewer.")
        found = tune(data, starts=starts, lam_bounds=lam_bounds, max_iter=max_iter)
        modes += [mode._replace(feature=choice.name) for mode in found]
    best, *others = sorted(modes, key=lambda mode: mode.value)
    kind = next(choice for choice in observations if choice.name == best.feature)
    model = model_of(positions_angstrom, observations[kind], best.sigma, best.lam, kind, offset_kcal)
    return Learnt(model, (best, *others))


def tune(
    data: Observations,
    *,
    starts: Sequence[float] = STARTS,
    lam_bounds: tuple[float, float] = LAM_BOUNDS,
    max_iter: int = 60,
) -> tuple[Mode, ...]:
    """The modes of the evidence that the starts lead to, best first."""
    scale = spreads(data)
    low, high = (float(_checks.positive(b, "lam_bounds")) for b in lam_bounds)
    bounds = [(np.log(s * RANGE[0]), np.log(s * RANGE[1])) for s in scale] + [(np.log(low), np.log(high))] * 2
    modes = [_descend(data, np.log(scale * start), bounds, max_iter) for start in starts]
    return tuple(sorted(modes, key=lambda mode: mode.value))


def spreads(data: Observations) -> np.ndarray:
    """The standard deviation of the features of each kind of pair, (c,).  Raises ValueError if one is 0."""
    kinds = np.arange(data.labels.max() + 1)
    spread = np.array([np.sqrt(data.q[:, data.labels == c].var(0).mean()) for c in kinds])
    if not (spread > 0).all():
        raise ValueError("the distances of some kind of pair never change: its width cannot be learnt.")
    return spread


def _descend(data: Observations, log_sigma: np.ndarray, bounds: list, max_iter: int) -> Mode:
    count, kinds = len(data.y), len(log_sigma)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            found = judge(data, np.exp(theta[:kinds]), np.exp(theta[kinds:]))
        except ValueError:  # singular to working precision: the line search turns back
            return FAILED, np.zeros_like(theta)
        gradient = np.concatenate([found.grad_log_sigma, found.grad_log_lam])
        return found.value / count, gradient / count

    middle = np.sqrt(np.exp(bounds[-1][0] + bounds[-1][1]))
    start = np.clip(np.append(log_sigma, np.log([middle, middle])), *np.transpose(bounds))
    options = {"maxiter": max_iter, "gtol": 1e-3, "ftol": 1e-9}
    end = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    sigma, lam = np.exp(end.x[:kinds]), np.exp(end.x[kinds:])
    return Mode("", sigma, lam, float(end.fun) * count, bool(end.success), int(end.nfev))
