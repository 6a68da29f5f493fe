"""What expressions are worth at one draw, and the matrices of those that are linear in a cotangent."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from mcbook.calculus.engine.evaluate import node_value
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.inputs import Reals

BATCHED: dict[str, Callable[..., Any]] = {
    "add": lambda *A: reduce(np.add, A),
    "times": lambda *A: reduce(np.multiply, A),
    "hadamard": lambda *A: reduce(np.multiply, A),
    "matmul": lambda *A: reduce(np.matmul, A),
    "transpose": lambda A: A.swapaxes(-1, -2),
    "sum": lambda A: A.sum((-2, -1), keepdims=True),
    "inner": lambda A, B: (A * B).sum((-2, -1), keepdims=True),
    "trace": lambda A: np.trace(A, axis1=-2, axis2=-1)[..., None, None],
    "let": lambda A: A,
}


class Draw:
    """One set of values for the symbols; what it computes once it keeps."""

    def __init__(self, values: Mapping[str, Any]):
        self.values = values
        self.known: dict[Expr, Reals] = {}

    def value(self, E: Expr) -> Reals:
        """The value of E as a matrix."""
        for node in _unknown(E, self.known):
            self.known[node] = node_value(node, [self.known[a] for a in node.args], self.values)
        return self.known[E]

    def matrix(self, E: Expr, C: Expr) -> Reals:
        """The matrix of C ↦ E, for an E linear in the symbol C: (entries of E, entries of C), row by row."""
        size = C.shape[0] * C.shape[1]
        if C not in E.free:  # what the learner wrote does not move with C: it is no linear map
            return np.full((E.shape[0] * E.shape[1], size), np.nan)
        moved = {C: np.eye(size).reshape(size, *C.shape)}
        for node in _unknown(E, moved, C):
            args = [moved[a] if C in a.free else self.value(a) for a in node.args]
            moved[node] = _batched(node, args, size)
        return np.asarray(moved[E].reshape(size, -1).T)


def _batched(node: Expr, args: list[Reals], size: int) -> Reals:
    """The value of a node whose arguments may carry a leading axis of basis elements."""
    if node.op in BATCHED:
        return np.asarray(BATCHED[node.op](*args))
    return np.stack([node_value(node, [A[b] if A.ndim == 3 else A for A in args], {}) for b in range(size)])


def _unknown(E: Expr, known: Mapping[Expr, Any], C: Expr | None = None) -> list[Expr]:
    """The nodes below E that are not known (with C: and contain it), arguments first."""
    found: list[Expr] = []
    seen: set[Expr] = set()
    stack = [(E, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            found.append(node)
        elif node not in known and node not in seen and (C is None or C in node.free):
            seen.add(node)
            stack.append((node, True))
            stack.extend((a, False) for a in node.args)
    return found
