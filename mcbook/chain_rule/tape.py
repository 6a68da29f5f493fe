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
        self.parents = [(parent, pull) for parent, pull in parents if isinstance(parent, Node)]

    def __add__(self, other: Any) -> "Node":
        a, b = array(self), array(other)
        return Node(a + b, (self, lambda y_bar: folded(y_bar, a)), (other, lambda y_bar: folded(y_bar, b)))

    def __mul__(self, other: Any) -> "Node":
        a, b = array(self), array(other)
        return Node(
            a * b, (self, lambda y_bar: folded(y_bar * b, a)), (other, lambda y_bar: folded(y_bar * a, b))
        )

    def __pow__(self, k: int | float) -> "Node":
        return Node(self.value**k, (self, lambda y_bar: y_bar * k * self.value ** (k - 1)))

    def sum(self, axis: int | None = None) -> "Node":
        """The sum of all, or along an axis, which stays with length one."""
        total = self.value.sum(axis, keepdims=axis is not None)
        return Node(total, (self, lambda y_bar: y_bar + np.zeros_like(self.value)))

    @property
    def T(self) -> "Node":
        return Node(self.value.T, (self, lambda y_bar: y_bar.T))

    __radd__, __rmul__, __neg__ = __add__, __mul__, lambda self: self * -1.0
    __sub__, __rsub__ = lambda self, other: self + -other, lambda self, other: -self + other
    __truediv__, __rtruediv__ = lambda self, other: self * other**-1.0, lambda self, other: self**-1.0 * other
    __matmul__, __rmatmul__ = lambda self, other: matmul(self, other), lambda self, other: matmul(other, self)


def matmul(A: Any, B: Any) -> Node:
    a, b = array(A), array(B)
    rows, columns = np.atleast_2d(a), b.reshape(len(b), -1)  # a vector is a row before @, a column after it
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
        (A, lambda x_bar: -np.linalg.solve(a.T, x_bar).reshape(columns.shape) @ columns.T),
        (B, lambda x_bar: np.linalg.solve(a.T, x_bar)),
    )


def logdet(A: Any) -> Node:
    a = array(A)
    return Node(np.linalg.slogdet(a)[1], (A, lambda y_bar: y_bar * np.linalg.inv(a).T))


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
    return np.sum(y_bar, axis=tuple(i for i, n in enumerate(x.shape) if n == 1), keepdims=True)


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
            bars[parent] = bars.get(parent, 0.0) + pull(bars[node])
    return bars


def value_and_grad(f: Callable[..., Node], *xs: Any) -> tuple[float, tuple[np.ndarray, ...]]:
    """f(*xs), one number, and its gradient in each of the xs, in their shapes."""
    inputs = [Node(array(x)) for x in xs]
    y = f(*inputs)
    if not isinstance(y, Node) or y.value.ndim:
        raise ValueError(f"value_and_grad expects f to return one number on the tape, got {y!r}; .sum() it?")
    bars = cotangents(y, 1.0)
    return float(y.value), tuple(np.array(bars.get(x, np.zeros_like(x.value))) for x in inputs)
