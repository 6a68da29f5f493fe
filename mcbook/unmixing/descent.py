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
from mcbook.unmixing.likelihood import grad_loss_W, loss, regularise, solve_blocks

LEAST_CURVATURE = 0.1
LONGEST_STEP = 0.3  # of any entry of E


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
    """W ← W - eta ∇L(W), X (n, d) centred, W (d, d).  Stops at a relative gradient below tol (sup norm)."""
    return _plain(X, W, density, eta, steps, tol, lambda G, W: G)


def natural_gradient(
    X, W, density: Density, *, eta: float = 0.3, steps: int = 500, tol: float = 1e-6
) -> Descent:
    """W ← W - eta (∇L Wᵀ) W, X (n, d) centred, W (d, d).  Its path W A does not depend on the mixing A."""
    return _plain(X, W, density, eta, steps, tol, lambda G, W: G @ W.T @ W)


def _plain(X, W, density, eta, steps, tol, direction) -> Descent:
    losses, norms = [], []
    for _ in range(steps + 1):
        G = grad_loss_W(W, X, density)
        losses.append(float(loss(W, X, density)))
        norms.append(float(np.abs(G @ W.T).max()))
        if norms[-1] < tol or not np.isfinite(losses[-1]) or len(losses) > steps:
            break
        W = W - eta * direction(G, W)
    return Descent(W, np.array(losses), np.array(norms), bool(norms[-1] < tol), len(losses) - 1)


def quasi_newton(
    X, W, densities: Sequence[Density], *, tol: float = 1e-6, max_iter: int = 500, memory: int = 10
) -> Descent:
    """Preconditioned L-BFGS on L, in relative coordinates: X (n, d) centred, W (d, d), d densities."""
    return descend(Passes(X, np.zeros(X.shape[1])), W, densities, tol=tol, max_iter=max_iter, memory=memory)


def descend(
    passes: Passes, W, densities: Sequence[Density], *, tol: float, max_iter: int, memory: int = 10
) -> Descent:
    """`quasi_newton` over samples that are never all unmixed at once."""
    here = passes.evaluate(W, densities)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    losses, norms = [here.loss], [float(np.abs(here.R).max())]
    while norms[-1] >= tol and len(losses) <= max_iter:
        E = _direction(here, pairs)
        found = _line_search(passes, W, densities, here, E)
        if found is None:
            if not pairs:
                break  # not even the steepest preconditioned step descends: rounding has the last word
            pairs = []
            continue
        a, W, there = found
        pairs = _remember(pairs, a * E, there.R - here.R, memory)
        here = there
        losses.append(here.loss)
        norms.append(float(np.abs(here.R).max()))
    return Descent(W, np.array(losses), np.array(norms), norms[-1] < tol, len(losses) - 1)


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


def _line_search(passes: Passes, W, densities, here: Evaluation, E, *, trials: int = 20):
    """Backtrack from a = 1 to a sufficient decrease: (a, W, evaluation), or None when there is none.

    Where losses differ by rounding alone, a smaller gradient decides.
    """
    slope, rounding, a = np.vdot(here.R, E), 1e-12 * (1 + abs(here.loss)), 1.0
    for _ in range(trials):
        W_new = W + a * (E @ W)
        there = passes.evaluate(W_new, densities)
        rise = there.loss - here.loss
        if rise <= 1e-4 * a * slope:
            return a, W_new, there
        if rise <= rounding and np.abs(there.R).max() < np.abs(here.R).max():
            return a, W_new, there
        parabola = -slope * a * a / (2 * (rise - a * slope)) if np.isfinite(rise) else 0.1 * a
        a = min(max(parabola, 0.1 * a), 0.5 * a)
    return None


def _remember(pairs, s, y, memory: int):
    """Keep the pair when it has seen positive curvature; at most `memory` pairs."""
    if np.vdot(s, y) > 1e-10 * np.linalg.norm(s) * np.linalg.norm(y):
        return (pairs + [(s, y)])[-memory:]
    return pairs
