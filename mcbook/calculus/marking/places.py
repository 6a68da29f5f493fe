"""Slips inside what a rule hands on: a factor taken at the wrong point, at the wrong time, or turned round.

Each row of `SWAPS` looks at one part V of a rule's right-hand side and says what people put in its place.
"""

from collections.abc import Callable, Iterator

from mcbook.calculus.engine.algebra import add, hadamard, matmul, ones, power, times, transpose
from mcbook.calculus.engine.functions import FUNCTIONS, apply
from mcbook.calculus.engine.naming import replace
from mcbook.calculus.engine.nodes import Expr, walk
from mcbook.calculus.engine.text import text
from mcbook.calculus.engine.vocabulary import diag, exp, logistic, softmax
from mcbook.calculus.marking.graph import Edge, Graph
from mcbook.calculus.marking.slips import MULTIPLIED, Slip, bare, product
from mcbook.calculus.marking.steps import numbered, time_of

Swap = tuple[str, float, str, Expr]  # class, cost, in words, what stands in V's place


def other_times(V: Expr, parts: list[Expr]) -> Iterator[Swap]:
    """h_2 for h_1; H2 for H1."""
    own = numbered(V.name)
    for W in parts if own else ():
        other = numbered(W.name)
        if own and other and W is not V and W.shape == V.shape and other[0] == own[0]:
            shift = other[1] - own[1]
            if time_of(V.name) is None:
                yield "point", 1.1, f"{text(W)} where {text(V)} belongs", W
            elif abs(shift) <= 2:
                when = (
                    f"{'one step' if abs(shift) == 1 else 'two steps'} too {'late' if shift > 0 else 'early'}"
                )
                yield "time", 1.0, f"{own[0]} {when}", W


def other_points(V: Expr, parts: list[Expr]) -> Iterator[Swap]:
    """z for φ(z), φ(z) for z, X for XW, X + F for F."""
    inside, named = bare(V), {W.args[0] for W in parts if W.op == "let"}
    if inside.op == "apply":
        label = "activation" if inside.data == "relu" else "point"
        yield label, 1.1, f"{text(inside.args[0])} where {text(V)} belongs", inside.args[0]
    for W in parts:
        if W.op == "let" or W.shape != V.shape or W is V or bare(W) is bare(V):
            continue
        if W.op == "apply" and bare(W.args[0]) is inside:
            yield "point", 1.2, f"{text(W)} where {text(V)} belongs", W
        elif W.op == "add" and any(a is V or a is inside for a in W.args) and W in named:
            yield "point", 1.3, f"{text(W)} where {text(V)} belongs", W
    for W in parts if V.op == "let" and inside.op == "apply" else ():
        own, other = numbered(V.name), numbered(W.name) if W.op == "let" else None
        if own and other and own[1] == other[1] and own[0] != other[0] and W.shape == V.shape:
            yield "point", 1.2, "another state of the step where its activation belongs", W
    if inside.op == "times" and inside.args[-1].shape == V.shape and inside.args[0].op != "number":
        label = "point" if V.op == "let" else "factor"
        yield label, 1.25, f"{text(inside.args[-1])} where {text(V)} belongs", inside.args[-1]


def other_arguments(V: Expr, parts: list[Expr]) -> Iterator[Swap]:
    """φ(−z) and φ(z without a term) for φ(z)."""
    inside = bare(V)
    if inside.op not in ("apply", "softmax"):
        return
    z, of = inside.args[0], bare(inside.args[0])
    build: Callable[[Expr], Expr] = softmax if inside.op == "softmax" else lambda a: apply(inside.data, a)
    terms = of.args if of.op == "add" else ()
    for left_out in terms:
        rest = add(*(a for a in terms if a is not left_out))
        yield "point", 1.2, f"{text(left_out)} left out in {text(V)}", build(rest)
        if rest.op == "times" and rest.args[0].data == -1:
            yield "point", 1.2, f"{text(V)} taken at {text(times(-1, rest))}", build(times(-1, rest))
    if of.op == "times" and of.args[0].data == -1:
        yield "point", 1.1, f"{text(V)} taken at {text(times(-1, of))}", build(times(-1, of))
    if of.op == "times" and of.args[-1].shape == z.shape and not of.is_scalar:
        yield "point", 1.2, f"{text(V)} taken at {text(of.args[-1])}", build(of.args[-1])
    signs, core = (of.args[:-1], of.args[-1]) if of.op == "times" else ((), of)
    for a in core.args if core.op == "hadamard" else ():
        yield "point", 1.25, f"{text(V)} taken at {text(times(*signs, a))}", build(times(*signs, a))
    if of.op == "matmul":
        for a in of.args:
            if a.shape == z.shape:
                yield "point", 1.2, f"{text(V)} taken at {text(a)}", build(a)


def turned(V: Expr, parts: list[Expr]) -> Iterator[Swap]:
    """A for Aᵀ."""
    W = transpose(V)
    if W is not V and W.shape == V.shape and V.op in ("symbol", "let", "inverse", "add"):
        yield "layout", 1.2, f"{text(V)} and its transpose exchanged", W


def uninverted(V: Expr, parts: list[Expr]) -> Iterator[Swap]:
    """A, or 1/A entry by entry, for A⁻¹."""
    if V.op == "inverse":
        yield "rule", 1.2, f"{text(V.args[0])} for {text(V)}", V.args[0]
        yield "hadamard", 1.2, f"1/{text(V.args[0])} entry by entry for {text(V)}", power(V.args[0], -1)
    if bare(V).op == "solve":
        A, B = bare(V).args
        yield "rule", 1.2, MULTIPLIED, matmul(A, B)


def a_sign_inside(V: Expr, parts: list[Expr]) -> Iterator[Swap]:
    """Ax + b for Ax − b."""
    inside = bare(V)
    for term in inside.args if inside.op == "add" else ():
        terms = (times(-1, a) if a is term else a for a in inside.args)
        yield "sign", 1.2, f"the sign of {text(term)} in {text(V)}", add(*terms)


def a_term_left_out(V: Expr, parts: list[Expr]) -> Iterator[Swap]:
    """K for K + λI; X for X + σE."""
    label, cost = ("penalty", 1.1) if V.shape[0] == V.shape[1] else ("point", 1.3)
    for term in bare(V).args if bare(V).op == "add" else ():
        rest = (a for a in bare(V).args if a is not term)
        yield label, cost, f"{text(term)} left out of {text(V)}", add(*rest)


def other_softmaxes(V: Expr, parts: list[Expr]) -> Iterator[Swap]:
    inside = bare(V)
    if inside.op == "softmax":
        Z = inside.args[0]
        yield "softmax", 1.2, "the normaliser left out of the softmax", exp(Z)
        yield "softmax", 1.3, "one logistic for each entry in place of the softmax", logistic(Z)
        yield "softmax", 1.3, "the argument for its softmax", Z
        if not Z.is_column:
            turned = transpose(softmax(transpose(Z)))
            yield "softmax", 1.2, "normalised over the wrong axis", turned


def its_derivative(V: Expr, parts: list[Expr]) -> Iterator[Swap]:
    """φ′(z) for φ(z), in a layer that is not being differentiated; (A∘A) for A@A is not met here."""
    inside = bare(V)
    if inside.op == "apply":
        slope = FUNCTIONS[inside.data].slope(inside.args[0], V)
        yield "activation", 1.2, f"the derivative of {text(V)} for itself", slope


SWAPS: tuple[Callable[[Expr, list[Expr]], Iterator[Swap]], ...] = (
    other_times,
    other_points,
    other_arguments,
    turned,
    uninverted,
    a_sign_inside,
    a_term_left_out,
    other_softmaxes,
    its_derivative,
)


def place_slips(n: int, e: Edge, parts: list[Expr], X: Expr, timed: bool) -> Iterator[Slip]:
    """Every swap in every part of what edge number n hands on; where nothing is made in steps, of no time."""
    if e.k < 0 or e.E.op == "let":
        return
    for V in walk(e.right, behind_names=False):
        if e.C in V.free or V.op in ("number", "ones", "identity"):
            continue
        for swap in SWAPS:
            if swap in (a_term_left_out, a_sign_inside) and X in V.free:
                continue  # a sign in a residual is misread wherever it is used: `misread_slips`
            if swap is its_derivative and e.E.op == "hadamard":
                continue
            for label, cost, what, W in swap(V, parts):
                try:
                    wrong = replace(e.right, {V: W})
                except ValueError:  # the engine finds no such expression
                    continue
                if wrong is not e.right and wrong.shape == e.right.shape:
                    inner = label == "factor" and _is_an_argument(V, e.right)
                    kind = "point" if inner or (label == "time" and not timed) else label
                    yield Slip(kind, cost, what, ((n, wrong),))


def _is_an_argument(V: Expr, E: Expr) -> bool:
    """Whether V stands nowhere in E but as what a function is taken of."""
    around = [node.op for node in walk(E, behind_names=False) if V in node.args]
    return around != [] and set(around) <= {"apply", "softmax"}


STAR_FOR_AT = "* and @ exchanged"


def other_product(E: Expr) -> Iterator[Expr]:
    """A∘B for neighbours of one square shape in a product AB, all of them at once too; AB for A∘B."""
    for k in range(len(E.args) - 1) if E.op == "matmul" else ():
        a, b = E.args[k : k + 2]
        if a.shape == b.shape and not a.is_scalar:
            yield matmul(*E.args[:k], hadamard(a, b), *E.args[k + 2 :])
    if E.op == "matmul" and len(E.args) > 2 and len({a.shape for a in E.args}) == 1:
        yield hadamard(*E.args)
    if E.op == "hadamard" and len(E.args) == 2 and E.shape[0] == E.shape[1]:
        yield matmul(*E.args)
        yield matmul(*E.args[::-1])


def in_other_order(E: Expr, C: Expr) -> Iterator[Expr]:
    """BᵀCᵀ… for CᵀBᵀ…: the transpose of a product, its factors left in their order."""
    for k in range(len(E.args) - 1) if E.op == "matmul" else ():
        a, b = E.args[k : k + 2]
        if a.shape == b.shape and a.shape[0] > 1 and C not in a.free | b.free and a is not b:
            yield matmul(*E.args[:k], b, a, *E.args[k + 2 :])


def entry_by_entry(core: Expr) -> Iterator[Swap]:
    """diag(a∘b) for abᵀ, within a product."""
    for k in range(len(core.args) - 1) if core.op == "matmul" else ():
        a, b = core.args[k : k + 2]
        if a.is_column and not a.is_scalar and b.shape == a.shape[::-1]:
            what = f"{text(a)} times {text(b)} entry by entry, on the diagonal"
            yield (
                "hadamard",
                1.15,
                what,
                product((*core.args[:k], diag(hadamard(a, transpose(b))), *core.args[k + 2 :])),
            )


def sums_apart(core: Expr, e: Edge, X: Expr) -> Iterator[Swap]:
    """The product of the sums over the samples for the sum of the products."""
    what = "the product of the sums over the samples for the sum of the products"
    for k in range(len(core.args) - 1) if core.op == "matmul" and _ends_at(e, X) else ():
        a, b = core.args[k : k + 2]
        m = b.shape[0]
        if m not in (1, *X.shape) and "ones" not in (a.op, b.op):
            wrong = (*core.args[:k], a, ones(m), transpose(ones(m)), b, *core.args[k + 2 :])
            yield "batch", 1.1, what, product(wrong)
    if core.op == "hadamard" and e.C in core.args and _is_repeated(e.target, X):
        others = [a for a in core.args if a is not e.C]
        m = core.shape[0]
        yield "batch", 1.1, what, hadamard(e.C, matmul(ones(m, m), hadamard(*others)))


def _ends_at(e: Edge, X: Expr) -> bool:
    return e.target is X or (e.target.op == "transpose" and e.target.args[0] is X)


def _is_repeated(E: Expr, X: Expr) -> bool:
    """Whether E is made of X repeated for every sample, plain or as a term."""
    terms = bare(E).args if bare(E).op == "add" else (E,)
    rows = (t for t in terms if bare(t).op == "matmul" and X in t.free)
    return any(bare(t).args[0].op == "ones" and bare(t).args[0].is_column for t in rows)


def factor_slips(n: int, e: Edge, X: Expr, timed: bool) -> Iterator[Slip]:
    """Products: @ and * exchanged where the shapes allow it, and factors of the chain rule left out."""
    core = e.right.args[-1] if e.right.op == "times" else e.right
    scalars = e.right.args[:-1] if e.right.op == "times" else ()
    if e.k < 0 or core.op not in ("matmul", "hadamard"):
        return
    for label, cost, what, wrong in (*entry_by_entry(core), *sums_apart(core, e, X)):
        yield Slip(label, cost, what, ((n, times(*scalars, wrong)),))
    for exchanged in in_other_order(core, e.C):
        yield Slip("layout", 1.25, "two factors in the wrong order", ((n, times(*scalars, exchanged)),))
    if core.op != e.E.op:
        return
    for exchanged in other_product(core):
        if exchanged.shape == core.shape:
            yield Slip("hadamard", 1.1, STAR_FOR_AT, ((n, times(*scalars, exchanged)),))
    for k, a in enumerate(core.args):
        rest = core.args[:k] + core.args[k + 1 :]
        if e.C in a.free or not rest:
            continue
        if core.op == "hadamard":
            what = f"the inner derivative {text(a)} forgotten"
            yield Slip("activation", 1.2, what, ((n, times(*scalars, hadamard(*rest))),))
        elif len(rest) == 1 and rest[0].shape == core.shape and e.C in rest[0].free:
            indexed = timed and e.target.name != "" and time_of(e.target.name) is not None
            what = f"the factor {text(a)} of the chain rule forgotten"
            yield Slip("time" if indexed else "rule", 1.6, what, ((n, times(*scalars, *rest)),))
        elif len(rest) > 1 and a.shape[0] == a.shape[1]:
            what = f"the factor {text(a)} of the chain rule forgotten before {text(e.target)}"
            yield Slip("activation", 1.4, what, ((n, times(*scalars, product(rest))),))


def parts_of(graph: Graph) -> list[Expr]:
    """What may be mistaken for one another: all that the function is made of, and what is named."""
    return [node for node in walk(graph.derivation.f) if node.op != "number"]
