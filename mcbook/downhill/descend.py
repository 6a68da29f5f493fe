"""First-order ways down: steepest descent, with momentum, with Nesterov's look ahead, with a line search."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.downhill._checks import count, of_shape, setting, vector

Array = np.ndarray
Slope = Callable[[Array], Any]


class Path(NamedTuple):
    """A way down: its points, the start first, ‖∇L‖ at each, and whether the last one is ≤ tol.

    Where numbers overflow the walk ends at the last finite point, not converged.
    """

    points: Float[np.ndarray, "k d"]
    slopes: Float[np.ndarray, " k"]
    converged: bool

    @property
    def end(self) -> Float[np.ndarray, " d"]:
        """The last point."""
        return self.points[-1]


def walk(
    step: Callable[[Array, Array, int], Array], grad: Slope, w: Any, steps: int, tol: int | float
) -> Path:
    """w ← step(w, ∇L(w), k) until ‖∇L‖ ≤ tol, or for that many steps."""
    w = vector(w, "w")
    count(steps)
    setting(tol, "tol", closed=True)
    g = of_shape(grad, w, w.shape, "grad")
    points, slopes = [w], [float(np.linalg.norm(g))]
    for k in range(steps):
        if slopes[-1] <= tol:
            break
        with np.errstate(over="ignore", invalid="ignore"):
            w = step(w, g, k)
            g = of_shape(grad, w, w.shape, "grad")
            size = float(np.linalg.norm(g))
        if not (np.isfinite(w).all() and np.isfinite(size)):
            return Path(np.array(points), np.array(slopes), converged=False)
        points.append(w)
        slopes.append(size)
    return Path(np.array(points), np.array(slopes), slopes[-1] <= tol)


def descend(grad: Slope, w: Any, *, eta: int | float, steps: int = 1000, tol: int | float = 0.0) -> Path:
    """w ← w - eta ∇L(w).

    grad  w (d,) -> (d,)
    eta   step; on a quadratic anything below 2/h_max converges, see `rates.best_step`

    Raises ValueError for a step that is not positive, a start with NaN, a gradient of another shape.
    """
    setting(eta, "eta")
    return walk(lambda w, g, k: w - eta * g, grad, w, steps, tol)


def with_momentum(
    grad: Slope, w: Any, *, eta: int | float, beta: int | float, steps: int = 1000, tol: int | float = 0.0
) -> Path:
    """v ← beta v - eta ∇L(w), w ← w + v: a heavy ball.  0 ≤ beta < 1; the rest as `descend`.

    Source: polyak1964.
    """
    return rolling(lambda w, g, v: g, grad, w, eta, beta, steps, tol)


def accelerated(
    grad: Slope, w: Any, *, eta: int | float, beta: int | float, steps: int = 1000, tol: int | float = 0.0
) -> Path:
    """Nesterov's: the gradient is asked for where the ball is about to be, w + beta v.  As `with_momentum`.

    Source: nesterov2018.
    """

    def ahead(w: Array, g: Array, v: Array) -> Array:
        return of_shape(grad, w + beta * v, w.shape, "grad")

    return rolling(ahead, grad, w, eta, beta, steps, tol)


def rolling(
    push: Callable[[Array, Array, Array], Array],
    grad: Slope,
    w: Any,
    eta: int | float,
    beta: int | float,
    steps: int,
    tol: int | float,
) -> Path:
    """v ← beta v - eta push(w, ∇L(w), v), w ← w + v: what the two kinds of momentum have in common."""
    setting(eta, "eta")
    setting(beta, "beta", high=1.0, closed=True)
    v = np.zeros(np.shape(w))

    def step(w: Array, g: Array, k: int) -> Array:
        nonlocal v
        v = beta * v - eta * push(w, g, v)
        return w + v

    return walk(step, grad, w, steps, tol)


def backtrack(
    f: Slope,
    w: Array,
    g: Array,
    p: Array,
    *,
    first: int | float = 1.0,
    share: int | float = 1e-4,
    shrink: int | float = 0.5,
) -> float:
    """The first step of first, first·shrink, … that brings `share` of the descent promised: Armijo's rule.

    L(w + t p) ≤ L(w) + share · t ⟨g, p⟩.  0 if sixty halvings do not.  Source: armijo1966.
    Raises ValueError if p does not lead downhill.
    """
    slope = float(g @ p)
    if not slope < 0:
        raise ValueError(f"backtrack expects a direction downhill, ⟨g, p⟩ < 0, got {slope:g}; try p = -g.")
    start, t = float(f(w)), first
    for _ in range(60):
        if float(f(w + t * p)) <= start + share * t * slope:
            return t
        t *= shrink
    return 0.0


def searched(
    f: Slope, grad: Slope, w: Any, *, first: int | float = 1.0, steps: int = 1000, tol: int | float = 0.0
) -> Path:
    """w ← w - t ∇L(w), where t is found by `backtrack`, which begins at twice the last one."""
    t = setting(first, "first") / 2

    def step(w: Array, g: Array, k: int) -> Array:
        nonlocal t
        found = backtrack(f, w, g, -g, first=2 * t)
        t = found or t  # 0 at the bottom, where rounding hides what is left of the descent
        return w - found * g

    return walk(step, grad, w, steps, tol)
