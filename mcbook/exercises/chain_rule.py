"""Questions of the chapter on the chain rule, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question

Array = np.ndarray


def vjp_running_total(y_bar: Array) -> Array:
    """x̄ of y = cumsum(x): every x_i is in y_i and all that follow.  y_bar (n,) -> (n,)."""
    return np.cumsum(y_bar[::-1])[::-1]


def vjp_softmax(Z: Array, P_bar: Array) -> Array:
    """Z̄ of P = softmax of the rows of Z.  Z, P_bar (n, k) -> (n, k)."""
    P = _softmax(Z)
    return P * (P_bar - (P * P_bar).sum(axis=1, keepdims=True))


def grad_residual_W(W: Array, x: Array, c: Array, T: int) -> Array:
    """∇ by W of ⟨c, x_T⟩, x_{t+1} = x_t + tanh(W x_t).  W (d, d), x, c (d,) -> (d, d)."""
    states = _states(W, x, T)
    W_bar, x_bar = np.zeros_like(W), c
    for x in states[-2::-1]:
        u_bar = (1 - np.tanh(W @ x) ** 2) * x_bar
        W_bar, x_bar = W_bar + np.outer(u_bar, x), x_bar + W.T @ u_bar
    return W_bar


def grad_resting_W(W: Array, x: Array, c: Array) -> Array:
    """∇ by W of ⟨c, x⟩ where x = tanh(W x + b) already holds.  W (d, d), x, c (d,) -> (d, d)."""
    D = np.diag(1 - x**2)
    lam = np.linalg.solve((np.eye(len(x)) - D @ W).T, c)
    return np.outer(D @ lam, x)


def hvp_log_cosh(X: Array, w: Array, v: Array) -> Array:
    """∇²f v for f(w) = Σ log cosh(X w).  X (n, d), w, v (d,) -> (d,)."""
    return X.T @ ((1 - np.tanh(X @ w) ** 2) * (X @ v))


def _softmax(Z: Array) -> Array:
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def _states(W: Array, x: Array, T: int) -> list[Array]:
    states = [x]
    for _ in range(T):
        states.append(states[-1] + np.tanh(W @ states[-1]))
    return states


def _late(W: Array, x: Array, c: Array, T: int) -> Array:
    """The bend's derivative at the state after the step."""
    states = _states(W, x, T)
    W_bar, x_bar = np.zeros_like(W), c
    for x in states[:0:-1]:
        u_bar = (1 - np.tanh(W @ x) ** 2) * x_bar
        W_bar, x_bar = W_bar + np.outer(u_bar, x), x_bar + W.T @ u_bar
    return W_bar


def _short(W: Array, x: Array, c: Array, T: int, *, direct: bool, last: bool = False) -> Array:
    """Without the road past the bend (direct), or with the last step's share only."""
    states, W_bar, x_bar = _states(W, x, T), np.zeros_like(W), c
    for x in states[-2::-1]:
        u_bar = (1 - np.tanh(W @ x) ** 2) * x_bar
        W_bar, x_bar = W_bar + np.outer(u_bar, x), direct * x_bar + W.T @ u_bar
        if last:
            break
    return W_bar


def _at_rest(rng: np.random.Generator) -> tuple[Any, ...]:
    W, b, c = 0.4 * rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=3)
    W = 0.6 * W / np.linalg.norm(W, 2)
    x = np.zeros(3)
    for _ in range(200):
        x = np.tanh(W @ x + b)
    return W, x, c


def _solved(W: Array, x: Array, c: Array, *, transposed: bool = True, bent: bool = True) -> Array:
    D = np.diag(1 - x**2)
    M = np.eye(len(x)) - D @ W
    lam = np.linalg.solve(M.T if transposed else M, c)
    return np.outer(D @ lam if bent else lam, x)


QUESTIONS: dict[str, Question] = {
    "chain_rule-total": Question(
        "the cotangent of x (n,), y the running total of x, as a function of y_bar (n,)",
        vjp_running_total,
        mistakes={
            "the running total was applied to ȳ, and not its transpose": np.cumsum,
            "only the total of all is in it": lambda y_bar: np.full_like(y_bar, y_bar.sum()),
            "the order was turned round once, where it has to be turned back": lambda y_bar: np.cumsum(
                y_bar[::-1]
            ),
        },
        inputs=lambda rng: (rng.normal(size=5),),
        hints=(
            "A running total is a linear map. What does its matrix look like, for three numbers?",
            "The matrix has ones on and below the diagonal; a cotangent goes through its transpose.",
            "x_i is in y_i and in every y after it: x̄_i is the total of ȳ_i, ȳ_{i+1}, … to the end.",
        ),
    ),
    "chain_rule-softmax": Question(
        "the cotangent of Z (n, k), P the softmax of its rows, as a function of Z and P_bar",
        vjp_softmax,
        mistakes={
            "the normaliser was held still: this is the diagonal of the Jacobian only": lambda Z, P_bar: (
                _softmax(Z) * (1 - _softmax(Z)) * P_bar
            ),
            "the second term is missing": lambda Z, P_bar: _softmax(Z) * P_bar,
            "the sum runs over all rows, and each row has its own": lambda Z, P_bar: (
                _softmax(Z) * (P_bar - (_softmax(Z) * P_bar).sum())
            ),
            "the row's mean was taken off, and not its mean weighted by P": lambda Z, P_bar: (
                _softmax(Z) * (P_bar - P_bar.mean(axis=1, keepdims=True))
            ),
        },
        inputs=lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(4, 3))),
        loss=Loss("inner(P_bar, softmax(Z, axis=1))", "Z", "Z P_bar"),
    ),
    "chain_rule-residual": Question(
        "the gradient of ⟨c, x_T⟩ by W (d, d), as a function of W, x_0, c and T",
        grad_residual_W,
        mistakes={
            "the road past the bend is missing: x_t is in x_{t+1} twice": lambda W, x, c, T: _short(
                W, x, c, T, direct=False
            ),
            "only the last step's share is there, and W is used in every step": lambda W, x, c, T: _short(
                W, x, c, T, direct=True, last=True
            ),
            "a step's derivative is taken at the state after it": _late,
            "it is the transpose": lambda W, x, c, T: grad_residual_W(W, x, c, T).T,
        },
        inputs=lambda rng: (0.5 * rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=3), 4),
        hints=(
            "Keep the states on the way forward. W is used T times: its shares add up.",
            "x_t is used twice in x_{t+1} = x_t + tanh(W x_t), so x̄_t has two shares.",
            "ū_t = (1 − tanh²(W x_t)) ∘ x̄_{t+1};  W̄ gains ū_t x_tᵀ;  x̄_t = x̄_{t+1} + Wᵀ ū_t.",
        ),
    ),
    "chain_rule-rest": Question(
        "the gradient of ⟨c, x⟩ by W (d, d), where x = tanh(W x + b), as a function of W, x and c",
        grad_resting_W,
        mistakes={
            "solved with the matrix, where its transpose belongs": lambda W, x, c: _solved(
                W, x, c, transposed=False
            ),
            "x on the right of the equation was held still": lambda W, x, c: np.outer((1 - x**2) * c, x),
            "the bend's derivative is missing between λ and W̄": lambda W, x, c: _solved(W, x, c, bent=False),
            "it is the transpose": lambda W, x, c: grad_resting_W(W, x, c).T,
        },
        inputs=_at_rest,
        hints=(
            "Take the differential of the equation itself: dx is on both sides of it.",
            "With D = diag(1 − x²): (I − D W) dx = D dW x. What does c see of dx?",
            "Solve (I − D W)ᵀ λ = c; then ⟨c, dx⟩ = ⟨λ, D dW x⟩. Let dW stand alone.",
        ),
    ),
    "chain_rule-hvp": Question(
        "the Hessian of Σ log cosh(X w) times v (d,), as a function of X, w and v",
        hvp_log_cosh,
        mistakes={
            "it is the gradient, and v is not in it": lambda X, w, v: X.T @ np.tanh(X @ w),
            "it is tanh′ at X v, where v moves and w is the place": lambda X, w, v: (
                X.T @ ((1 - np.tanh(X @ v) ** 2) * (X @ w))
            ),
            "the bend's derivative is missing": lambda X, w, v: X.T @ (X @ v),
            "tanh was used again, where its derivative belongs": lambda X, w, v: (
                X.T @ (np.tanh(X @ w) * (X @ v))
            ),
        },
        inputs=lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=3)),
        hints=(
            "∇f(w) = Xᵀ tanh(X w), since log cosh has the derivative tanh.",
            "H v is the differential of ∇f when w moves along v: push v forward through Xᵀ tanh(X w).",
            "d tanh(u) = (1 − tanh²u) ∘ du with u = X w and du = X v, and Xᵀ stands in front.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "chain_rule-brackets": {
        "prompt": "How many times as many multiplications?",
        "answer": 50.0,
        "rtol": 0.003,
        "mistakes": {
            "that counts (A B) alone, and (A B) v has still to be multiplied out": 49.5,
            "that counts one product with v; A (B v) has two": 100.0,
            "a square matrix times a vector takes n² multiplications, and a product of two n³": 99.0,
            "it is the other way round": 0.02,
        },
        "hint": "n³ + n² against 2 n², with n = 99.",
    },
    "chain_rule-fork": {
        "prompt": "The cotangent of x:",
        "answer": 44.0,
        "rtol": 0.001,
        "mistakes": {
            "s is used in s² and in 3s; one of its two shares is lost, that of 3s": 32.0,
            "s is used in s² and in 3s; one of its two shares is lost, that of s²": 12.0,
            "x stands in x · x twice": 22.0,
            "that is the cotangent of s; one step is still to go": 11.0,
            "s² is s · s: s stands in it twice": 28.0,
        },
        "hint": "s̄ = 2s + 3 at s = 4, and then x̄ = 2x · s̄.",
    },
}

CHOICES: dict[str, Choice] = {
    "chain_rule-layers": Choice("H = tanh(X @ W.T); sqnorm(H @ v - y) / 2", "X:5,3 W:4,3 v:4 y:5", "W"),
    "chain_rule-solve": Choice(
        "sqnorm(solve(A, b) - y) / 2", "A:3,3:invertible b:3 y:3", "A", note="u solves A u = b."
    ),
}
