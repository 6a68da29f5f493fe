"""Slips in the function itself: a sign or a term of a sum misread, then derived rightly from there."""

from collections.abc import Iterator

from mcbook.calculus.engine.algebra import add, power, times
from mcbook.calculus.engine.nodes import Expr, walk
from mcbook.calculus.engine.rebuild import substitute
from mcbook.calculus.engine.text import text
from mcbook.calculus.marking.graph import Graph
from mcbook.calculus.marking.places import STAR_FOR_AT, other_product
from mcbook.calculus.marking.rounding import SMALL
from mcbook.calculus.marking.slips import Slip, bare

Reading = tuple[str, float, str, Expr]  # class, cost, in words, what is read


SQUARED = {"sqnorm", "norm", "solve", "inverse", "logdet", "det"}  # what is expanded, or inverted


def squared_in(E: Expr) -> Iterator[Expr]:
    """What is multiplied with itself in E: r of ‖r‖², r² and rᵀSr."""
    if E.op in SQUARED or (E.op == "power" and E.data == 2):
        yield from (bare(a) for a in E.args)
    if E.op in ("inner", "matmul", "hadamard"):
        plain = [bare(a.args[0] if a.op == "transpose" else a) for a in E.args]
        yield from (a for a in plain if plain.count(a) > 1)


def misread(node: Expr, X: Expr, expanded: bool) -> Iterator[Reading]:
    """How a node of the function is misread; of one that is `expanded`, a square, the mixed term is lost."""
    for term in node.args if node.op == "add" else ():
        signs = (times(-1, a) if a is term else a for a in node.args)
        yield "sign", 1.2, f"the sign of {text(term)} in {text(node)}", add(*signs)
        small = any(s.name in SMALL for s in term.free)  # of no weight: a matter of the check
        lost = X in node.free and X not in term.free and expanded and not small
        if lost or (X not in node.free and node.shape[0] == node.shape[1]):
            rest = (a for a in node.args if a is not term)
            yield "penalty", 1.15, f"{text(term)} left out of {text(node)}", add(*rest)
    if node.op == "inverse":
        yield "hadamard", 1.15, f"1/A entry by entry for {text(node)}", power(node.args[0], -1)
    for exchanged in other_product(node):
        yield "hadamard", 1.15, f"{STAR_FOR_AT} in {text(node)}", exchanged


def misread_slips(graph: Graph) -> Iterator[Slip]:
    """One slip for each misreading, wherever what the rules hand on contains the node."""
    squared = {a for E in walk(graph.derivation.f) for a in squared_in(E)}
    for node in walk(graph.derivation.f):
        if node.is_scalar and node not in squared:  # a sum of terms, each of them a slip of its own
            continue
        for label, cost, what, read in misread(node, graph.X, node in squared):
            if read.shape != node.shape:
                continue
            changes = tuple(_changed(graph, node, read))
            if changes:
                yield Slip(label, cost, f"{what}, wherever it is used", changes)


def _changed(graph: Graph, node: Expr, read: Expr) -> Iterator[tuple[int, Expr]]:
    for n, e in enumerate(graph.edges):
        if e.k >= 0 and e.E.op != "let":
            try:
                wrong = substitute(e.right, {node: read})
            except ValueError:
                continue
            if wrong is not e.right and wrong.shape == e.right.shape:
                yield n, wrong
