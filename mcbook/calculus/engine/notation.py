"""The words of the text notation: NumPy's names for the operations, with their axes and options."""

from collections.abc import Callable
from typing import Any

from mcbook.calculus.engine import vocabulary as words
from mcbook.calculus.engine.algebra import as_expr, identity, matmul, ones, power, times, transpose, zeros
from mcbook.calculus.engine.functions import FUNCTIONS
from mcbook.calculus.engine.nodes import Expr

PRODUCTS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "@": lambda a, b: a @ b,
}


def _count(n: Expr) -> int:
    if n.op != "number" or n.data != int(n.data) or n.data < 1:
        raise ValueError(f"a size is a positive whole number, got {n!r}")
    return int(n.data)


def _total(A: Expr, axis: Any = None, keepdims: int = 0) -> Expr:
    """np.sum: of all entries, of the columns (axis=0) or of the rows (axis=1), these as vectors."""
    axis = _axis(axis)
    if axis is None:
        return words.total(A)
    axis = 0 if axis == -1 and A.is_column else axis  # the only one of a vector
    if axis not in (0, 1, -1) or (A.is_column and axis != 0):
        raise ValueError(f"axis is 0 or 1 for a matrix and 0 for a vector, got {axis} for {A.shape}")
    if A.is_column:
        return words.total(A)
    sums = matmul(transpose(A) if axis == 0 else A, ones(A.shape[axis]))
    return transpose(sums) if keepdims and axis == 0 else sums


def _axis(axis: Any) -> int | None:
    """An axis given by its place, sum(X, 0), as well as by its name."""
    if not isinstance(axis, Expr):
        return axis
    if axis.op != "number" or axis.data not in (0, 1, -1):
        raise ValueError(f"axis is 0 or 1, got {axis!r}")
    return int(axis.data)


def _mean(A: Expr, axis: Any = None, keepdims: int = 0) -> Expr:
    axis = _axis(axis)
    count = A.shape[0] * A.shape[1] if axis is None or A.is_column else A.shape[axis]
    return times(as_expr(count) ** -1, _total(A, axis, keepdims))


def _by_rows(word: Callable[[Expr], Expr]) -> Callable[..., Expr]:
    """A word for each row, or with axis=0 for each column of a matrix."""

    def along(Z: Expr, axis: Any = None) -> Expr:
        axis = _axis(axis)
        if axis is None and not Z.is_column:
            raise ValueError("of a matrix, say axis=1 (each row) or axis=0 (each column)")
        if axis not in (None, 0, 1, -1):
            raise ValueError(f"axis is 0 or 1, got {axis}")
        if axis == 0 and not Z.is_column:
            return transpose(word(transpose(Z))) if word is not words.logsumexp else word(transpose(Z))
        return word(Z)

    return along


def _maximum(A: Expr, B: Expr) -> Expr:
    for Z, zero in ((A, B), (B, A)):
        if zero.op == "number" and zero.data == 0:
            return words.relu(Z)
    raise ValueError("maximum is known with 0 on one side, as the relu")


def _log1p(A: Expr) -> Expr:
    return words.log(A + 1)


def _log_softmax(Z: Expr) -> Expr:
    return words.log(words.softmax(Z))


def _logaddexp(A: Expr, B: Expr) -> Expr:
    """log(exp A + exp B) = A + softplus(B - A)."""
    return A + words.softplus(B - A)


WORDS: dict[str, Callable[..., Expr]] = {
    **{name: words.function(name) for name in FUNCTIONS},
    **{"sigmoid": words.logistic, "expit": words.logistic, "log1p": _log1p, "maximum": _maximum},
    **{"sqrt": words.sqrt, "square": lambda A: power(A, 2), "power": power},
    **{
        "cosh": lambda A: (words.exp(A) + words.exp(-A)) / 2,
        "sinh": lambda A: (words.exp(A) - words.exp(-A)) / 2,
    },
    **{"sum": _total, "mean": _mean, "trace": words.trace, "tr": words.trace, "inner": words.inner},
    **{"vdot": words.inner, "dot": lambda A, B: A @ B, "matmul": lambda A, B: A @ B, "norm": words.norm},
    **{"sqnorm": words.sqnorm, "det": words.det, "logdet": words.logdet, "slogdet": words.logdet},
    **{"inv": words.inverse, "inverse": words.inverse, "solve": words.solve, "transpose": transpose},
    **{"diag": words.diag, "diagonal": words.diagonal, "sym": words.sym, "skew": words.skew},
    **{"tril": words.lower, "triu": words.upper, "vec": words.vec, "kron": words.kron, "outer": words.outer},
    **{"softmax": _by_rows(words.softmax), "logsumexp": _by_rows(words.logsumexp), "sqdist": words.sqdist},
    **{"log_softmax": _by_rows(_log_softmax), "logaddexp": _logaddexp},
    **{"ones": lambda *n: ones(*map(_count, n)), "zeros": lambda m, n: zeros((_count(m), _count(n)))},
    **{"eye": lambda n: identity(_count(n)), "identity": lambda n: identity(_count(n))},
    **{"I": lambda n: identity(_count(n)), "len": lambda A: as_expr(A.shape[0])},
    "unvec": lambda a, m, n: words.unvec(a, _count(m), _count(n)),
}
METHODS = {name: WORDS[name] for name in ("sum", "mean", "trace", "dot", "transpose", "diagonal")}
