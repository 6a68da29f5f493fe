"""Questions of the chapter on reading a genome, with the mistakes that they know by name."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question

Slope = Callable[[np.ndarray, int], np.ndarray]


def softmax(U: np.ndarray) -> np.ndarray:
    """Rows of probabilities from rows of logits.  U (n, k) -> (n, k)."""
    E = np.exp(U - U.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def weighted_gradient(U: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """∂/∂U of the weighted mean Σ w_{y_i} ℓ_i / Σ w_{y_i}.  U (n, k), y (n,), w (k,) -> (n, k)."""
    weights = w[y] / w[y].sum()
    return weights[:, None] * (softmax(U) - np.eye(U.shape[1])[y])


def leaky_step(h_bar: np.ndarray, u: np.ndarray, W_h: np.ndarray, a: float) -> np.ndarray:
    """h̄_{t-1} for h_t = (1 - a) h_{t-1} + a u, u = tanh(... + h_{t-1} W_hᵀ).  h_bar, u (n, h) -> (n, h)."""
    return (1 - a) * h_bar + a * ((1 - u**2) * h_bar) @ W_h


def update_gate(h_bar: np.ndarray, h: np.ndarray, m: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The cotangent of a_z for h_t = z h + (1 - z) m, z = σ(a_z), h = h_{t-1}.  All (n, h) -> (n, h)."""
    return h_bar * (h - m) * z * (1 - z)


def through_time(
    h_bar: np.ndarray,
    H: np.ndarray,
    W_h: np.ndarray,
    *,
    slope: Slope = lambda H, t: 1 - H[t] ** 2,
    before: int = 1,
    steps: int | None = None,
) -> np.ndarray:
    """∂L/∂W_h of a tanh network by backpropagation through time: Σ_t Ā_tᵀ H_{t-1}.

    h_bar (n, h) is wanted of the last state, H (T + 1, n, h) holds the states, H[0] the first of them.
    The settings are there to be wrong: the slope of the tanh, which state meets Ā_t, how far to go back.
    """
    T, gradient = len(H) - 1, np.zeros_like(W_h)
    for t in range(T, max(0, T - (steps or T)), -1):
        a_bar = slope(H, t) * h_bar
        gradient += a_bar.T @ H[t - before]
        h_bar = a_bar @ W_h
    return gradient


def _turned(h_bar: np.ndarray, H: np.ndarray, W_h: np.ndarray) -> np.ndarray:
    return through_time(h_bar, H, W_h.T)


def _states(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    W_h, H = rng.normal(size=(4, 4)) / 2, [np.tanh(rng.normal(size=(6, 4)))]
    for _ in range(5):
        H.append(np.tanh(rng.normal(size=(6, 4)) + H[-1] @ W_h.T))
    return rng.normal(size=(6, 4)), np.array(H), W_h


def _labels(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rng.normal(size=(12, 3)), rng.permutation(np.arange(12) % 3), 0.5 + 2 * rng.random(3)


def _gates(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    h_bar, h, m = rng.normal(size=(3, 5, 4))
    return h_bar, np.tanh(h), np.tanh(m), rng.uniform(0.1, 0.9, size=(5, 4))


def _one_hot(U: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.eye(U.shape[1])[y]


_STEPS = "".join(f"a_{t} = X_{t} + h_{t - 1} @ W.T; h_{t} = tanh(a_{t}); " for t in range(1, 6))
_STEPS += "inner(h_bar, h_5)"


def _weighted(U: np.ndarray, y: np.ndarray, w: np.ndarray) -> dict[str, Any]:
    """c are the weights of the samples, Y their classes as one-hot rows."""
    return {"U": U, "Y": _one_hot(U, y), "c": w[y] / w[y].sum()}


def _recurrent(h_bar: np.ndarray, H: np.ndarray, W_h: np.ndarray) -> dict[str, Any]:
    """The inputs X_t of a tanh network that has these states."""
    inputs = {f"X_{t}": np.arctanh(H[t]) - H[t - 1] @ W_h.T for t in range(1, len(H))}
    return {"h_bar": h_bar, "h_0": H[0], "W": W_h, **inputs}


def _leaky(h_bar: np.ndarray, u: np.ndarray, W_h: np.ndarray, a: float) -> dict[str, Any]:
    """A state before, and what else stands in the tanh, so that its value is u."""
    h = np.cos(np.arange(u.size)).reshape(u.shape)
    return {"h_bar": h_bar, "h": h, "c": np.arctanh(u) - h @ W_h.T, "W": W_h, "a": a}


def _gate(h_bar: np.ndarray, h: np.ndarray, m: np.ndarray, z: np.ndarray) -> dict[str, Any]:
    return {"h_bar": h_bar, "h": h, "m": m, "a": np.log(z / (1 - z))}


QUESTIONS: dict[str, Question] = {
    "splice-weights": Question(
        "the gradient with respect to the logits U (n, k), as a function of U, y and the class weights w",
        weighted_gradient,
        mistakes={
            "the weights were not divided by their own sum but by n": lambda U, y, w: (
                w[y][:, None] * (softmax(U) - _one_hot(U, y)) / len(U)
            ),
            "nothing divides the sum over the samples": lambda U, y, w: (
                w[y][:, None] * (softmax(U) - _one_hot(U, y))
            ),
            "the weights belong to the samples' classes, not to the columns": lambda U, y, w: (
                w * (softmax(U) - _one_hot(U, y)) / w[y].sum()
            ),
            "the sign is lost: it is p - e, not e - p": lambda U, y, w: -weighted_gradient(U, y, w),
            "the normaliser of the softmax was held constant": lambda U, y, w: (
                -(w[y] / w[y].sum())[:, None] * _one_hot(U, y)
            ),
            "the weights are missing": lambda U, y, w: (softmax(U) - _one_hot(U, y)) / len(U),
        },
        inputs=_labels,
        loss=Loss("c @ (logsumexp(U, axis=1) - sum(Y * U, axis=1))", "U", _weighted),
        hints=(
            "Row i of the answer depends on row i of U alone, and on its class: the shape is that of U.",
            "For one sample dℓ = ⟨p − e, du⟩: the softmax of its row less the one-hot row of its class.",
            "Row i is multiplied by the weight of its own class, w[y_i], and divided by the sum of those "
            "over all samples.",
        ),
    ),
    "splice-bptt": Question(
        "∂L/∂W_h, as a function of h_bar (n, h), the states H (T + 1, n, h) with H[0] = h_0, and W_h",
        through_time,
        mistakes={
            "Ā_t meets the state of its own step, H_t, and not the one before": lambda h_bar, H, W_h: (
                through_time(h_bar, H, W_h, before=0)
            ),
            "W_h is transposed on the way back": _turned,
            "the slope of the tanh is taken at a_t, as 1 - a_t²": lambda h_bar, H, W_h: through_time(
                h_bar, H, W_h, slope=lambda H, t: 1 - np.arctanh(H[t]) ** 2
            ),
            "the slope of the tanh is taken at h_t, as 1 - tanh²(h_t)": lambda h_bar, H, W_h: through_time(
                h_bar, H, W_h, slope=lambda H, t: 1 - np.tanh(H[t]) ** 2
            ),
            "the slope of the tanh belongs to the step before": lambda h_bar, H, W_h: through_time(
                h_bar, H, W_h, slope=lambda H, t: 1 - H[t - 1] ** 2
            ),
            "the slope of the tanh is missing": lambda h_bar, H, W_h: through_time(
                h_bar, H, W_h, slope=lambda H, t: np.ones_like(H[t])
            ),
            "the recursion is lost: only the last step counts": lambda h_bar, H, W_h: through_time(
                h_bar, H, W_h, steps=1
            ),
            "the recursion stops after two steps": lambda h_bar, H, W_h: through_time(h_bar, H, W_h, steps=2),
            "the sum over the batch became a mean": lambda h_bar, H, W_h: (
                through_time(h_bar, H, W_h) / len(h_bar)
            ),
            "the result is transposed": lambda h_bar, H, W_h: through_time(h_bar, H, W_h).T,
        },
        inputs=_states,
        loss=Loss(_STEPS, "W", _recurrent),
        hints=(
            "W_h is used at every step, so the answer is a sum over t = 1 … T; each term is a product of "
            "two matrices with n rows, and n is summed away.",
            "Carry h̄ back. Into the tanh: ā_t = (1 − h_t²) ∘ h̄_t, with the slope written in the value "
            "h_t, which H holds.",
            "From a_t = … + h_{t−1} W_hᵀ: the gradient takes ā_tᵀ H[t − 1], and h̄_{t−1} = ā_t W_h goes on.",
        ),
    ),
    "splice-leaky": Question(
        "the cotangent h̄ of the state before, as a function of h_bar, u, W_h and a",
        leaky_step,
        mistakes={
            "W_h is transposed": lambda h_bar, u, W_h, a: leaky_step(h_bar, u, W_h.T, a),
            "the direct path (1 - a) h̄ is missing": lambda h_bar, u, W_h, a: (
                leaky_step(h_bar, u, W_h, a) - (1 - a) * h_bar
            ),
            "the path through the tanh has lost its factor a": lambda h_bar, u, W_h, a: (
                (1 - a) * h_bar + ((1 - u**2) * h_bar) @ W_h
            ),
            "the derivative of the tanh is missing": lambda h_bar, u, W_h, a: (
                (1 - a) * h_bar + a * h_bar @ W_h
            ),
            "the derivative of the tanh is taken at its value": lambda h_bar, u, W_h, a: (
                (1 - a) * h_bar + a * ((1 - np.tanh(u) ** 2) * h_bar) @ W_h
            ),
            "the derivative of the tanh multiplies after W_h": lambda h_bar, u, W_h, a: (
                (1 - a) * h_bar + a * (1 - u**2) * (h_bar @ W_h)
            ),
        },
        inputs=lambda rng: (
            rng.normal(size=(6, 4)),
            np.tanh(rng.normal(size=(6, 4))),
            rng.normal(size=(4, 4)),
            0.3,
        ),
        loss=Loss("inner(h_bar, (1 - a) * h + a * tanh(c + h @ W.T))", "h", _leaky),
        hints=(
            "h_{t−1} reaches h_t on two paths, directly and through the tanh: the answer is a sum of two "
            "terms of the shape of h̄.",
            "On the second path the differential is a (1 − u²) ∘ (dh_{t−1} W_hᵀ).",
            "⟨h̄, M ∘ (dh Wᵀ)⟩ = ⟨(M ∘ h̄) W, dh⟩: the slope multiplies before W_h, which stands there "
            "without its transpose.",
        ),
    ),
    "splice-gate": Question(
        "the cotangent of a_z, the argument of the update gate, as a function of h_bar, h, m and z",
        update_gate,
        mistakes={
            "z and 1 - z are exchanged: the gate z keeps the old state": lambda h_bar, h, m, z: (
                -update_gate(h_bar, h, m, z)
            ),
            "the derivative of the gate, z (1 - z), is missing": lambda h_bar, h, m, z: h_bar * (h - m),
            "the gate was differentiated as a tanh, 1 - z²": lambda h_bar, h, m, z: (
                h_bar * (h - m) * (1 - z**2)
            ),
            "only the path that keeps the old state was counted": lambda h_bar, h, m, z: (
                h_bar * h * z * (1 - z)
            ),
            "only the path that lets the candidate in was counted": lambda h_bar, h, m, z: (
                -h_bar * m * z * (1 - z)
            ),
        },
        inputs=_gates,
        loss=Loss("p = logistic(a); inner(h_bar, p * h + (1 - p) * m)", "a", _gate),
        hints=(
            "The gate acts entry by entry: every entry of the answer is a product of numbers at the same "
            "place.",
            "z multiplies the old state and 1 − z the candidate, so ∂h_t/∂z is a difference of the two.",
            "The gate's own slope comes last, written in its value: σ′(a_z) = z (1 − z).",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "splice-by-hand": {
        "prompt": "The derivative of h₃ with respect to w, at w = ½:",
        "answer": 2.0,
        "mistakes": {
            "only the last use of w was counted": 1.5,
            "w meets h of the same step instead of the step before": 2.75,
            "the cotangent was not passed back: every step counts as if it were the last": 2.5,
        },
        "hint": "Write h₃ as a polynomial in w, or pass h̄ = 1 back: each step multiplies it by w.",
    },
    "splice-checkpoints": {
        "prompt": "States held at once, at best, for T = 10 000:",
        "answer": 200,
        "mistakes": {
            "the checkpoints were counted, but not the segment that is being recomputed": 100,
            "every state was kept": 10000,
        },
        "hint": "With segments of length s there are T/s checkpoints, and the s states of one segment.",
    },
}

CHOICES: dict[str, Choice] = {
    "splice-choice": Choice(
        "logsumexp(W @ h) - y @ W @ h",
        "W:4,3 h:3 y:4",
        "W",
        note="The cross-entropy of the last layer, for the state h and the class y as a one-hot vector.",
    ),
}
