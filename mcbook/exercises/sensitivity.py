"""Questions of the chapter on sensitivity, with the mistakes that they know by name."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question


class TwoBlocks(NamedTuple):
    """The weights of y = v · tanh(W_s s + W_m m + b): W_s (h, d), W_m (h, k), b (h,), v (h,)."""

    W_s: np.ndarray
    W_m: np.ndarray
    b: np.ndarray
    v: np.ndarray

    def hidden(self, s: np.ndarray, m: np.ndarray) -> np.ndarray:
        """What the hidden units answer, tanh(W_s s + W_m m + b), (h,)."""
        return np.tanh(self.W_s @ s + self.W_m @ m + self.b)


def sequence_gradient(s: np.ndarray, m: np.ndarray, net: TwoBlocks) -> np.ndarray:
    """∂y/∂s = W_sᵀ (v ∘ (1 − h ∘ h)).  s (d,), m (k,) -> (d,)."""
    h = net.hidden(s, m)
    return net.W_s.T @ (net.v * (1 - h**2))


def mixed_hessian(s: np.ndarray, m: np.ndarray, net: TwoBlocks) -> np.ndarray:
    """∂²y/∂s∂mᵀ = W_sᵀ diag(v ∘ (−2 h ∘ (1 − h ∘ h))) W_m.  s (d,), m (k,) -> (d, k)."""
    return _between(s, m, net, lambda h: -2 * h * (1 - h**2))


def integrated_unit(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Integrated gradients of tanh(w · x) from 0: x ∘ w tanh(z)/z, z = w · x.  x, w (d,) -> (d,)."""
    z = w @ x
    return x * w * np.tanh(z) / z


def quadratic_shapley(x: np.ndarray, g: np.ndarray, H: np.ndarray) -> np.ndarray:
    """Shapley values of f(x) = g·x + ½ xᵀHx against the baseline 0, H symmetric: x ∘ (g + ½ Hx).  -> (d,)."""
    return x * (g + H @ x / 2)


def kinked_unit(x: np.ndarray, w: np.ndarray, c: float) -> np.ndarray:
    """Integrated gradients of max(0, w · x − c) from 0, c > 0: x ∘ w max(0, 1 − c/z), z = w · x.  -> (d,)."""
    z = w @ x
    return x * w * (max(0.0, 1 - c / z) if z > 0 else 0.0)


def _between(
    s: np.ndarray, m: np.ndarray, net: TwoBlocks, slope: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    return net.W_s.T @ ((net.v * slope(net.hidden(s, m)))[:, None] * net.W_m)


def _network(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, TwoBlocks]:
    """A point (s, m) and a network of five hidden units over three and two inputs."""
    weights = TwoBlocks(
        rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), rng.normal(size=5), rng.normal(size=5)
    )
    return 0.7 * rng.normal(size=3), 0.7 * rng.normal(size=2), weights


def _unit(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An input (4,) and weights (4,) that push the unit well into its saturation."""
    return 0.5 + rng.random(4), 0.4 + rng.random(4)


def _quadratic(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    A = rng.normal(size=(4, 4))
    return rng.normal(size=4), rng.normal(size=4), A + A.T


def _symbols(s: np.ndarray, m: np.ndarray, net: TwoBlocks) -> dict[str, Any]:
    return {"s": s, "m": m, **net._asdict()}


QUESTIONS: dict[str, Question] = {
    "sensitivity-chain": Question(
        "∂y/∂s of y = v · tanh(W_s s + W_m m + b), as a function of s, m and net",
        sequence_gradient,
        mistakes={
            "the slope of the tanh is missing": lambda s, m, net: net.W_s.T @ net.v,
            "the slope was taken as 1 − h, not 1 − h²": lambda s, m, net: (
                net.W_s.T @ (net.v * (1 - net.hidden(s, m)))
            ),
            "the slope is taken where the other block is zero: the relatives act through it, too": (
                lambda s, m, net: sequence_gradient(s, np.zeros_like(m), net)
            ),
            "the bias was forgotten inside the slope": lambda s, m, net: sequence_gradient(
                s, m, net._replace(b=np.zeros_like(net.b))
            ),
            "it is multiplied by s: that is gradient × input": lambda s, m, net: (
                s * sequence_gradient(s, m, net)
            ),
            "the sign is lost": lambda s, m, net: -sequence_gradient(s, m, net),
        },
        inputs=_network,
        loss=Loss("v @ tanh(W_s @ s + W_m @ m + b)", "s", _symbols),
    ),
    "sensitivity-saturated": Question(
        "the integrated gradients of tanh(w · x) from the baseline 0, as a function of x and w",
        integrated_unit,
        mistakes={
            "this is gradient × input: the slope is taken at the end of the path only": lambda x, w: (
                x * w * (1 - np.tanh(w @ x) ** 2)
            ),
            "the slope is taken at the baseline only": lambda x, w: x * w,
            "the slope is taken in the middle of the path only": lambda x, w: (
                x * w * (1 - np.tanh(w @ x / 2) ** 2)
            ),
            "the factor x is missing: this is the mean gradient along the path": lambda x, w: (
                integrated_unit(x, w) / x
            ),
            "the integral of the slope over t is tanh(z)/z, not tanh(z)": lambda x, w: x * w * np.tanh(w @ x),
        },
        inputs=_unit,
        hints=(
            "Along the path t x, with t from 0 to 1, the unit's argument is t z with z = w · x: only the "
            "slope depends on t.",
            "The gradient at t x is (1 − tanh²(t z)) w; it is averaged over t and multiplied by x − 0, "
            "entry by entry.",
            "1 − tanh² is the derivative of tanh: its integral over t is an increase of the tanh, "
            "divided by z.",
        ),
    ),
    "sensitivity-quadratic": Question(
        "the Shapley values of g·x + ½ xᵀHx against the baseline 0, as a function of x, g and H",
        quadratic_shapley,
        mistakes={
            "this is gradient × input: each pair is counted in full by both of its members": lambda x, g, H: (
                x * (g + H @ x)
            ),
            "what an input does with the others is left out": lambda x, g, H: x * (g + np.diag(H) * x / 2),
            "the quadratic part is left out": lambda x, g, H: x * g,
            "an input's own square is counted in full": lambda x, g, H: (
                quadratic_shapley(x, g, H) + np.diag(H) * x**2 / 2
            ),
            "each input enters last, when all others are there; it must enter at every place equally often": (
                lambda x, g, H: x * (g + H @ x) - np.diag(H) * x**2 / 2
            ),
            "a factor ½ is missing from every pair, and the factor of the squares is right": lambda x, g, H: (
                x * g + x * (H @ x) / 4 + np.diag(H) * x**2 / 4
            ),
        },
        inputs=_quadratic,
        hints=(
            "A Shapley value is linear in f: take g·x, the squares ½H_ii x_i² and the pairs H_ij x_i x_j "
            "one after the other.",
            "The linear part and the squares belong to one input each, in full; a pair is shared between "
            "its two members.",
            "Input i gets g_i x_i + ½H_ii x_i² + ½ Σ H_ij x_i x_j over j ≠ i: all halves alike, so one "
            "product Hx writes them.",
        ),
    ),
    "sensitivity-kink": Question(
        "the integrated gradients of max(0, w · x − c) from the baseline 0, as a function of x, w and c",
        kinked_unit,
        mistakes={
            "the unit is on for the whole path: it starts where t w · x = c": lambda x, w, c: x * w,
            "this is the share of the path on which the unit is off": lambda x, w, c: (
                x * w - kinked_unit(x, w, c)
            ),
            "the factor x is missing: this is the mean gradient along the path": lambda x, w, c: (
                kinked_unit(x, w, c) / x
            ),
            "this is the value of the function, shared in equal parts": lambda x, w, c: np.full(
                len(x), max(0.0, w @ x - c) / len(x)
            ),
        },
        inputs=lambda rng: (*_unit(rng), 0.6 + rng.random()),
        hints=(
            "Along the path t x, with t from 0 to 1, the unit's argument is t z − c with z = w · x: off "
            "at first, then on.",
            "While it is off the gradient is 0, and then it is w. It switches on at t = c/z, or never.",
            "The mean gradient is w times the share of the path that is left, max(0, 1 − c/z); then "
            "multiply by x.",
        ),
    ),
    "sensitivity-mixed": Question(
        "∂²y/∂s∂mᵀ of y = v · tanh(W_s s + W_m m + b), (d, k), as a function of s, m and net",
        mixed_hessian,
        mistakes={
            "the first derivative of the tanh stands where the second belongs": lambda s, m, net: _between(
                s, m, net, lambda h: 1 - h**2
            ),
            "the chain rule was cut short: tanh'' = −2 tanh · tanh', not −2 tanh": lambda s, m, net: _between(
                s, m, net, lambda h: -2 * h
            ),
            "the sign is lost": lambda s, m, net: -mixed_hessian(s, m, net),
            "the 2 of the square is missing": lambda s, m, net: mixed_hessian(s, m, net) / 2,
            "this is the product of the two gradients, which is no second derivative": lambda s, m, net: (
                np.outer(
                    sequence_gradient(s, m, net),
                    net.W_m.T @ (net.v * (1 - net.hidden(s, m) ** 2)),
                )
            ),
        },
        inputs=_network,
        hints=(
            "Row i belongs to s_i and column j to m_j; both act through the hidden units, so the answer "
            "is a sum over the units.",
            "Begin with ∂y/∂s = W_sᵀ (v ∘ tanh′(a)). In it, m stands in a alone: differentiate tanh′ "
            "once more.",
            "tanh″ = −2 tanh · (1 − tanh²), and da = W_m dm: a diagonal matrix stands between W_sᵀ and W_m.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "sensitivity-product": {
        "prompt": "The integrated gradient of s is:",
        "answer": 7.5,
        "mistakes": {
            "this is gradient × input at the end of the path": 15.0,
            "this is the gradient at the end of the path, which is no share of anything": 5.0,
            "this is the mean gradient along the path; the factor s − s' is missing": 2.5,
            "this is gradient × input with the gradient of the baseline": 0.0,
        },
        "hint": "Along the path s = 3t and m = 5t, so ∂f/∂s = 5t; average it over t, and multiply by s.",
    },
    "sensitivity-simplex": {
        "prompt": "The norm of what can be acted upon:",
        "answer": 2 * 2**0.5,
        "mistakes": {
            "this is the norm of the whole gradient": 12**0.5,
            "this is the norm of what was projected out": 2.0,
            "the root was forgotten": 8.0,
            "the entry of the letter that stands there was subtracted, not the mean": 24**0.5,
        },
        "hint": "Subtract the mean over the letters from every entry, then take the norm.",
    },
}

CHOICES: dict[str, Choice] = {
    "sensitivity-choice": Choice(
        "v @ tanh(W @ x + b)",
        "W:4,3 b:4 v:4 x:3",
        "x",
        also=("W.T @ (v * (1 - tanh(W @ x) ** 2))",),
        note="What a network with one hidden layer says of the input x.",
    ),
}
