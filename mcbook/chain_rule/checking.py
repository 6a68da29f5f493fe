"""How well a slope can be measured: differences with their best step, and the complex step with its lies.

Problem    the slope s = ⟨∇f(X), V⟩ from values of f alone
Forward    (f(X + hV) - f(X)) / h           off by h |f″|/2 (truncation) and about 2 ε|f|/h (rounding)
Central    (f(X + hV) - f(X - hV)) / 2h     off by h² |f‴|/6 and about ε|f|/h
Best       forward h = 2 √(ε|f|/|f″|);  central h = (3 ε|f|/|f‴|)^⅓
Complex    Im f(X + ihV) / h               no difference, no rounding; right only where f is analytic as coded
Reference  squire1998, martins2003
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook._numbers import reals
from mcbook.chain_rule._checks import scalar

EPS = float(np.finfo(float).eps)
STEPS = np.logspace(-14, 0, 57)


class Errors(NamedTuple):
    """Steps (k,) and how far off forward, central differences and the complex step are, each (k,)."""

    steps: Float[np.ndarray, " k"]
    forward: Float[np.ndarray, " k"]
    central: Float[np.ndarray, " k"]
    complex: Float[np.ndarray, " k"]


def step_errors(f: Callable[[Any], Any], X: Any, V: Any, slope: float, *, steps: Any = STEPS) -> Errors:
    """The error of each way to measure a slope that is known, at each step h.

    Raises ValueError for NaN, a direction of another shape than X, or steps that are not positive.
    """
    X = reals(X, "X")
    V, steps = reals(V, "V", shape=X.shape), reals(steps, "steps")
    if steps.ndim != 1 or not (steps > 0).all():
        raise ValueError("steps expects positive numbers in one row.")
    start = scalar(f(X), "f(X)")
    forward = [(f(X + h * V) - start) / h for h in steps]
    central = [(f(X + h * V) - f(X - h * V)) / (2 * h) for h in steps]
    turned = [complex_slope(f, X, V, h=h) for h in steps]
    return Errors(steps, *(np.abs(np.array(found) - slope) for found in (forward, central, turned)))


def best_steps(value: float, second: float, third: float) -> tuple[float, float]:
    """The steps h at which forward and central differences are best, from f, f″ and f‴ along the direction.

    Truncation and rounding, each as in the module's table, add up to least there.  Raises ValueError where
    one of them is zero: then a larger step is always better, or any.
    """
    sizes = [abs(scalar(v, name)) for v, name in ((value, "f"), (second, "f″"), (third, "f‴"))]
    if not all(sizes):
        raise ValueError(f"best_steps expects f, f″, f‴ that are not zero, got {value}, {second}, {third}.")
    return 2 * float(np.sqrt(EPS * sizes[0] / sizes[1])), float(np.cbrt(3 * EPS * sizes[0] / sizes[2]))


def complex_slope(f: Callable[[Any], Any], X: Any, V: Any, *, h: float = 1e-30) -> float:
    """Im f(X + ihV) / h: the slope of f along V, where f is analytic as it is coded, and else anything.

    A function that drops the imaginary part gives 0, and one that drops a piece of it gives that much less.
    Raises ValueError for a direction of another shape than X, or where f refuses complex numbers.
    """
    X = reals(X, "X")
    V = reals(V, "V", shape=X.shape)
    try:
        value = scalar(f(X + 1j * h * V), "f at a complex point")
    except TypeError as problem:
        raise ValueError(f"f expects to be able to take complex numbers, and cannot: {problem}.") from None
    return float(np.imag(value)) / h
