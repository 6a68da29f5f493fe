"""The order of the Taylor remainder: a picture of a right gradient, to teach and not to judge.

Remainder  r(h) = |f(X + hV) - f(X) - h ⟨G, V⟩|: h² where G is right, h where it is not
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.calculus.differences import EPS
from mcbook.calculus.inputs import ScalarFunction, as_gradient, as_variable, inner, unit_direction, value_at


class TaylorOrder(NamedTuple):
    """Steps and remainders, both (k,), and the slope of log r against log h.

    `used` marks the remainders above the rounding errors of f, which the line was fitted to; the order is
    infinite where fewer than three are (f is as good as linear along the direction).
    """

    steps: Float[np.ndarray, " k"]
    remainders: Float[np.ndarray, " k"]
    used: np.ndarray
    order: float

    def __str__(self) -> str:
        return f"Taylor remainder: order {self.order:.1f}"

    def __repr__(self) -> str:
        return str(self)


def taylor_order(f: ScalarFunction, G: Any, X: Any, *, rng: np.random.Generator) -> TaylorOrder:
    """Taylor remainders of f at X along one random unit direction, for steps from 1e-2 to 1e-5 (1 + ‖X‖).

    The fitted order is 2 when G is the gradient and 1 when it is not, but erratic for a small error: plot it,
    and judge with `check_grad`. Raises ValueError for the inputs that `check_grad` refuses.
    """
    X = as_variable(X)
    G = as_gradient(G, X)
    centre = value_at(f, X)
    V = unit_direction(rng, X)
    steps = np.geomspace(1e-2, 1e-5, 13) * (1 + np.linalg.norm(X))
    with np.errstate(all="ignore"):
        values = np.array([float(np.asarray(f(X + h * V))) for h in steps])
    remainders = np.abs(values - centre - steps * inner(G, V))
    used = np.isfinite(remainders) & (remainders > 100 * EPS * (abs(centre) + np.abs(values)))
    if used.sum() < 3:
        return TaylorOrder(steps, remainders, used, np.inf)
    order = np.polyfit(np.log(steps[used]), np.log(remainders[used]), 1)[0]
    return TaylorOrder(steps, remainders, used, float(order))
