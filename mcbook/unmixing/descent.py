"""Three ways down the likelihood, from the slope alone to its curvature.

Gradient         W ← W - eta ∇L                    depends on how the sources were mixed
Natural          W ← W - eta (∇L Wᵀ) W             relative gradient: does not
Quasi-Newton     W ← (I + a E) W,  E = -B⁻¹R       B: block-diagonal Hessian, corrected by L-BFGS
References amari1996, liu1989, ablin2018
Symbols    R relative gradient, E relative step, a its length, (s, y) L-BFGS pairs: step and change of R
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mcbook.unmixing._passes import Evaluation, Passes
from mcbook.unmixing.density import Density
from mcbook.unmixing.likelihood import grad_loss_W, loss, regularise, relative_grad, solve_blocks

LEAST_CURVATURE = 0.1
LONGEST_STEP = 0.3  # of any entry of E
RENEWING_STEP = 0.05  # the blocks h are computed anew after a step with a longer entry
SINGLE = 1e-4  # the gradient that single precision can be trusted with
ROUNDING = {"float64": 1e-12, "float32": 1e-6}  # of a loss, relative


class Descent(NamedTuple):
    """Where a descent ended; non-convergence is data, not an exception."""

    W: np.ndarray  # (d, d)
    losses: np.ndarray  # (iterations + 1,) nats per sample
    gradient_norms: np.ndarray  # (iterations + 1,) sup norm of the relative gradient
    converged: bool
    iterations: int


def gradient_descent(
    X, W, density: Density, *, eta: float = 0.1, steps: int = 500, tol: float = 1e-6
) -> Descent:
    """W ← W - eta ∇L(W), X (n, d) centred, W (d, d).  Stops at a relative gradient below tol (sup norm).

    A step too long for the loss to stay finite ends the descent as data: the last norm is inf.
    Raises ValueError unless eta > 0 and steps >= 0.
    """

    def slope(W):
        G = grad_loss_W(W, X, density)
        return G @ W.T, G

    return _plain(X, W, density, eta, steps, tol, slope)


def natural_gradient(
    X, W, density: Density, *, eta: float = 0.3, steps: int = 500, tol: float = 1e-6
) -> Descent:
    """W ← W - eta R W, X (n, d) centred, W (d, d): no inverse.  Its path W A does not depend on A.

    Ends, and raises, as `gradient_descent`.  Source: amari1996.
    """

    def slope(W):
        R = relative_grad(X @ W.T, density)
        return R, R @ W

    return _plain(X, W, density, eta, steps, tol, slope)


@np.errstate(over="ignore", invalid="ignore")  # a step too long ends as data, below
def _plain(X, W, density, eta, steps, tol, slope) -> Descent:
    """Descend along slope(W) = (relative gradient, direction)."""
    if not (eta > 0 and steps >= 0):
        raise ValueError(f"a descent expects a step size eta > 0 and steps >= 0, got {eta} and {steps}.")
    losses, norms = [], []
    for _ in range(steps + 1):
        losses.append(float(loss(W, X, density)))
        if not np.isfinite(losses[-1]):  # a step too long: W has left the invertible matrices
            norms.append(np.inf)
            break
        R, direction = slope(W)
        norms.append(float(np.abs(R).max()))
        if norms[-1] < tol or len(losses) > steps:
            break
        W = W - eta * direction
    return Descent(W, np.array(losses), np.array(norms), bool(norms[-1] < tol), len(losses) - 1)


def quasi_newton(
    X, W, densities: Sequence[Density], *, tol: float = 1e-6, max_iter: int = 500, memory: int = 10
) -> Descent:
    """Preconditioned L-BFGS on L, in relative coordinates: X (n, d) centred, W (d, d), d densities.

    Raises ValueError unless there is one density per source.  Source: ablin2018.
    """
    if len(densities) != len(W):
        raise ValueError(f"quasi_newton expects {len(W)} densities, one per source, got {len(densities)}.")
    return descend(Passes(X, np.zeros(X.shape[1])), W, densities, tol=tol, max_iter=max_iter, memory=memory)


def descend(
    passes: Passes,
    W,
    densities: Sequence[Density],
    *,
    tol: float,
    max_iter: int,
    memory: int = 10,
    rough: Passes | None = None,
) -> Descent:
    """`quasi_newton` over samples that are never all unmixed at once.

    With `rough`, the same samples in single precision serve until the gradient falls below SINGLE; the last
    word, convergence or not, is always that of `passes`.
    """
    now = passes if rough is None else rough
    here = now.evaluate(W, densities)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    losses, norms, rounding = [here.loss], [_sup(here)], ROUNDING[now.dtype.name]
    for step in range(max_iter + 1):
        if now is not passes and (norms[-1] < max(SINGLE, tol) or step == max_iter):
            now = passes
            if norms[-1] < tol or step == max_iter:
                here = passes.evaluate(W, densities, blocks=False)._replace(h=here.h)
                losses[-1], norms[-1] = here.loss, _sup(here)
        if norms[-1] < tol or step == max_iter:
            break
        found = _line_search(now, W, densities, here, _direction(here, pairs), rounding)
        rounding = ROUNDING[now.dtype.name]
        if found is None and (pairs or now is not passes):  # once more: no memory, full precision
            now, here, pairs = passes, passes.evaluate(W, densities), []
            found = _line_search(now, W, densities, here, _direction(here, pairs), ROUNDING["float64"])
        if found is None:
            break  # rounding has the last word
        E, W, there = found
        pairs = _remember(pairs, E, there.R - here.R, memory)
        here = there
        losses.append(here.loss)
        norms.append(_sup(here))
    return Descent(W, np.array(losses), np.array(norms), norms[-1] < tol, len(losses) - 1)


def _sup(here: Evaluation) -> float:
    return float(np.abs(here.R).max())


def _direction(here: Evaluation, pairs) -> np.ndarray:
    """E = -B⁻¹R by the two-loop recursion around the block-diagonal Hessian; no entry beyond LONGEST_STEP."""
    h = regularise(here.h, least=LEAST_CURVATURE)
    q, alphas = here.R.copy(), []
    for s, y in reversed(pairs):
        alphas.append(np.vdot(s, q) / np.vdot(s, y))
        q -= alphas[-1] * y
    E = solve_blocks(h, q)
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        E += (alpha - np.vdot(y, E) / np.vdot(s, y)) * s
    if np.vdot(E, here.R) <= 0:
        E = solve_blocks(h, here.R)
    return -E * min(1.0, LONGEST_STEP / max(np.abs(E).max(), LONGEST_STEP))


def _line_search(passes: Passes, W, densities, here: Evaluation, E, rounding, *, trials: int = 20):
    """Backtrack from a = 1 to a sufficient decrease: (a E, W, evaluation), or None when there is none.

    Where losses differ by rounding alone, a smaller gradient decides.
    """
    slope, longest, a = np.vdot(here.R, E), np.abs(E).max(), 1.0
    rounding *= 1 + abs(here.loss)
    for _ in range(trials):
        W_new = W + a * (E @ W)
        there = passes.evaluate(W_new, densities, blocks=bool(a * longest > RENEWING_STEP))
        there = there._replace(h=here.h) if there.h is None else there
        rise = there.loss - here.loss
        if rise <= 1e-4 * a * slope:
            return a * E, W_new, there
        if rise <= rounding and np.abs(there.R).max() < np.abs(here.R).max():
            return a * E, W_new, there
        parabola = -slope * a * a / (2 * (rise - a * slope)) if np.isfinite(rise) else 0.1 * a
        a = min(max(parabola, 0.1 * a), 0.5 * a)
    return None


def _remember(pairs, s, y, memory: int):
    """Keep the pair when it has seen positive curvature; at most `memory` pairs."""
    if np.vdot(s, y) > 1e-10 * np.linalg.norm(s) * np.linalg.norm(y):
        return (pairs + [(s, y)])[-memory:]
    return pairs
