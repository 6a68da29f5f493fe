"""Questions of the chapter on diffusion, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question


def drift_of_the_way_back(f: Any, score: Any, g: float, eta: float) -> Any:
    """Drift, in the time that runs backwards, of the process with noise eta.  f, score (n, d) -> (n, d)."""
    return -f + 0.5 * (g**2 + eta**2) * score


def score_in_scaled_coordinates(x: np.ndarray, D: np.ndarray, s: float, sigma: float) -> np.ndarray:
    """Score of x = s (x_0 + sigma eps) from the denoised D of x/s.  x, D (n, d) -> (n, d)."""
    return (s * D - x) / (s * sigma) ** 2


def gradient_of_the_linear_denoiser(A: np.ndarray, X: np.ndarray, sigma: float) -> np.ndarray:
    """∇_A of (1/n) E‖(X + sigma E) A - X‖².  A (d, d), X (n, d) -> (d, d)."""
    return 2 * X.T @ (X @ A - X) / len(X) + 2 * sigma**2 * A


def covariance_of_the_guess(J: np.ndarray, sigma: float) -> np.ndarray:
    """Cov[x_0 | x] from the denoiser's Jacobian.  J (d, d) -> (d, d)."""
    return sigma**2 * J


def guided_score(x: np.ndarray, m: float, w: float) -> np.ndarray:
    """Score of ½N(-m, 1) + ½N(m, 1), plus w times the gradient of log p(right | x).  x (n,) -> (n,)."""
    return -x + m * np.tanh(m * x) + 2 * m * w * _logistic(-2 * m * x)


def step_with_a_memory(
    x: np.ndarray, D: np.ndarray, D_before: np.ndarray, before: float, sigma: float, after: float
) -> np.ndarray:
    """The flow from sigma to after, exact for a D linear in log sigma.  x, D, D_before (n, d) -> (n, d)."""
    h, k = np.log(sigma / after), np.log(before / sigma)
    return np.exp(-h) * x - np.expm1(-h) * D + (h + np.expm1(-h)) / k * (D - D_before)


def _logistic(u: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-u))


def _held(x: np.ndarray, D: np.ndarray, sigma: float, after: float) -> np.ndarray:
    """The step with a D that is held: the first-order one."""
    return after / sigma * x + (1 - after / sigma) * D


QUESTIONS: dict[str, Question] = {
    "diffusion-back": Question(
        "the drift of the way back (n, d), as a function of f, score, g and eta",
        drift_of_the_way_back,
        mistakes={
            "the score has the coefficient g², which pays for eta = g alone": lambda f, s, g, e: (
                -f + g**2 * s
            ),
            "the score has the coefficient ½g², which pays for no noise at all": lambda f, s, g, e: (
                -f + 0.5 * g**2 * s
            ),
            "the drift f was not turned round": lambda f, s, g, e: f + 0.5 * (g**2 + e**2) * s,
            "the score has the wrong sign: the way back climbs the density": lambda f, s, g, e: (
                -f - 0.5 * (g**2 + e**2) * s
            ),
            "the new noise is to be paid for with ½eta², not with eta²": lambda f, s, g, e: (
                -f + (0.5 * g**2 + e**2) * s
            ),
            "eta's square is lost": lambda f, s, g, e: -f + 0.5 * (g**2 + e) * s,
            "eta was set against g²: the new noise has to be paid for on top of the old": lambda f, s, g, e: (
                -f + 0.5 * (g**2 - e**2) * s
            ),
        },
        inputs=lambda rng: (rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), 1.3, 0.7),
        hints=(
            "For every eta the densities on the way back must be those of the way there: try eta = 0, "
            "the flow without noise, first.",
            "Turning the time turns the drift of that flow, f − ½g² score, into its negative.",
            "New noise of size eta spreads the density as a drift of −½eta² score would: add what takes "
            "that back.",
        ),
    ),
    "diffusion-scaled": Question(
        "the score at x (n, d), as a function of x, D, s and sigma",
        score_in_scaled_coordinates,
        mistakes={
            "the scale s is not there": lambda x, D, s, sigma: (D - x) / sigma**2,
            "this is the score at x/s; the chain rule brings one more 1/s": lambda x, D, s, sigma: (
                (D - x / s) / sigma**2
            ),
            "the chain rule's factor is upside down": lambda x, D, s, sigma: (s * D - x) / sigma**2,
            "D is in the coordinates of x/s and must be scaled too": lambda x, D, s, sigma: (
                (D - x) / (s * sigma) ** 2
            ),
            "the noise in x is sσ, and its square is needed": lambda x, D, s, sigma: (
                (s * D - x) / (s * sigma)
            ),
            "the sign is lost: the score points from x to what it came from": lambda x, D, s, sigma: (
                (x - s * D) / (s * sigma) ** 2
            ),
        },
        inputs=lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), 0.6, 1.7),
        hints=(
            "Tweedie's formula holds for x̃ = x/s, whose noise is sigma: the score of x̃ is (D − x̃)/sigma².",
            "log p(x) = log p̃(x/s) + a constant: the chain rule multiplies that score by 1/s.",
            "Put x̃ = x/s into (D − x̃)/(s sigma²), and bring it all over (s sigma)².",
        ),
    ),
    "diffusion-linear": Question(
        "the gradient in A (d, d), as a function of A, X and sigma",
        gradient_of_the_linear_denoiser,
        mistakes={
            "the noise is not there: its square has the mean sigma², and stays": lambda A, X, sigma: (
                2 * X.T @ (X @ A - X) / len(X)
            ),
            "the 2 of the square is lost": lambda A, X, sigma: X.T @ (X @ A - X) / len(X) + sigma**2 * A,
            "the penalty was divided by n too; the mean over rows has done that": lambda A, X, sigma: (
                2 * (X.T @ (X @ A - X) + sigma**2 * A) / len(X)
            ),
            "1/n is missing": lambda A, X, sigma: 2 * X.T @ (X @ A - X) + 2 * sigma**2 * A,
            "sigma stands where sigma² belongs": lambda A, X, sigma: (
                2 * X.T @ (X @ A - X) / len(X) + 2 * sigma * A
            ),
            "the transpose is returned": lambda A, X, sigma: gradient_of_the_linear_denoiser(A, X, sigma).T,
            "sigma²(A − I): the noise is asked to come out as noise": lambda A, X, sigma: (
                2 * X.T @ (X @ A - X) / len(X) + 2 * sigma**2 * (A - np.eye(len(A)))
            ),
        },
        inputs=lambda rng: (rng.normal(size=(3, 3)), rng.normal(size=(7, 3)), 0.6),
        loss=Loss("sqnorm(X @ A - X) / X.shape[0] + sigma ** 2 * sqnorm(A)", "A", "A X sigma"),
        hints=(
            "Take the mean over E before you differentiate: E is independent of X, its entries have mean "
            "0 and variance 1.",
            "The mixed term has the mean 0. ‖XA − X‖² stays, and sigma²‖EA‖² has the mean n sigma²‖A‖².",
            "Two squared norms are left, d‖XA − X‖² = ⟨2Xᵀ(XA − X), dA⟩ and d‖A‖² = ⟨2A, dA⟩; 1/n stays "
            "with the first.",
        ),
    ),
    "diffusion-covariance": Question(
        "the covariance of x_0 given x (d, d), as a function of J and sigma",
        covariance_of_the_guess,
        mistakes={
            "sigma² is missing: J has no unit, a covariance has that of x²": lambda J, sigma: J,
            "J was taken for the Hessian of log p; D contains x itself already": lambda J, sigma: (
                sigma**2 * (np.eye(len(J)) + sigma**2 * J)
            ),
            "this is the covariance of x − D, what noise is left, counted the other way": lambda J, sigma: (
                sigma**2 * (np.eye(len(J)) - J)
            ),
            "one sigma is missing": lambda J, sigma: sigma * J,
            "two sigmas too many": lambda J, sigma: sigma**4 * J,
        },
        inputs=lambda rng: ((lambda B: B @ B.T)(rng.normal(size=(3, 3))), 0.6),
        hints=(
            "A covariance is symmetric, has the unit of x², and goes to zero with sigma; J has no unit.",
            "The second-order Tweedie formula: the covariance is sigma² (I + sigma² H), with H the "
            "Hessian of log p at x.",
            "D(x) = x + sigma² ∇log p(x): differentiate it once, and compare.",
        ),
    ),
    "diffusion-guided": Question(
        "the guided score (n,), as a function of x, m and w",
        guided_score,
        mistakes={
            "this is the classifier's own slope, not that of its logarithm": lambda x, m, w: (
                -x + m * np.tanh(m * x) + 2 * m * w * _logistic(2 * m * x) * _logistic(-2 * m * x)
            ),
            "the chain rule's 2m is missing from the classifier": lambda x, m, w: (
                -x + m * np.tanh(m * x) + w * _logistic(-2 * m * x)
            ),
            "the classifier pulls where it is sure already: 1 − p is the factor, not p": lambda x, m, w: (
                -x + m * np.tanh(m * x) + 2 * m * w * _logistic(2 * m * x)
            ),
            "w multiplies the whole score, not the classifier's part": lambda x, m, w: (
                w * guided_score(x, m, 1.0)
            ),
            "the two hills are not there": lambda x, m, w: -x + 2 * m * w * _logistic(-2 * m * x),
            "this is guidance from the hill on the right; one w is counted twice": lambda x, m, w: (
                guided_score(x, m, 1 + w)
            ),
            "the classifier pushes away from the class": lambda x, m, w: guided_score(x, m, -w),
        },
        inputs=lambda rng: (rng.normal(size=6), 1.2, 2.5),
        loss=Loss("sum(logcosh(m * x)) - sqnorm(x) / 2 - w * sum(softplus(-2 * m * x))", "x", "x m w"),
        hints=(
            "Two parts, and each entry of x by itself: the slope of log p(x), and w times the slope of "
            "log p(right | x).",
            "log p(x) = −x²/2 + log cosh(mx) + a constant. And by Bayes p(right | x) = σ(2mx), with the "
            "logistic σ.",
            "(log σ(u))′ = 1 − σ(u) = σ(−u), and u = 2mx brings its own factor; (log cosh)′ = tanh.",
        ),
    ),
    "diffusion-memory": Question(
        "x at the noise level `after` (n, d), as a function of x, D, D_before, before, sigma and after",
        step_with_a_memory,
        mistakes={
            "D was held: the slope is missing (this is the step of first order)": (
                lambda x, D, B, before, sigma, after: _held(x, D, sigma, after)
            ),
            "this is DPM-Solver++(2M), where ½h(1 − e⁻ʰ) stands for the integral h − 1 + e⁻ʰ": (
                lambda x, D, B, before, sigma, after: _held(
                    x, D + 0.5 * np.log(sigma / after) / np.log(before / sigma) * (D - B), sigma, after
                )
            ),
            "the slope is taken over the wrong interval: D and D_before lie log(before/sigma) apart": (
                lambda x, D, B, before, sigma, after: (
                    _held(x, D, sigma, after)
                    + np.log(before / sigma)
                    / np.log(sigma / after)
                    * (step_with_a_memory(x, D, B, before, sigma, after) - _held(x, D, sigma, after))
                )
            ),
            "the slope has the wrong sign: D goes on from D_before": (
                lambda x, D, B, before, sigma, after: step_with_a_memory(
                    x, D, 2 * D - B, before, sigma, after
                )
            ),
            "D is linear in sigma here, not in its logarithm": (
                lambda x, D, B, before, sigma, after: (
                    _held(x, D, sigma, after)
                    + (sigma - after - after * np.log(sigma / after)) / (sigma - before) * (B - D)
                )
            ),
        },
        inputs=lambda rng: (*rng.normal(size=(3, 4, 2)), 2.0, 1.1, 0.5),
        hints=(
            "In u = log σ the flow is dx/du = x − D, linear in x, and D is a straight line in u through "
            "D_before and D.",
            "With h = log(sigma/after), a constant D gives e⁻ʰx + (1 − e⁻ʰ)D. The line adds its slope, "
            "(D − D_before)/log(before/sigma), times an integral.",
            "That integral is ∫₀ʰ s e^{s−h} ds with s counted from the start of the step: h − 1 + e⁻ʰ.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "diffusion-guess": {
        "prompt": "The best guess of x₀:",
        "answer": 0.5,
        "mistakes": {
            "σ stands where σ² belongs": 1.25,
            "this is the noise that was added, by the same formula": 4.5,
            "this is the score; Tweedie's formula adds σ² times it to x": -0.5,
            "the score's sign is lost": 9.5,
        },
        "hint": "x ~ N(0, 1 + σ²), so the score at x is −x/(1 + σ²).",
    },
    "diffusion-evaluations": {
        "prompt": "Evaluations of the denoiser:",
        "answer": 35.0,
        "mistakes": {
            "the last step goes to zero noise, where Heun's second slope does not exist": 36.0,
            "these are the steps; Heun looks twice in each but the last": 18.0,
            "eighteen levels and the zero make eighteen steps, not seventeen": 33.0,
            "one look for each of the steps but the last": 17.0,
        },
        "hint": "Two looks a step, except where the second would divide by σ = 0.",
    },
    "diffusion-stretch": {
        "prompt": "The factor:",
        "answer": 2.0,
        "mistakes": {
            "this is the logarithm of the factor": 0.693,
            "that is the factor for the variance; a length goes with its root": 4.0,
            "the cloud was taken to shrink: σ grows here": 0.5,
            "this is σ itself, as if the cloud had begun at a point": 1.732,
        },
        "hint": "Integrate the divergence: ∫ σ/(1 + σ²) dσ = ½ log(1 + σ²).",
    },
}

CHOICES: dict[str, Choice] = {
    "diffusion-choice": Choice(
        "Y = X + sigma * E; H = tanh(Y @ W.T); sqnorm(H - X) / (2 * n)",
        "W:3,3 X:5,3 E:5,3 sigma::positive n::positive",
        "W",
        note="A small denoiser: clean rows X, the noise E, and a tanh.",
    ),
}
