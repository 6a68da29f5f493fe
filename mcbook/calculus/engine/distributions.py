"""What sums to one: a softmax, row by row, and a unit vector."""

from mcbook.calculus.engine.leaves import number, ones
from mcbook.calculus.engine.nodes import Expr


def sums_to_one(chain: list[Expr], part: Expr) -> bool:
    """Take P1 = 1 for the rows of a softmax, and 1ᵀp = 1 for a vector; so too for a unit vector."""
    if not chain:
        return False
    left, right = chain[-1], part
    rows = is_distribution(left) or is_distribution(left, turned=True)
    if rows and right.op == "ones" and right.is_column:
        chain[-1] = ones(left.shape[0])
    elif left.op == "ones" and left.shape[0] == 1 and right.is_column and is_distribution(right):
        chain[-1] = number(1)
    else:
        return False
    if chain[-1].is_scalar:
        chain.pop()
    return True


def is_distribution(A: Expr, turned: bool = False) -> bool:
    """Whether the entries of each row, or of a vector, sum to one."""
    if turned:  # a row pᵀ of a vector p
        return A.shape[0] == 1 and A.op == "transpose" and is_distribution(A.args[0])
    A = A.args[0] if A.op == "let" else A
    unit = A.op == "pick" and A.is_column and A.args[0].op == "identity" and A.shape[0] == A.args[0].shape[0]
    return A.op == "softmax" or unit
