"""What a rule is; and the longer halves of the rules, where a line is not enough.

All have the arguments of a `Step`: the node E, the number k of the argument that moves, the step D or the
cotangent C, and Y, the value of E by its name.
"""

from collections.abc import Callable
from typing import NamedTuple

from mcbook.calculus.engine.algebra import add, hadamard, matmul, number, ones, power, times, transpose
from mcbook.calculus.engine.functions import FUNCTIONS
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.rebuild import rebuild
from mcbook.calculus.engine.vocabulary import (
    diag,
    inner,
    inverse,
    kron,
    kron_left,
    kron_right,
    softmax,
    solve,
    trace,
)

Step = Callable[[Expr, int, Expr, Expr], Expr]  # (node, k, D or C, Y) ↦ expression


class Rule(NamedTuple):
    """A named rule: its statement in words and in LaTeX, where it holds, and both its directions."""

    title: str
    statement: str
    latex: str
    forward: Step
    reverse: Step
    condition: str = ""


def linear(E: Expr, k: int, D: Expr, Y: Expr) -> Expr:
    """The operation itself, with D in place of argument k: it is linear in each of them."""
    return rebuild(E, (*E.args[:k], D, *E.args[k + 1 :]))


def others(E: Expr, k: int) -> tuple[Expr, ...]:
    return E.args[:k] + E.args[k + 1 :]


def product_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    """⟨C, L D R⟩ = ⟨LᵀC Rᵀ, D⟩."""
    left = [transpose(A) for A in reversed(E.args[:k])]
    right = [transpose(A) for A in reversed(E.args[k + 1 :])]
    return matmul(*left, C, *right)


def times_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    """⟨C, s D⟩ = ⟨s C, D⟩ for the matrix, ⟨C, D A⟩ = ⟨C, A⟩ D for a scalar."""
    rest = times(*others(E, k))
    return times(rest, C) if rest.is_scalar else inner(C, rest)


def slope(E: Expr, Y: Expr) -> Expr:
    return FUNCTIONS[E.data].slope(E.args[0], Y)


def power_slope(E: Expr) -> Expr:
    return times(number(E.data), power(E.args[0], number(E.data - 1)))


def det_forward(E: Expr, k: int, D: Expr, Y: Expr) -> Expr:
    return times(Y, trace(matmul(inverse(E.args[0]), D)))


def inverse_forward(E: Expr, k: int, D: Expr, Y: Expr) -> Expr:
    return times(-1, matmul(Y, D, Y))


def inverse_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    return times(-1, matmul(transpose(Y), C, transpose(Y)))


def solve_forward(E: Expr, k: int, D: Expr, Y: Expr) -> Expr:
    return solve(E.args[0], times(-1, matmul(D, Y)) if k == 0 else D)


def solve_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    adjoint = as_multiple(C, E, Y) or solve(transpose(E.args[0]), C)
    return times(-1, matmul(adjoint, transpose(Y))) if k == 0 else adjoint


def as_multiple(C: Expr, E: Expr, Y: Expr) -> Expr | None:
    """Λ with AᵀΛ = C where C is a multiple of B and A is symmetric: that multiple of the solution Y."""
    A, B = E.args
    core = C.args[-1] if C.op == "times" else C
    factors = C.args[:-1] if C.op == "times" else ()
    if transpose(A) is A and (core is B or times(-1, core) is B):
        return times(*factors, Y) if core is B else times(-1, *factors, Y)
    return None


def softmax_forward(E: Expr, k: int, D: Expr, Y: Expr) -> Expr:
    return add(hadamard(Y, D), times(-1, weigh(Y, hadamard(Y, D))))


def softmax_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    return add(hadamard(Y, C), times(-1, weigh(Y, hadamard(Y, C))))


def weigh(P: Expr, A: Expr) -> Expr:
    """Each row of P times the sum of that row of A; a vector counts as one row."""
    return times(inner(ones(*A.shape), A), P) if 1 in P.shape else matmul(diag(row_sums(A)), P)


def row_sums(A: Expr) -> Expr:
    return matmul(A, ones(A.shape[1]))


def lse_forward(E: Expr, k: int, D: Expr, Y: Expr) -> Expr:
    P = softmax(E.args[0])
    return matmul(transpose(P), D) if P.is_column else row_sums(hadamard(P, D))


def lse_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    P = softmax(E.args[0])
    return times(C, P) if E.is_scalar else matmul(diag(C), P)


def sqdist_forward(E: Expr, k: int, D: Expr, Y: Expr) -> Expr:
    """Of ‖x_i - z_j‖²: 2⟨x_i - z_j, dx_i⟩ where X moves, the transpose of that where Z does."""
    A, B = E.args[k], E.args[1 - k]
    own = matmul(row_sums(hadamard(A, D)), ones(1, B.shape[0]))
    moved = times(2, add(own, times(-1, matmul(D, transpose(B)))))
    return moved if k == 0 else transpose(moved)


def sqdist_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    A, B = E.args[k], E.args[1 - k]
    C = C if k == 0 else transpose(C)
    degree = diag(row_sums(C))
    if A is B:
        return times(2, matmul(add(degree, times(-1, C)), A))
    return times(2, add(matmul(degree, A), times(-1, matmul(C, B))))


def kron_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    return kron_left(C, E.args[1]) if k == 0 else kron_right(C, E.args[0])


def kron_left_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    return kron(C, E.args[1]) if k == 0 else kron_right(E.args[0], C)


def kron_right_reverse(E: Expr, k: int, C: Expr, Y: Expr) -> Expr:
    return kron(E.args[1], C) if k == 0 else kron_left(E.args[0], C)


def by_itself(word: Callable[[Expr], Expr]) -> Step:
    """The reverse of an orthogonal projection (sym, skew, a triangle) is that projection."""
    return lambda E, k, C, Y: word(C)
