"""What the linear part leaves over: F(X + t dX) - F(X) - t dF, and how fast it goes away with t.

If dF is the differential, the rest is of second order: half the step leaves a quarter.  If anything in dF is
wrong, the rest is of first order, and half the step leaves half.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook._numbers import reals


class Rests(NamedTuple):
    """Steps t and ‖rest‖, both (k,); ratios (k - 1,) of each rest to the one before it: ¼ if dF is right."""

    steps: Float[np.ndarray, " k"]
    sizes: Float[np.ndarray, " k"]
    ratios: Float[np.ndarray, " k_less_1"]


def rests(
    F: Callable[[Any], Any], dF: Any, X: Any, X_dot: Any, *, step: float = 1.0, halvings: int = 6
) -> Rests:
    """The rest at t = step, step/2, step/4, …; dF is the claimed differential of F, an array, along X_dot.

    Raises ValueError for a step of another shape than X, a differential of another shape than F(X), NaN, or
    fewer than one halving.
    """
    X, X_dot, dF = reals(X, "X"), reals(X_dot, "X_dot"), reals(dF, "dF")
    if X.shape != X_dot.shape:
        raise ValueError(f"X_dot expects the shape of X, {X.shape}, got {X_dot.shape}.")
    if halvings < 1 or not 0 < step < np.inf:
        raise ValueError(f"rests expects step > 0 and halvings ≥ 1, got {step} and {halvings}.")
    start = reals(F(X), "F(X)")
    if start.shape != dF.shape:
        raise ValueError(f"dF expects the shape of F(X), {start.shape}, got {dF.shape}.")
    steps = step / 2.0 ** np.arange(halvings + 1)
    changes = [reals(F(X + t * X_dot), "F(X + t dX)") - start for t in steps]
    sizes = np.array([np.linalg.norm(c - t * dF) for c, t in zip(changes, steps, strict=True)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return Rests(steps, sizes, sizes[1:] / sizes[:-1])
