"""Functions of a number, applied entry by entry: each with its derivative beside it, and where it has none."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.engine.algebra import add, hadamard, ones, power, times, zeros
from mcbook.calculus.engine.nodes import Expr


class Function(NamedTuple):
    """φ and φ′.  `slope(z, y)` writes φ′(z), where y = φ(z) is there to be used again."""

    name: str
    value: Callable[[Any], Any]
    slope: Callable[[Expr, Expr], Expr]
    latex: str
    statement: str
    condition: str = ""


def _one_minus(A: Expr) -> Expr:
    return add(ones(*A.shape), times(-1, A))


def _softplus(z: Any) -> Any:
    return np.logaddexp(0.0, z)


def _logistic(z: Any) -> Any:
    return np.exp(-np.logaddexp(0.0, -z))


def _logcosh(z: Any) -> Any:
    return np.logaddexp(z, -z) - np.log(2.0)


FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("exp", np.exp, lambda z, y: y, r"\exp", "exp′ = exp"),
        Function("log", np.log, lambda z, y: power(z, -1), r"\log", "log′ z = 1/z", "z > 0"),
        Function("sin", np.sin, lambda z, y: apply("cos", z), r"\sin", "sin′ = cos"),
        Function("cos", np.cos, lambda z, y: times(-1, apply("sin", z)), r"\cos", "cos′ = −sin"),
        Function("tanh", np.tanh, lambda z, y: _one_minus(power(y, 2)), r"\tanh", "tanh′ = 1 − tanh²"),
        Function(
            "logistic",
            _logistic,
            lambda z, y: hadamard(y, _one_minus(y)),
            r"\operatorname{\sigma}",
            "σ′ = σ(1 − σ), σ(z) = 1/(1 + e⁻ᶻ)",
        ),
        Function(
            "softplus",
            _softplus,
            lambda z, y: apply("logistic", z),
            r"\operatorname{softplus}",
            "softplus′ = σ, softplus(z) = log(1 + eᶻ)",
        ),
        Function(
            "logcosh", _logcosh, lambda z, y: apply("tanh", z), r"\log\cosh", "(log cosh)′ = tanh"
        ),
        Function(
            "relu",
            lambda z: np.maximum(z, 0.0),
            lambda z, y: apply("step", z),
            r"\operatorname{relu}",
            "relu′ = step: 1 where z > 0, 0 where z < 0",
            "z ≠ 0",
        ),
        Function(
            "abs",
            np.abs,
            lambda z, y: apply("sign", z),
            r"\operatorname{abs}",
            "|z|′ = sign z",
            "z ≠ 0",
        ),
        Function(
            "step",
            lambda z: np.where(np.asarray(z) > 0, 1.0, 0.0),
            lambda z, y: zeros(z.shape),
            r"\operatorname{step}",
            "step′ = 0 away from the jump",
            "z ≠ 0",
        ),
        Function(
            "sign",
            np.sign,
            lambda z, y: zeros(z.shape),
            r"\operatorname{sign}",
            "sign′ = 0 away from the jump",
            "z ≠ 0",
        ),
    )
}


def apply(name: str, A: Expr) -> Expr:
    """The function of that name, entry by entry. Raises ValueError for one that the engine does not know."""
    if name not in FUNCTIONS:
        raise ValueError(f"the engine has no derivative for {name}; it knows {', '.join(FUNCTIONS)}.")
    return Expr("apply", (A,), A.shape, name)
