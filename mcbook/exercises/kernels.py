"""Questions of the chapter on kernels, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question


def weighted_alpha(K: np.ndarray, y: np.ndarray, w: np.ndarray, lam: float) -> np.ndarray:
    """alpha of min Σ wᵢ(yᵢ - f(xᵢ))² + lam ‖f‖².  K (n, n), y (n,), w (n,) -> (n,)."""
    return np.linalg.solve(K + lam * np.diag(1 / w), y)


def slope_of_the_evidence(K: np.ndarray, y: np.ndarray, lam: float) -> float:
    """d log p(y) / d log lam for y ~ N(0, K + lam I).  K (n, n), y (n,)."""
    B = _inverse(K, lam)
    return lam / 2 * (y @ B @ B @ y - np.trace(B))


def slope_of_leave_one_out(K: np.ndarray, y: np.ndarray, lam: float) -> float:
    """d E / d log lam for E = (1/n) Σ rᵢ², rᵢ = alphaᵢ / Bᵢᵢ, B = (K + lam I)⁻¹.  K (n, n), y (n,)."""
    return _weights_move(K, y, lam) + _diagonal_moves(K, y, lam)


def force_block(x: np.ndarray, z: np.ndarray, sigma: float) -> np.ndarray:
    """∂²k/∂xᵢ∂zⱼ of the Gaussian kernel: how the forces at x (n,) and z (m,) vary together -> (n, m)."""
    d, k = _gap(x, z), np.exp(-(_gap(x, z) ** 2) / (2 * sigma**2))
    return k * (1 / sigma**2 - d**2 / sigma**4)


def _inverse(K: np.ndarray, lam: float) -> np.ndarray:
    return np.linalg.inv(K + lam * np.eye(len(K)))


def _gap(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return x[:, None] - z[None]


def _weights_move(K: np.ndarray, y: np.ndarray, lam: float) -> float:
    B = _inverse(K, lam)
    alpha, m = B @ y, np.diag(B)
    return float(-2 * lam / len(y) * np.sum(alpha / m**2 * (B @ alpha)))


def _diagonal_moves(K: np.ndarray, y: np.ndarray, lam: float) -> float:
    B = _inverse(K, lam)
    alpha, m = B @ y, np.diag(B)
    return float(2 * lam / len(y) * np.sum(alpha**2 / m**3 * np.diag(B @ B)))


def _spread_points(rng: np.random.Generator, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """A well-conditioned kernel matrix of n scattered points, and values at them."""
    x = np.arange(n) + rng.uniform(-0.3, 0.3, n)
    return np.exp(-(_gap(x, x) ** 2) / 2), rng.normal(size=n)


def _log_lam(K: np.ndarray, y: np.ndarray, lam: float) -> dict[str, Any]:
    return {"K": K, "y": y, "t": np.log(lam)}


def _gaps(x: np.ndarray, z: np.ndarray, sigma: float) -> dict[str, Any]:
    return {"D": _gap(x, z), "sigma": sigma}


QUESTIONS: dict[str, Question] = {
    "kernels-weighted": Question(
        "the weights alpha, as a function of K, y, w and lam",
        weighted_alpha,
        mistakes={
            "W stands where its inverse belongs": lambda K, y, w, lam: np.linalg.solve(
                K + lam * np.diag(w), y
            ),
            "y is weighted and K is not": lambda K, y, w, lam: np.linalg.solve(
                K + lam * np.eye(len(y)), w * y
            ),
            "K and W are exchanged (they do not commute)": lambda K, y, w, lam: np.linalg.solve(
                K * w + lam * np.eye(len(y)), w * y
            ),
            "the weights w are not used": lambda K, y, w, lam: np.linalg.solve(K + lam * np.eye(len(y)), y),
            "the penalty was taken to be lam ‖alpha‖² (and K² appeared)": lambda K, y, w, lam: (
                np.linalg.solve(K @ (w[:, None] * K) + lam * np.eye(len(y)), K @ (w * y))
            ),
        },
        inputs=lambda rng: (*_spread_points(rng), 0.5 + rng.random(6), 0.3),
        hints=(
            "At the points f is K α, and ‖f‖² is αᵀKα: write the objective in α, with W = diag(w) "
            "between two residuals.",
            "Its gradient is −2 K W (y − Kα) + 2 λ K α: a factor K stands in front of everything, and "
            "falls away.",
            "What is left, W (y − Kα) = λ α, becomes one linear system for α when it is multiplied by W⁻¹.",
        ),
    ),
    "kernels-evidence": Question(
        "the derivative of log p(y) by log lam, as a function of K, y and lam",
        slope_of_the_evidence,
        mistakes={
            "it is the derivative by lam, not by its logarithm": lambda K, y, lam: (
                slope_of_the_evidence(K, y, lam) / lam
            ),
            "the sign is lost (d C⁻¹ = −C⁻¹ dC C⁻¹ has one of its own)": lambda K, y, lam: (
                -slope_of_the_evidence(K, y, lam)
            ),
            "the ½ is missing": lambda K, y, lam: 2 * slope_of_the_evidence(K, y, lam),
            "the second inverse is lost: d C⁻¹ has C⁻¹ on both sides": lambda K, y, lam: (
                lam / 2 * (y @ _inverse(K, lam) @ y - np.trace(_inverse(K, lam)))
            ),
            "the determinant does not move": lambda K, y, lam: lam / 2 * np.sum((_inverse(K, lam) @ y) ** 2),
            "tr C stands where tr C⁻¹ belongs": lambda K, y, lam: (
                lam / 2 * (np.sum((_inverse(K, lam) @ y) ** 2) - np.trace(K) - lam * len(y))
            ),
        },
        inputs=lambda rng: (*_spread_points(rng), 0.3),
        loss=Loss(
            "C = K + exp(t) * eye(K.shape[0]); -y @ solve(C, y) / 2 - logdet(C) / 2", "t", _log_lam, "K"
        ),
        hints=(
            "λ stands in C = K + λI only, and C in two terms of log p: −½ yᵀC⁻¹y and −½ log det C. The "
            "answer is a number.",
            "d C⁻¹ = −C⁻¹ dC C⁻¹ for the first, d log det C = tr(C⁻¹ dC) for the second, and dC = dλ I.",
            "By the logarithm, dλ = λ d log λ: λ/2 stands before the difference of yᵀC⁻²y and tr C⁻¹.",
        ),
    ),
    "kernels-loo-slope": Question(
        "the derivative of the leave-one-out error E by log lam, as a function of K, y and lam",
        slope_of_leave_one_out,
        mistakes={
            "only alpha moves, and the diagonal of the inverse does not": _weights_move,
            "only the diagonal of the inverse moves, and alpha does not": _diagonal_moves,
            "it is the derivative by lam, not by its logarithm": lambda K, y, lam: (
                slope_of_leave_one_out(K, y, lam) / lam
            ),
            "the mean over the samples is a sum": lambda K, y, lam: (
                len(y) * slope_of_leave_one_out(K, y, lam)
            ),
            "the sign is lost": lambda K, y, lam: -slope_of_leave_one_out(K, y, lam),
            "the 2 of the square is missing": lambda K, y, lam: slope_of_leave_one_out(K, y, lam) / 2,
        },
        inputs=lambda rng: (*_spread_points(rng), 0.3),
        loss=Loss(
            "B = inv(K + exp(t) * eye(K.shape[0])); a = B @ y; sqnorm(a / diagonal(B)) / K.shape[0]",
            "t",
            _log_lam,
            "K",
        ),
        hints=(
            "r_i = α_i/B_ii is a quotient, and both of its parts move with λ: α = B y, and the diagonal "
            "of B.",
            "dB = −λ B B d log λ. So α moves by −λ B α, and the diagonal by −λ diag(B B).",
            "dr_i = dα_i/B_ii − α_i dB_ii/B_ii², the quotient rule, and dE = (2/n) Σ r_i dr_i.",
        ),
    ),
    "kernels-forces": Question(
        "∂²k/∂x∂z of the Gaussian kernel, as a function of x, z and sigma",
        force_block,
        mistakes={
            "the sign is lost: the second derivative is by x and by z, and not twice by x": lambda x, z, s: (
                -force_block(x, z, s)
            ),
            "only the exponent's square was kept": lambda x, z, s: (
                -np.exp(-(_gap(x, z) ** 2) / (2 * s**2)) * _gap(x, z) ** 2 / s**4
            ),
            "the product rule was cut short: the second term is missing": lambda x, z, s: (
                np.exp(-(_gap(x, z) ** 2) / (2 * s**2)) / s**2
            ),
            "a derivative is missing: this is ∂k/∂z alone": lambda x, z, s: (
                np.exp(-(_gap(x, z) ** 2) / (2 * s**2)) * _gap(x, z) / s**2
            ),
        },
        inputs=lambda rng: (rng.normal(size=4), rng.normal(size=3), 0.8),
        loss=Loss("sum(exp(-(D ** 2) / (2 * sigma ** 2)) * D) / sigma ** 2", "D", _gaps),
        hints=(
            "Entry (i, j) depends on x_i and z_j alone, through their difference d = x_i − z_j.",
            "First by z: ∂k/∂z = k d/σ². The minus of the exponent meets the minus of d, and they cancel.",
            "Then k d/σ² by x, with the product rule: k moves, by −k d/σ², and d moves, by 1.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "kernels-freedom": {
        "prompt": "The effective degrees of freedom:",
        "answer": 1.25,
        "mistakes": {
            "this counts what is lost, λ/(s + λ), and not what is kept": 1.75,
            "this is the rank of K: λ was forgotten": 2.0,
            "the eigenvalues were squared: that is ridge regression on singular values": 1.4,
            "this is the trace of K": 4.0,
        },
        "hint": "Each eigenvector keeps the share s/(s + λ) of the data along it.",
    },
    "kernels-left-out": {
        "prompt": "The leave-one-out residual of the first point:",
        "answer": 2 / 3,
        "mistakes": {
            "this is what the other point predicts, not what is left of y": 1 / 3,
            "this is the residual of the fit that has seen the point": 0.25,
            "this is α₁, not yet divided by the diagonal of the inverse": 0.5,
            "α₁ was multiplied by the diagonal of the inverse": 0.375,
        },
        "hint": "Invert the two-by-two matrix C, or refit by hand: one point is left, and α₂ = 1/1.5.",
    },
}

CHOICES: dict[str, Choice] = {
    "kernels-choice": Choice(
        "sqnorm(y - K @ alpha) / 2 + lam * alpha @ K @ alpha / 2",
        "K:4,4:spd alpha:4 y:4 lam::positive",
        "alpha",
        note="The objective of this page, in the weights.",
    ),
}
