"""Questions of the chapter on reading a genome, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.notebook import Question


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


def update_gate(h_bar: np.ndarray, h: np.ndarray, c: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The cotangent of a_z for h_t = z h + (1 - z) c, z = σ(a_z), h = h_{t-1}.  All (n, h) -> (n, h)."""
    return h_bar * (h - c) * z * (1 - z)


def _labels(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rng.normal(size=(12, 3)), rng.permutation(np.arange(12) % 3), 0.5 + 2 * rng.random(3)


def _gates(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    h_bar, h, c = rng.normal(size=(3, 5, 4))
    return h_bar, np.tanh(h), np.tanh(c), rng.uniform(0.1, 0.9, size=(5, 4))


def _one_hot(U: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.eye(U.shape[1])[y]


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
    ),
    "splice-gate": Question(
        "the cotangent of a_z, the argument of the update gate, as a function of h_bar, h, c and z",
        update_gate,
        mistakes={
            "z and 1 - z are exchanged: the gate z keeps the old state": lambda h_bar, h, c, z: (
                -update_gate(h_bar, h, c, z)
            ),
            "the derivative of the gate, z (1 - z), is missing": lambda h_bar, h, c, z: h_bar * (h - c),
            "the gate was differentiated as a tanh, 1 - z²": lambda h_bar, h, c, z: (
                h_bar * (h - c) * (1 - z**2)
            ),
            "only the path that keeps the old state was counted": lambda h_bar, h, c, z: (
                h_bar * h * z * (1 - z)
            ),
            "only the path that lets the candidate in was counted": lambda h_bar, h, c, z: (
                -h_bar * c * z * (1 - z)
            ),
        },
        inputs=_gates,
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
