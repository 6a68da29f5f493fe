"""Slips of the product rule as a whole, in two places of it at once: (uv)′ = u′v′, and u/v without its u."""

from collections.abc import Iterator, Sequence

from mcbook.calculus.engine.algebra import hadamard, times
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.text import text
from mcbook.calculus.marking.graph import Edge, Graph
from mcbook.calculus.marking.slips import NOT_LOWERED, Slip


def product_rule_slips(found: Sequence[Slip], graph: Graph) -> Iterator[Slip]:
    yield from derivatives_multiplied(graph)
    yield from ratio_lost(found, graph)


def derivatives_multiplied(graph: Graph) -> Iterator[Slip]:
    """Of u ∘ v only what is left when each has become its derivative: of z ∘ σ(z) that is σ′(z)."""
    pairs: dict[Expr, list[tuple[int, Edge]]] = {}
    for n, e in enumerate(graph.edges):
        if e.k >= 0 and e.E.op == "hadamard" and len(e.E.args) == 2:
            pairs.setdefault(e.E, []).append((n, e))
    for E, both in pairs.items():
        if len(both) != 2:
            continue
        for (n, e), (lost, _) in (both, both[::-1]):
            other = E.args[1 - e.k]
            core = e.right.args[-1] if e.right.op == "times" else e.right
            if core.op == "hadamard" and other in core.args and len(core.args) > 1:
                scalars = e.right.args[:-1] if e.right.op == "times" else ()
                wrong = times(*scalars, hadamard(*(a for a in core.args if a is not other)))
                what = f"the product of the derivatives for the derivative of {text(E)}"
                yield Slip("rule", 1.1, what, ((n, wrong), (lost, 0.0)))


def ratio_lost(found: Sequence[Slip], graph: Graph) -> Iterator[Slip]:
    """u/v differentiated by v as −dv/v: neither the u nor the second v."""
    lowered = {
        graph.edges[n].E: (n, new)
        for s in found
        if s.what == NOT_LOWERED and len(s.changes) == 1
        for n, new in s.changes
    }
    for s in found:
        n, new = s.changes[0]
        e = graph.edges[n]
        if len(s.changes) > 1 or s.label != "factor" or not s.what.endswith("forgotten") or e.k < 0:
            continue
        if e.E.op == "times" and e.target in lowered and any(graph.X in a.free for a in _others(e)):
            what = f"the ratio lost where {text(e.target)} is moved"
            yield Slip("rule", 1.1, what, ((n, new), lowered[e.target]))


def _others(e: Edge) -> list[Expr]:
    return [a for k, a in enumerate(e.E.args) if k != e.k]
