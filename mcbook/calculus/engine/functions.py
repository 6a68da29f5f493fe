"""Functions of a number, applied entry by entry: each with its derivative, and where it has none."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.engine.algebra import add, hadamard, ones, power, times, zeros
from mcbook.calculus.engine.nodes import Expr


class Function(NamedTuple):
    """φ and φ′.  `slope(z, y)` writes φ′(z), where y = φ(z) is there to be used again; `condition` on z."""

    name: str
    value: Callable[[Any], Any]
    slope: Callable[[Expr, Expr], Expr]
    latex: str
    title: str
    title_latex: str
    condition: str = ""


def _one_minus(A: Expr) -> Expr:
    return add(ones(*A.shape), times(-1, A))


def _softplus(z: Any) -> Any:
    return np.logaddexp(0.0, z)


def _logistic(z: Any) -> Any:
    return np.exp(-np.logaddexp(0.0, -z))


def _logcosh(z: Any) -> Any:
    return np.logaddexp(z, -z) - np.log(2.0)


def _table(*functions: Function) -> dict[str, Function]:
    return {f.name: f for f in functions}


FUNCTIONS: dict[str, Function] = _table(
    Function("exp", np.exp, lambda z, y: y, r"\exp", "exp′ = exp", r"\exp' = \exp"),
    Function("log", np.log, lambda z, y: power(z, -1), r"\log", "log′ z = 1/z", r"\log' z = 1/z", "z > 0"),
    Function("sin", np.sin, lambda z, y: apply("cos", z), r"\sin", "sin′ = cos", r"\sin' = \cos"),
    Function(
        "cos", np.cos, lambda z, y: times(-1, apply("sin", z)), r"\cos", "cos′ = −sin", r"\cos' = -\sin"
    ),
    Function(
        "tanh",
        np.tanh,
        lambda z, y: _one_minus(power(y, 2)),
        r"\tanh",
        "tanh′ = 1 − tanh²",
        r"\tanh' = 1 - \tanh^{2}",
    ),
    Function(  # σ(z) = 1/(1 + e⁻ᶻ)
        "logistic",
        _logistic,
        lambda z, y: hadamard(y, _one_minus(y)),
        r"\operatorname{logistic}",
        "σ′ = σ(1 − σ)",
        r"\sigma' = \sigma(1 - \sigma)",
    ),
    Function(  # log(1 + eᶻ)
        "softplus",
        _softplus,
        lambda z, y: apply("logistic", z),
        r"\operatorname{softplus}",
        "softplus′ = σ",
        r"\operatorname{softplus}' = \sigma",
    ),
    Function(
        "logcosh",
        _logcosh,
        lambda z, y: apply("tanh", z),
        r"\log\cosh",
        "(log cosh)′ = tanh",
        r"(\log\cosh)' = \tanh",
    ),
    Function(  # a kink at 0
        "relu",
        lambda z: np.maximum(z, 0.0),
        lambda z, y: apply("step", z),
        r"\operatorname{relu}",
        "relu′ = step",
        r"\operatorname{relu}' = \operatorname{step}",
        "z ≠ 0",
    ),
    Function(  # a kink at 0
        "abs",
        np.abs,
        lambda z, y: apply("sign", z),
        r"\operatorname{abs}",
        "abs′ = sign",
        r"\operatorname{abs}' = \operatorname{sign}",
        "z ≠ 0",
    ),
    Function(  # 1 for z > 0, else 0: a jump at 0
        "step",
        lambda z: np.where(np.asarray(z) > 0, 1.0, 0.0),
        lambda z, y: zeros(z.shape),
        r"\operatorname{step}",
        "step′ = 0 off the jump",
        r"\operatorname{step}' = 0\text{ off the jump}",
        "z ≠ 0",
    ),
    Function(  # a jump at 0
        "sign",
        np.sign,
        lambda z, y: zeros(z.shape),
        r"\operatorname{sign}",
        "sign′ = 0 off the jump",
        r"\operatorname{sign}' = 0\text{ off the jump}",
        "z ≠ 0",
    ),
)


def apply(name: str, A: Expr) -> Expr:
    """The function of that name, entry by entry. Raises ValueError for one that the engine does not know."""
    if name not in FUNCTIONS:
        raise ValueError(f"the engine has no derivative for {name}; it knows {', '.join(FUNCTIONS)}.")
    return Expr("apply", (A,), A.shape, name)
