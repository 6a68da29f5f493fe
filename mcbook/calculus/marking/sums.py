"""A sum that was never taken: an answer in another shape whose entries add up to the gradient."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mcbook.calculus.engine.nodes import walk
from mcbook.calculus.inputs import Reals
from mcbook.calculus.marking.search import Explanation, Search, near
from mcbook.calculus.marking.slips import Slip

Sum = tuple[str, float, str, Callable[[Reals], Reals]]


def sums(shape: tuple[int, int], search: Search) -> Iterator[Sum]:
    """What of an answer in this shape adds up to one in the variable's: its class, its cost, in words."""
    X = search.graph.X
    rows = X.shape[0]
    if X.is_scalar:
        yield "batch", 1.0, "the sum over the entries forgotten", lambda A: A.sum(keepdims=True)
    elif X.is_column:
        if shape[0] == rows and shape[1] > 1:
            yield "batch", 1.2, "the sum over the columns forgotten", lambda A: A.sum(1, keepdims=True)
        if shape[1] == rows:
            yield "batch", 1.2, "the sum over the rows forgotten", lambda A: A.sum(0)[:, None]
        if shape == (rows, rows):
            made = any(node.op == "diag" for node in walk(search.graph.derivation.f))
            label = "symmetric" if made else "hadamard"
            yield label, 1.0, "the whole matrix, not cut to its diagonal", lambda A: np.diag(A)[:, None]
    elif X.data.structure == "diagonal" and shape == (rows, 1):
        yield (
            "symmetric",
            1.0,
            "the vector of the diagonal for the diagonal matrix",
            lambda A: np.diag(A[:, 0]),
        )


def not_summed(
    search: Search, answers: Sequence[Reals], truths: Sequence[Reals], *, with_a_slip: bool
) -> list[Explanation]:
    """The explanations by a sum that is missing at the end, alone, in one term, or beside one other slip."""
    ways = [
        (Slip(label, cost, what, ()), [total(A) for A in answers])
        for label, cost, what, total in sums(answers[0].shape, search)
    ]
    alone = [Explanation((slip,)) for slip, added in ways if all(map(near, added, truths))]
    if found := alone or in_a_term(search, answers, truths):
        return found
    if not with_a_slip:
        return []
    beside = (
        Explanation((*x.slips, slip), x.habit) for slip, added in ways for x in search.explain(added, 0, 1)
    )
    return sorted((x for x in beside if len(x.labels) == 2), key=lambda x: x.cost)


def in_a_term(search: Search, answers: Sequence[Reals], truths: Sequence[Reals]) -> list[Explanation]:
    """The same in one term of a sum, to which the others were added entry by entry: of a number's gradient.

    With m entries, t the term's part and G − t the others', the entries add up to m (G − t) + t.
    """
    m, graph = answers[0].size, search.graph
    if not graph.X.is_scalar or m == 1:
        return []
    parts = [(m * float(G.sum()) - float(A.sum())) / (m - 1) for A, G in zip(answers, truths, strict=True)]
    sweeps = [graph.sweep(M) for M in search.base]
    for n, e in enumerate(graph.edges):
        if e.k >= 0 and e.E.op == "add" and e.E.is_scalar:
            terms = [
                float((L[e.end] @ (M[n] @ c[e.start])).sum())
                for (c, L), M in zip(sweeps, search.base, strict=True)
            ]
            if np.allclose(terms, parts, rtol=1e-8, atol=0):
                return [
                    Explanation((Slip("batch", 1.0, "the sum over the entries forgotten in one term", ()),))
                ]
    return []
