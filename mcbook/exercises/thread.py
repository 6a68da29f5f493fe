"""Questions of the page on the one recurrence, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question


def grad_of_an_implicit_step(x: np.ndarray, x_next_bar: np.ndarray, K: np.ndarray, h: float) -> np.ndarray:
    """K̄ of (I + hK) x_next = x.  x, x_next_bar (n,), K (n, n) -> (n, n)."""
    A = np.eye(len(x)) + h * K
    return -h * np.outer(np.linalg.solve(A.T, x_next_bar), np.linalg.solve(A, x))


def grad_of_a_linear_flow(
    x: np.ndarray, A: np.ndarray, h: float, T: int, *, early: bool = False, late: bool = False
) -> np.ndarray:
    """Ā of -½‖x_T‖² + hT tr A, x_{t+1} = x_t + hA x_t.  x (d,), A (d, d) -> (d, d).

    `early` takes the cotangent one step too early in time, `late` the state one step too late: mistakes.
    """
    step, path = np.eye(len(A)) + h * A, [np.asarray(x, dtype=float)]
    for _ in range(T):
        path.append(step @ path[-1])
    bars = [-path[-1]]
    for _ in range(T):
        bars.append(step.T @ bars[-1])
    bars = bars[::-1]
    pairs = zip(bars[:-1] if early else bars[1:], path[1:] if late else path[:-1], strict=True)
    total: np.ndarray = h * T * np.eye(len(A)) + h * sum(np.outer(b, z) for b, z in pairs)
    return total


def back_through_momentum(
    w_bar: np.ndarray, v_bar: np.ndarray, A: np.ndarray, eta: float, beta: float
) -> np.ndarray:
    """(w̄_t, v̄_t) from (w̄_{t+1}, v̄_{t+1}), stacked.  w_bar, v_bar (n,), A (n, n) symmetric -> (2, n)."""
    u = v_bar - eta * w_bar
    return np.stack([w_bar + A @ u, beta * u])


def _symmetric(rng: np.random.Generator, n: int = 4) -> np.ndarray:
    B = rng.normal(size=(n, n))
    return B @ B.T / n


_FLOW = "x_1 = x + h * A @ x; x_2 = x_1 + h * A @ x_1; x_3 = x_2 + h * A @ x_2; x_4 = x_3 + h * A @ x_3; "
_FLOW += "4 * h * trace(A) - sqnorm(x_4) / 2"


QUESTIONS: dict[str, Question] = {
    "thread-implicit": Question(
        "the gradient by K (n, n) of a step (I + hK) x_next = x, as a function of x, x_next_bar, K and h",
        grad_of_an_implicit_step,
        mistakes={
            "the sign is lost: R holds +hK x, and the gradient is −⟨λ, dR⟩": lambda x, b, K, h: (
                -grad_of_an_implicit_step(x, b, K, h)
            ),
            "the outer product is transposed": lambda x, b, K, h: grad_of_an_implicit_step(x, b, K, h).T,
            "the adjoint was solved with I + hK itself, not with its transpose": lambda x, b, K, h: (
                -h
                * np.outer(
                    np.linalg.solve(np.eye(len(x)) + h * K, b), np.linalg.solve(np.eye(len(x)) + h * K, x)
                )
            ),
            "the state before the step stands where the state after it belongs": lambda x, b, K, h: (
                -h * np.outer(np.linalg.solve((np.eye(len(x)) + h * K).T, b), x)
            ),
            "the step's length h is missing": lambda x, b, K, h: grad_of_an_implicit_step(x, b, K, h) / h,
            "the cotangent of the output was used as it came: nothing was solved": lambda x, b, K, h: (
                -h * np.outer(b, np.linalg.solve(np.eye(len(x)) + h * K, x))
            ),
        },
        inputs=lambda rng: (*rng.normal(size=(2, 4)), rng.normal(size=(4, 4)), 0.3),
        loss=Loss("x_next_bar @ solve(eye(4) + h * K, x)", "K", "x x_next_bar K h"),
    ),
    "thread-flow": Question(
        "the gradient of the log-likelihood by A (d, d), as a function of x, A, h and T",
        grad_of_a_linear_flow,
        mistakes={
            "the change of volume is missing: tr A has a gradient, too": lambda x, A, h, T: (
                grad_of_a_linear_flow(x, A, h, T) - h * T * np.eye(len(A))
            ),
            "the trace was counted for one step, and there are T": lambda x, A, h, T: (
                grad_of_a_linear_flow(x, A, h, T) - h * (T - 1) * np.eye(len(A))
            ),
            "the cotangent before the step stands where the one after it belongs": lambda x, A, h, T: (
                grad_of_a_linear_flow(x, A, h, T, early=True)
            ),
            "the state after the step stands where the one before it belongs": lambda x, A, h, T: (
                grad_of_a_linear_flow(x, A, h, T, late=True)
            ),
            "the outer products are transposed": lambda x, A, h, T: grad_of_a_linear_flow(x, A, h, T).T,
            "the sign of the volume is lost: a flow that spreads lowers its density by itself": (
                lambda x, A, h, T: grad_of_a_linear_flow(x, A, h, T) - 2 * h * T * np.eye(len(A))
            ),
        },
        inputs=lambda rng: (rng.normal(size=3), rng.normal(size=(3, 3)), 0.2, 4),
        loss=Loss(_FLOW, "A", lambda x, A, h, T: {"x": x, "A": A, "h": h}),
        hints=(
            "A stands in each of the T steps and in the trace: a sum of T outer products, and a multiple "
            "of the identity.",
            "x̄_T = −x_T, and back through a step x̄_t = (I + hA)ᵀ x̄_{t+1}.",
            "In step t, dx_{t+1} = h dA x_t + …: it adds h x̄_{t+1} x_tᵀ, with the state from before the "
            "step.",
        ),
    ),
    "thread-momentum": Question(
        "w̄_t and v̄_t stacked (2, n), as a function of w_bar, v_bar, A, eta and beta",
        back_through_momentum,
        mistakes={
            "v̄ of the step's end was not counted: it reaches w_t, too": lambda w, v, A, eta, beta: np.stack(
                [w - eta * A @ w, beta * (v - eta * w)]
            ),
            "the way from w_{t+1} to v_{t+1} was not counted: v̄ is only handed on": (
                lambda w, v, A, eta, beta: np.stack([w + A @ (v - eta * w), beta * v])
            ),
            "the sign of the learning rate is lost": lambda w, v, A, eta, beta: back_through_momentum(
                w, v, A, -eta, beta
            ),
            "w̄ itself is not handed on: the identity in w_t − η v is missing": (
                lambda w, v, A, eta, beta: np.stack([A @ (v - eta * w), beta * (v - eta * w)])
            ),
            "this is the step forwards, with J in the place of its transpose": (
                lambda w, v, A, eta, beta: np.stack([w - eta * (beta * v + A @ w), beta * v + A @ w])
            ),
        },
        inputs=lambda rng: (*rng.normal(size=(2, 4)), _symmetric(rng), 0.3, 0.8),
        hints=(
            "v_{t+1} is used twice, in w_{t+1} and as itself: collect what is wanted of it into one "
            "vector first.",
            "w_{t+1} = w_t − eta v_{t+1} makes that u = v̄ − eta w̄, and v_{t+1} = beta v_t + A w_t "
            "hands it on.",
            "v_t gets beta u. w_t gets Aᵀu, and w̄ too, which reaches it directly.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "thread-steps": {
        "prompt": "The gradient by θ₀:",
        "answer": 120.0,
        "mistakes": {
            "this is x̄₁; it has yet to be multiplied by x₀": 60.0,
            "this is x̄₀, the gradient by the start: J₀ was taken in place of B₀": 180.0,
            "the slope of the square was taken at x₀, and the state there is x₁": 40.0,
            "this is the gradient by θ₁": 36.0,
        },
        "hint": "x₁ = 6. The slope of θ₁x² at x₁ comes first, and then what θ₀ is multiplied by.",
    },
}

CHOICES: dict[str, Choice] = {}
