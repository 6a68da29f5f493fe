"""Slips that only scale or cut: signs, factors, 1/n, a term or a path that is forgotten."""

from collections.abc import Iterator
from fractions import Fraction

from mcbook.calculus.engine.algebra import number, times
from mcbook.calculus.engine.nodes import Expr, walk
from mcbook.calculus.engine.recurrence import index_of
from mcbook.calculus.engine.text import text
from mcbook.calculus.marking.graph import Edge, Graph
from mcbook.calculus.marking.slips import Slip, bare

COUNTS = {"n", "N", "m", "B", "batch", "T"}  # names under which a number of samples goes
PRODUCTS = {"matmul", "hadamard", "inner", "times", "solve", "kron", "sqdist"}
BOOKKEEPING = {"add", "times", "let"}


def counts(graph: Graph) -> list[Expr]:
    """The numbers by which a sum may be averaged: n by its name, and the number of rows of the data."""
    f, X = graph.derivation.f, graph.X
    symbols = [s for s in f.free if s is not X]
    named = [s for s in symbols if s.is_scalar and s.name in COUNTS]
    tall = {s.shape[0] for s in symbols if s.shape[0] != s.shape[1] and min(s.shape) > 1}
    long = {s.shape[0] for s in symbols if s.is_column and not s.is_scalar}
    return named + [number(n) for n in sorted(tall or long) if n > 2]


def scale_slips(n: int, e: Edge, averaged: list[Expr]) -> Iterator[Slip]:
    """A sign, a 2, a ½, a mean where none belongs, at all that leaves a node or enters an argument."""
    where = f"of {text(e.E)}" if e.k < 0 else f"of d({text(e.target)}) in {text(e.E)}"
    yield Slip("sign", 1.0, f"the sign {where}", ((n, -1.0),))
    for c in (2.0, 0.5, 4.0, 0.25):
        cost = 1.0 if c in (2.0, 0.5) else 1.4
        yield Slip("factor", cost, f"a factor {Fraction(c)} {where}", ((n, c),))
    for m in averaged:
        yield Slip("mean", 1.05, f"divided by {text(m)}: the mean {where}", ((n, times(m**-1, e.right)),))
        yield Slip("mean", 1.1, f"1/{text(m)} forgotten {where}", ((n, times(m, e.right)),))


def lost_factor_slips(n: int, e: Edge) -> Iterator[Slip]:
    """A number or a scalar that stands before the moving part, and is lost, doubled or inverted."""
    if e.E.op != "times" or e.k < 0:
        return
    for s in e.E.args[:-1] if e.k == len(e.E.args) - 1 else ():
        if s.op == "number" and abs(s.data) == 1:
            continue
        s = number(abs(s.data)) if s.op == "number" else s
        base = s.args[0] if s.op == "power" else s
        mean = (s.op == "power" and base.name in COUNTS) or _one_over_size(s)
        label = "mean" if mean else "factor"
        what = f"{text(s)} before {text(e.target)}"
        yield Slip(label, 1.0, f"{what} forgotten", ((n, times(s**-1, e.right)),))
        yield Slip(label, 1.1, f"{what} taken twice", ((n, times(s, e.right)),))
        if s.op == "power" and s.data not in (1, -1) and base.op != "number":
            for k in (1, -1):
                what = f"{text(base)} once too {'often' if k == 1 else 'rarely'} before {text(e.target)}"
                yield Slip("factor", 1.2, what, ((n, times(base ** (k if s.data > 0 else -k), e.right)),))


def _one_over_size(s: Expr) -> bool:
    return s.op == "number" and Fraction(s.data).numerator == 1 and Fraction(s.data).denominator > 2


def path_slips(n: int, e: Edge, edges: list[tuple[int, Edge]], top: set[Expr]) -> Iterator[Slip]:
    """A term of a sum or a place of the variable whose differential is forgotten; `edges` are all those of E."""
    if len(edges) < 2 or e.k < 0:
        return
    what = f"d({text(e.target)}) in {text(e.E)}"
    label = _kind_of_path(e, top)
    cost = 0.95 if label == "one-sided" else 1.0
    yield Slip(label, cost, f"{what} forgotten", ((n, 0.0),))
    if e.E.op in PRODUCTS and len(edges) == 2:
        (other,) = [m for m, _ in edges if m != n]
        kept = f"{what} counted twice for both places of the variable"
        yield Slip("one-sided", 1.2, kept, ((n, 2.0), (other, 0.0)))


def _kind_of_path(e: Edge, top: set[Expr]) -> str:
    target = bare(e.target.args[0] if e.target.op == "transpose" else e.target)
    names = [node.name for node in (e.target, e.E, target) if node.name]
    timed = any(index_of(name) is not None for name in names)
    if e.E.op == "add" and e.E in top:
        first = _first_operation(target)
        if any(index_of(node.name) is not None for node in walk(target) if node.op == "let"):
            return "time"
        return "softmax" if first.op == "logsumexp" else "penalty"
    if timed or (e.E.op == "add" and _recurrent(e.E)):
        return "time"
    if e.E.op in PRODUCTS:
        inverted = target.op in ("inverse", "solve") or (target.op == "power" and target.data < 0)
        return "rule" if inverted and target.op == "power" else "one-sided"
    return "one-sided"


def _first_operation(E: Expr) -> Expr:
    """The first operation below E that is no bookkeeping and no sum."""
    E = bare(E)
    while E.op in ("times", "sum", "let", "transpose"):
        E = bare(E.args[-1])
    return E


def _recurrent(E: Expr) -> bool:
    return any(node.op == "let" and index_of(node.name) is not None for node in walk(E))


def top_sums(f: Expr) -> set[Expr]:
    """The sums whose terms are the terms of the function: reached from f by bookkeeping alone."""
    found: set[Expr] = set()
    stack = [f]
    while stack:
        E = stack.pop()
        if E.op == "add":
            found.add(E)
        if E.op in BOOKKEEPING:
            stack += [a for a in E.args if a.is_scalar]
    return found


def batch_slips(n: int, e: Edge) -> Iterator[Slip]:
    """What was repeated for every sample must be summed over the samples; here it was not, or wrongly."""
    core = e.right.args[-1] if e.right.op == "times" else e.right
    if core.op != "matmul" or e.k < 0:
        return
    scalars = e.right.args[:-1] if e.right.op == "times" else ()
    for j in (0, len(core.args) - 1):
        if core.args[j].op == "ones":
            rest = core.args[1:] if j == 0 else core.args[:-1]
            E = rest[0] if len(rest) == 1 else None
            if E is not None:
                yield Slip("batch", 1.0, "the sum over the samples forgotten", ((n, times(*scalars, E)),))
