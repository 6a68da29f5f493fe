"""Answers of another shape than their variable: a sum left out, * for @, or a stop half way."""

from collections.abc import Iterator, Sequence

from mcbook.calculus.engine.algebra import hadamard, matmul, ones, times, transpose
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.text import text
from mcbook.calculus.inputs import Reals, norm
from mcbook.calculus.marking.graph import Edge, Graph
from mcbook.calculus.marking.search import Explanation, Matrices, Search, near
from mcbook.calculus.marking.slips import Slip, bare, product

Way = tuple[str, float, str, Expr]


def last_edges(graph: Graph) -> Iterator[tuple[int, Edge]]:
    """The edges whose C becomes dX's, but for a transpose; of a number, those that make one of a matrix."""
    X = graph.X
    for n, e in enumerate(graph.edges):
        last = e.target is X or (e.target.op == "transpose" and e.target.args[0] is X)
        if e.k >= 0 and (last or (X.is_scalar and e.target.is_scalar and not e.E.is_scalar)):
            yield n, e


def other_products(e: Edge) -> Iterator[Way]:
    """What people write for the last product, and what has another shape."""
    yield from _entries_not_summed(e)
    core = e.right.args[-1] if e.right.op == "times" and not e.right.args[-1].is_scalar else e.right
    scalars = e.right.args[:-1] if core is not e.right else ()
    if core.op == "matmul":
        for label, cost, what, written in (*_samples_not_summed(core), *_other_vectors(core)):
            yield label, cost, what, times(*scalars, written)


def _entries_not_summed(e: Edge) -> Iterator[Way]:
    """C∘A for ⟨C, A⟩, where a number multiplies a matrix A."""
    if e.E.op == "times" and not e.E.args[-1].is_scalar and e.k < len(e.E.args) - 1:
        written = hadamard(e.C, times(*(a for j, a in enumerate(e.E.args) if j != e.k)))
        yield "batch", 1.0, "the sum over the entries forgotten", written
        yield "hadamard", 1.1, "* for @: the entries not summed", written


def _samples_not_summed(core: Expr) -> Iterator[Way]:
    """C, or the sum of its other side, for 1ᵀC: where a row was repeated for every sample."""
    for k, a in enumerate(core.args):
        if a.op == "ones":
            C = product(core.args[:k] + core.args[k + 1 :])
            yield "batch", 1.0, "the sum over the samples forgotten", C
            for A in (C, transpose(C)):
                yield "batch", 1.05, "summed along the wrong axis", matmul(A, ones(A.shape[1]))


def _other_vectors(core: Expr) -> Iterator[Way]:
    """a∘b and aᵀb for abᵀ, a∘b for aᵀb."""
    a, b = (core.args[0], core.args[1]) if len(core.args) == 2 else (core, core)
    if a.is_column and b.shape == (1, a.shape[0]):
        yield "hadamard", 1.0, "* for the outer product", hadamard(a, transpose(b))
        yield "layout", 1.0, "the transpose on the wrong vector: an inner product", matmul(b, a)
    for M, v in ((a, b), (transpose(b), transpose(a))):
        if v.is_column and M.op != "ones" and not M.is_column and M.shape[0] > 1 and M.shape[1] == v.shape[0]:
            yield "hadamard", 1.1, "* for @: each row multiplied, nothing summed", hadamard(M, _rows(v, M))
    if b.is_column and a.shape == (1, b.shape[0]):
        yield "hadamard", 1.0, "* for @: the sum forgotten", hadamard(transpose(a), b)


def _rows(v: Expr, M: Expr) -> Expr:
    """v as every row of a matrix of M's shape."""
    return matmul(ones(M.shape[0]), transpose(v))


def half_way(graph: Graph) -> Iterator[tuple[str, int, str]]:
    """Every node at which somebody may have stopped: its place, and in words; of no class: no rule is wrong.

    But for a diagonal matrix: its gradient was not cut to the diagonal.
    """
    for e in graph.edges:
        if e.k == -1 and e.E.op != "let" and e.E is not graph.X:
            terms = [a for a in (e.E.args if e.E.op == "add" else (e.E,)) if graph.X in a.free]
            whole = all(bare(a).op == "diag" for a in terms)
            words = ", the whole matrix" if whole else ""
            yield "symmetric" if whole else "", e.end, f"stopped at the derivative by {text(e.E)}{words}"


def explain_shape(search: Search, answers: Sequence[Reals]) -> list[Explanation]:
    """Explanations of answers in another shape: by one slip, or by one that goes before it."""
    graph, shape = search.graph, answers[0].shape
    if shape == graph.X.shape[::-1]:
        turned = [A.T for A in answers]
        layout = Slip("layout", 1.0, "Gᵀ for G: the numerator layout, or factors exchanged", ())
        if near(turned[0].ravel(), search.G):
            return [Explanation((layout,))]
        found = search.explain(turned, last=3)
        if found:
            return [Explanation((*x.slips, layout), x.habit) for x in found]
    found = list(_after(search, None, answers))
    if not found:
        found = [x for before in search.slips for x in _after(search, before, answers)]
    return sorted(found, key=lambda x: x.cost)


def _after(search: Search, before: Slip | None, answers: Sequence[Reals]) -> Iterator[Explanation]:
    """What fits once `before` has been made."""
    graph = search.graph
    made = [search.matrices(before, d) if before else {} for d in range(len(answers))]
    if any(m is None for m in made):
        return
    sweeps: list = [None] * len(answers)

    def cotangents(d: int) -> tuple[list, list]:
        if sweeps[d] is None:
            sweeps[d] = graph.sweep(_list(search, made[d] or {}, d))
        return sweeps[d]

    earlier = (before,) if before else ()
    for n, e in last_edges(graph):
        if before is None or n not in (made[0] or {}):
            for label, cost, what, right in ways(e):
                if all(_is_last(search, n, e, right, cotangents(d), d, A) for d, A in enumerate(answers)):
                    yield Explanation((*earlier, Slip(label, cost, what, ())))
    for label, place, what in half_way(graph):
        if all(_is_half(graph, place, cotangents(d)[0], A) for d, A in enumerate(answers)):
            yield Explanation((*earlier, Slip(label, 1.3, what, ())))


def ways(e: Edge) -> list[Way]:
    try:
        return list(other_products(e))
    except ValueError:
        return []


def _list(search: Search, made: Matrices, d: int) -> list[Reals]:
    matrices = list(search.base[d])
    for n, M in made.items():
        matrices[n] = M
    return matrices


def _is_last(search: Search, n: int, e: Edge, right: Expr, swept: tuple, d: int, A: Reals) -> bool:
    """Whether the rest of the gradient plus what this edge makes of its cotangent is A, as NumPy adds."""
    c, L = swept
    if c[e.start] is None:
        return False
    M = search.draws[d].matrix(right, e.C)
    wrong = (M @ c[e.start]).reshape(right.shape)
    shape = search.graph.X.shape
    wrong = wrong * L[e.end][0, 0] if search.graph.X.is_scalar else wrong
    rest = (L[0][:, 0] - L[e.end] @ (search.base[d][n] @ c[e.start])).reshape(shape)
    size = norm(search.base[d][n] @ c[e.start])
    return any(_adds_to(rest, W, A, size) for W in (wrong, wrong.T))


def _adds_to(rest: Reals, wrong: Reals, A: Reals, size: float) -> bool:
    if norm(rest) <= 1e-9 * max(norm(wrong), size):
        return wrong.shape == A.shape and bool(near(wrong, A) or norm(wrong - A) <= 1e-12 * size)
    try:
        total = rest + wrong
    except ValueError:
        return False
    return total.shape == A.shape and near(total, A)


def _is_half(graph: Graph, place: int, c: list, A: Reals) -> bool:
    E = next(e.E for e in graph.edges if e.end == place and e.k == -1)
    return c[place] is not None and any(
        M.shape == A.shape and near(M, A) for M in (c[place].reshape(E.shape), c[place].reshape(E.shape).T)
    )
