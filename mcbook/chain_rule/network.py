"""A network of two layers that reads digits: one function for the tape and for JAX, and the same by hand.

Problem    n pictures of d cells, rows of X (n, d), and what they show, rows of Y (n, k), one 1 in each
Objective  L = (1/n) Σ_rows log Σ exp Z - ⟨Y, Z⟩ / n,  Z = H W₂ᵀ + b₂,  H = tanh(X W₁ᵀ + b₁)
Gradient   Z̄ = (P - Y)/n,  W̄₂ = Z̄ᵀH,  b̄₂ = Z̄ᵀ𝟏,  Ū = (1 - H²) ∘ (Z̄ W₂),  W̄₁ = ŪᵀX,  b̄₁ = Ūᵀ𝟏
           with P = softmax of the rows of Z          derived: book/grammar/chain_rule, eq. (chain-network)
Solver     W ← W - eta (∇L + lam W), all weights at once
Reference  griewank2008; the gradient's order of work: linnainmaa1976

Symbols    W1 (h, d), b1 (h,), W2 (k, h), b2 (k,) → the weights; U → X W₁ᵀ + b₁, before the bend
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mcbook._numbers import reals
from mcbook.chain_rule import tape

Array = Any


class Weights(NamedTuple):
    """W1 (h, d), b1 (h,), W2 (k, h), b2 (k,)."""

    W1: Float[Array, "h d"]
    b1: Float[Array, " h"]
    W2: Float[Array, "k h"]
    b2: Float[Array, " k"]


class Fit(NamedTuple):
    """The weights, the loss before every step and after the last (steps + 1,), and whether it went down."""

    weights: Weights
    losses: Float[Array, " steps_plus_1"]
    converged: bool


def logits(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, *, on: Any = np) -> Any:
    """Z = tanh(X W₁ᵀ + b₁) W₂ᵀ + b₂ (n, k); `on` has tanh: NumPy, jax.numpy or the tape."""
    return on.tanh(X @ W1.T + b1) @ W2.T + b2


def loss(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any, *, on: Any = np) -> Any:
    """(1/n) Σ (log Σ exp z - ⟨y, z⟩) over the rows z of Z; `on` has tanh, exp, log.

    A row's sum is a product with ones.  |H| ≤ 1, so that exp overflows only for weights in the hundreds.
    """
    Z, ones = logits(W1, b1, W2, b2, X, on=on), np.ones(Y.shape[1])
    return (on.log(on.exp(Z) @ ones) - (Z * Y) @ ones).sum() / len(Y)


def grad_loss(
    W1: Float[Array, "h d"],
    b1: Float[Array, " h"],
    W2: Float[Array, "k h"],
    b2: Float[Array, " k"],
    X: Float[Array, "n d"],
    Y: Float[Array, "n k"],
) -> Weights:
    """The gradient by hand, each line a factor that has crossed ⟨·, ·⟩.  Source: book/grammar/chain_rule."""
    H = np.tanh(X @ W1.T + b1)
    E = np.exp(H @ W2.T + b2)
    Z_bar = (E / E.sum(axis=1, keepdims=True) - Y) / len(Y)
    U_bar = (1 - H**2) * (Z_bar @ W2)
    return Weights(U_bar.T @ X, U_bar.sum(axis=0), Z_bar.T @ H, Z_bar.sum(axis=0))


def initial(d: int, h: int, k: int, rng: np.random.Generator) -> Weights:
    """Random weights that keep sizes, W1 ~ N(0, 1/d) and W2 ~ N(0, 1/h), and biases of zero."""
    if min(d, h, k) < 1:
        raise ValueError(f"a network expects d, h, k ≥ 1, got {d}, {h}, {k}.")
    W1, W2 = rng.normal(size=(h, d)) / np.sqrt(d), rng.normal(size=(k, h)) / np.sqrt(h)
    return Weights(W1, np.zeros(h), W2, np.zeros(k))


def one_hot(labels: Any, k: int) -> Float[np.ndarray, "n k"]:
    """Rows with a single 1, at the label.  Raises ValueError for labels that are not 0 … k - 1."""
    found = np.asarray(labels)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not ((found >= 0) & (found < k)).all():
        raise ValueError(f"labels expects whole numbers 0 … {k - 1} in one row, got {found.dtype}.")
    return np.eye(k)[found]


def fit(
    X: Any,
    labels: Any,
    *,
    h: int = 32,
    eta: float = 0.5,
    steps: int = 300,
    lam: float = 0.0,
    rng: np.random.Generator,
) -> Fit:
    """Gradient descent on all weights at once; every gradient comes from the tape.

    h       width of the hidden layer
    eta     step size;  lam, a pull of the weights (not the biases) towards zero
    losses  are without that pull;  converged is whether the last is finite and the least of all

    Raises ValueError for wrong shapes, NaN, labels that do not fit, or settings out of range.
    """
    X = reals(X, "X")
    if X.ndim != 2 or len(X) != len(np.asarray(labels)) or not len(X):
        raise ValueError(f"fit expects X (n, d) and n labels, got {X.shape} and {len(labels)}.")
    if not (h >= 1 and 0 < eta < np.inf and steps >= 1 and 0 <= lam < np.inf):
        raise ValueError(f"fit expects h ≥ 1, eta > 0, steps ≥ 1, lam ≥ 0; got {h}, {eta}, {steps}, {lam}.")
    k = int(np.max(labels)) + 1
    Y = one_hot(labels, k)
    weights, losses = initial(X.shape[1], h, k, rng), []

    def error(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        return loss(W1, b1, W2, b2, X, Y, on=tape)

    for _ in range(steps):
        value, grads = tape.value_and_grad(error, *weights)
        losses.append(value)
        pull = (lam * weights.W1, 0.0, lam * weights.W2, 0.0)
        weights = Weights(*(w - eta * (g + p) for w, g, p in zip(weights, grads, pull, strict=True)))
    losses.append(float(loss(*weights, X, Y)))
    return Fit(weights, np.array(losses), bool(np.isfinite(losses[-1]) and losses[-1] <= min(losses)))


def read(weights: Weights, X: Any) -> Int[np.ndarray, " n"]:
    """The most probable label of each row of X.  Raises ValueError where X is not (n, d)."""
    X = reals(X, "X")
    if X.ndim != 2 or X.shape[1] != weights.W1.shape[1]:
        raise ValueError(f"read expects X (n, {weights.W1.shape[1]}), got {X.shape}.")
    return np.asarray(logits(*weights, X)).argmax(axis=1)
