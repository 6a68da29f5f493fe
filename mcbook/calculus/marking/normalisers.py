"""The slips with softmax and log-sum-exp, whose derivatives sum over a row.

P is the softmax of the argument Z and C what stands beside the node's differential.
"""

from collections.abc import Callable, Iterator

from mcbook.calculus.engine.algebra import add, hadamard, matmul, number, ones, power, times, transpose
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.vocabulary import diag, exp, inner, logistic, softmax
from mcbook.calculus.marking.graph import Edge
from mcbook.calculus.marking.slips import Slip

Rewrite = Callable[[Expr, Expr], Expr]


def one_minus(P: Expr) -> Expr:
    return add(ones(*P.shape), times(-1, P))


def row_sums(A: Expr) -> Expr:
    """Each row's sum, in every place of the row; a vector counts as one row."""
    n, m = A.shape
    return times(inner(ones(n), A), ones(n)) if m == 1 else matmul(A, ones(m, m))


def column_sums(A: Expr) -> Expr:
    return matmul(ones(A.shape[0], A.shape[0]), A)


def down_the_columns(Z: Expr) -> Expr:
    """The softmax of each column of a matrix."""
    return transpose(softmax(transpose(Z)))


def minus(A: Expr, B: Expr) -> Expr:
    return add(A, times(-1, B))


def by(P: Expr, C: Expr) -> Expr:
    """The rule itself: P∘C − (its row sums)∘P."""
    return hadamard(P, minus(C, row_sums(hadamard(P, C))))


SOFTMAX: tuple[tuple[str, float, str, Rewrite], ...] = (
    ("softmax", 1.0, "only the diagonal p(1 − p) of the Jacobian", lambda P, C: hadamard(C, P, one_minus(P))),
    ("softmax", 1.0, "the normaliser held constant", lambda P, C: hadamard(C, P)),
    ("softmax", 1.0, "softmax's Jacobian forgotten", lambda P, C: C),
    ("softmax", 1.0, "the outer p forgotten", lambda P, C: minus(C, row_sums(hadamard(P, C)))),
    ("softmax", 1.0, "centred with the plain sum", lambda P, C: hadamard(P, minus(C, row_sums(C)))),
    (
        "softmax",
        1.0,
        "the normaliser's part summed over the wrong axis",
        lambda P, C: hadamard(P, minus(C, column_sums(hadamard(P, C)))),
    ),
    ("softmax", 1.1, "the diagonal part forgotten", lambda P, C: minus(by(P, C), hadamard(P, C))),
    (
        "softmax",
        1.4,
        "the outer p of the diagonal part forgotten",
        lambda P, C: minus(C, hadamard(P, row_sums(hadamard(P, C)))),
    ),
    (
        "softmax",
        1.1,
        "the inner p forgotten",
        lambda P, C: minus(hadamard(P, C), row_sums(hadamard(P, C))),
    ),
    (
        "sign",
        1.0,
        "plus for minus in the normaliser's part",
        lambda P, C: hadamard(P, add(C, row_sums(hadamard(P, C)))),
    ),
)

WEIGHTS: tuple[tuple[float, str, Callable[[Expr], Expr]], ...] = (  # what stands for softmax Z
    (1.0, "the diagonal p(1 − p) multiplied in", lambda Z: hadamard(softmax(Z), one_minus(softmax(Z)))),
    (1.0, "the normaliser left out: exp z for softmax z", exp),
    (1.1, "the weights forgotten: every part counts one", lambda Z: ones(*Z.shape)),
    (1.2, "exp forgotten above the normaliser", lambda Z: hadamard(softmax(Z), exp(times(-1, Z)))),
    (1.1, "1 − p for p", lambda Z: one_minus(softmax(Z))),
    (1.4, "one logistic for each entry in place of the softmax", logistic),
    (1.4, "softmax taken of the softmax", lambda Z: softmax(softmax(Z))),
    (1.4, "the argument for its softmax", lambda Z: Z),
    (1.4, "all weights equal", lambda Z: times(power(number(max(1, _parts(Z))), -1), ones(*Z.shape))),
)


def _parts(Z: Expr) -> int:
    return Z.shape[0] if Z.is_column else Z.shape[1]


def weighted(e: Edge, W: Expr) -> Expr:
    """Each row of W times its entry of C: how a log-sum-exp hands on."""
    return times(e.C, W) if e.E.is_scalar else matmul(diag(e.C), W)


def normaliser_slips(n: int, e: Edge) -> Iterator[Slip]:
    if e.k < 0 or e.E.op not in ("softmax", "logsumexp"):
        return
    Z = e.E.args[0]
    if e.E.op == "softmax":
        for label, cost, what, rewrite in SOFTMAX:
            yield Slip(label, cost, what, ((n, rewrite(e.Y, e.C)),))
    else:
        for cost, what, weights in WEIGHTS:
            yield Slip("softmax", cost, what, ((n, weighted(e, weights(Z))),))
    if not Z.is_column:
        turned = down_the_columns(Z)
        wrong = by(turned, e.C) if e.E.op == "softmax" else weighted(e, turned)
        yield Slip("softmax", 1.0, "normalised over the wrong axis", ((n, wrong),))
