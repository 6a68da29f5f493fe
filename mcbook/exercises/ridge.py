"""Questions of the chapter on ridge, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question


def springs_of_a_cell(left: float, right: float, h: float) -> np.ndarray:
    """∫ kappa φᵢφⱼ over a cell of width h, kappa linear from left to right -> (2, 2)."""
    return h / 12 * np.array([[3 * left + right, left + right], [left + right, left + 3 * right]])


def gradient_with_an_end_spring(
    w: np.ndarray, K: np.ndarray, M: np.ndarray, b: np.ndarray, kappa: float, s: float
) -> np.ndarray:
    """∇ of ½ wᵀKw + ½ kappa wᵀMw - bᵀw + ½ s u(L)².  K, M (n, n), w, b (n,) -> (n,)."""
    G = K @ w + kappa * (M @ w) - b
    G[-1] += s * w[-1]
    return G


def slope_of_the_freedom(mu: np.ndarray, lam: float) -> float:
    """d (Σ mu/(mu + lam)) / d log lam.  mu (n,)."""
    return float(-np.sum(lam * mu / (mu + lam) ** 2))


def gradient_by_stiffness(w: np.ndarray, p: np.ndarray, h: float) -> np.ndarray:
    """∂g/∂a_T = -∫_T p'w' for cells of width h.  w, p (n,) -> (n - 1,)."""
    return -np.diff(p) * np.diff(w) / h


def slope_of_the_work(K: np.ndarray, M: np.ndarray, b: np.ndarray, kappa: float) -> float:
    """d (bᵀw)/d kappa, (K + kappa M)w = b.  K, M (n, n), b (n,)."""
    w = np.linalg.solve(K + kappa * M, b)
    return float(-w @ M @ w)


def share_of_a_plate(mu: np.ndarray, lam: float) -> np.ndarray:
    """What ½‖u - g‖² + ½ lam ∫(Δu)² leaves of modes with -Δv = mu v.  mu (n,) -> (n,)."""
    return 1 / (1 + lam * mu**2)


def _ground(rng: np.random.Generator, n: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Stiffness and mass of n - 1 equal cells of width 1, scaled a little."""
    cut = np.eye(n)[1:] - np.eye(n)[:-1]
    hats = np.abs(cut)
    K = (1 + rng.random()) * cut.T @ cut
    return K, (hats.T @ hats + np.diag((hats**2).sum(0))) / 6


def _w(K: np.ndarray, M: np.ndarray, b: np.ndarray, kappa: float) -> np.ndarray:
    return np.asarray(np.linalg.solve(K + kappa * M, b))


def _with_an_end(
    w: np.ndarray, K: np.ndarray, M: np.ndarray, b: np.ndarray, kappa: float, s: float
) -> dict[str, Any]:
    """e picks the value at the end, u(L) = e · w."""
    return {"w": w, "K": K, "M": M, "b": b, "kappa": kappa, "s": s, "e": np.eye(len(w))[-1]}


def _cells(w: np.ndarray, p: np.ndarray, h: float) -> dict[str, Any]:
    """D takes the differences of neighbours."""
    return {"w": w, "p": p, "h": h, "D": np.diff(np.eye(len(w)), axis=0), "a": np.ones(len(w) - 1)}


QUESTIONS: dict[str, Question] = {
    "ridge-cell": Question(
        "the springs of a cell (2, 2), as a function of left, right and h",
        springs_of_a_cell,
        mistakes={
            "the mean of kappa was taken out of the integral": lambda a, c, h: (
                h / 6 * (a + c) / 2 * np.array([[2, 1], [1, 2]])
            ),
            "each row was given the kappa of its own node": lambda a, c, h: (
                h / 6 * np.array([[2 * a, a], [c, 2 * c]])
            ),
            "the springs were lumped, row by row": lambda a, c, h: h / 6 * np.diag([2 * a + c, a + 2 * c]),
            "left and right are exchanged": lambda a, c, h: springs_of_a_cell(c, a, h),
            "the width of the cell is missing": lambda a, c, h: springs_of_a_cell(a, c, 1.0),
        },
        inputs=lambda rng: (1 + rng.random(), 2 + rng.random(), 0.3 + rng.random()),
        hints=(
            "κ is no constant in the cell, it is left φ₁ + right φ₂: each entry is an integral over a "
            "product of three hats.",
            "With ξ from 0 to 1 across the cell, φ₁ = 1 − ξ, φ₂ = ξ and dx = h dξ.",
            "∫φ₁³ = h/4 and ∫φ₁²φ₂ = h/12, and the same with 1 and 2 exchanged: the first entry is h "
            "(left/4 + right/12).",
        ),
    ),
    "ridge-ends": Question(
        "the gradient in w, as a function of w, K, M, b, kappa and s",
        gradient_with_an_end_spring,
        mistakes={
            "the end spring is not there": lambda w, K, M, b, k, s: K @ w + k * (M @ w) - b,
            "the ½ of the end spring was lost (or found twice)": lambda w, K, M, b, k, s: (
                gradient_with_an_end_spring(w, K, M, b, k, 2 * s)
            ),
            "the end spring stands at the other end": lambda w, K, M, b, k, s: (
                K @ w + k * (M @ w) - b + s * w * np.eye(len(w))[0]
            ),
            "every node was given the end's spring": lambda w, K, M, b, k, s: K @ w + k * (M @ w) - b + s * w,
            "the spring of a point went through the mass matrix": lambda w, K, M, b, k, s: (
                K @ w + k * (M @ w) - b + s * M[-1] * w[-1]
            ),
            "the load has the wrong sign": lambda w, K, M, b, k, s: gradient_with_an_end_spring(
                w, K, M, -b, k, s
            ),
        },
        inputs=lambda rng: (rng.normal(size=5), *_ground(rng), rng.normal(size=5), 0.7, 1.3),
        loss=Loss(
            "w @ K @ w / 2 + kappa * (w @ M @ w) / 2 - b @ w + s * (e @ w) ** 2 / 2", "w", _with_an_end, "K M"
        ),
        hints=(
            "The end spring touches one number only, u(L), the last entry of w: the other entries of the "
            "gradient stay as they were.",
            "½ s u(L)² has the derivative s u(L), by that last entry.",
            "The rest: d ½wᵀKw = ⟨Kw, dw⟩ for a symmetric K, the same for M, and the load takes −b.",
        ),
    ),
    "ridge-freedom-slope": Question(
        "the derivative of the degrees of freedom by log lam, as a function of mu and lam",
        slope_of_the_freedom,
        mistakes={
            "it is the derivative by lam, not by its logarithm": lambda mu, lam: (
                slope_of_the_freedom(mu, lam) / lam
            ),
            "the sign is lost: stiffer springs leave less": lambda mu, lam: -slope_of_the_freedom(mu, lam),
            "the square in the quotient rule is missing": lambda mu, lam: -np.sum(lam * mu / (mu + lam)),
            "the share was differentiated as 1/(mu + lam), without its numerator": lambda mu, lam: (
                -np.sum(lam / (mu + lam) ** 2)
            ),
        },
        inputs=lambda rng: (4 * rng.random(6), 0.8),
        loss=Loss("sum(mu / (mu + exp(t)))", "t", lambda mu, lam: {"mu": mu, "t": np.log(lam)}),
        hints=(
            "λ stands in every share μ/(μ + λ), and the shares do not mix: the answer is a sum over the "
            "modes, a number.",
            "By λ, the quotient rule gives −μ/(μ + λ)².",
            "By the logarithm: dλ = λ d log λ, one more factor λ.",
        ),
    ),
    "ridge-stiffness": Question(
        "the gradient of g by the stiffness of each cell (n - 1,), as a function of w, p and h",
        gradient_by_stiffness,
        mistakes={
            "the sign is lost: dA stands on the other side of A dw = −dA w": lambda w, p, h: (
                -gradient_by_stiffness(w, p, h)
            ),
            "two slopes are two divisions by h, and the integral gives one back; it was given back twice": (
                lambda w, p, h: h * gradient_by_stiffness(w, p, h)
            ),
            "the integral over the cell is missing": lambda w, p, h: gradient_by_stiffness(w, p, h) / h,
            "this is the gradient by the bedding, with values in place of slopes": lambda w, p, h: (
                -h / 6 * (2 * p[1:] * w[1:] + p[1:] * w[:-1] + p[:-1] * w[1:] + 2 * p[:-1] * w[:-1])
            ),
            "w stands where p belongs": lambda w, p, h: gradient_by_stiffness(w, w, h),
        },
        inputs=lambda rng: (rng.normal(size=6), rng.normal(size=6), 0.3),
        loss=Loss("-(D @ p) @ diag(a) @ (D @ w) / h", "a", _cells),
        hints=(
            "a_T stands in the matrix A of A w = b alone: g moves because w does. The answer has one "
            "number for each cell.",
            "dA w + A dw = 0, and the adjoint p has A p = ∇g: dg = ⟨Ap, dw⟩ = −pᵀ dA w.",
            "dA belongs to one cell: pᵀ dA w = da ∫ p′w′ over it, with the slopes np.diff(p)/h and "
            "np.diff(w)/h, over a width h.",
        ),
    ),
    "ridge-work": Question(
        "the derivative of bᵀw by kappa, as a function of K, M, b and kappa",
        slope_of_the_work,
        mistakes={
            "a ½ too many: this is the derivative of the energy's value, −½ bᵀw, without its sign": (
                lambda K, M, b, k: slope_of_the_work(K, M, b, k) / 2
            ),
            "the sign is lost (d A⁻¹ = −A⁻¹ dA A⁻¹ has one of its own)": lambda K, M, b, k: (
                -slope_of_the_work(K, M, b, k)
            ),
            "I stands where M belongs": lambda K, M, b, k: -np.sum(_w(K, M, b, k) ** 2),
            "one of the two inverses is lost: d A⁻¹ has A⁻¹ on both sides": lambda K, M, b, k: (
                -_w(K, M, b, k) @ M @ b
            ),
            "it is the derivative by log kappa": lambda K, M, b, k: k * slope_of_the_work(K, M, b, k),
        },
        inputs=lambda rng: (*_ground(rng), rng.normal(size=5), 0.7),
        loss=Loss("b @ solve(K + kappa * M, b)", "kappa", "K M b kappa", "K M"),
    ),
    "ridge-plate": Question(
        "what is left of the modes (n,), as a function of mu and lam",
        share_of_a_plate,
        mistakes={
            "this is the membrane's share: the second derivative was taken once": lambda mu, lam: (
                1 / (1 + lam * mu)
            ),
            "mu was squared twice": lambda mu, lam: 1 / (1 + lam * mu**4),
            "lam was squared with mu": lambda mu, lam: 1 / (1 + (lam * mu) ** 2),
            "this is what is lost, and not what is left": lambda mu, lam: 1 - share_of_a_plate(mu, lam),
            "a square root of mu stands for mu": lambda mu, lam: 1 / (1 + lam * np.sqrt(mu)),
        },
        inputs=lambda rng: (0.2 + 3 * rng.random(6), 0.6),
        hints=(
            "The modes do not mix: each is multiplied by a number of its own, from a problem with one "
            "unknown u and the datum 1.",
            "Δv = −μv, so ∫(Δu)² of a mode is μ² times its ∫u².",
            "½(u − 1)² + ½λμ²u² is least where (u − 1) + λμ²u = 0.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "ridge-freedom": {
        "prompt": "The effective degrees of freedom:",
        "answer": 10.5,
        "mistakes": {
            "the half for the two ends is missing": 10.0,
            "one for every length, where it takes two lengths": 20.0,
            "one for every length and a half for the ends; but it takes two lengths": 20.5,
            "κ was taken for the length: its root is the reciprocal of the length": 200.5,
            "a whole one was counted for the ends": 11.0,
        },
        "hint": "The length is 1/√κ = 0.05, and coth 20 is 1 to seventeen digits.",
    },
    "ridge-cells": {
        "prompt": "The least number of cells:",
        "answer": 10.0,
        "mistakes": {
            "this asks for h below the length itself; the sign turns later, at κh² = 6": 25.0,
            "the root is missing: it is h², and not h, that stands beside κ": 99.0,
            "the 6 was multiplied where it divides": 60.0,
            "one fewer, and κh² is beyond 6": 9.0,
        },
        "hint": "The coupling −1/h + κh/6 must not be positive.",
    },
}

CHOICES: dict[str, Choice] = {
    "ridge-choice": Choice(
        "sqnorm(X @ w - y) / (2 * n) + lam * sqnorm(w) / 2",
        "X:5,3 w:3 y:5 n::positive lam::positive",
        "w",
        note="Ridge regression.",
    ),
}
