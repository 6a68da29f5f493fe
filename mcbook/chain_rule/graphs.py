"""Three small calculations as graphs, to be walked by hand: what a node is made of, and what it sends back.

Every value is a matrix here, a vector one column and a number 1 × 1, so that one drawing serves all.
`walked` is the tape's answer, which the page's own arithmetic is held against.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mcbook._numbers import reals
from mcbook.chain_rule import tape


class Vertex(NamedTuple):
    """A node of a graph.

    op, uses  how it is computed and from which nodes; an input has no op, and its value instead
    words     the step, and for each of `uses` what goes back to it
    at        column (0 or 1) and row in the drawing
    """

    name: str
    at: tuple[float, float]
    op: str = ""
    uses: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    value: tuple[tuple[float, ...], ...] = ()


class Graph(NamedTuple):
    """Nodes in the order in which they are computed; the last is the number."""

    name: str
    words: str
    vertices: tuple[Vertex, ...]

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        return {v.name: np.array(v.value) for v in self.vertices if not v.op}


class Walked(NamedTuple):
    """Values and cotangents of all nodes, by name."""

    values: dict[str, np.ndarray]
    bars: dict[str, np.ndarray]


OPS: dict[str, Callable[..., Any]] = {
    "product": lambda A, B: A @ B,
    "product with transpose": lambda A, B: A @ B.T,
    "inner": lambda u, v: u.T @ v,
    "difference": lambda a, b: a - b,
    "tanh": lambda X: tape.tanh(X),
    "half square": lambda r: (r * r).sum() * 0.5 * np.ones((1, 1)),
}

GRAPHS = (
    Graph(
        "least squares",
        "f = ½‖X w − y‖²",
        (
            Vertex("X", (0, 0), value=((1.0, 0.5), (-0.5, 2.0))),
            Vertex("w", (1, 0), value=((1.0,), (0.5,))),
            Vertex("y", (1, 1), value=((0.5,), (1.5,))),
            Vertex("a", (0, 1), "product", ("X", "w"), ("a = X w", "X̄ = ā wᵀ", "w̄ = Xᵀ ā")),
            Vertex("r", (0, 2), "difference", ("a", "y"), ("r = a − y", "ā = r̄", "ȳ = −r̄")),
            Vertex("f", (1, 2), "half square", ("r",), ("f = ½‖r‖²", "r̄ = f̄ r")),
        ),
    ),
    Graph(
        "two layers",
        "f = ½‖tanh(X Wᵀ) v − y‖²",
        (
            Vertex("X", (0, 0), value=((1.0, -0.5), (0.5, 1.0))),
            Vertex("W", (1, 0), value=((0.8, 0.4), (-0.6, 1.0))),
            Vertex("U", (0, 1), "product with transpose", ("X", "W"), ("U = X Wᵀ", "X̄ = Ū W", "W̄ = Ūᵀ X")),
            Vertex("v", (1, 2), value=((1.2,), (-0.7,))),
            Vertex("H", (0, 2), "tanh", ("U",), ("H = tanh U", "Ū = (1 − H²) ∘ H̄")),
            Vertex("y", (1, 3), value=((0.2,), (0.9,))),
            Vertex("z", (0, 3), "product", ("H", "v"), ("z = H v", "H̄ = z̄ vᵀ", "v̄ = Hᵀ z̄")),
            Vertex("r", (0, 4), "difference", ("z", "y"), ("r = z − y", "z̄ = r̄", "ȳ = −r̄")),
            Vertex("f", (1, 4), "half square", ("r",), ("f = ½‖r‖²", "r̄ = f̄ r")),
        ),
    ),
    Graph(
        "diamond",
        "f = xᵀA x: x is used twice",
        (
            Vertex("x", (0, 0), value=((1.0,), (2.0,))),
            Vertex("A", (1, 0), value=((1.5, 1.0), (-0.5, 0.8))),
            Vertex("u", (1, 1), "product", ("A", "x"), ("u = A x", "Ā = ū xᵀ", "x̄ gains Aᵀ ū")),
            Vertex("f", (0, 2), "inner", ("x", "u"), ("f = xᵀ u", "x̄ gains f̄ u", "ū = f̄ x")),
        ),
    ),
)


def walked(graph: Graph, changed: Mapping[str, Any] | None = None) -> Walked:
    """Forward and back, by the tape; `changed` holds other values for some inputs.

    Raises ValueError for a name that is no input, a wrong shape, or NaN.
    """
    inputs = graph.inputs
    for name, value in (changed or {}).items():
        if name not in inputs:
            raise ValueError(f"{graph.name} expects inputs among {', '.join(inputs)}; got {name!r}.")
        inputs[name] = reals(value, name, shape=inputs[name].shape)
    nodes = {name: tape.Node(value) for name, value in inputs.items()}
    for vertex in graph.vertices:
        if vertex.op:
            nodes[vertex.name] = OPS[vertex.op](*(nodes[name] for name in vertex.uses))
    bars = tape.cotangents(nodes[graph.vertices[-1].name], np.ones((1, 1)))
    return Walked({k: n.value for k, n in nodes.items()}, {k: bars[n] for k, n in nodes.items()})


def roads(graph: Graph) -> Sequence[tuple[str, str, str]]:
    """The edges in the order in which cotangents flow, each as (from, to, what goes back)."""
    return [
        (vertex.name, name, words)
        for vertex in reversed(graph.vertices)
        for name, words in zip(vertex.uses, vertex.words[1:], strict=True)
    ]
