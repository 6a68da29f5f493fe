"""Slips with the finished gradient: its layout, the structure of its variable, and groups of equal slips."""

from collections.abc import Iterator
from itertools import groupby

from mcbook.calculus.engine.algebra import add, hadamard, identity, times, transpose
from mcbook.calculus.engine.naming import replace
from mcbook.calculus.engine.nodes import Expr, walk
from mcbook.calculus.engine.vocabulary import diag, diagonal, lower, sym, upper
from mcbook.calculus.marking.everywhere import misread_slips
from mcbook.calculus.marking.graph import Edge, Graph
from mcbook.calculus.marking.normalisers import normaliser_slips
from mcbook.calculus.marking.patterns import pattern_slips
from mcbook.calculus.marking.places import factor_slips, parts_of, place_slips
from mcbook.calculus.marking.productrule import product_rule_slips
from mcbook.calculus.marking.scaling import (
    counts,
    lost_factor_slips,
    one_half_of_each,
    path_slips,
    scale_slips,
    top_sums,
)
from mcbook.calculus.marking.slips import Slip, bare, rule_slips
from mcbook.calculus.marking.steps import in_steps, is_recurrent, time_of


def mirrored(G: Expr) -> Expr:
    """G + Gᵀ − diag G, the derivative by each free entry of a symmetric matrix."""
    return add(G, transpose(G), times(-1, diag(diagonal(G))))


def only_inverted(graph: Graph) -> bool:
    """Whether the variable stands nowhere but in inverses and determinants, whose rules have a transpose."""
    X = graph.X
    at_X = {
        e.E.op
        for e in graph.edges
        if e.k >= 0 and bare(e.target.args[0] if e.target.op == "transpose" else e.target) is X
    }
    return at_X - {"let", "transpose"} <= {"inverse", "solve", "logdet", "det"}


def layout_slips(n: int, e: Edge, inverted: bool) -> Iterator[Slip]:
    """What leaves a square node, or arrives at a square argument, turned round."""
    if e.k == -2 or e.end == e.start or e.target.shape[0] != e.target.shape[1] or e.target.is_scalar:
        return
    wrong = transpose(e.right)
    if wrong is e.right or (e.k == -1 and e.E.data is None and e.E.op != "symbol"):
        return
    label = "rule" if e.k >= 0 and e.E.op in ("logdet", "det") else "layout"
    what = (
        "Gᵀ for G, as in numerator layout" if e.E.op == "symbol" else f"what goes to {e.target!r} transposed"
    )
    yield Slip(label, 1.05 if e.E.op == "symbol" else 1.1, what, ((n, wrong),))
    if e.E.op == "symbol" and inverted:
        yield Slip("rule", 1.08, "the transposes of the inverse's rule forgotten", ((n, wrong),))


def structure_slips(n: int, e: Edge) -> Iterator[Slip]:
    """The structure of X forgotten, or put on a variable that has none."""
    C, structure = e.C, e.E.data.structure if e.E.op == "symbol" else ""
    if e.k == -2:
        if structure == "symmetric":
            yield Slip(
                "convention",
                1.0,
                "the derivative by each free entry, G + Gᵀ − diag G",
                ((n, mirrored(sym(C))),),
            )
            yield Slip("symmetric", 1.05, "G + Gᵀ, the diagonal counted twice", ((n, times(2, sym(C))),))
            for what, part in (("lower", lower), ("upper", upper)):
                yield Slip("symmetric", 1.2, f"only the {what} triangle", ((n, part(sym(C))),))
                yield Slip("symmetric", 1.2, f"only the {what} triangle, of a free matrix", ((n, part(C)),))
            yield Slip("symmetric", 1.05, "the gradient of a free matrix, transposed", ((n, transpose(C)),))
            yield Slip(
                "symmetric",
                1.2,
                "G + Gᵀ − diag G of the free gradient, halved",
                ((n, lower(times(2, sym(C)))),),
            )
        yield Slip("symmetric", 1.0, f"the gradient of a free matrix: {e.E!r} is {structure}", ((n, C),))
        yield Slip("symmetric", 1.2, "only the diagonal", ((n, hadamard(identity(C.shape[0]), C)),))
    elif e.k == -1 and e.E.op == "symbol" and C.shape[0] == C.shape[1] > 1 and not structure:
        yield Slip(
            "symmetric", 1.1, "the formula for a symmetric matrix, G + Gᵀ − diag G", ((n, mirrored(C)),)
        )
        yield Slip("symmetric", 1.1, "G + Gᵀ, as if the matrix were symmetric", ((n, times(2, sym(C))),))
        yield Slip("symmetric", 1.05, "the symmetric part of the gradient", ((n, sym(C)),))
        yield Slip(
            "hadamard", 1.3, "only the diagonal of the gradient", ((n, hadamard(identity(C.shape[0]), C)),)
        )
        yield Slip("symmetric", 1.3, "only the lower triangle", ((n, lower(C)),))
        yield Slip("symmetric", 1.3, "only the upper triangle", ((n, upper(C)),))


def all_slips(graph: Graph) -> list[Slip]:
    """Every single slip of a derivation, then those that are made in several places alike."""
    averaged, parts, top = counts(graph), parts_of(graph), top_sums(graph.derivation.f)
    timed, inverted = is_recurrent(graph.derivation.f), only_inverted(graph)
    dated = in_steps(graph.derivation.f)
    traced = {bare(node.args[0]) for node in graph.nodes if node.op == "trace"}
    by_node: dict[Expr, list[tuple[int, Edge]]] = {}
    for n, e in enumerate(graph.edges):
        if e.k >= 0:
            by_node.setdefault(e.E, []).append((n, e))
    found: list[Slip] = []
    for n, e in enumerate(graph.edges):
        if e.E.op == "let":
            continue
        if e.E.op != "transpose":
            found += scale_slips(n, e, averaged)
        found += lost_factor_slips(n, e, graph.X)
        found += path_slips(n, e, by_node.get(e.E, []), top, timed, traced) if e.k >= 0 else ()
        found += rule_slips(n, e)
        found += normaliser_slips(n, e)
        found += place_slips(n, e, parts, graph.X, dated)
        found += factor_slips(n, e, graph.X, timed)
        found += layout_slips(n, e, inverted)
        found += structure_slips(n, e)
    found += pattern_slips(graph)
    found += misread_slips(graph)
    found += transposes_forgotten(graph)
    found += nothing_handed_back(graph)
    found += one_half_of_each(graph)
    found += list(product_rule_slips(found, graph))
    return found + list(alike(found, graph))


def _function(graph: Graph, slip: Slip) -> str:
    """Which function it is that a slip is made with, "" for none."""
    E = graph.edges[slip.changes[0][0]].E
    return E.data if E.op == "apply" else ""


def alike(slips: list[Slip], graph: Graph) -> Iterator[Slip]:
    """The same slip wherever it can be made: one mistake, made consistently."""
    single = [s for s in slips if len(s.changes) == 1 and not isinstance(s.changes[0][1], float)]
    key = lambda s: (s.label, s.what, _function(graph, s))  # noqa: E731
    for (label, what, _), group in groupby(sorted(single, key=key), key=key):
        members = list(group)
        changes = {s.changes[0][0]: s.changes[0] for s in members}
        if len(changes) > 1:
            yield Slip(
                label,
                members[0].cost + 0.05,
                f"{what}, in all {len(changes)} places",
                tuple(changes.values()),
            )
    yield from carries(slips, graph)


def transposes_forgotten(graph: Graph) -> Iterator[Slip]:
    """A for Aᵀ in every product alike, whatever the matrices are called."""
    changes = []
    for n, e in enumerate(graph.edges):
        if e.k >= 0 and e.E.op == "matmul":
            square = [
                V for V in walk(e.right, behind_names=False) if V.op in ("symbol", "let") and V is not e.C
            ]
            turned = {V: transpose(V) for V in square if V.shape == V.shape[::-1] and graph.X not in V.free}
            wrong = replace(e.right, turned)
            if turned and wrong is not e.right and wrong.shape == e.right.shape:
                changes.append((n, wrong))
    if len(changes) > 1:
        yield Slip("layout", 1.15, "the transposes forgotten in all products", tuple(changes))


def nothing_handed_back(graph: Graph) -> Iterator[Slip]:
    """Every way from a step to the one before cut, where there are several from x_2 to x_1."""
    named = {node.name: node for node in graph.nodes if node.op == "let" and time_of(node.name) is not None}
    back = []
    for name, state in named.items():
        t = time_of(name) or 0
        after = named.get(f"{name.removesuffix(str(t))}{t + 1}")
        inside = set(walk(after.args[0], behind_names=False)) if after is not None else set()
        back += [n for n, e in enumerate(graph.edges) if e.k >= 0 and e.target is state and e.E in inside]
    if len(back) > 1:
        yield Slip("time", 1.1, "nothing handed back from step to step", tuple((n, 0.0) for n in back))


def _is_carried(E: Expr, after: str, X: Expr) -> bool:
    """Whether E is of a step, as h_1 is; or, where it enters h_2 itself, a multiple of it, (1 − a) h_1."""
    if E.op != "times":
        return time_of(E.name) is not None
    t, before = time_of(E.args[-1].name), E.args[-1].name
    is_next = t is not None and after == f"{before.removesuffix(str(t))}{t + 1}"
    return is_next and not any(X in a.free for a in E.args[:-1])


def carries(slips: list[Slip], graph: Graph) -> Iterator[Slip]:
    """Everything that one step hands back to the one before, forgotten at once."""
    lost = [s for s in slips if s.label == "time" and s.changes[0][1] == 0.0 and len(s.changes) == 1]
    edges = {s.changes[0][0]: graph.edges[s.changes[0][0]] for s in lost}
    names = {node.args[0]: node.name for node in graph.nodes if node.op == "let"}
    back = {n: e for n, e in edges.items() if _is_carried(e.target, names.get(e.E, ""), graph.X)}
    if len(back) > 1:
        yield Slip("time", 1.1, "nothing handed back from step to step", tuple((n, 0.0) for n in back))
