"""Reverse-mode differentiation of programs with matrices, short enough to be read in one sitting.

Forward    each operation keeps, beside its value, how it passes a cotangent ȳ on to each of its inputs
Reverse    from the result back, users before what they used; what arrives at a node on several roads is added
Constants  whatever is not a Node is one, and no cotangent is ever computed for it
Reference  griewank2008, ch. 3; in the spirit of A. Karpathy's micrograd, with matrices for scalars
"""

from collections.abc import Callable
from typing import Any

import numpy as np


class Node:
    """A value, and its parents: the nodes that it was computed from, each with its pull ȳ ↦ share of x̄."""

    __array_ufunc__ = None  # NumPy leaves `array @ node` and its like to the node

    def __init__(self, value: Any, *parents: tuple[Any, Callable[[Any], Any]]) -> None:
        self.value = np.asarray(value, dtype=float)
        self.parents = [p for p in parents if isinstance(p[0], Node)]

    def __add__(self, other: Any) -> "Node":
        a, b = array(self), array(other)
        back = (self, lambda y_bar: folded(y_bar, a)), (other, lambda y_bar: folded(y_bar, b))
        return Node(a + b, *back)

    def __mul__(self, other: Any) -> "Node":
        a, b = array(self), array(other)
        to_self, to_other = lambda y_bar: folded(y_bar * b, a), lambda y_bar: folded(y_bar * a, b)
        return Node(a * b, (self, to_self), (other, to_other))

    def __pow__(self, k: int | float) -> "Node":
        x = self.value
        return Node(x**k, (self, lambda y_bar: y_bar * k * x ** (k - 1)))

    def sum(self, axis: int | None = None) -> "Node":
        """The sum of all, or along an axis, which stays with length one."""
        x = self.value
        total = x.sum(axis, keepdims=axis is not None)
        return Node(total, (self, lambda y_bar: y_bar + np.zeros_like(x)))

    @property
    def T(self) -> "Node":
        return Node(self.value.T, (self, lambda y_bar: y_bar.T))

    __radd__, __rmul__, __neg__ = __add__, __mul__, lambda self: self * -1.0
    __sub__, __rsub__ = lambda a, b: a + b * -1.0, lambda a, b: a * -1.0 + b
    __truediv__, __rtruediv__ = lambda a, b: a * b**-1.0, lambda a, b: a**-1.0 * b
    __matmul__, __rmatmul__ = lambda a, b: matmul(a, b), lambda a, b: matmul(b, a)


def matmul(A: Any, B: Any) -> Node:
    a, b = array(A), array(B)
    rows, columns = np.atleast_2d(a), b.reshape(len(b), -1)  # as @ reads a vector
    whole = (len(rows), columns.shape[1])
    return Node(
        a @ b,
        (A, lambda y_bar: (y_bar.reshape(whole) @ columns.T).reshape(a.shape)),
        (B, lambda y_bar: (rows.T @ y_bar.reshape(whole)).reshape(b.shape)),
    )


def tanh(X: Any) -> Node:
    y = np.tanh(array(X))
    return Node(y, (X, lambda y_bar: y_bar * (1 - y**2)))


def exp(X: Any) -> Node:
    y = np.exp(array(X))
    return Node(y, (X, lambda y_bar: y_bar * y))


def log(X: Any) -> Node:
    x = array(X)
    return Node(np.log(x), (X, lambda y_bar: y_bar / x))


def inv(A: Any) -> Node:
    y = np.linalg.inv(array(A))
    return Node(y, (A, lambda y_bar: -y.T @ y_bar @ y.T))


def solve(A: Any, B: Any) -> Node:
    a, b = array(A), array(B)
    x = np.linalg.solve(a, b)
    columns = x.reshape(len(a), -1)
    return Node(
        x,
        (A, lambda x_bar: -np.linalg.solve(a.T, x_bar.reshape(columns.shape)) @ columns.T),
        (B, lambda x_bar: np.linalg.solve(a.T, x_bar)),
    )


def logdet(A: Any) -> Node:
    a = array(A)
    value = np.linalg.slogdet(a)[1]
    return Node(value, (A, lambda y_bar: y_bar * np.linalg.inv(a).T))


def array(x: Any) -> np.ndarray:
    """The array in a node; of a constant, a copy that nobody changes before the way back."""
    if np.iscomplexobj(x) or np.ndim(getattr(x, "value", x)) > 2:
        raise ValueError(
            "the tape expects real numbers, vectors and matrices; split complex or larger arrays."
        )
    return x.value if isinstance(x, Node) else np.array(x, dtype=float)


def folded(y_bar: Any, x: np.ndarray) -> Any:
    """The adjoint of broadcasting: what was copied on the way there is summed on the way back."""
    y_bar = np.sum(y_bar, axis=tuple(range(np.ndim(y_bar) - x.ndim)))
    stretched = tuple(i for i, n in enumerate(x.shape) if n == 1)
    return np.sum(y_bar, axis=stretched, keepdims=True)


def order(y: Node) -> list[Node]:
    """The nodes that y was computed from and y itself, each after its parents; no recursion, any depth."""
    done: dict[Node, None] = {}
    todo = [(y, False)]
    while todo:
        node, ready = todo.pop()
        if ready:
            done[node] = None
        elif node not in done:
            todo += [(node, True), *((parent, False) for parent, _ in node.parents)]
    return list(done)


def cotangents(y: Node, y_bar: Any) -> dict[Node, np.ndarray]:
    """The cotangent of every node that y was computed from: users first, and what arrives is added."""
    bars = {y: np.array(y_bar, dtype=float)}
    for node in reversed(order(y)):
        for parent, pull in node.parents:
            share = pull(bars[node])
            bars[parent] = bars[parent] + share if parent in bars else share
    return bars


def value_and_grad(f: Callable[..., Node], *xs: Any) -> tuple[float, tuple[Any, ...]]:
    """f(*xs), one number, and its gradient in each of the xs, in their shapes."""
    inputs = [Node(array(x)) for x in xs]
    y = f(*inputs)
    if not isinstance(y, Node) or y.value.ndim:
        raise ValueError(f"f is expected to return one number on the tape, got {y!r}; .sum()?")
    bars = cotangents(y, 1.0)
    zeros = np.zeros_like  # for inputs that f did not use
    return float(y.value), tuple(np.asarray(bars.get(x, zeros(x.value))) for x in inputs)
