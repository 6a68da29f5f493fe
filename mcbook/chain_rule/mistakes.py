"""Reverse mode as people get it wrong, to be caught by a check: each is `tape.cotangents` with one slip.

overwriting   a share replaces what had arrived, where it should be added
hasty         a node hands on what it has when it is first met, before its other users were asked
copied        a row that was added to every row takes the cotangent of the first row, not of all
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mcbook.chain_rule import tape

MISTAKES = ("overwriting", "hasty", "unsummed")


def wrong_grad(mistake: str, f: Callable[..., Any], *xs: Any) -> tuple[np.ndarray, ...]:
    """The gradient of f(*xs) in each of the xs, with that mistake; "unsummed" has a wrong shape as well.

    Raises ValueError for a mistake that is not one of MISTAKES, or an f that does not return a number.
    """
    if mistake not in MISTAKES:
        raise ValueError(f"there is no mistake {mistake!r}; known are {', '.join(MISTAKES)}.")
    inputs = [tape.Node(tape.array(x)) for x in xs]
    y = f(*inputs)
    if not isinstance(y, tape.Node) or y.value.ndim:
        raise ValueError(f"wrong_grad expects f to return one number on the tape, got {y!r}; .sum() it?")
    bars = {"overwriting": _overwriting, "hasty": _hasty, "unsummed": _unsummed}[mistake](y)
    return tuple(np.asarray(bars.get(x, 0.0) + np.zeros_like(x.value)) for x in inputs)


def _overwriting(y: tape.Node) -> dict[tape.Node, Any]:
    bars: dict[tape.Node, Any] = {y: np.array(1.0)}
    for node in reversed(tape.order(y)):
        for parent, pull in node.parents:
            bars[parent] = pull(bars[node])
    return bars


def _hasty(y: tape.Node) -> dict[tape.Node, Any]:
    bars: dict[tape.Node, Any] = {y: np.array(1.0)}
    todo = [y]
    for node in todo:
        for parent, pull in node.parents:
            if parent not in bars:
                todo.append(parent)
            bars[parent] = bars.get(parent, 0.0) + pull(bars[node])
    return bars


def _unsummed(y: tape.Node) -> dict[tape.Node, Any]:
    bars: dict[tape.Node, Any] = {y: np.array(1.0)}
    for node in reversed(tape.order(y)):
        for parent, pull in node.parents:
            bar, share = bars[node], pull(bars[node])
            added_row = parent.value.ndim == 1 and bar.ndim == 2 and np.array_equal(share, bar.sum(0))
            bars[parent] = bars.get(parent, 0.0) + (bar if added_row else share)
    return bars
