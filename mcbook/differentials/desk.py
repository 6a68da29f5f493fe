"""Nine knobs: a picture whose colours have run into one another, and the gradient that says how to turn back.

Problem    colours come out as p = M q, with M a cast that nobody knows; find W with W p = q
Objective  L(W) = ‖P Wᵀ - Q‖² / (2n), rows of P as they came out, rows of Q as they should be
Gradient   dL = ⟨P Wᵀ - Q, P dWᵀ⟩ / n = ⟨(P Wᵀ - Q)ᵀ P / n, dW⟩
Solver     turn(…): W ← W - eta ∇L;  balanced(…): ∇L = 0, W = Qᵀ P (Pᵀ P)⁻¹
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook._numbers import reals
from mcbook.differentials._checks import colours, pair

Array = Any

# Row i says what channel i makes of red, green and blue; rows sum to less than 1, so that nothing clips.
CAST = np.array([[0.60, 0.20, 0.05], [0.15, 0.75, 0.10], [0.05, 0.25, 0.45]])


class Knobs(NamedTuple):
    """The knobs W, the mismatch at the start and after every turn, and whether ‖∇L‖ is down to tol."""

    W: Float[Array, "3 3"]
    losses: Float[Array, " turns"]
    converged: bool


def inner(A: Array, B: Array) -> Array:
    """⟨A, B⟩ = tr(Aᵀ B) = Σ AᵢⱼBᵢⱼ, for arrays of one shape. Raises ValueError for two shapes."""
    if A.shape != B.shape:
        raise ValueError(f"⟨A, B⟩ expects one shape, got {A.shape} and {B.shape}; transpose one of them?")
    return (A * B).sum()


def loss(W: Float[Array, "k d"], P: Float[Array, "n d"], Q: Float[Array, "n k"]) -> Float[Array, ""]:
    """‖P Wᵀ - Q‖² / (2n): half the mean squared distance of the mixed colours from the right ones."""
    R = P @ W.T - Q
    return (R * R).sum() / (2 * len(P))


def grad_loss_W(
    W: Float[Array, "k d"], P: Float[Array, "n d"], Q: Float[Array, "n k"]
) -> Float[Array, "k d"]:
    """(P Wᵀ - Q)ᵀ P / n: one number for each knob.  Source: book/grammar/differentials."""
    return (P @ W.T - Q).T @ P / len(P)


def nudged(W: Any, P: Any, Q: Any, *, h: float = 1e-6) -> Float[np.ndarray, "3 3"]:
    """The same nine numbers by hand: turn one knob by h, look at the picture, turn it back; ten looks.

    Forward differences, off by about h times the curvature.  Raises ValueError for a step that is not
    positive.
    """
    W, P, Q = reals(W, "W"), colours(P, "P"), colours(Q, "Q")
    if not 0 < h < np.inf:
        raise ValueError(f"h expects a small positive step, got {h}.")
    start, G = loss(W, P, Q), np.zeros_like(W)
    for knob in np.ndindex(W.shape):
        turned = W.copy()
        turned[knob] += h
        G[knob] = (loss(turned, P, Q) - start) / h
    return G


def turn(
    P: Any, Q: Any, *, W: Any = None, eta: float | None = None, turns: int = 400, tol: float = 1e-12
) -> Knobs:
    """Turn all knobs downhill at once, W ← W - eta ∇L, from the neutral desk W = I.

    eta    by default 1 / (largest eigenvalue of Pᵀ P / n), the chapter *Going downhill* says why
    tol    converged is whether ‖∇L‖ ≤ tol at the end

    Raises ValueError for wrong shapes, NaN, or colours that do not determine the knobs.
    """
    P, Q = pair(P, Q)
    W = np.eye(3) if W is None else reals(W, "W").copy()
    if W.shape != (3, 3):
        raise ValueError(f"W expects nine knobs (3, 3), got {W.shape}.")
    eta = 1 / float(np.linalg.norm(P, 2) ** 2 / len(P)) if eta is None else eta
    if not (0 < eta < np.inf and turns >= 1):
        raise ValueError(f"turn expects eta > 0 and turns ≥ 1, got eta = {eta}, turns = {turns}.")
    losses = [loss(W, P, Q)]
    for _ in range(turns):
        W = W - eta * grad_loss_W(W, P, Q)
        losses.append(loss(W, P, Q))
    return Knobs(W, np.array(losses), bool(np.linalg.norm(grad_loss_W(W, P, Q)) <= tol))


def balanced(P: Any, Q: Any) -> Float[np.ndarray, "3 3"]:
    """The knobs at which all nine derivatives vanish: W = Qᵀ P (Pᵀ P)⁻¹.  Raises ValueError as `turn`."""
    P, Q = pair(P, Q)
    return np.linalg.solve(P.T @ P, P.T @ Q).T
