"""One chain of Jacobians, multiplied from either end: what each order costs, counted in multiplications.

Problem    y = f_L(… f₁(x)), widths d₀ → d₁ → … → d_L, so J = J_L ⋯ J₂ J₁ with J_k of shape (d_k, d_{k-1})
Forward    J ẋ = J_L(⋯(J₁ ẋ)), one tangent: Σ d_k d_{k-1}; the whole of J needs d₀ of them
Reverse    Jᵀ ȳ = J₁ᵀ(⋯(J_Lᵀ ȳ)), one cotangent: the same sum; the whole of J needs d_L of them
Reference  griewank2008, ch. 3; that the cheapest order of all is hard to find for graphs: naumann2008
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.chain_rule._checks import widths

Array = Any


class Costs(NamedTuple):
    """Multiplications for the whole Jacobian: forward, reverse, and in the best order of brackets."""

    forward: int
    reverse: int
    best: int


def costs(ds: Any) -> Costs:
    """What J_L ⋯ J₁ costs from the right, from the left, and at best.  Raises ValueError for bad widths."""
    ds = widths(ds)
    steps = range(1, len(ds))
    forward = sum(ds[k] * ds[k - 1] * ds[0] for k in steps[1:])
    reverse = sum(ds[-1] * ds[k] * ds[k - 1] for k in steps[:-1])
    return Costs(forward, reverse, _cheapest(ds))


def _cheapest(ds: tuple[int, ...]) -> int:
    """The cheapest brackets: cost(i, k) = min over j of cost(i, j) + cost(j, k) + d_i d_j d_k."""
    L = len(ds)
    cost = {(i, i + 1): 0 for i in range(L - 1)}
    for span in range(2, L):
        for i in range(L - span):
            k = i + span
            cost[i, k] = min(cost[i, j] + cost[j, k] + ds[i] * ds[j] * ds[k] for j in range(i + 1, k))
    return cost[0, L - 1]


def jvp_chain(Js: Sequence[Float[Array, "_ _"]], x_dot: Float[Array, " d_0"]) -> Float[Array, " d_L"]:
    """J_L(⋯(J₁ ẋ)): a tangent, pushed through from the first map to the last."""
    for J in Js:
        x_dot = J @ x_dot
    return x_dot


def vjp_chain(Js: Sequence[Float[Array, "_ _"]], y_bar: Float[Array, " d_L"]) -> Float[Array, " d_0"]:
    """J₁ᵀ(⋯(J_Lᵀ ȳ)): a cotangent, pulled back from the last map to the first."""
    for J in reversed(Js):
        y_bar = J.T @ y_bar
    return y_bar


def network_multiplications(n: int, d: int, h: int, k: int) -> tuple[int, int]:
    """Multiplications in matrix products of a two-layer network: for its value, and for value and gradient.

    Forward X W₁ᵀ and H W₂ᵀ; back one product for each weight matrix and one for H; X is nobody's unknown.
    """
    value = n * d * h + n * h * k
    return value, value + n * d * h + 2 * n * h * k


def random_chain(ds: Any, rng: np.random.Generator) -> list[Float[np.ndarray, "_ _"]]:
    """Jacobians of those widths, scaled to keep sizes.  Raises ValueError for bad widths."""
    ds = widths(ds)
    return [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(ds)]
