"""Questions of the chapter on schedules, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question


def pulled_back(eta_bar: np.ndarray, eta: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """∂/∂theta for eta_t = exp(theta_k), k = piece_t.  eta_bar, eta (T,), piece (T,) in 0 … k - 1 -> (k,)."""
    return np.bincount(piece, weights=eta * eta_bar)


def through_training(
    G: np.ndarray,
    H: np.ndarray,
    eta: np.ndarray,
    w_bar: np.ndarray,
    *,
    early: bool = False,
    shift: int = 0,
    hessian: float = 1.0,
    last: int | None = None,
) -> np.ndarray:
    """The hypergradient -⟨g_t, w̄_{t+1}⟩ of T rates, w̄_t = w̄_{t+1} - eta_t H_t w̄_{t+1}.

    G (T, p) and H (T, p, p) are the gradients and Hessians at the steps, w_bar (p,) is w̄_T.  -> (T,)
    The settings are there to be wrong: which w̄ meets g_t, whose H, how much of it, how far to go back.
    """
    T, grad = len(eta), np.zeros(len(eta))
    for t in range(T - 1, max(-1, T - 1 - (last or T)), -1):
        before = w_bar - hessian * eta[t] * H[min(t + shift, T - 1)] @ w_bar
        grad[t] = -G[t] @ (before if early else w_bar)
        w_bar = before
    return grad


def through_momentum(
    w_bar: np.ndarray, v_bar: np.ndarray, H: np.ndarray, eta: float, beta: float, lam: float
) -> np.ndarray:
    """The rows w̄_t and v̄_t for v' = beta v + g + lam w, w' = w - eta v'.  w_bar, v_bar (p,) -> (2, p)."""
    u = v_bar - eta * w_bar
    return np.stack([w_bar + H @ u + lam * u, beta * u])


def greedy_rate(h: np.ndarray, A: np.ndarray, sigma: np.ndarray) -> float:
    """The rate of least expected loss after one step on the noisy quadratic.  h, A, sigma (d,)."""
    return float(np.sum(h**2 * A) / np.sum(h**3 * (A + sigma**2)))


def implicit_gradient(H: np.ndarray, lam: float, w_star: np.ndarray, w_bar: np.ndarray) -> float:
    """dF/dlam at the minimum of L + ½ lam ‖w‖²: -⟨w*, (H + lam I)⁻¹ w̄⟩.  H (p, p), w_star, w_bar (p,)."""
    return float(-w_star @ np.linalg.solve(H + lam * np.eye(len(H)), w_bar))


def _symmetric(rng: np.random.Generator, *shape: int) -> np.ndarray:
    A = rng.normal(size=shape)
    return A @ np.swapaxes(A, -1, -2) / shape[-1]


def _training(rng: np.random.Generator, T: int = 5, p: int = 3) -> tuple[np.ndarray, ...]:
    return rng.normal(size=(T, p)), _symmetric(rng, T, p, p), rng.uniform(0.1, 0.4, T), rng.normal(size=p)


def _momentum(rng: np.random.Generator, p: int = 4) -> tuple[Any, ...]:
    return rng.normal(size=p), rng.normal(size=p), _symmetric(rng, p, p), 0.3, 0.8, 0.15


def _settled(rng: np.random.Generator, p: int = 4) -> tuple[Any, ...]:
    return _symmetric(rng, p, p), 0.4, rng.normal(size=p), rng.normal(size=p)


def _pieces(eta_bar: np.ndarray, eta: np.ndarray, piece: np.ndarray) -> dict[str, Any]:
    """P spreads the logarithms theta of the rates over the steps."""
    P = np.eye(piece.max() + 1)[piece]
    return {"eta_bar": eta_bar, "P": P, "theta": P.T @ np.log(eta) / P.sum(axis=0)}


def _settled_at(H: np.ndarray, lam: float, w_star: np.ndarray, w_bar: np.ndarray) -> dict[str, Any]:
    """c is what the settled weights solve for: (H + lam I) w* = c."""
    return {"H": H, "lam": lam, "c": H @ w_star + lam * w_star, "w_bar": w_bar}


QUESTIONS: dict[str, Question] = {
    "schedules-pieces": Question(
        "the gradient in theta (k,), as a function of eta_bar (T,), eta (T,) and piece (T,)",
        pulled_back,
        mistakes={
            "the factor η_t is missing: θ is the logarithm of the rate": lambda eta_bar, eta, piece: (
                np.bincount(piece, weights=eta_bar)
            ),
            "η̄ was divided by η and not multiplied": lambda eta_bar, eta, piece: np.bincount(
                piece, weights=eta_bar / eta
            ),
            "the claims of a piece were averaged, not added": lambda eta_bar, eta, piece: (
                pulled_back(eta_bar, eta, piece) / np.bincount(piece)
            ),
            "the sign was turned: the gradient points uphill": lambda eta_bar, eta, piece: (
                -pulled_back(eta_bar, eta, piece)
            ),
        },
        inputs=lambda rng: (
            rng.normal(size=9),
            np.repeat([0.5, 0.2, 0.05], [2, 3, 4]),
            np.repeat([0, 1, 2], [2, 3, 4]),
        ),
        loss=Loss("eta_bar @ exp(P @ theta)", "theta", _pieces),
        hints=(
            "theta_k acts on every step of its piece and on no other: its entry is a sum over those "
            "steps, k numbers from T.",
            "eta_t = exp(theta_k), so d eta_t = eta_t d theta_k.",
            "Entry k adds eta_bar_t eta_t over all t with piece_t = k; np.bincount has weights.",
        ),
    ),
    "schedules-reverse": Question(
        "the hypergradient (T,), as a function of G (T, p), H (T, p, p), eta (T,) and w_bar (p,)",
        through_training,
        mistakes={
            "g_t meets w̄_t, the cotangent from before the step, and not w̄_{t+1}": lambda *a: through_training(
                *a, early=True
            ),
            "the Hessian-vector product is missing: w̄ travels back unchanged": lambda *a: through_training(
                *a, hessian=0.0
            ),
            "the sign of the Hessian-vector product is turned": lambda *a: through_training(*a, hessian=-1.0),
            "the sign is lost: a step goes down the gradient": lambda *a: -through_training(*a),
            "the Hessian belongs to the step after": lambda *a: through_training(*a, shift=1),
            "the rate in front of the Hessian is missing": lambda G, H, eta, w_bar: through_training(
                G, H / eta[:, None, None], eta, w_bar
            ),
            "the rates are read from the front on the way back": lambda G, H, eta, w_bar: through_training(
                G, H, eta[::-1], w_bar
            ),
            "the recursion is lost: only the last step has a gradient": lambda *a: through_training(
                *a, last=1
            ),
            "the recursion stops after two steps": lambda *a: through_training(*a, last=2),
            "the answer stands in the order of the way back": lambda *a: through_training(*a)[::-1],
        },
        inputs=_training,
        hints=(
            "Each rate stands in one step, w_{t+1} = w_t − eta_t g_t(w_t): its entry is one inner "
            "product, and there are T of them.",
            "Carry w̄ back from the end. Entry t needs w̄_{t+1}, what is wanted of the weights after its "
            "step: take it before you go on.",
            "Through a step: dw_{t+1} = (I − eta_t H_t) dw_t, so w̄_t = w̄_{t+1} − eta_t H_t w̄_{t+1}.",
        ),
    ),
    "schedules-momentum": Question(
        "the cotangents of w and v before the step, two rows (2, p), as a function of w_bar, v_bar, H, eta, "
        "beta and lam",
        through_momentum,
        mistakes={
            "the path of the weight decay, λu, is missing": lambda w_bar, v_bar, H, eta, beta, lam: (
                through_momentum(w_bar, v_bar, H, eta, beta, 0.0)
            ),
            "what is wanted of the velocity itself, v̄, is missing": lambda w_bar, v_bar, *rest: (
                through_momentum(w_bar, 0 * v_bar, *rest)
            ),
            "the direct path from w to w is missing": lambda w_bar, *rest: (
                through_momentum(w_bar, *rest) - np.stack([w_bar, 0 * w_bar])
            ),
            "the momentum's factor β is missing in v̄": lambda w_bar, v_bar, H, eta, beta, lam: (
                through_momentum(w_bar, v_bar, H, eta, beta, lam) * np.array([[1.0], [1 / beta]])
            ),
            "v̄ = βv̄ is only one of two paths: v reaches the loss through w as well": (
                lambda w_bar, v_bar, H, eta, beta, lam: np.stack(
                    [through_momentum(w_bar, v_bar, H, eta, beta, lam)[0], beta * v_bar]
                )
            ),
            "the step goes down: u = v̄ - ηw̄, and not v̄ + ηw̄": lambda w_bar, v_bar, H, eta, beta, lam: (
                through_momentum(w_bar, v_bar, H, -eta, beta, lam)
            ),
            "the two rows are exchanged": lambda *a: through_momentum(*a)[::-1],
        },
        inputs=_momentum,
        hints=(
            "The new v is used twice, in the new w and as itself: collect what is wanted of it into one "
            "vector u first.",
            "w′ = w − eta v′ gives u = v̄ − eta w̄; from u alone comes what is wanted of the old v.",
            "The old w reaches w′ directly, and v′ through g(w) and through lam w: three terms.",
        ),
    ),
    "schedules-greedy": Question(
        "the greedy rate, a number, as a function of h, A and sigma (d,)",
        greedy_rate,
        mistakes={
            "the noise is missing below": lambda h, A, sigma: greedy_rate(h, A, 0 * sigma),
            "sigma stands for its square": lambda h, A, sigma: greedy_rate(h, A, np.sqrt(sigma)),
            "the noise is multiplied by h² and not by h³": lambda h, A, sigma: (
                np.sum(h**2 * A) / np.sum(h**3 * A + h**2 * sigma**2)
            ),
            "the loss's own h is missing: ½ Σ A was made small, and not ½ Σ hA": lambda h, A, sigma: (
                np.sum(h * A) / np.sum(h**2 * (A + sigma**2))
            ),
            "a factor of two was lost": lambda h, A, sigma: 2 * greedy_rate(h, A, sigma),
        },
        inputs=lambda rng: (rng.uniform(0.1, 2, 4), rng.uniform(0.5, 2, 4), rng.uniform(0.3, 0.9, 4)),
        hints=(
            "The expected loss after the step is a quadratic in the rate: the best one is a quotient of "
            "two sums over the directions.",
            "After one step the mean square is (1 − eta h)² A + eta² h² sigma² in each direction; the "
            "loss weighs it with ½h.",
            "The derivative by eta is −Σ h²A + eta Σ h³(A + sigma²).",
        ),
    ),
    "schedules-implicit": Question(
        "dF/dλ, a number, as a function of H (p, p), lam, w_star and w_bar (p,)",
        implicit_gradient,
        mistakes={
            "the sign is lost": lambda *a: -implicit_gradient(*a),
            "λI is missing in the matrix: the penalty has a Hessian, too": lambda H, lam, w_star, w_bar: (
                -w_star @ np.linalg.solve(H, w_bar)
            ),
            "the inverse is missing: that is one step, and not the limit": lambda H, lam, w_star, w_bar: (
                -w_star @ w_bar
            ),
            "the matrix was multiplied by, not solved with": lambda H, lam, w_star, w_bar: (
                -w_star @ (H @ w_bar + lam * w_bar)
            ),
            "λ is there as a factor: d(½λ‖w‖²)/dλ has none": lambda H, lam, w_star, w_bar: (
                lam * implicit_gradient(H, lam, w_star, w_bar)
            ),
        },
        inputs=_settled,
        loss=Loss("w_bar @ solve(H + lam * eye(H.shape[0]), c)", "lam", _settled_at, "H"),
        hints=(
            "F depends on λ through w* alone, and w* is where ∇L(w*) + λw* = 0, whatever λ is.",
            "Differentiate that condition by λ: (H + λI) dw* + w* dλ = 0.",
            "dF = ⟨w̄, dw*⟩: one solve with the symmetric H + λI, and the sign of the condition.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "schedules-by-hand": {
        "prompt": "The derivative of F with respect to η₀:",
        "answer": -0.3,
        "mistakes": {
            "g₀ meets w̄₀ instead of w̄₁": -0.18,
            "the Hessian is missing: w̄₁ was taken to be w̄₂": -0.6,
            "the sign is lost": 0.3,
            "a factor of two was lost: F is w₂², and not half of it": -0.15,
        },
        "hint": "Run forward (w₁, w₂), then back: w̄₂ = 2w₂, w̄₁ = (1 - η₁) w̄₂.",
    },
    "schedules-bits": {
        "prompt": "Bits to be stored for each weight:",
        "answer": 1520.0,
        "mistakes": {
            "a natural logarithm was taken, and these are not bits but nats": 1053.6,
            "every step's whole number was stored, 32 bits": 320000,
            "the logarithm of 10 was taken, as if the momentum were 0.1": 33219.3,
            "that is for one step": 0.152,
        },
        "hint": "A multiplication by 0.9 maps 10 numbers to 9: log₂(10/9) bits are lost.",
    },
}

CHOICES: dict[str, Choice] = {
    "schedules-choice": Choice(
        "g = A.T @ (A @ w - b); u = w - eta * g; sqnorm(X @ u - y) / 2",
        "X:5,3 y:5 A:4,3 b:4 w:3 eta::positive",
        "w",
        note="The validation loss after one step of training, by the weights before it.",
    ),
}
