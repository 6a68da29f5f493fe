"""What people do to a rule: for each operation, the slips in its reverse, as a table of rewritings.

Read a row as: the rule hands on R, and this learner wrote the last column instead.  The names in it:

    A, B    the arguments of the node            C    what stands beside the node's differential
    Y       the value of the node                R    what the rule hands on
    Y_r     the value of a root, or of one over it
    I, O    the identity, and ones, of A's shape Z    the adjoint solve, A⁻ᵀC
    S       φ′(z), for a function φ of z = A     S_Y  φ′ taken at Y;  S_A: its formula in Y, fed with A
    S_S     φ′ fed with its own value            S_2  φ″;  S_o: the derivative of another function
    p, q, m the exponent, its modulus; the number of rows

A row that does not fit the shapes, or says the same as the rule, is passed over.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from mcbook.calculus.engine.algebra import add, identity, matmul, number, ones, power, times, transpose
from mcbook.calculus.engine.functions import FUNCTIONS, apply
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.parser import parse
from mcbook.calculus.engine.vocabulary import solve
from mcbook.calculus.marking.graph import Edge


class Slip(NamedTuple):
    """A mistake: its class, how surprising it is, in words, and what it puts in the place of which maps.

    A number in the place of a map multiplies it; an expression, in the edge's own C, replaces it.
    """

    label: str
    cost: float
    what: str
    changes: tuple[tuple[int, Expr | float], ...]


Row = tuple[str, float, str, str]  # class, cost, in words, what is written for R

ENTRYWISE = "1/A entry by entry for the inverse"
OF_LOG = {"R * S", "C * Y", "C * A"}  # 1/z², log z and z for 1/z
NOT_LOWERED = "the exponent not lowered"
MULTIPLIED = "multiplied by A where it should be solved with"

TABLE: dict[str, tuple[Row, ...]] = {
    "logdet": (
        ("rule", 1.0, "the transpose of A⁻ᵀ forgotten", "C * inv(A)"),
        ("rule", 1.1, "the inverse forgotten", "C * A"),
        ("rule", 1.15, "the inverse forgotten, transposed", "C * A.T"),
        ("rule", 1.0, "1/det kept, and the det of its derivative not", "R / det(A)"),
        ("rule", 1.0, "the rule for det in place of that for log det", "R * det(A)"),
        ("rule", 1.2, "the derivative of the inverse", "-C * inv(A).T @ inv(A).T"),
        ("rule", 1.4, "1/det A in place of the inverse", "C / det(A) * I"),
        ("rule", 1.4, "the trace left standing over A⁻¹", "C * trace(inv(A)) * I"),
        ("hadamard", 1.0, ENTRYWISE, "C * (1 / A.T)"),
        ("hadamard", 1.0, ENTRYWISE, "C * (1 / A)"),
    ),
    "det": (
        ("rule", 1.0, "the transpose of A⁻ᵀ forgotten", "C * Y * inv(A)"),
        ("rule", 1.0, "det A forgotten: the rule for log det", "C * inv(A).T"),
        ("rule", 1.0, "the inverse forgotten", "C * Y * A"),
        ("rule", 1.05, "the inverse forgotten, transposed", "C * Y * A.T"),
        ("rule", 1.0, "divided by det A instead of multiplied", "C / Y * inv(A).T"),
        ("rule", 1.0, "det A alone", "C * Y * I"),
        ("rule", 1.4, "the trace left standing over A⁻¹", "C * Y * trace(inv(A)) * I"),
        ("hadamard", 1.0, ENTRYWISE, "C * Y * (1 / A.T)"),
        ("hadamard", 1.0, ENTRYWISE, "C * Y * (1 / A)"),
    ),
    "inverse": (
        ("rule", 1.0, "the second inverse forgotten", "-Y.T @ C"),
        ("rule", 1.0, "the first inverse forgotten", "-C @ Y.T"),
        ("rule", 1.0, "both inverses forgotten", "-C"),
        ("rule", 1.05, "the inverse differentiated as if it were the matrix itself", "C"),
        ("rule", 1.0, "the transposes of A⁻ᵀ C A⁻ᵀ forgotten", "-Y @ C @ Y"),
        ("rule", 1.4, "both inverses written on the left", "-Y.T @ Y.T @ C"),
        ("rule", 1.4, "both inverses written on the right", "-C @ Y.T @ Y.T"),
        ("rule", 1.1, "the first of the two inverses not transposed", "-Y @ C @ Y.T"),
        ("rule", 1.1, "the second of the two inverses not transposed", "-Y.T @ C @ Y"),
        ("hadamard", 1.0, "A⁻² entry by entry, as for numbers", "-Y.T * Y.T * C"),
        ("hadamard", 1.0, "−1/A² entry by entry, as for numbers", "-C / (A * A)"),
        ("hadamard", 1.4, "A⁻² entry by entry, for all entries alike", "-trace(C) / m * Y.T * Y.T"),
        ("hadamard", 1.4, "−1/A² entry by entry, for all entries alike", "-trace(C) / m / (A * A)"),
    ),
    "solve A": (
        ("rule", 1.0, "the second solve, with Aᵀ, forgotten", "-C @ Y.T"),
        ("layout", 1.0, "solved with A where Aᵀ belongs", "-solve(A, C) @ Y.T"),
        ("rule", 1.0, MULTIPLIED, "-A.T @ C @ Y.T"),
        ("rule", 1.0, MULTIPLIED, "-A @ C @ Y.T"),
        ("rule", 1.1, "the inner solve forgotten: B for A⁻¹B", "-Z @ B.T"),
        ("rule", 1.0, "both solves forgotten", "-C @ B.T"),
        ("rule", 1.1, "the solve differentiated as if it were a product", "C @ B.T"),
        ("rule", 1.4, "both solves written on the left", "-solve(A.T, Z) @ B.T"),
        ("hadamard", 1.0, "A⁻² entry by entry, as for numbers", "-inv(A).T * inv(A).T * (C @ B.T)"),
    ),
    "solve B": (
        ("rule", 1.0, "the solve with Aᵀ forgotten", "C"),
        ("layout", 1.0, "solved with A where Aᵀ belongs", "solve(A, C)"),
        ("rule", 1.0, MULTIPLIED, "A.T @ C"),
        ("rule", 1.0, MULTIPLIED, "A @ C"),
    ),
    "trace": (
        ("rule", 1.0, "ones for the identity", "C * O"),
        ("rule", 1.0, "the trace's argument for its derivative", "C * A"),
        ("rule", 1.1, "the trace's argument for its derivative, transposed", "C * A.T"),
        ("rule", 1.4, "the size for the identity", "C * m * O"),
    ),
    "sum": (("rule", 1.1, "the identity for the ones: a trace", "C * I"),),
    "norm": (
        ("rule", 1.0, "the gradient of the squared norm", "2 * C * A"),
        ("rule", 1.0, "the norm in the denominator forgotten", "C * A"),
        ("rule", 1.0, "the squared norm in the denominator", "C / Y**2 * A"),
        ("rule", 1.0, "multiplied by the norm instead of divided", "C * Y * A"),
        ("hadamard", 1.0, "each entry divided by its own modulus", "C * sign(A)"),
    ),
    "sqnorm": (
        ("rule", 1.1, "the gradient of the norm, not of its square", "C / norm(A) * A"),
        ("rule", 1.1, "divided by the norm, as for the norm", "R / norm(A)"),
        ("rule", 1.4, "the squares for their derivative", "C * A * A"),
    ),
    "power": (
        ("factor", 1.0, "the exponent in front forgotten", "R / q"),
        ("rule", 1.0, NOT_LOWERED, "R * A"),
        ("rule", 1.1, "the power itself for its derivative", "R * A / p"),
        ("rule", 1.4, "the exponent raised instead of lowered", "R * A * A"),
        ("rule", 1.2, "the root in the denominator to the wrong power", "R / Y_r"),
        ("activation", 1.1, "the power's derivative forgotten", "C"),
        ("activation", 1.1, "the power's derivative forgotten, but for its exponent", "C * p"),
    ),
    "apply": (
        ("activation", 1.0, "the function's derivative forgotten", "C"),
        ("activation", 1.0, "the function's derivative multiplied in twice", "R * S"),
        ("activation", 1.0, "the function itself for its derivative", "C * Y"),
        ("activation", 1.0, "the argument for the function's derivative", "C * A"),
        ("activation", 1.4, "differentiated once too often: φ″ for φ′", "C * S_2"),
        ("activation", 1.6, "divided by the function's derivative", "C / S"),
        ("activation", 1.4, "the argument kept beside the derivative, as for a power", "R * A"),
        ("activation", 1.4, "φ(z) kept beside φ′(z)", "R * Y"),
        ("activation", 1.4, "one factor of the derivative forgotten: 1 − φ", "C * (1 - Y)"),
        ("activation", 1.1, "the derivative of another function", "C * S_o"),
        ("point", 1.0, "the derivative taken at φ(z) instead of z", "C * S_Y"),
        ("point", 1.0, "the formula in terms of the output fed with the input", "C * S_A"),
        ("point", 1.0, "the derivative fed with its own value", "C * S_S"),
    ),
}


def bare(E: Expr) -> Expr:
    """What stands behind a name."""
    return bare(E.args[0]) if E.op == "let" else E


def bindings(e: Edge) -> dict[str, Expr]:
    """The names of the table, for one edge."""
    A = e.E.args[0]
    known = {"A": A, "C": e.C, "Y": e.Y, "R": e.right, "O": ones(*A.shape), "m": number(A.shape[0])}
    if A.shape[0] == A.shape[1]:
        known["I"] = identity(A.shape[0])
    if e.E.op == "solve":
        known |= {"B": e.E.args[1], "Z": solve(transpose(A), e.C)}
    if e.E.op == "power":
        known |= {"p": number(e.E.data), "q": number(abs(e.E.data))}
        known |= {"Y_r": e.Y} if Fraction(e.E.data).denominator == 2 else {}
    return known | (_slopes(e, A) if e.E.op == "apply" else {})


def _slopes(e: Edge, z: Expr) -> dict[str, Expr]:
    """φ′ at the right place and at the wrong ones."""
    slope = FUNCTIONS[e.E.data].slope
    S = slope(z, e.Y)
    known = {"S": S, "S_Y": slope(e.Y, apply(e.E.data, e.Y)), "S_A": slope(z, z)}
    if S.op == "apply":
        known |= {"S_2": FUNCTIONS[S.data].slope(S.args[0], S), "S_S": apply(S.data, S)}
    if e.E.data == "tanh":
        known["S_o"] = FUNCTIONS["logistic"].slope(z, e.Y)
    if e.E.data == "logistic":
        known["S_o"] = add(ones(*z.shape), times(-1, power(e.Y, 2)))
    return known


def rows_for(e: Edge) -> tuple[Row, ...]:
    op = e.E.op if e.E.op != "solve" else f"solve {'AB'[e.k]}"
    rows = TABLE.get(op, ())
    if e.E.op == "power" and not e.E.is_scalar:  # entry by entry: a function as others are
        rows = tuple(("activation", *row[1:]) if row[3] == "R * A / p" else row for row in rows)
    if (
        e.E.op == "apply" and e.E.data == "log"
    ):  # 1/z is a rule to some, and a function's derivative to others
        rows = tuple(("", *row[1:]) if row[3] in OF_LOG else row for row in rows)
    if e.E.op == "power" and e.E.data == -1:  # (1/s)′ = −1/s²: only of a plain s is the exponent forgotten
        return tuple(row for row in rows if row[0] == "activation" or row[3] == "R * A")
    return rows


def rule_slips(n: int, e: Edge) -> Iterator[Slip]:
    """The rows of the table that fit edge number n."""
    rows = rows_for(e) if e.k >= 0 and e.E.args else ()
    known = bindings(e) if rows else {}
    for label, cost, what, written in rows:
        try:
            wrong = parse(written, **known)
        except ValueError:  # the shapes do not allow this slip, or a name has no meaning here
            continue
        if wrong is not e.right and wrong.shape == e.right.shape:
            yield Slip(label, cost, what, ((n, wrong),))
            if "transpose" in what and what.endswith(
                ("forgotten", "not transposed")
            ):  # as good a name for it
                yield Slip(
                    "layout", cost + (0.08 if e.E.op in ("logdet", "det") else 0.04), what, ((n, wrong),)
                )


def product(factors: tuple[Expr, ...]) -> Expr:
    """The matrix product of one factor or more."""
    return factors[0] if len(factors) == 1 else matmul(*factors)
