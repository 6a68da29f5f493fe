"""Questions of the chapter on corrections, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Question


def hessian_of_a_pair(u: np.ndarray, g1: float, g2: float) -> np.ndarray:
    """∂²f/∂u∂u of f(u) = g(log ‖u‖), g1 = g' and g2 = g'' at log ‖u‖.  u (3,) -> (3, 3)."""
    r2 = u @ u
    return (g2 - 2 * g1) * np.outer(u, u) / r2**2 + g1 * np.eye(3) / r2


def swapped_kernel(Z: np.ndarray, Z2: np.ndarray) -> np.ndarray:
    """(1/2) Σ_g k0(z, g z') of the Gaussian k0 = exp(-½‖z - z'‖²); g swaps the first two features.

    Z (n, 3), Z2 (m, 3) -> (n, m).
    """
    return (_gauss(Z, Z2) + _gauss(Z, Z2[:, [1, 0, 2]])) / 2


def ratio_of_norms(K: np.ndarray, y1: np.ndarray, y2: np.ndarray) -> float:
    """‖f1‖/‖f2‖ of the interpolants of y1 and y2 in the kernel's norm.  K (n, n), y1, y2 (n,)."""
    return float(np.sqrt(y1 @ np.linalg.solve(K, y1) / (y2 @ np.linalg.solve(K, y2))))


def best_scale(K: np.ndarray, y: np.ndarray, b: np.ndarray) -> float:
    """rho of y ≈ rho b + beta + f with f penalised by its norm, lam → 0.  K (n, n), y, b (n,)."""
    P = np.column_stack([b, np.ones(len(b))])
    KP = np.linalg.solve(K, P)
    return float(np.linalg.solve(P.T @ KP, KP.T @ y)[0])


def _gauss(Z: np.ndarray, Z2: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * ((Z[:, None] - Z2[None]) ** 2).sum(-1))


def _spread_points(rng: np.random.Generator, n: int = 6) -> np.ndarray:
    """A well-conditioned kernel matrix of n scattered points."""
    x = np.arange(n) + rng.uniform(-0.3, 0.3, n)
    return np.exp(-((x[:, None] - x) ** 2) / 2)


def _without_offset(K: np.ndarray, y: np.ndarray, b: np.ndarray) -> float:
    Kb = np.linalg.solve(K, b)
    return float(Kb @ y / (Kb @ b))


def _least_squares(K: np.ndarray, y: np.ndarray, b: np.ndarray) -> float:
    return float(np.polyfit(b, y, 1)[0])


QUESTIONS: dict[str, Question] = {
    "correction-pair": Question(
        "the Hessian of f by u, as a function of u, g1 and g2",
        hessian_of_a_pair,
        mistakes={
            "the feature's own curvature is missing: this is Jᵀ g'' J alone": lambda u, g1, g2: (
                g2 * np.outer(u, u) / (u @ u) ** 2
            ),
            "the curvature of the logarithm is missing, that of the length is there": lambda u, g1, g2: (
                (g2 - g1) * np.outer(u, u) / (u @ u) ** 2 + g1 * np.eye(3) / (u @ u)
            ),
            "the curvature of the length is missing, that of the logarithm is there": lambda u, g1, g2: (
                (g2 - g1) * np.outer(u, u) / (u @ u) ** 2
            ),
            "the sign of the feature's curvature is lost": lambda u, g1, g2: (
                (g2 + 2 * g1) * np.outer(u, u) / (u @ u) ** 2 - g1 * np.eye(3) / (u @ u)
            ),
            "it is that of g(‖u‖), not of g(log ‖u‖)": lambda u, g1, g2: (
                g2 * np.outer(u, u) / (u @ u) + g1 / np.sqrt(u @ u) * (np.eye(3) - np.outer(u, u) / (u @ u))
            ),
        },
        inputs=lambda rng: (0.8 + rng.random(3), *rng.normal(size=2)),
        hints=(
            "f is a function of one number, q = log ‖u‖: its Hessian has a part with g″ and a part with "
            "g′, both (3, 3).",
            "∇q = u/‖u‖², so the part with g″ is g″ uuᵀ/‖u‖⁴; the other is g′ times the Hessian of q.",
            "Differentiate u/(uᵀu) once more, with the quotient rule: I/‖u‖² − 2uuᵀ/‖u‖⁴.",
        ),
    ),
    "correction-swap": Question(
        "the kernel matrix between Z and Z2 that does not see the swap, as a function of both",
        swapped_kernel,
        mistakes={
            "both sides were swapped, and the kernel sees only their difference": _gauss,
            "the sum over the group is not a mean": lambda Z, Z2: 2 * swapped_kernel(Z, Z2),
            "the features were averaged, and not the kernels: a swap is lost, and a stretch with it": (
                lambda Z, Z2: _gauss(
                    (Z + Z[:, [1, 0, 2]]) / 2,
                    (Z2 + Z2[:, [1, 0, 2]]) / 2,
                )
            ),
            "the swapped kernel alone: without the identity it is no group": lambda Z, Z2: _gauss(
                Z, Z2[:, [1, 0, 2]]
            ),
            "the kernels were multiplied": lambda Z, Z2: _gauss(Z, Z2) * _gauss(Z, Z2[:, [1, 0, 2]]),
        },
        inputs=lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(3, 3))),
        hints=(
            "The group has two elements, the identity and the swap: the answer is a mean of two kernel "
            "matrices, (n, m).",
            "k0 sees distances only. Swapping both sides changes none of them, so one side is swapped, "
            "and the other not.",
            "Z2[:, [1, 0, 2]] is the swapped side; average the two Gaussians, and not the features in them.",
        ),
    ),
    "correction-norms": Question(
        "by how much the first bound exceeds the second, as a function of K, y1 and y2",
        ratio_of_norms,
        mistakes={
            "the root is missing: this is the ratio of the squared norms": lambda K, a, b: (
                ratio_of_norms(K, a, b) ** 2
            ),
            "these are the sizes of the data, which the kernel has not seen": lambda K, a, b: float(
                np.linalg.norm(a) / np.linalg.norm(b)
            ),
            "K stands where its inverse belongs": lambda K, a, b: float(np.sqrt(a @ K @ a / (b @ K @ b))),
            "the ratio is upside down": lambda K, a, b: ratio_of_norms(K, b, a),
            "these are the norms of the weights alpha, not of the functions": lambda K, a, b: float(
                np.linalg.norm(np.linalg.solve(K, a)) / np.linalg.norm(np.linalg.solve(K, b))
            ),
        },
        inputs=lambda rng: (_spread_points(rng), rng.normal(size=6), rng.normal(size=6)),
        hints=(
            "What the two bounds share falls away in the ratio: what is left are the norms of two functions.",
            "f = Σ αᵢ k(·, xᵢ) has ‖f‖² = αᵀKα.",
            "An interpolant has Kα = y; put that into αᵀKα, and take the roots.",
        ),
    ),
    "correction-scale": Question(
        "the factor rho, as a function of K, y and b",
        best_scale,
        mistakes={
            "the constant between the levels is missing": _without_offset,
            "this is a straight line by least squares: the errors have a covariance": _least_squares,
            "rho is that of b in terms of y": lambda K, y, b: best_scale(K, b, y),
            "rho is 1: this is the plain correction": lambda K, y, b: 1.0,
        },
        inputs=lambda rng: (_spread_points(rng), rng.normal(size=6) + 5, rng.normal(size=6) + 2),
        hints=(
            "rho and beta stand linearly beside f: both are free, and neither is penalised.",
            "As lam → 0, f interpolates what they leave, r = y − rho b − beta 1, and the price is its "
            "squared norm rᵀK⁻¹r.",
            "That is generalised least squares on the columns P = [b, 1]: (PᵀK⁻¹P)(rho, beta) = PᵀK⁻¹y.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "correction-force": {
        "prompt": "The force along the bond that the composite predicts, in kcal/mol/Å:",
        "answer": 10.0,
        "mistakes": {
            "the sign: a force is minus a slope, and the correction's slope is positive": 14.0,
            "this is the force of the cheap theory; the correction has one, too": 12.0,
            "the slope of 3 log r is 3/r, not 3": 9.0,
            "this is the correction's part alone": -2.0,
        },
        "hint": "Differentiate the correction by r, at r = 1.5 Å, and mind the minus.",
    },
    "correction-frequency": {
        "prompt": "By how many cm⁻¹ the wavenumber rises:",
        "answer": 3650 * (1.04**0.5 - 1),
        "mistakes": {
            "a frequency goes with the root of the force constant": 146.0,
            "this is the new wavenumber, not the change": 3650 * 1.04**0.5,
            "the change has a sign, and it is positive": -3650 * (1.04**0.5 - 1),
            "the square, not the root": 3650 * (1.04**2 - 1),
        },
        "hint": "ω is the root of k over m.",
    },
}

CHOICES: dict[str, Choice] = {
    "correction-choice": Choice(
        "y @ solve(K, y) / 2 + logdet(K) / 2",
        "K:4,4:invertible y:4",
        "K",
        note="What the fit of a Gaussian process makes small, but for a constant.",
    ),
}
