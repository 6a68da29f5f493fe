"""Questions of the chapter on differentials, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question

Array = np.ndarray


def grad_grey(W: Array, lam: float) -> Array:
    """∇ of ½ lam ‖W𝟏 - 𝟏‖².  W (k, d) -> (k, d)."""
    return lam * np.outer(W.sum(axis=1) - 1, np.ones(W.shape[1]))


def grad_upright(X: Array) -> Array:
    """∇ of ½‖XᵀX - I‖².  X (n, d) -> (n, d)."""
    return 2 * X @ (X.T @ X - np.eye(X.shape[1]))


def grad_undone(M: Array, P: Array, Q: Array) -> Array:
    """∇ by M of ½‖P M⁻ᵀ - Q‖².  M (d, d), P, Q (n, d) -> (d, d)."""
    back = np.linalg.inv(M)
    return -back.T @ (P @ back.T - Q).T @ P @ back.T


def grad_volume(X: Array) -> Array:
    """∇ of log det(XᵀX).  X (n, d) of rank d -> (n, d)."""
    return 2 * X @ np.linalg.inv(X.T @ X)


def symmetric_gradient(S: Array, a: Array, b: Array) -> Array:
    """The symmetric gradient of aᵀS⁻¹b.  S (d, d) symmetric, a, b (d,) -> (d, d)."""
    u, v = np.linalg.solve(S, a), np.linalg.solve(S, b)
    return -(np.outer(u, v) + np.outer(v, u)) / 2


def second_differential(X: Array, V: Array) -> float:
    """d² log|det X| along V: -tr(X⁻¹V X⁻¹V).  X, V (d, d)."""
    M = np.linalg.solve(X, V)
    return float(-np.trace(M @ M))


def _entries(G: Array) -> Array:
    return G + G.T - np.diag(np.diag(G))


def _invertible(rng: np.random.Generator, d: int = 3) -> Array:
    return rng.normal(size=(d, d)) + 2 * np.eye(d)


def _spd(rng: np.random.Generator, d: int = 3) -> Array:
    M = rng.normal(size=(d, d))
    return M @ M.T + np.eye(d)


QUESTIONS: dict[str, Question] = {
    "differentials-grey": Question(
        "the gradient of ½ lam ‖W𝟏 − 𝟏‖² (k, d), as a function of W and lam",
        grad_grey,
        mistakes={
            "the columns are made to add up to 1, where the rows should": (
                lambda W, lam: lam * np.outer(np.ones(len(W)), W.sum(axis=0) - 1)
            ),
            "the ½ and the 2 of the square do not cancel in it": lambda W, lam: 2 * grad_grey(W, lam),
            "lam is missing": lambda W, lam: grad_grey(W, 1.0),
        },
        inputs=lambda rng: (rng.normal(size=(3, 4)), 0.7),
        loss=Loss(
            "lam / 2 * sqnorm(W @ e - o)",
            "W",
            lambda W, lam: {"W": W, "lam": lam, "e": np.ones(W.shape[1]), "o": np.ones(len(W))},
        ),
    ),
    "differentials-upright": Question(
        "the gradient of ½‖XᵀX − I‖² (n, d), as a function of X",
        grad_upright,
        mistakes={
            "X stands in XᵀX twice, and only one of the two has moved": lambda X: grad_upright(X) / 2,
            "the identity is missing": lambda X: 2 * X @ X.T @ X,
            "a factor of 2 too many": lambda X: 2 * grad_upright(X),
        },
        inputs=lambda rng: (rng.normal(size=(5, 3)),),
        loss=Loss("sqnorm(X.T @ X - J) / 2", "X", lambda X: {"X": X, "J": np.eye(X.shape[1])}, symmetric="J"),
    ),
    "differentials-undo": Question(
        "the gradient of ½‖P M⁻ᵀ − Q‖² by M (d, d), as a function of M, P and Q",
        grad_undone,
        mistakes={
            "one of the two inverses is lost": lambda M, P, Q: (
                -((P @ np.linalg.inv(M).T - Q).T) @ P @ np.linalg.inv(M).T
            ),
            "the minus of d(M⁻¹) is missing": lambda M, P, Q: -grad_undone(M, P, Q),
            "it is the transpose: dMᵀ was read off as if it were dM": lambda M, P, Q: grad_undone(M, P, Q).T,
            "it is the gradient by M⁻¹: the step from d(M⁻¹) to dM is missing": lambda M, P, Q: (
                (P @ np.linalg.inv(M).T - Q).T @ P
            ),
        },
        inputs=lambda rng: (_invertible(rng), rng.normal(size=(5, 3)), rng.normal(size=(5, 3))),
        loss=Loss("sqnorm(P @ inv(M).T - Q) / 2", "M", "M P Q"),
    ),
    "differentials-volume": Question(
        "the gradient of log det(XᵀX) (n, d), as a function of X",
        grad_volume,
        mistakes={
            "X stands in XᵀX twice, and only one of the two has moved": lambda X: grad_volume(X) / 2,
            "the determinant was not divided out: this is the gradient of det(XᵀX)": lambda X: (
                np.linalg.det(X.T @ X) * grad_volume(X)
            ),
        },
        inputs=lambda rng: (rng.normal(size=(5, 3)),),
        loss=Loss("logdet(X.T @ X)", "X", "X"),
    ),
    "differentials-symmetric": Question(
        "the symmetric gradient of aᵀS⁻¹b (d, d), as a function of S, a and b",
        symmetric_gradient,
        mistakes={
            "it is the free gradient, which is not symmetric": lambda S, a, b: (
                -np.outer(np.linalg.solve(S, a), np.linalg.solve(S, b))
            ),
            "these are the derivatives by entries, G + Gᵀ − diag(G)": lambda S, a, b: _entries(
                -np.outer(np.linalg.solve(S, a), np.linalg.solve(S, b))
            ),
            "the ½ of sym is missing": lambda S, a, b: 2 * symmetric_gradient(S, a, b),
            "the minus of d(S⁻¹) is missing": lambda S, a, b: -symmetric_gradient(S, a, b),
        },
        inputs=lambda rng: (_spd(rng), rng.normal(size=3), rng.normal(size=3)),
        loss=Loss("a @ inv(S) @ b", "S", "S a b", symmetric="S"),
    ),
    "differentials-curvature": Question(
        "the second differential of log|det X| along V, as a function of X and V",
        second_differential,
        mistakes={
            "it is the first differential": lambda X, V: np.trace(np.linalg.solve(X, V)),
            "the minus of d(X⁻¹) is missing": lambda X, V: -second_differential(X, V),
            "the trace was squared, where the matrix under it is": lambda X, V: (
                -(np.trace(np.linalg.solve(X, V)) ** 2)
            ),
            "one V is transposed: that is −‖X⁻¹V‖²": lambda X, V: -np.sum(np.linalg.solve(X, V) ** 2),
            "it is the term of Taylor's series, with its ½": lambda X, V: second_differential(X, V) / 2,
            "one of the two inverses is lost": lambda X, V: -np.trace(np.linalg.solve(X, V) @ V),
        },
        inputs=lambda rng: (_invertible(rng), rng.normal(size=(3, 3))),
        hints=(
            "A second differential is the differential of the first, with dX held fixed.",
            "In tr(X⁻¹ dX) only X⁻¹ depends on X; what is d(X⁻¹)?",
            "d(X⁻¹) = −X⁻¹ dX X⁻¹, put under the trace in place of X⁻¹, and both steps are V.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "differentials-determinant": {
        "prompt": "The change of det X, to first order:",
        "answer": 0.08,
        "rtol": 0.001,
        "mistakes": {
            "the matrix of cofactors was not transposed under the trace": 0.09,
            "that is the change of log det X: it still has to be multiplied by det X": 0.008,
            "that is det X times the trace of dX, without the inverse between them": 0.3,
            "that is the true change, with its rest": 0.0802,
        },
        "hint": "det X · tr(X⁻¹dX), and for a 2 × 2 matrix det X · X⁻¹ is [[d, −b], [−c, a]].",
    },
    "differentials-layout": {
        "prompt": "The number of rows of its gradient:",
        "answer": 3.0,
        "mistakes": {
            "that would be numerator layout, where gradients lie down": 1.0,
            "five is the size of Ax; the gradient is by x": 5.0,
            "that is the number of its entries in all of ∂(Ax)/∂x": 15.0,
        },
        "hint": "∂(Ax)/∂x = Aᵀ has a row for each entry of x: what is derived by x grows downwards.",
    },
}

CHOICES: dict[str, Choice] = {
    "differentials-quadratic": Choice("x @ A @ x - b @ x", "A:3,3 x:3 b:3", "x"),
    "differentials-inverse": Choice("a @ inv(X) @ b", "a:3 X:3,3:invertible b:3", "X"),
    "differentials-sandwich": Choice(
        "trace(X.T @ A @ X @ B)", "X:3,4 A:3,3 B:4,4", "X", also=("2 * A @ X @ B", "A @ X @ B + A.T @ X @ B")
    ),
}
