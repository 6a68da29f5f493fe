"""Second-order ways down: Newton, Gauss-Newton, and what Levenberg and Marquardt made of them."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.downhill._checks import count, of_shape, setting, vector
from mcbook.downhill.descend import Path, Slope, walk

Array = np.ndarray
ROUNDING = 1 + 1e-14  # by this factor a loss may rise without being called worse


class Damped(NamedTuple):
    """A way down with its dampings: at each point ‖∇L‖, the loss and mu; how often r was asked for."""

    points: Float[np.ndarray, "k d"]
    slopes: Float[np.ndarray, " k"]
    losses: Float[np.ndarray, " k"]
    mus: Float[np.ndarray, " k"]
    evaluations: int
    converged: bool

    @property
    def end(self) -> Float[np.ndarray, " d"]:
        """The last point."""
        return self.points[-1]


def _solved(H: Array, g: Array) -> Array:
    """H⁻¹ g, or NaN where H is singular: the walk ends there, not converged."""
    try:
        return np.linalg.solve(H, g)
    except np.linalg.LinAlgError:
        return np.full_like(g, np.nan)


def newton(grad: Slope, hess: Slope, w: Any, *, steps: int = 50, tol: int | float = 1e-12) -> Path:
    """w ← w - H(w)⁻¹ ∇L(w), bare: to the stationary point of the quadratic that L looks like from w.

    grad, hess  w (d,) -> (d,), (d, d).  Which stationary point, a valley or not, depends on the start;
    with a singular H the walk ends, not converged.  Raises ValueError as `descend`.
    """
    return walk(
        lambda w, g, k: w - _solved(of_shape(hess, w, (w.size, w.size), "hess"), g), grad, w, steps, tol
    )


def gauss_newton(residual: Slope, jac: Slope, w: Any, *, steps: int = 50, tol: int | float = 1e-12) -> Path:
    """Newton with JᵀJ/n in the place of the Hessian of ‖r(w)‖²/(2n): w ← w - (JᵀJ)⁻¹ Jᵀ r, undamped.

    residual, jac  w (d,) -> (n,), (n, d).  Raises ValueError as `descend`.
    """
    n = len(np.asarray(residual(vector(w, "w"))))

    def slope(w: Array) -> Array:
        return of_shape(jac, w, (n, w.size), "jac").T @ residual(w) / n

    return newton(slope, lambda w: jac(w).T @ jac(w) / n, w, steps=steps, tol=tol)


def levenberg_marquardt(
    residual: Slope, jac: Slope, w: Any, *, mu: int | float = 1e-2, steps: int = 200, tol: int | float = 1e-12
) -> Damped:
    """(JᵀJ/n + mu D) p = -Jᵀr/n with D the diagonal of JᵀJ/n: a step is taken only if the loss does not rise.

    mu grows fourfold where the model promised in vain and falls to a third where it kept its promise: short
    steps downhill in bad country, Gauss-Newton in good.  residual, jac  w (d,) -> (n,), (n, d).
    Raises ValueError as `descend`.  Source: levenberg1944, marquardt1963.
    """
    w = vector(w, "w")
    count(steps)
    setting(mu, "mu")
    setting(tol, "tol", closed=True)
    r = np.asarray(residual(w), dtype=float)
    n, asked = len(r), 1
    points, losses, mus, slopes = [w], [r @ r / (2 * n)], [mu], []
    for _ in range(steps):
        J = of_shape(jac, w, (n, w.size), "jac")
        g, A = J.T @ r / n, J.T @ J / n
        slopes.append(float(np.linalg.norm(g)))
        if slopes[-1] <= tol:
            break
        for _ in range(60):
            p = -_solved(A + mu * np.diag(np.diag(A)), g)
            tried = np.asarray(residual(w + p), dtype=float)
            asked += 1
            if tried @ tried <= ROUNDING * (r @ r):
                break
            mu *= 4
        else:
            break  # nothing left that rounding would not hide
        w, r, mu = w + p, tried, mu / 3
        points.append(w)
        losses.append(r @ r / (2 * n))
        mus.append(mu)
    slopes += [float(np.linalg.norm(jac(w).T @ r / n))] * (len(points) - len(slopes))
    return Damped(
        np.array(points), np.array(slopes), np.array(losses), np.array(mus), asked, slopes[-1] <= tol
    )
