"""Questions of the chapter on unmixing, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook import unmixing
from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question


def quartic_gradient(W: np.ndarray, X: np.ndarray) -> np.ndarray:
    """∇L for f(y) = y⁴/4.  W (d, d), X (n, d) -> (d, d)."""
    return unmixing.grad_loss_W(W, X, unmixing.QUARTIC)


def newton_step(R: np.ndarray, h: np.ndarray) -> np.ndarray:
    """E that solves the 2 x 2 blocks for -R.  R, h (d, d) -> (d, d)."""
    return -unmixing.solve_blocks(h + np.eye(len(h)), R)


def _data_term(W: np.ndarray, X: np.ndarray) -> np.ndarray:
    return ((X @ W.T) ** 3).T @ X / len(X)


QUESTIONS: dict[str, Question] = {
    "unmixing-quartic": Question(
        "the gradient of L for f(y) = y⁴/4, as a function of W and X",
        quartic_gradient,
        mistakes={
            "the inverse is not transposed": lambda W, X: _data_term(W, X) - np.linalg.inv(W),
            "the log-determinant is missing": _data_term,
            "the log-determinant has the wrong sign": lambda W, X: _data_term(W, X) + np.linalg.inv(W).T,
            "the mean over the samples is a sum": lambda W, X: len(X) * _data_term(W, X) - np.linalg.inv(W).T,
            "the data term is transposed": lambda W, X: _data_term(W, X).T - np.linalg.inv(W).T,
            "f stands where its derivative belongs": lambda W, X: (
                ((X @ W.T) ** 4 / 4).T @ X / len(X) - np.linalg.inv(W).T
            ),
        },
        inputs=lambda rng: (rng.normal(size=(3, 3)), rng.normal(size=(20, 3))),
        loss=Loss("sum((X @ W.T) ** 4) / (4 * X.shape[0]) - logdet(W)", "W", "W X"),
    ),
    "unmixing-newton-step": Question(
        "the Newton step E, as a function of R and h",
        newton_step,
        mistakes={
            "the sign of the step is lost": lambda R, h: -newton_step(R, h),
            "h and its transpose are exchanged": lambda R, h: newton_step(R, h.T),
            "the coupling between (i, j) and (j, i) is dropped": lambda R, h: -R / (h + np.eye(len(h))),
        },
        inputs=lambda rng: (rng.normal(size=(3, 3)), 2 + rng.random((3, 3))),
        hints=(
            "E_ij stands in two equations only, that of the entry (i, j) and that of (j, i): each pair "
            "is a problem by itself.",
            "For i ≠ j the pair reads h_ij E_ij + E_ji = −R_ij, and the same with i and j exchanged; on "
            "the diagonal, (h_ii + 1) E_ii = −R_ii.",
            "Cramer's rule for two equations: E_ij = −(h_ji R_ij − R_ji)/(h_ij h_ji − 1).",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "unmixing-scale": {
        "prompt": "The stationary w for a recording of mean square 4:",
        "answer": 0.5,
        "mistakes": {
            "the output was multiplied by the standard deviation instead of divided": 2.0,
            "a square root is missing: w appears twice in the mean square of y": 0.25,
            "the factor ½ of f survived the derivative": 0.5**0.5,
        },
        "hint": "Write L for this one number w, and set its derivative to zero.",
    },
    "unmixing-entry": {
        "prompt": "Row 2, column 1 of the gradient of log|det W|:",
        "answer": -0.5,
        "mistakes": {
            "the inverse was not transposed": 0.0,
            "the sign of the cofactor was lost": 0.5,
            "the cofactor was not divided by the determinant": -1.0,
        },
        "hint": "Move that one entry of W a little, and watch the determinant.",
    },
}

CHOICES: dict[str, Choice] = {
    "unmixing-choice": Choice(
        "sum(logcosh(X @ W.T)) / n - logdet(W)",
        "X:5,3 W:3,3:invertible n::positive",
        "W",
        note="The objective of this page, with f = log cosh.",
    ),
}
