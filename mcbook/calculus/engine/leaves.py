"""What expressions grow from: numbers, ones, zeros, the identity."""

from fractions import Fraction
from typing import Any

import numpy as np

from mcbook.calculus.engine.nodes import Expr, Shape


def as_expr(value: Any) -> Expr:
    """A number or an expression as an expression. Raises ValueError for arrays: they need a name."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, int | float | Fraction | np.integer | np.floating) and not isinstance(value, bool):
        return number(value)
    raise ValueError(
        f"an expression is made of symbols and real numbers, got {type(value).__name__}; "
        "declare an array as symbol(name, shape) and hand its values in when you evaluate."
    )


def number(value: Any) -> Expr:
    """A number, kept as a fraction where it is a simple one."""
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            raise ValueError(f"a number must be finite, got {value}.")
        exact = Fraction(float(value)).limit_denominator(1000)
        value = exact if float(exact) == float(value) else float(value)
    elif not isinstance(value, Fraction):
        value = Fraction(int(value))
    return Expr("number", (), (1, 1), value)


def zeros(shape: Shape) -> Expr:
    return number(0) if shape == (1, 1) else Expr("zeros", (), shape)


def ones(rows: int, columns: int = 1) -> Expr:
    """The vector, or the matrix, of ones."""
    return number(1) if (rows, columns) == (1, 1) else Expr("ones", (), (rows, columns))


def identity(n: int) -> Expr:
    return number(1) if n == 1 else Expr("identity", (), (n, n))


def is_zero(A: Expr) -> bool:
    return A.op == "zeros" or (A.op == "number" and A.data == 0)
