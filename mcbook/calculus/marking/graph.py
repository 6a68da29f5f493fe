"""A derivation as a graph of linear maps: how ⟨C, dE⟩ is handed on, from df down to ⟨G, dX⟩.

Every rule that a derivation applies is linear in C, so each of its terms is a matrix, and G is the sum over
all paths from f to X of their products.  A mistake replaces one of the matrices; what that does to G is seen
without deriving anything anew: with c the cotangents that arrive and L the maps from there on,

    G(mistake) = G + L (M′ − M) c        exactly, for each matrix by itself.

Between the rules stand the nodes themselves, as maps C ↦ C: there a sign or a factor goes wrong for all that
a node hands on.  A last map projects G on the structure of X, where X has one.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mcbook.calculus.engine.derive import PROJECTIONS, Derivation
from mcbook.calculus.engine.nodes import Expr, symbol, unused_name, walk
from mcbook.calculus.engine.rules import rule_of
from mcbook.calculus.inputs import Reals
from mcbook.calculus.marking.linear import Draw


class Edge(NamedTuple):
    """C at vertex `start` becomes `right` at vertex `end`, by the rule for argument k of E.

    k = -1 at E itself, where nothing happens; k = -2 where G is projected on the structure of X.
    """

    start: int
    end: int
    E: Expr
    k: int
    target: Expr
    C: Expr
    Y: Expr
    right: Expr


class Graph(NamedTuple):
    derivation: Derivation
    nodes: tuple[Expr, ...]
    edges: tuple[Edge, ...]
    vertices: int

    @property
    def X(self) -> Expr:
        return self.derivation.X

    def matrices(self, draw: Draw) -> list[Reals]:
        return [draw.matrix(edge.right, edge.C) for edge in self.edges]

    def sweep(self, matrices: Mapping[int, Reals] | list[Reals]) -> tuple[list, list]:
        """Forward the cotangents c that arrive at each vertex, backward the maps L from there to G."""
        c: list = [None] * self.vertices
        L: list = [None] * self.vertices
        c[0], L[-1] = np.ones(1), np.eye(self.X.shape[0] * self.X.shape[1])
        for n, edge in enumerate(self.edges):
            if c[edge.start] is not None:
                step = matrices[n] @ c[edge.start]
                c[edge.end] = step if c[edge.end] is None else c[edge.end] + step
        for n in reversed(range(len(self.edges))):
            edge = self.edges[n]
            if L[edge.end] is not None:
                step = L[edge.end] @ matrices[n]
                L[edge.start] = step if L[edge.start] is None else L[edge.start] + step
        return c, L


def graph_of(derivation: Derivation) -> Graph:
    """The maps of a derivation, in the order in which they are met."""
    f, X = derivation.f, derivation.X
    nodes = [node for node in walk(f) if X in node.free][::-1]
    names = {node.args[0]: node for node in walk(f) if node.op == "let"}
    taken = {node.name for node in walk(f, derivation.gradient)}
    place = {node: 2 * i for i, node in enumerate(nodes)}
    edges: list[Edge] = []
    for node in nodes:
        C = symbol(unused_name("C", taken), node.shape)
        start, out = place[node], place[node] + 1
        edges.append(Edge(start, out, node, -1, node, C, node, C))
        if node.op == "let":
            edges.append(Edge(out, place[node.args[0]], node, 0, node.args[0], C, node, C))
        elif node is not X:
            Y = names.get(node, node)
            rule = rule_of(node)
            edges += [
                Edge(out, place[A], node, k, A, C, Y, rule.reverse(node, k, C, Y))
                for k, A in enumerate(node.args)
                if A in place
            ]
    last = 2 * len(nodes)
    if X.data.structure:
        C = symbol(unused_name("C", taken), X.shape)
        project = PROJECTIONS[X.data.structure][1]
        edges.append(Edge(place[X] + 1, last, X, -2, X, C, X, project(C)))
        return Graph(derivation, tuple(nodes), tuple(edges), last + 1)
    return Graph(derivation, tuple(nodes), tuple(edges), last)
