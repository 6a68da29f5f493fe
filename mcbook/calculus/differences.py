"""The slope of f along a direction by central differences, with an honest estimate of its error.

Problem    phi(t) = f(X + tV); phi'(0) from values of phi alone
Scheme     D(h) = (phi(h) - phi(-h)) / 2h = phi'(0) + a h² + b h⁴ + …, two Richardson steps, h halved until
           rounding wins
Error      what the last extrapolation changed (truncation) + 10 sigma / h (rounding)
Noise      sigma from sixth differences of phi at points too close for phi to bend between them
References more2011 (computational noise)
"""

from math import factorial
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.inputs import Reals, ScalarFunction, as_variable, value_at

EPS = float(np.finfo(float).eps)
LARGEST_STEP = 2.0**-9  # relative to 1 + ‖X‖
HALVINGS = 26  # the smallest step is then 3e-11 (1 + ‖X‖)


class Slope(NamedTuple):
    """The derivative of f along a unit direction, `value`, known to within `error`.

    `step` is the smallest step used, `noise` the standard deviation of f's own rounding errors, `curvature`
    the second derivative along the direction.
    """

    value: float
    error: float
    step: float
    noise: float
    curvature: float


def slope_along(f: ScalarFunction, X: Reals, V: Reals, *, target: float = 0.0) -> Slope:
    """d/dt f(X + tV) at t = 0, by extrapolated central differences.

    The step is halved until the error estimate falls below `target` or rounding makes smaller steps useless.
    Values of f that are not finite (a step that leaves the domain) are passed over.
    Raises ValueError where f(X) is not a finite float64 scalar.
    """
    centre = value_at(f, X)
    scale = 1.0 + float(np.linalg.norm(X))
    noise = value_noise(f, X, V, centre=centre, spacing=1e-11 * scale)
    best = Slope(np.nan, np.inf, np.nan, noise, np.nan)
    rows: list[list[float]] = []
    for k in range(HALVINGS):
        h = LARGEST_STEP * scale / 2**k
        if 10 * noise / h >= best.error or best.error <= target:
            break
        ahead, behind = _shifted(f, X, h * V), _shifted(f, X, -h * V)
        rows.append(_richardson_row((ahead - behind) / (2 * h), rows[-1] if rows else []))
        error = _row_error(rows) + 10 * noise / h
        if error < best.error:
            best = Slope(rows[-1][-1], error, h, noise, (ahead - 2 * centre + behind) / h**2)
    return best


def value_noise(f: ScalarFunction, X: Reals, V: Reals, *, centre: float, spacing: float) -> float:
    """The standard deviation of the rounding errors in the values of f near X, eps |f(X)| at least.

    Sixth differences of nine closely spaced values remove whatever is smooth and leave the noise, magnified
    by a known factor. Source: more2011.
    """
    order = 6
    values = np.array([_shifted(f, X, k * spacing * V) for k in range(-4, 5)])
    differences = np.diff(values, n=order)
    gamma = factorial(order) ** 2 / factorial(2 * order)
    measured = float(np.sqrt(gamma * np.mean(differences**2)))
    floor = EPS * abs(centre)
    return max(measured, floor) if np.isfinite(measured) else floor


def numerical_gradient(f: ScalarFunction, X: Reals) -> tuple[Reals, float]:
    """The gradient of f at X entry by entry, shape of X, and a bound of its error in the Frobenius norm.

    Costs some 20 values of f an entry: meant for a few thousand entries at most.
    Raises ValueError where f or X is unfit, as `slope_along` does.
    """
    X = as_variable(X)
    G, errors = np.empty(X.shape), np.empty(X.shape)
    for index in np.ndindex(X.shape):
        V = np.zeros(X.shape)
        V[index] = 1.0
        slope = slope_along(f, X, V)
        G[index], errors[index] = slope.value, slope.error
    return G, float(np.linalg.norm(errors))


def _shifted(f: ScalarFunction, X: Reals, step: Any) -> float:
    """f(X + step), NaN where the step has left the domain of f."""
    with np.errstate(all="ignore"):
        return float(np.asarray(f(X + step)))


def _richardson_row(difference: float, above: list[float]) -> list[float]:
    """One more row of the extrapolation table: D(h), then the h² and the h⁴ error removed."""
    row = [difference]
    for k, coarse in enumerate(above[:2], start=1):
        row.append(row[-1] + (row[-1] - coarse) / (4**k - 1))
    return row


def _row_error(rows: list[list[float]]) -> float:
    """The truncation error of the last entry: the most that the last refinement or extrapolation changed."""
    if len(rows) < 3:
        return np.inf
    last, above = rows[-1], rows[-2]
    changes = np.abs([last[-1] - last[-2], last[-1] - above[-1]])
    return float(changes.max()) if np.isfinite(changes).all() else np.inf
