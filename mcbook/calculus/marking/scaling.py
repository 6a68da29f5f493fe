"""Slips that only scale or cut: signs, factors, 1/n, a term or a path that is forgotten."""

from collections.abc import Collection, Iterator
from fractions import Fraction

from mcbook.calculus.engine.algebra import number, times, transpose
from mcbook.calculus.engine.nodes import Expr, walk
from mcbook.calculus.engine.text import text
from mcbook.calculus.marking.graph import Edge, Graph
from mcbook.calculus.marking.slips import Slip, bare
from mcbook.calculus.marking.steps import is_recurrent

COUNTS = {"n", "N", "m", "B", "batch", "T"}  # names under which a number of samples goes
PRODUCTS = {"matmul", "hadamard", "inner", "times", "solve", "kron", "sqdist"}
BOOKKEEPING = {"add", "times", "let"}


def counts(graph: Graph) -> list[Expr]:
    """The numbers by which a sum may be averaged: n by its name, and the number of rows of the data."""
    f, X = graph.derivation.f, graph.X
    symbols = [s for s in f.free if s is not X]
    sizes = {*X.shape, 1, 2}
    named = [s for s in symbols if s.is_scalar and s.name in COUNTS]
    tall = {s.shape[0] for s in symbols if s.shape[0] != s.shape[1] and min(s.shape) > 1}
    long = {s.shape[0] for s in symbols if s.is_column and not s.is_scalar}
    return named + [number(n) for n in sorted((tall or long) - sizes)]


def scale_slips(n: int, e: Edge, averaged: list[Expr]) -> Iterator[Slip]:
    """A sign, a 2, a ½, a mean where none belongs, at all that leaves a node or enters an argument."""
    where = f"of {text(e.E)}" if e.k < 0 else f"of d({text(e.target)}) in {text(e.E)}"
    cost = (
        1.1 if e.k >= 0 and e.E.op in PRODUCTS else 1.0
    )  # of one half of a product: it may cancel the other
    if e.k < 0 or not (e.E.is_scalar and is_square(e.E)):  # of one of two equal halves it cancels the other
        yield Slip("sign", cost, f"the sign {where}", ((n, -1.0),))
    for c in (2.0, 0.5):
        yield Slip("factor", 1.0 if c in (2.0, 0.5) else 1.4, f"a factor {Fraction(c)} {where}", ((n, c),))
    for m in averaged:
        yield Slip("mean", 1.05, f"divided by {text(m)}: the mean {where}", ((n, times(m**-1, e.right)),))
        yield Slip("mean", 1.05, f"1/{text(m)} forgotten {where}", ((n, times(m, e.right)),))


def lost_factor_slips(n: int, e: Edge, X: Expr) -> Iterator[Slip]:
    """A number or a scalar that stands before the moving part, and is lost, doubled or inverted."""
    if e.E.op != "times" or e.k < 0:
        return
    for k, s in enumerate(e.E.args):
        if k == e.k or not s.is_scalar or (s.op == "number" and abs(s.data) == 1):
            continue
        if X in s.free and k > e.k:  # of a product that moves twice, no half is lost alone
            continue
        s = number(abs(s.data)) if s.op == "number" else s
        base = s.args[0] if s.op == "power" else s
        mean = base.name in COUNTS or _one_over_size(s, e.target)
        label = "mean" if mean else "factor"
        what = f"{text(s)} before {text(e.target)}"
        yield Slip(label, 1.0, f"{what} forgotten", ((n, times(s**-1, e.right)),))
        yield Slip(label, 1.1, f"{what} taken twice", ((n, times(s, e.right)),))
        if s.op == "power" and s.data not in (1, -1) and base.op != "number":
            for k in (1, -1):
                what = f"{text(base)} once too {'often' if k == 1 else 'rarely'} before {text(e.target)}"
                yield Slip("factor", 1.2, what, ((n, times(base ** (k if s.data > 0 else -k), e.right)),))


def _one_over_size(s: Expr, E: Expr) -> bool:
    """Whether the number is 1 over the rows, or over the entries, of something that is summed in E."""
    if s.op != "number" or Fraction(s.data).numerator not in (1, 2):
        return False
    n = 1 / Fraction(s.data)
    if E.op == "sum" and E.args[0].op != "power" and n == E.args[0].shape[0] * E.args[0].shape[1] > 2:
        return True  # the mean of four entries; ¼ of a sum of fourth powers is no mean
    shapes = {
        a.shape for node in walk(E) if node.op in ("sum", "sqnorm", "inner", "matmul") for a in node.args
    }
    return n > 4 and any(k in (n, n / 2, 2 * n) for rows, columns in shapes for k in (rows, rows * columns))


def is_square(E: Expr) -> bool:
    """Whether E is xᵀx, or xᵀSx with a symmetric S: its two halves are each other's transpose."""
    turned = tuple(transpose(a) for a in E.args[::-1])
    return E.op == "matmul" and turned == E.args


def is_form(E: Expr) -> bool:
    """Whether E is xᵀSx, with any S between: one thing in two places, both of one step where it has one."""
    return E.op == "matmul" and E.is_scalar and transpose(E.args[0]) is E.args[-1]


def one_half_of_each(graph: Graph) -> Iterator[Slip]:
    """2Sx for (S + Sᵀ)x in every quadratic form of the function alike, or Sx: of those where it matters."""
    ends: dict[Expr, list[int]] = {}
    for n, e in enumerate(graph.edges):
        if e.k >= 0 and is_form(e.E) and not is_square(e.E) and e.k in (0, len(e.E.args) - 1):
            ends.setdefault(e.E, []).append(n)
    forms = [both for both in ends.values() if len(both) == 2]
    for kept, words in enumerate(("left", "right")) if len(forms) > 1 else ():
        lost = tuple((both[1 - kept], 0.0) for both in forms)
        twice = tuple((both[kept], 2.0) for both in forms)
        what = f"the {words} half of every quadratic form"
        yield Slip("one-sided", 1.05, f"{what} counted for both", lost + twice)
        yield Slip("one-sided", 1.0, f"only {what} taken", lost)


def path_slips(
    n: int,
    e: Edge,
    edges: list[tuple[int, Edge]],
    top: set[Expr],
    timed: bool,
    traced: Collection[Expr] = (),
) -> Iterator[Slip]:
    """A term, or a place of the variable, whose differential is forgotten; `edges` are all those of E."""
    if len(edges) < 2 or e.k < 0:
        return
    what = f"d({text(e.target)}) in {text(e.E)}"
    label = _kind_of_path(e, top, timed)
    cost = 0.95 if label == "one-sided" else 1.0
    yield Slip(label, cost, f"{what} forgotten", ((n, 0.0),))
    if (e.E.is_scalar or e.E in traced) and is_square(e.E) and len(e.E.args) == 2:
        yield Slip("factor", 0.93, f"the 2 of d({text(e.E)}) forgotten", ((n, 0.0),))
    two_products = e.E.op == "add" and all(bare(other.target).op == "matmul" for _, other in edges)
    alike = e.E.op in PRODUCTS - {"times"} or (two_products and not timed)  # in a quotient they are not
    if alike and len(edges) == 2:
        (other,) = [m for m, _ in edges if m != n]
        kept = f"{what} counted twice for both places of the variable"
        label = "time" if timed and not is_form(e.E) else "one-sided"
        yield Slip(label, 1.15, kept, ((n, 2.0), (other, 0.0)))
    if e.E.op in PRODUCTS and len(edges) > 2:
        alone = f"only {what} taken, of its {len(edges)} places"
        yield Slip("one-sided", 0.95, alone, tuple((m, 0.0) for m, _ in edges if m != n))
        if n == edges[0][0]:
            yield from _some_of(e.E, [m for m, _ in edges])


def _some_of(E: Expr, edges: list[int]) -> Iterator[Slip]:
    """1/3 or 2/3 of what a product with three places of the variable hands on, as a number."""
    for k in range(1, len(edges)):
        c = Fraction(k, len(edges))
        yield Slip("factor", 1.0, f"a factor {c} of {text(E)}", tuple((m, float(c)) for m in edges))


def _kind_of_path(e: Edge, top: set[Expr], timed: bool) -> str:
    """The class of a forgotten path: time, a whole term, a normaliser, a denominator, one of two places."""
    target = bare(e.target.args[0] if e.target.op == "transpose" else e.target)
    if timed and (e.E not in top or is_recurrent(target)) and not is_form(e.E):
        return "time"
    if e.E.op == "add" and _is_centred(e.E, target):
        return ""  # the mean held constant: people call it by four names
    if e.E in top:
        return "softmax" if first_operation(target).op == "logsumexp" else "penalty"
    if e.E.op == "add" and first_operation(target).op == "logsumexp":
        return "softmax"
    if e.E.op == "add" and any(first_operation(a).op == "logsumexp" for a in e.E.args):
        return "penalty"
    return "rule" if e.E.op in PRODUCTS and target.op == "power" and target.data < 0 else "one-sided"


def _is_centred(E: Expr, taken: Expr) -> bool:
    """Whether what is taken off in E is the mean, or a sum, of what else stands there: x − mean(x) 1."""
    rest = {bare(a) for a in E.args} - {taken}
    below = first_operation(taken)
    return taken.op == "times" and below in rest and any(a.op in ("sum", "ones") for a in walk(taken))


def _part(E: Expr) -> Expr:
    """What E is a multiple, a sum or another form of; of a number times ones, the number."""
    return E.args[-2] if E.op == "times" and E.args[-1].op == "ones" else E.args[-1]


def first_operation(E: Expr) -> Expr:
    """The first operation below E that is no bookkeeping and no sum."""
    E = bare(E)
    while E.op in ("times", "sum", "let", "transpose") or (E.op == "matmul" and E.args[-1].op == "ones"):
        E = bare(E.args[0] if E.op == "matmul" else _part(E))
    return E


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
        if E.op == "sum":  # entry by entry, Σ(a + b) is a sum of terms too
            stack += E.args
    return found
