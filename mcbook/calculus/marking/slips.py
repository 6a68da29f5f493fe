"""What people do to a rule: for each operation, the slips in its reverse, as a table of rewritings.

Read a row as: the rule hands C on as `right`, and this learner wrote something else.  E is the node, A the
argument that moves, Y the value of E, and C what stands beside dE.  A row that does not fit the shapes, or says
the same as the rule, is passed over.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mcbook.calculus.engine.algebra import (
    add,
    hadamard,
    identity,
    matmul,
    number,
    ones,
    power,
    times,
    transpose,
)
from mcbook.calculus.engine.functions import FUNCTIONS, apply
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.vocabulary import det, exp, inner, inverse, logistic, softmax, solve, trace
from mcbook.calculus.marking.graph import Edge


class Slip(NamedTuple):
    """A mistake: its class, how surprising it is, in words, and what it puts in the place of which maps.

    A number in the place of a map multiplies it; an expression, in the edge's own C, replaces it.
    """

    label: str
    cost: float
    what: str
    changes: tuple[tuple[int, Expr | float], ...]


MULTIPLIED = "multiplied by A where it should be solved with"
Row = tuple[str, float, str, Callable[[Edge], Expr | None]]


def bare(E: Expr) -> Expr:
    """What stands behind a name."""
    return bare(E.args[0]) if E.op == "let" else E


def _arg(e: Edge) -> Expr:
    return e.E.args[0]


def _slope(e: Edge, z: Expr, y: Expr) -> Expr:
    return FUNCTIONS[e.E.data].slope(z, y)


def _second_slope(e: Edge) -> Expr | None:
    """φ″ where the engine writes φ′ as a function of its table."""
    first = _slope(e, _arg(e), e.Y)
    if first.op == "apply":
        return FUNCTIONS[first.data].slope(first.args[0], first)
    return None


def _slope_of_slope(e: Edge) -> Expr | None:
    """φ′(φ′(z)): the derivative fed with its own value."""
    first = _slope(e, _arg(e), e.Y)
    return apply(first.data, first) if first.op == "apply" else None


def _turned_softmax(Z: Expr) -> Expr:
    """Normalised down the columns."""
    return transpose(softmax(transpose(Z)))


def _row_sums(A: Expr) -> Expr:
    """Each row's sum, in every place of the row; a vector counts as one row."""
    n, m = A.shape
    if m == 1:
        return times(inner(ones(n), A), ones(n))
    return matmul(A, ones(m, m))


def _column_sums(A: Expr) -> Expr:
    return matmul(ones(A.shape[0], A.shape[0]), A)


def _p(e: Edge) -> Expr:
    """The softmax of the argument, of a softmax or a log-sum-exp."""
    return e.Y if e.E.op == "softmax" else softmax(_arg(e))


def weighted(e: Edge, W: Expr) -> Expr:
    """Each row of W times its entry of C: what hands a log-sum-exp on."""
    return times(e.C, W) if e.E.is_scalar else matmul(_diagonal(e.C), W)


def _diagonal(c: Expr) -> Expr:
    from mcbook.calculus.engine.vocabulary import diag

    return diag(c)


def _one_minus(P: Expr) -> Expr:
    return add(ones(*P.shape), times(-1, P))


TABLE: dict[str, tuple[Row, ...]] = {
    "logdet": (
        ("rule", 1.0, "the transpose of A⁻ᵀ forgotten", lambda e: times(e.C, inverse(_arg(e)))),
        ("rule", 1.1, "the inverse forgotten", lambda e: times(e.C, _arg(e))),
        ("rule", 1.15, "the inverse forgotten, transposed", lambda e: times(e.C, transpose(_arg(e)))),
        (
            "rule",
            1.0,
            "1/det kept, the determinant's own derivative not",
            lambda e: times(e.right, power(det(_arg(e)), -1)),
        ),
        (
            "rule",
            1.0,
            "the rule for det in place of that for log det",
            lambda e: times(e.right, det(_arg(e))),
        ),
        (
            "rule",
            1.2,
            "1/det in place of the inverse",
            lambda e: times(e.C, power(det(_arg(e)), -1), identity(_arg(e).shape[0])),
        ),
        (
            "rule",
            1.2,
            "the trace left standing over A⁻¹",
            lambda e: times(e.C, trace(inverse(_arg(e))), identity(_arg(e).shape[0])),
        ),
        (
            "hadamard",
            1.0,
            "1/A entry by entry for the inverse",
            lambda e: times(e.C, power(transpose(_arg(e)), -1)),
        ),
        ("hadamard", 1.0, "1/A entry by entry for the inverse", lambda e: times(e.C, power(_arg(e), -1))),
    ),
    "det": (
        ("rule", 1.0, "the transpose of A⁻ᵀ forgotten", lambda e: times(e.C, e.Y, inverse(_arg(e)))),
        (
            "rule",
            1.0,
            "det A forgotten: the rule for log det",
            lambda e: times(e.C, transpose(inverse(_arg(e)))),
        ),
        ("rule", 1.1, "det A forgotten, and the transpose", lambda e: times(e.C, inverse(_arg(e)))),
        ("rule", 1.0, "the inverse forgotten", lambda e: times(e.C, e.Y, _arg(e))),
        ("rule", 1.0, "the inverse forgotten", lambda e: times(e.C, e.Y, transpose(_arg(e)))),
        (
            "rule",
            1.0,
            "divided by det A instead of multiplied",
            lambda e: times(e.C, power(e.Y, -1), transpose(inverse(_arg(e)))),
        ),
        ("rule", 1.2, "det A alone", lambda e: times(e.C, e.Y, identity(_arg(e).shape[0]))),
        (
            "rule",
            1.2,
            "the trace left standing over A⁻¹",
            lambda e: times(e.C, e.Y, trace(inverse(_arg(e))), identity(_arg(e).shape[0])),
        ),
        (
            "hadamard",
            1.0,
            "1/A entry by entry for the inverse",
            lambda e: times(e.C, e.Y, power(transpose(_arg(e)), -1)),
        ),
        (
            "hadamard",
            1.0,
            "1/A entry by entry for the inverse",
            lambda e: times(e.C, e.Y, power(_arg(e), -1)),
        ),
    ),
    "inverse": (
        ("rule", 1.0, "the second inverse forgotten", lambda e: times(-1, matmul(transpose(e.Y), e.C))),
        ("rule", 1.0, "the first inverse forgotten", lambda e: times(-1, matmul(e.C, transpose(e.Y)))),
        ("rule", 1.0, "both inverses forgotten", lambda e: times(-1, e.C)),
        ("rule", 1.0, "the transposes of A⁻ᵀ C A⁻ᵀ forgotten", lambda e: times(-1, matmul(e.Y, e.C, e.Y))),
        ("rule", 1.2, "the second inverse forgotten, and a transpose", lambda e: times(-1, matmul(e.Y, e.C))),
        ("rule", 1.2, "the first inverse forgotten, and a transpose", lambda e: times(-1, matmul(e.C, e.Y))),
        (
            "rule",
            1.0,
            "A⁻² written to one side",
            lambda e: times(-1, matmul(transpose(e.Y), transpose(e.Y), e.C)),
        ),
        (
            "rule",
            1.0,
            "A⁻² written to one side",
            lambda e: times(-1, matmul(e.C, transpose(e.Y), transpose(e.Y))),
        ),
        (
            "rule",
            1.1,
            "one of the two inverses not transposed",
            lambda e: times(-1, matmul(e.Y, e.C, transpose(e.Y))),
        ),
        (
            "rule",
            1.1,
            "one of the two inverses not transposed",
            lambda e: times(-1, matmul(transpose(e.Y), e.C, e.Y)),
        ),
        (
            "hadamard",
            1.0,
            "A⁻² entry by entry: −1/A² of numbers",
            lambda e: times(-1, hadamard(transpose(e.Y), transpose(e.Y), e.C)),
        ),
        (
            "hadamard",
            1.0,
            "A⁻² entry by entry: −1/A² of numbers",
            lambda e: times(-1, hadamard(power(_arg(e), -2), e.C)),
        ),
    ),
    "solve": (
        ("rule", 1.0, "the second solve, with Aᵀ, forgotten", lambda e: _solved(e, e.C)),
        ("layout", 1.0, "solved with A where Aᵀ belongs", lambda e: _solved(e, solve(_arg(e), e.C))),
        ("rule", 1.0, MULTIPLIED, lambda e: _solved(e, matmul(transpose(_arg(e)), e.C))),
        ("rule", 1.0, MULTIPLIED, lambda e: _solved(e, matmul(_arg(e), e.C))),
        (
            "rule",
            1.1,
            "the inner solve forgotten: B for A⁻¹B",
            lambda e: _without_inner(e, solve(transpose(_arg(e)), e.C)),
        ),
        ("rule", 1.0, "both solves forgotten", lambda e: _without_inner(e, e.C)),
        (
            "rule",
            1.2,
            "both solves kept on one side",
            lambda e: _without_inner(e, solve(transpose(_arg(e)), solve(transpose(_arg(e)), e.C))),
        ),
        ("hadamard", 1.0, "A⁻² entry by entry", lambda e: _squared_entries(e)),
    ),
    "trace": (
        ("rule", 1.0, "ones for the identity", lambda e: times(e.C, ones(*_arg(e).shape))),
        ("rule", 1.0, "the trace's derivative taken for its argument", lambda e: times(e.C, _arg(e))),
        (
            "rule",
            1.1,
            "the trace's derivative taken for its argument, transposed",
            lambda e: times(e.C, transpose(_arg(e))),
        ),
        (
            "rule",
            1.2,
            "the size for the identity",
            lambda e: times(e.C, _arg(e).shape[0], ones(*_arg(e).shape)),
        ),
    ),
    "sum": (
        (
            "rule",
            1.1,
            "the identity for the ones: a trace",
            lambda e: (
                times(e.C, identity(_arg(e).shape[0])) if _arg(e).shape[0] == _arg(e).shape[1] else None
            ),
        ),
    ),
    "norm": (
        ("rule", 1.0, "the gradient of the squared norm", lambda e: times(2, e.C, _arg(e))),
        ("rule", 1.0, "the norm in the denominator forgotten", lambda e: times(e.C, _arg(e))),
        ("rule", 1.0, "the squared norm in the denominator", lambda e: times(e.C, power(e.Y, -2), _arg(e))),
        ("rule", 1.0, "multiplied by the norm instead of divided", lambda e: times(e.C, e.Y, _arg(e))),
        (
            "hadamard",
            1.0,
            "each entry divided by its own modulus",
            lambda e: times(e.C, apply("sign", _arg(e))),
        ),
    ),
    "sqnorm": (
        (
            "rule",
            1.1,
            "the gradient of the norm, not of its square",
            lambda e: times(e.C, power(times(1, e.E), -0.5), _arg(e)),
        ),
        ("rule", 1.2, "the square itself for its derivative", lambda e: times(e.C, power(_arg(e), 2))),
    ),
    "power": (
        (
            "factor",
            1.0,
            "the exponent in front forgotten",
            lambda e: hadamard(e.C, power(_arg(e), number(e.E.data - 1))) if e.E.data != -1 else None,
        ),
        (
            "rule",
            1.0,
            "the exponent not lowered",
            lambda e: (
                hadamard(e.C, times(number(e.E.data), e.E))
                if bare(_arg(e)).op == "symbol" or not e.E.is_scalar
                else None
            ),
        ),
        (
            "rule",
            1.1,
            "the power itself for its derivative",
            lambda e: hadamard(e.C, e.E) if e.E.data > 0 else None,
        ),
        (
            "rule",
            1.1,
            "the exponent raised instead of lowered",
            lambda e: hadamard(e.C, times(number(e.E.data), power(_arg(e), number(e.E.data + 1)))),
        ),
        ("activation", 1.1, "the power's derivative forgotten", lambda e: e.C),
    ),
    "apply": (
        ("activation", 1.0, "the function's derivative forgotten", lambda e: e.C),
        (
            "activation",
            1.0,
            "the function's derivative multiplied in twice",
            lambda e: hadamard(e.right, _slope(e, _arg(e), e.Y)),
        ),
        ("activation", 1.0, "the function itself for its derivative", lambda e: hadamard(e.C, e.Y)),
        ("activation", 1.0, "the argument for the function's derivative", lambda e: hadamard(e.C, _arg(e))),
        (
            "activation",
            1.0,
            "differentiated once too often: φ″ for φ′",
            lambda e: hadamard(e.C, _second_slope(e)),
        ),
        (
            "activation",
            1.6,
            "divided by the function's derivative",
            lambda e: hadamard(e.C, power(_slope(e, _arg(e), e.Y), -1)),
        ),
        (
            "activation",
            1.2,
            "the argument kept beside the derivative, as for a power",
            lambda e: hadamard(e.right, _arg(e)),
        ),
        ("activation", 1.2, "φ(z) kept beside φ′(z)", lambda e: hadamard(e.right, e.Y)),
        (
            "activation",
            1.2,
            "one factor of the derivative forgotten: 1 − φ",
            lambda e: hadamard(e.C, _one_minus(e.Y)),
        ),
        (
            "point",
            1.0,
            "the derivative taken at φ(z) instead of z",
            lambda e: hadamard(e.C, _slope(e, e.Y, apply(e.E.data, e.Y))),
        ),
        (
            "point",
            1.0,
            "the formula in terms of the output fed with the input",
            lambda e: hadamard(e.C, _slope(e, _arg(e), _arg(e))),
        ),
        ("point", 1.0, "the derivative fed with its own value", lambda e: hadamard(e.C, _slope_of_slope(e))),
        ("activation", 1.1, "the derivative of another activation", lambda e: _swapped_slope(e)),
    ),
    "softmax": (
        (
            "softmax",
            1.0,
            "only the diagonal p(1 − p) of the Jacobian",
            lambda e: hadamard(e.C, _p(e), _one_minus(_p(e))),
        ),
        ("softmax", 1.0, "the normaliser held constant", lambda e: hadamard(e.C, _p(e))),
        ("softmax", 1.0, "the Jacobian forgotten", lambda e: e.C),
        (
            "softmax",
            1.0,
            "the outer p of the Jacobian forgotten",
            lambda e: add(e.C, times(-1, _row_sums(hadamard(_p(e), e.C)))),
        ),
        (
            "softmax",
            1.0,
            "centred with the plain sum, not with the one weighted by p",
            lambda e: hadamard(_p(e), add(e.C, times(-1, _row_sums(e.C)))),
        ),
        (
            "softmax",
            1.0,
            "the normaliser's part summed over the wrong axis",
            lambda e: hadamard(_p(e), add(e.C, times(-1, _column_sums(hadamard(_p(e), e.C))))),
        ),
        (
            "softmax",
            1.1,
            "the diagonal part forgotten",
            lambda e: times(-1, hadamard(_p(e), _row_sums(hadamard(_p(e), e.C)))),
        ),
        (
            "softmax",
            1.1,
            "the inner p forgotten",
            lambda e: add(hadamard(_p(e), e.C), times(-1, _row_sums(hadamard(_p(e), e.C)))),
        ),
        (
            "sign",
            1.0,
            "plus for minus in the normaliser's part",
            lambda e: hadamard(_p(e), add(e.C, _row_sums(hadamard(_p(e), e.C)))),
        ),
        (
            "softmax",
            1.0,
            "normalised over the wrong axis",
            lambda e: _other_softmax(e, _turned_softmax(_arg(e))),
        ),
    ),
    "logsumexp": (
        (
            "softmax",
            1.0,
            "the diagonal p(1 − p) multiplied in",
            lambda e: weighted(e, hadamard(_p(e), _one_minus(_p(e)))),
        ),
        ("softmax", 1.0, "the normaliser left out: exp z for softmax z", lambda e: weighted(e, exp(_arg(e)))),
        ("softmax", 1.0, "normalised over the wrong axis", lambda e: weighted(e, _turned_softmax(_arg(e)))),
        (
            "softmax",
            1.1,
            "the weights forgotten: every part counts one",
            lambda e: weighted(e, ones(*_arg(e).shape)),
        ),
        ("softmax", 1.1, "1 − p for p", lambda e: weighted(e, _one_minus(_p(e)))),
        (
            "softmax",
            1.2,
            "one logistic for each entry in place of the softmax",
            lambda e: weighted(e, logistic(_arg(e))),
        ),
        ("softmax", 1.2, "softmax taken of the softmax", lambda e: weighted(e, softmax(_p(e)))),
        ("softmax", 1.2, "the argument for the softmax", lambda e: weighted(e, _arg(e))),
        (
            "softmax",
            1.2,
            "all weights equal",
            lambda e: weighted(e, times(power(number(_classes(e)), -1), ones(*_arg(e).shape))),
        ),
        (
            "softmax",
            1.1,
            "1/Σ for the softmax: the logarithm's derivative alone",
            lambda e: (
                weighted(e, times(power(inner(ones(*_arg(e).shape), exp(_arg(e))), -1), ones(*_arg(e).shape)))
                if e.E.is_scalar
                else None
            ),
        ),
    ),
}


def _classes(e: Edge) -> int:
    n, m = _arg(e).shape
    return n if m == 1 else m


def _other_softmax(e: Edge, P: Expr) -> Expr:
    return hadamard(P, add(e.C, times(-1, _row_sums(hadamard(P, e.C)))))


def _swapped_slope(e: Edge) -> Expr | None:
    """1 − y² where y(1 − y) belongs, and the other way round."""
    if e.E.data == "tanh":
        return hadamard(e.C, e.Y, _one_minus(e.Y))
    return hadamard(e.C, _one_minus(power(e.Y, 2))) if e.E.data == "logistic" else None


def _solved(e: Edge, adjoint: Expr) -> Expr:
    """−Λ Yᵀ for A, Λ for B."""
    return times(-1, matmul(adjoint, transpose(e.Y))) if e.k == 0 else adjoint


def _without_inner(e: Edge, adjoint: Expr) -> Expr | None:
    return times(-1, matmul(adjoint, transpose(e.E.args[1]))) if e.k == 0 else None


def _squared_entries(e: Edge) -> Expr | None:
    """−(A⁻¹)² ∘ C Bᵀ."""
    if e.k:
        return None
    V = transpose(inverse(_arg(e)))
    return times(-1, hadamard(power(V, 2), matmul(e.C, transpose(e.E.args[1]))))


def rule_slips(n: int, e: Edge) -> Iterator[Slip]:
    """The rows of the table that fit edge number n."""
    if e.k < 0:
        return
    for label, cost, what, rewrite in TABLE.get(e.E.op, ()):
        try:
            wrong = rewrite(e)
        except (ValueError, TypeError, AttributeError):  # the shapes do not allow this slip
            continue
        if wrong is not None and wrong is not e.right:
            yield Slip(label, cost, what, ((n, wrong),))
