"""Widths and noise from the data: the evidence, descended from several starts.

Problem    maximise p(y | theta), theta = log (sigma_1 … sigma_c, lam_E, lam_G)
Solver     L-BFGS-B with the closed-form gradient of `evidence`, within bounds; the best of the starts
Why many   the evidence of a few points has several modes, which predict differently; all are reported.
           Features are compared in the same currency, p(y): the likeliest is taken
Calibrate  widths that fit few points are too sure of themselves.  Folds that were not seen, widths and all,
           give standardised errors; their 95 % quantile over 1.96 is the factor that s takes
References rasmussen2006 (chapter 5), byrd1995, vovk2005
Symbols    as in `evidence`
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from mcbook.correction import _checks
from mcbook.correction.evidence import Observations, judge
from mcbook.correction.features import Feature, named_feature
from mcbook.correction.process import Model, doubt, energy, model_of, observe

STARTS = (1.5, 5.0)  # widths, in standard deviations of the features
LAM_BOUNDS = (1e-12, 1e-8)  # computed energies carry rounding, not noise
USUAL = ("log", "distance")
RANGE = (0.1, 300.0)  # of the widths, in the same
FAILED = 1e10
COVERED, WITHIN = 0.95, 1.96


class Mode(NamedTuple):
    """Where one start ended: feature, widths, noise, -log p(y) in nats, whether it says it arrived."""

    feature: str
    sigma: np.ndarray
    lam: np.ndarray
    value: float
    converged: bool
    evaluations: int


class Learnt(NamedTuple):
    """The model at the best mode, all the modes, best first, and the factor that its doubts were given."""

    model: Model
    modes: tuple[Mode, ...]
    calibration: float  # 1 without folds

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
    folds: int = 0,
) -> Learnt:
    """Widths, noise and feature by maximal evidence, then the fit.

    feature: one, or several to choose from.  starts: widths to start from, in standard deviations of the
    features.  lam_bounds: raise the upper one for noisy energies.  folds: 2 or more calibrate the doubts, at
    the price of as many further searches; geometry i is in fold i mod folds.
    Arguments and ValueErrors else as `process.observe`; and fewer than 3 geometries, in a fold's rest, too.
    """
    known = {
        "energy_kcal": energy_kcal,
        "gradient_kcal_angstrom": gradient_kcal_angstrom,
        "symmetries": symmetries,
        "offset_kcal": offset_kcal,
    }
    settings = {"starts": starts, "lam_bounds": lam_bounds, "max_iter": max_iter}
    choices = [feature] if isinstance(feature, str | Feature) else list(feature)
    seen = {kind: observe(positions_angstrom, feature=kind, **known) for kind in map(named_feature, choices)}
    modes = _modes(seen, settings)
    kind = next(kind for kind in seen if kind.name == modes[0].feature)
    model = model_of(positions_angstrom, seen[kind], modes[0].sigma, modes[0].lam, kind, offset_kcal)
    factor = 1.0
    if folds:
        factor = _calibration(np.asarray(positions_angstrom), known, folds, feature=choices, **settings)
    return Learnt(rescaled(model, factor), modes, factor)


def _modes(seen: dict[Feature, Observations], settings: dict[str, Any]) -> tuple[Mode, ...]:
    """Where all starts of all features ended, best first."""
    if not seen or not len(settings["starts"]):
        raise ValueError("learn needs one feature and one start or more.")
    modes = []
    for kind, data in seen.items():
        if len(data.q) < 3:
            raise ValueError(f"learn needs 3 geometries or more, got {len(data.q)}; `fit` takes fewer.")
        modes += [mode._replace(feature=kind.name) for mode in tune(data, **settings)]
    return tuple(sorted(modes, key=lambda mode: mode.value))


def _calibration(X: np.ndarray, known: dict[str, Any], folds: int, **settings: Any) -> float:
    """The 95 % quantile of |error|/sd over folds never seen, over the normal distribution's 1.96."""
    if not 2 <= folds <= len(X):
        raise ValueError(f"folds must be 0, or from 2 to the {len(X)} geometries; got {folds}.")
    y, G = np.asarray(known["energy_kcal"]), known["gradient_kcal_angstrom"]
    fold, scores = np.arange(len(X)) % folds, np.empty(len(X))
    for k in range(folds):
        rest, out = fold != k, fold == k
        part = {"energy_kcal": y[rest], "gradient_kcal_angstrom": None if G is None else np.asarray(G)[rest]}
        found = learn(X[rest], **(known | part), **settings).model
        scores[out] = np.abs(energy(found, X[out]) - y[out]) / doubt(found, X[out]).sd_kcal
    rank = min(len(scores), int(np.ceil(COVERED * (len(scores) + 1))))
    return float(np.sort(scores)[rank - 1]) / WITHIN


def rescaled(model: Model, factor: float) -> Model:
    """The same function with doubts `factor` times as large."""
    return model._replace(s2=model.s2 * factor**2, left_out_sd_kcal=model.left_out_sd_kcal * factor)


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
