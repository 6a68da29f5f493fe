"""A slip written out: the gradient, as a formula, that somebody who makes it arrives at."""

from collections.abc import Sequence
from fractions import Fraction

from mcbook.calculus.engine.algebra import add, number, times
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.rebuild import substitute
from mcbook.calculus.engine.simplify import fold
from mcbook.calculus.marking.graph import Graph
from mcbook.calculus.marking.slips import Slip


def mutant(graph: Graph, slips: Sequence[Slip] = ()) -> Expr:
    """The gradient with these slips made, common factors folded; with none of them, the gradient itself.

    The cotangents are handed on from df to dX as in `Graph.sweep`, here as expressions.
    Raises ValueError where the slips leave nothing: then the formula is 0.
    """
    made = dict(change for slip in slips for change in slip.changes)
    arrived: dict[int, Expr] = {0: number(1)}
    for n, edge in enumerate(graph.edges):
        if edge.start not in arrived:
            continue
        new = made.get(n, edge.right)
        right = new if isinstance(new, Expr) else _scaled(new, edge.right)
        if right is None:
            continue
        handed = substitute(right, {edge.C: arrived[edge.start]})
        arrived[edge.end] = add(arrived[edge.end], handed) if edge.end in arrived else handed
    if graph.vertices - 1 not in arrived:
        raise ValueError("nothing is left of the gradient when this slip is made.")
    return fold(arrived[graph.vertices - 1])


def _scaled(factor: float, right: Expr) -> Expr | None:
    """The factor, a plain fraction where it is one, times what the rule hands on; None for nothing."""
    if factor == 0:
        return None
    near = Fraction(factor).limit_denominator(1000)
    return times(number(near if abs(float(near) - factor) <= 1e-12 * abs(factor) else factor), right)
