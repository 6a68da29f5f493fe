"""Questions of the chapter on going downhill, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question

Array = np.ndarray


def grad_weighted(w: Array, X: Array, y: Array, m: Array) -> Array:
    """∇ of Σ mᵢ (X w - y)ᵢ² / 2.  w (d,), X (n, d), y, m (n,) -> (d,)."""
    return X.T @ (m * (X @ w - y))


def in_metric(g: Array, M: Array) -> Array:
    """What stands beside dw in df = ⟨·, dw⟩_M, ⟨a, b⟩_M = aᵀMb.  g (d,), M (d, d) -> (d,)."""
    return np.linalg.solve(M, g)


def factor(h: Array, eta: float, beta: float) -> Array:
    """The larger |eigenvalue| of [[1 - eta h + beta, -beta], [1, 0]], for each curvature.  h (d,) -> (d,)."""
    t = 1 - eta * h + beta
    inside = t * t - 4 * beta
    return np.where(inside < 0, np.sqrt(beta), (abs(t) + np.sqrt(np.maximum(inside, 0))) / 2)


def _two_kinds(rng: np.random.Generator) -> tuple[Array, float, float]:
    """Curvatures, eta and beta: the first direction has two real eigenvalues, the second a complex pair."""
    beta, eta = rng.uniform(0.2, 0.6), rng.uniform(0.5, 1)
    return np.array([0.5 * (1 - np.sqrt(beta)) ** 2, 1.0]) / eta, eta, beta


def half_hessian(a: float, b: float, t: Array) -> Array:
    """JᵀJ for r = a exp(-b t) - y by (a, b).  t (n,) -> (2, 2)."""
    fade = np.exp(-b * t)
    J = np.column_stack([fade, -a * t * fade])
    return J.T @ J


def ridge_of_stopping(h: float, eta: float, k: int) -> float:
    """The λ with h/(h + λ) = 1 - (1 - eta h)ᵏ, the share of the way that k steps from zero have come."""
    left = (1 - eta * h) ** k
    return h * left / (1 - left)


def floor(h: float, c: float, eta: float) -> float:
    """The variance v with v = (1 - eta h)² v + eta² c."""
    return eta * c / (h * (2 - eta * h))


def _spd(rng: np.random.Generator, d: int = 3) -> Array:
    M = rng.normal(size=(d, d))
    return M @ M.T + np.eye(d)


QUESTIONS: dict[str, Question] = {
    "downhill-weighted": Question(
        "the gradient of ½ Σ mᵢ (Xw − y)ᵢ² by w (d,), as a function of w, X, y and m",
        grad_weighted,
        mistakes={
            "the weights m are missing": lambda w, X, y, m: X.T @ (X @ w - y),
            "the weights went into the forecast only, and not into y": lambda w, X, y, m: (
                X.T @ (m * (X @ w) - y)
            ),
            "the weights are squared": lambda w, X, y, m: X.T @ (m**2 * (X @ w - y)),
            "the ½ and the 2 of the square cancel": lambda w, X, y, m: 2 * grad_weighted(w, X, y, m),
            "that is a mean: nobody has divided by n": lambda w, X, y, m: grad_weighted(w, X, y, m) / len(y),
        },
        inputs=lambda rng: (
            *(rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=5), rng.uniform(0.5, 2, size=5)),
        ),
        loss=Loss("sum(m * (X @ w - y)**2) / 2", "w", "w X y m"),
    ),
    "downhill-metric": Question(
        "the gradient in the metric M (d,), as a function of the usual gradient g and of M",
        in_metric,
        mistakes={
            "it was multiplied by M, where df = ⟨G, dw⟩_M = GᵀM dw has to be solved for G": lambda g, M: (
                M @ g
            ),
            "that is the usual gradient: nothing was asked of M": lambda g, M: g,
            "M is one inner product, and not a scale for each weight": lambda g, M: g / np.diag(M),
        },
        inputs=lambda rng: (rng.normal(size=3), _spd(rng)),
        hints=(
            "df is one number for every dw, and does not know of any metric: gᵀdw.",
            "In the other inner product the same number is Gᵀ M dw. For every dw.",
            "So M G = g, M being symmetric; solve it for G.",
        ),
    ),
    "downhill-contraction": Question(
        "the factor of the error at a step, for each curvature in h (d,), as a function of h, eta and beta",
        factor,
        mistakes={
            "that is the factor without momentum": lambda h, eta, beta: abs(1 - eta * h),
            "√beta is right only where the two eigenvalues are a complex pair": lambda h, eta, beta: (
                np.full_like(h, np.sqrt(beta))
            ),
            "beta is the product of both eigenvalues; one of them is asked for": lambda h, eta, beta: (
                np.full_like(h, beta)
            ),
            "the smaller of the two was taken; in the long run the larger one shows": lambda h, eta, beta: (
                beta / factor(h, eta, beta)
            ),
        },
        inputs=_two_kinds,
        hints=(
            "Write down the matrix that makes (e now, e before) into (e next, e now).",
            "Its eigenvalues ρ solve ρ² − (1 − eta h + beta) ρ + beta = 0.",
            "Two real roots: the one of larger size. A complex pair: both have size √beta.",
        ),
    ),
    "downhill-half": Question(
        "JᵀJ (2, 2) for r = a exp(−b t) − y by (a, b), as a function of a, b and t",
        half_hessian,
        mistakes={
            "the slope by b lacks its factor −t: the inner derivative": lambda a, b, t: (
                np.exp(-2 * b * t).sum() * np.array([[1.0, a], [a, a * a]])
            ),
            "the two parameters were taken in the other order": lambda a, b, t: half_hessian(a, b, t)[
                ::-1, ::-1
            ],
            "that is JᵀJ over n: here it is the sum": lambda a, b, t: half_hessian(a, b, t) / len(t),
            "the slope by b lacks its minus": lambda a, b, t: (
                half_hessian(a, b, t) * np.array([[1.0, -1.0], [-1.0, 1.0]])
            ),
        },
        inputs=lambda rng: (rng.uniform(1, 2), rng.uniform(0.5, 1.5), rng.uniform(0, 2, size=6)),
        hints=(
            "J has a row for every time and a column for every parameter.",
            "∂r/∂a = exp(−b t); and ∂r/∂b?",
            "∂r/∂b = −a t exp(−b t). Stack the two columns, and multiply.",
        ),
    ),
    "downhill-stopping": Question(
        "the ridge λ that k steps from zero amount to, as a function of h, eta and k",
        ridge_of_stopping,
        mistakes={
            "1/(eta k) is what it is nearly, for small eta h k": lambda h, eta, k: 1 / (eta * k),
            "that is by how much the direction falls short, and not λ": lambda h, eta, k: (1 - eta * h) ** k,
            "the two shares are exchanged": lambda h, eta, k: (
                h * (1 - (1 - eta * h) ** k) / (1 - eta * h) ** k
            ),
            "one step too few was taken": lambda h, eta, k: ridge_of_stopping(h, eta, k - 1),
            "one step too many was taken": lambda h, eta, k: ridge_of_stopping(h, eta, k + 1),
        },
        inputs=lambda rng: (rng.uniform(0.5, 2), rng.uniform(0.1, 0.4), int(rng.integers(3, 9))),
        hints=(
            "After k steps from zero, which share of w★ has been reached in a direction of curvature h?",
            "1 − (1 − eta h)ᵏ. And the ridge's solution reaches h/(h + λ) of it.",
            "Set them equal, and solve for λ.",
        ),
    ),
    "downhill-floor": Question(
        "the variance at which the error settles, as a function of h, c and eta",
        floor,
        mistakes={
            "that is for small eta h; eta h stands beside the 2": lambda h, c, eta: eta * c / (2 * h),
            "one eta too many: eta² was not divided out": lambda h, c, eta: eta**2 * c / (h * (2 - eta * h)),
            "the noise comes in with eta², and not with eta": lambda h, c, eta: c / (h * (2 - eta * h)),
            "that is the excess of the loss, ½ h v": lambda h, c, eta: eta * c / (2 * (2 - eta * h)),
            "1 − eta h stands in it unsquared": lambda h, c, eta: eta * c / h,
        },
        inputs=lambda rng: (rng.uniform(0.5, 2), rng.uniform(0.5, 2), rng.uniform(0.1, 0.8)),
        hints=(
            "The error after a step is (1 − eta h) e less eta times the noise, and the two are independent.",
            "Variances add, and factors come out squared; at rest v before and v after are the same.",
            "v = (1 − eta h)² v + eta² c. Expand the square, and solve.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "downhill-border": {
        "prompt": "The border, beyond which the step diverges:",
        "answer": 0.04,
        "rtol": 0.001,
        "mistakes": {
            "that is 1/h_max: one step to the steep direction's bottom; twice as far is the border": 0.02,
            "that is 2/h_min: the flat direction would bear it, the steep one does not": 1.0,
            "that is the best step, 2/(h_min + h_max); the border lies a little further out": 0.03846,
            "that is 1/h_min": 0.5,
        },
        "hint": "|1 − η h| < 1 has to hold for both curvatures.",
    },
    "downhill-steps": {
        "prompt": "Steps, to the nearest ten:",
        "answer": 345.0,
        "rtol": 0.02,
        "mistakes": {
            "that is with the best momentum: √c in the place of c": 34.4,
            "that is for one digit; a thousand are three": 115.0,
            "that is the loss, which falls with the square of the error: half as many": 172.7,
            "that takes the rate to be 1 − 1/c, as with the step 1/h_max": 687.3,
        },
        "hint": "The error is multiplied by (c − 1)/(c + 1) each time; take logarithms.",
    },
}

CHOICES: dict[str, Choice] = {
    "downhill-weighted": Choice(
        "sqnorm(A @ (X @ w - y)) / 2",
        "A:4,5 X:5,3 w:3 y:5",
        "w",
        note="A weighs the residuals, and mixes them.",
    ),
    "downhill-penalty": Choice(
        "sqnorm(X @ w - y) / (2 * n) + lam / 2 * sqnorm(w - v)",
        "X:5,3 w:3 y:5 v:3 n::positive lam::positive",
        "w",
        note="A line that shall stay near other weights v.",
    ),
}
