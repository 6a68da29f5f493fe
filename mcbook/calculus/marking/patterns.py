"""Slips over several rules: the cross-entropy seen whole, a step of time shifted, σ′ once too often."""

from collections.abc import Iterator
from itertools import combinations

from mcbook.calculus.engine.algebra import hadamard, matmul, number, power, times, transpose
from mcbook.calculus.engine.derive import derive
from mcbook.calculus.engine.functions import FUNCTIONS
from mcbook.calculus.engine.naming import replace
from mcbook.calculus.engine.nodes import Expr, symbol, unused_name, walk
from mcbook.calculus.engine.rebuild import substitute
from mcbook.calculus.engine.text import text
from mcbook.calculus.engine.vocabulary import inner, logistic, softmax, trace
from mcbook.calculus.marking.graph import Edge, Graph
from mcbook.calculus.marking.normalisers import one_minus, weighted
from mcbook.calculus.marking.scaling import first_operation
from mcbook.calculus.marking.slips import Slip, bare
from mcbook.calculus.marking.steps import in_steps, is_recurrent, time_of

ONCE_MORE = "σ′ multiplied in once more"


def p_one_minus_p(P: Expr) -> Expr:
    return hadamard(P, one_minus(P))


def once_too_often(n: int, e: Edge, consumers: list[Edge]) -> Iterator[Slip]:
    """σ′ multiplied into p − y, p(1 − p) into P − Y: the derivative that the loss has taken already."""
    for c in consumers if e.k == -1 else ():
        if c.E.op in ("logsumexp", "softmax"):
            P = softmax(c.E.args[0])
            yield Slip(
                "softmax", 1.1, "p(1 − p) multiplied in once more", ((n, hadamard(e.C, p_one_minus_p(P))),)
            )
            yield Slip("softmax", 1.3, "p multiplied in once more", ((n, hadamard(e.C, P)),))
        elif c.E.op == "apply" and c.E.data == "softplus":
            p = logistic(c.E.args[0])
            yield Slip("activation", 1.1, ONCE_MORE, ((n, hadamard(e.C, p_one_minus_p(p))),))
            if len(consumers) > 1:  # of Σ softplus(z) − yᵀz, as seen from −y log p − (1 − y) log(1 − p)
                once = hadamard(e.C, power(p_one_minus_p(p), -1))
                yield Slip("activation", 1.1, "stopped at the derivative by p = σ(z)", ((n, once),))
        elif c.E.op == "apply" and c.E.data == "exp" and len(consumers) > 1:  # of Σ exp z − yᵀz
            yield Slip("activation", 1.1, "exp′ multiplied in once more", ((n, hadamard(e.C, c.E)),))


def once_too_often_apart(graph: Graph) -> Iterator[Slip]:
    """The same where Xw stands in Σ softplus(Xw) and, inside a longer product, in yᵀXw."""
    for n, e in enumerate(graph.edges):
        z = e.target
        if e.k < 0 or e.E.op != "apply" or e.E.data != "softplus" or z.op != "matmul" or len(z.args) != 2:
            continue
        extra = p_one_minus_p(logistic(z))
        for m, other in enumerate(graph.edges):
            if (
                other.k == len(other.E.args) - 1 >= 2
                and other.E.op == "matmul"
                and other.E.args[-2:] == z.args
            ):
                y = hadamard(transpose(matmul(*other.E.args[:-2])), extra)
                wrong = times(other.C, matmul(transpose(z.args[0]), y))
                yield Slip("activation", 1.1, ONCE_MORE, ((n, hadamard(e.right, extra)), (m, wrong)))


def not_for_all(n: int, e: Edge, arriving: int) -> Iterator[Slip]:
    """φ′ applied to one of the parts that arrive at φ(z), and not to this one."""
    target = bare(e.target)
    if arriving > 1 and target.op == "apply":
        slope = FUNCTIONS[target.data].slope(target.args[0], e.target)
        wrong = hadamard(e.right, power(slope, -1))
        yield Slip(
            "activation",
            1.0,
            f"the derivative of {e.target!r} not applied to what comes from {e.E!r}",
            ((n, wrong),),
        )


def inner_forgotten(graph: Graph) -> Iterator[Slip]:
    """All that stands between φ and the product inside it forgotten: 1 + r²/s taken for r itself."""
    into: dict[Expr, list[tuple[int, Edge]]] = {}
    for n, e in enumerate(graph.edges):
        if e.k >= 0:
            into.setdefault(e.E, []).append((n, e))
    for node in graph.nodes:
        if node.op not in ("apply", "power"):
            continue
        E = node.args[0]
        chain: list[tuple[int, Expr | float]] = []
        while len(into.get(E, [])) == 1 and E.op in ("apply", "power", "times", "add", "let"):
            ((n, e),) = into[E]
            if e.target.shape != node.shape:
                break
            chain, E = [*chain, (n, e.C)], e.target
            if len(chain) > 1 and e.E.op in ("apply", "power"):
                what = f"the inner derivative of {text(node)} forgotten, down to {text(E)}"
                yield Slip("activation", 1.1, what, tuple(chain))


def cross_entropy(graph: Graph) -> Iterator[Slip]:
    """−Y∘(1 − P) and −Y/P for P − Y, where the loss is Σ logsumexp(Z) − ⟨Y, Z⟩: as seen from −⟨Y, log P⟩."""
    for n, e in enumerate(graph.edges):
        if e.k < 0 or e.E.op != "logsumexp":
            continue
        P = softmax(e.E.args[0])
        for m, other in enumerate(graph.edges):
            if other.k < 0 or other.end != e.end or m == n:
                continue
            for Y in _constants(other, P.shape):
                yield Slip(
                    "softmax",
                    1.0,
                    "only the diagonal p(1 − p) of softmax's Jacobian",
                    ((n, weighted(e, hadamard(P, Y))),),
                )
                once = hadamard(other.right, power(P, -1))
                yield Slip("softmax", 1.0, "stopped at the derivative by p", ((n, 0.0), (m, once)))


def log_softmax(graph: Graph) -> Iterator[Slip]:
    """C∘(1 − P) and C/P, where the loss has log softmax Z = Z − logsumexp(Z) 1ᵀ: the sum over a row lost."""
    for n, e in enumerate(graph.edges):
        if e.E.op != "add" or e.k < 0 or bare(e.target).op in ("times", "matmul"):
            continue
        for m, other in enumerate(graph.edges):
            last = first_operation(other.target)
            if (
                other.E is e.E
                and m != n
                and other.k >= 0
                and last.op == "logsumexp"
                and last.args[0] is e.target
            ):
                P = softmax(e.target)
                once, diagonal = hadamard(e.right, power(P, -1)), hadamard(e.right, one_minus(P))
                what = "only the diagonal p(1 − p) of softmax's Jacobian"
                yield Slip("softmax", 1.0, what, ((m, 0.0), (n, diagonal)))
                yield Slip("softmax", 1.0, "stopped at the derivative by p", ((m, 0.0), (n, once)))


def _constants(e: Edge, shape: tuple[int, int]) -> list[Expr]:
    return [
        V for V in walk(e.right, behind_names=False) if V.shape == shape and V.op == "symbol" and V is not e.C
    ]


def shifted_steps(graph: Graph) -> Iterator[Slip]:
    """What belongs to step t taken from another step: everywhere, in one operation, or for one t alone."""
    if not in_steps(graph.derivation.f):
        return
    known = {
        node.name: node for node in walk(graph.derivation.f) if node.name and time_of(node.name) is not None
    }
    steps = sorted({t for name in known if (t := time_of(name)) is not None})
    for shift, when in ((1, "late"), (-1, "early")):
        swaps = dict(_shift(known, shift))
        for op in (None, "matmul", "apply"):
            where = {"matmul": " in the products", "apply": " in the derivatives"}.get(op or "", "")
            yield from _taken(graph, swaps, f"every step taken one step too {when}{where}", op)
        for t in steps:
            one = {V: W for V, W in swaps.items() if time_of(V.name) == t}
            yield from _taken(graph, one, f"step {t} taken one step too {when}", None)
    for t, u in combinations(steps, 2):
        forward, back = dict(_shift(known, u - t)), dict(_shift(known, t - u))
        swaps = {V: W for V, W in forward.items() if time_of(V.name) == t and V.op == "symbol"}
        swaps |= {V: W for V, W in back.items() if time_of(V.name) == u and V.op == "symbol"}
        yield from _taken(graph, swaps, f"steps {t} and {u} exchanged", None)


def _taken(graph: Graph, swaps: dict[Expr, Expr], what: str, op: str | None) -> Iterator[Slip]:
    changes = tuple((n, new) for n, new in _changed(graph, swaps) if op in (None, graph.edges[n].E.op))
    if changes:
        yield Slip("time", 1.1, f"what belongs to {what}", changes)


def a_step_too_far(graph: Graph) -> Iterator[Slip]:
    """The cotangent from before the step: what goes back to w_1 where what arrives at w_2 belongs."""
    named = {n.name: n for n in walk(graph.derivation.f) if n.name}
    states = {name: n for name, n in named.items() if time_of(name) is not None}
    for n, e in enumerate(graph.edges):
        t = time_of(e.E.name) if e.E.op == "let" and e.k == -1 else None
        before = states.get(f"{e.E.name.removesuffix(str(t))}{(t or 0) - 1}")
        if before is None or graph.X in before.free or before not in walk(e.E.args[0]):
            continue
        x = symbol(unused_name("x", {*named, e.C.name}), before.shape)
        step = inner(e.C, substitute(e.E.args[0], {before: x}))
        wrong = substitute(derive(step, x).gradient, {x: before})
        if wrong.shape == e.right.shape and wrong is not e.right:
            what = f"the cotangent from before step {t}, {text(before)}'s, where {text(e.E)}'s belongs"
            yield Slip("time", 1.1, what, ((n, wrong),))


def held_constant(graph: Graph) -> Iterator[Slip]:
    """A state that an earlier step made taken for a constant: all that goes back through it is lost."""
    for n, e in enumerate(graph.edges) if is_recurrent(graph.derivation.f) else ():
        if e.E.op == "let" and e.k == -1 and time_of(e.E.name) is not None:
            yield Slip("time", 1.1, f"{text(e.E)} taken for a constant", ((n, 0.0),))


def met_too_early(graph: Graph) -> Iterator[Slip]:
    """The same where the variable enters a step: met by J_1ᵀ C, the cotangent of w_0, and not by C."""
    named = {n.name: n for n in walk(graph.derivation.f) if n.name}
    for after in [n for n in named.values() if n.op == "let"]:
        t, inside = time_of(after.name), list(walk(after.args[0], behind_names=False))
        before = named.get(f"{after.name.removesuffix(str(t))}{(t or 0) - 1}")
        if before is None or before.shape != after.shape or before not in inside:
            continue
        x = symbol(unused_name("x", {*named, "C"}), before.shape)
        step = substitute(after.args[0], {before: x})
        for n, e in enumerate(graph.edges):
            if e.k < 0 or e.E.op in ("add", "let") or e.E.shape != after.shape or e.E not in inside:
                continue
            if before not in walk(e.target):
                back = substitute(derive(inner(e.C, step), x).gradient, {x: before})
                wrong = substitute(e.right, {e.C: back})
                what = "the cotangent from before the step where the one from after it belongs"
                yield Slip("time", 1.1, what, ((n, wrong),))


def powers_of_entries(graph: Graph) -> Iterator[Slip]:
    """3 X∘X for the derivative of a product X X X: as for numbers."""
    for node in graph.nodes:
        if node.op == "matmul" and len(set(node.args)) == 1:
            places = [(n, e) for n, e in enumerate(graph.edges) if e.E is node and e.k >= 0]
            n, e = places[0]
            c, p = times(power(number(node.shape[0]), -1), trace(e.C)), number(len(node.args))
            wrong = times(c, p, power(transpose(node.args[0]), number(len(node.args) - 1)))
            changes: tuple[tuple[int, Expr | float], ...] = ((n, wrong), *((m, 0.0) for m, _ in places[1:]))
            yield Slip("hadamard", 1.1, "the power of a matrix differentiated entry by entry", changes)


def _shift(known: dict[str, Expr], shift: int) -> Iterator[tuple[Expr, Expr]]:
    """What is named by a step, and the same so many steps later."""
    for name, V in known.items():
        t = time_of(name) or 0
        W = known.get(f"{name.removesuffix(str(t))}{t + shift}")
        if W is not None and W.shape == V.shape:
            yield V, W


def _changed(graph: Graph, swaps: dict[Expr, Expr]) -> Iterator[tuple[int, Expr]]:
    for n, e in enumerate(graph.edges):
        if e.k >= 0 and e.E.op != "let":
            wrong = replace(e.right, swaps)
            if wrong is not e.right:
                yield n, wrong


def pattern_slips(graph: Graph) -> Iterator[Slip]:
    consumers: dict[Expr, list[Edge]] = {}
    arriving: dict[Expr, int] = {}
    for e in graph.edges:
        if e.k >= 0:
            consumers.setdefault(e.target, []).append(e)
            arriving[e.target] = arriving.get(e.target, 0) + 1
    for n, e in enumerate(graph.edges):
        if e.E.op != "let":
            yield from once_too_often(n, e, consumers.get(e.E, []) if e.E is bare(e.E) else [])
            yield from not_for_all(n, e, arriving.get(e.target, 0)) if e.k >= 0 else ()
    for n, e in enumerate(graph.edges):
        if e.E.op == "let" and e.k == -1:
            yield from once_too_often(n, e, consumers.get(e.E, []))
    yield from once_too_often_apart(graph)
    yield from cross_entropy(graph)
    yield from log_softmax(graph)
    yield from shifted_steps(graph)
    yield from a_step_too_far(graph)
    yield from met_too_early(graph)
    yield from held_constant(graph)
    yield from inner_forgotten(graph)
    yield from powers_of_entries(graph)
