"""What an expression is worth: its value in NumPy, for given values of its symbols.

One line for each operation, on two-dimensional arrays; vectors are columns inside, and 1-D at the doors.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from mcbook.calculus.engine.functions import FUNCTIONS
from mcbook.calculus.engine.nodes import Expr, walk

_PATTERN: dict[str, Callable[[Any], Any]] = {
    "symmetric": lambda A: A.T,
    "diagonal": lambda A: np.diag(np.diag(A)),
    "lower": np.tril,
    "upper": np.triu,
}


def _logsumexp(Z: Any) -> Any:
    Z = Z.T if Z.shape[1] == 1 else Z
    top = Z.max(axis=1, keepdims=True)
    return top + np.log(np.exp(Z - top).sum(axis=1, keepdims=True))


def _softmax(Z: Any) -> Any:
    return np.exp(Z - _logsumexp(Z))


def _blocks(C: Any, m: int, n: int) -> Any:
    """C as an array of m × n blocks: [i, a, j, b] is entry (a, b) of block (i, j)."""
    return C.reshape(m, C.shape[0] // m, n, C.shape[1] // n)


def _kron_left(C: Any, B: Any) -> Any:
    return np.einsum("iajb,ab->ij", _blocks(C, C.shape[0] // B.shape[0], C.shape[1] // B.shape[1]), B)


def _kron_right(C: Any, A: Any) -> Any:
    return np.einsum("iajb,ij->ab", _blocks(C, *A.shape), A)


def _sqdist(X: Any, Z: Any) -> Any:
    return ((X[:, None, :] - Z[None, :, :]) ** 2).sum(axis=2)


def _number(x: Any) -> Any:
    return np.reshape(x, (1, 1))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda *terms: reduce(np.add, terms),
    "times": lambda *factors: reduce(np.multiply, factors),
    "hadamard": lambda *factors: reduce(np.multiply, factors),
    "matmul": lambda *factors: reduce(np.matmul, factors),
    "transpose": lambda A: A.T,
    "trace": lambda A: _number(np.trace(A)),
    "sum": lambda A: _number(A.sum()),
    "inner": lambda A, B: _number((A * B).sum()),
    "norm": lambda A: _number(np.sqrt((A * A).sum())),
    "sqnorm": lambda A: _number((A * A).sum()),
    "det": lambda A: _number(np.linalg.det(A)),
    "logdet": lambda A: _number(np.linalg.slogdet(A)[1]),
    "inverse": np.linalg.inv,
    "solve": np.linalg.solve,
    "diag": lambda a: np.diag(a[:, 0]),
    "diagonal": lambda A: np.diag(A)[:, None],
    "sym": lambda A: (A + A.T) / 2,
    "skew": lambda A: (A - A.T) / 2,
    "lower": np.tril,
    "upper": np.triu,
    "vec": lambda A: A.reshape(-1, 1, order="F"),
    "kron": np.kron,
    "kron_left": _kron_left,
    "kron_right": _kron_right,
    "softmax": _softmax,
    "logsumexp": _logsumexp,
    "sqdist": _sqdist,
    "let": lambda A: A,
}


def evaluate(expr: Expr, values: Any = None, /, **named: Any) -> Any:
    """The value of an expression: a number, a 1-D array for a column, a 2-D array otherwise.

    Raises ValueError for a symbol without a value, a value of another shape than was declared, one that is
    not real and finite, or one that breaks the structure that its symbol declares.
    """
    A = evaluate_all([expr], by_name(values, named))[0]
    return A[0, 0] if A.shape == (1, 1) else A[:, 0] if A.shape[1] == 1 else A


def by_name(values: Any, named: Mapping[str, Any]) -> dict[str, Any]:
    """The values handed in as a mapping, by name, or as both. Raises ValueError for anything else."""
    if values is not None and not isinstance(values, Mapping):
        raise ValueError(f"values are given by name, X=… or {{'X': …}}, got {type(values).__name__}.")
    return {**(values or {}), **named}


def evaluate_all(exprs: list[Expr], values: Mapping[str, Any]) -> list[Any]:
    """The values of several expressions, all two-dimensional; what they share is computed once."""
    done: dict[Expr, Any] = {}
    for node in walk(*exprs):
        done[node] = node_value(node, [done[a] for a in node.args], values)
    return [done[e] for e in exprs]


def node_value(node: Expr, args: list[Any], values: Mapping[str, Any]) -> Any:
    match node.op:
        case "symbol":
            return symbol_value(node, values)
        case "number":
            return np.full((1, 1), float(node.data))
        case "identity":
            return np.eye(node.shape[0])
        case "ones" | "zeros":
            return np.full(node.shape, 1.0 if node.op == "ones" else 0.0)
        case "commutation":
            m, n = node.data
            return np.eye(m * n)[np.arange(m * n).reshape(m, n, order="F").ravel()]
        case "selection":
            n = node.shape[1]
            return np.eye(n * n)[:, :: n + 1]
        case "unvec":
            return args[0].reshape(node.shape, order="F")
        case "pick":
            (a, b), (c, d) = node.data
            return args[0][a:b, c:d]
        case "apply":
            return FUNCTIONS[node.data].value(args[0])
        case "power":
            return args[0] ** (int(node.data) if node.data == int(node.data) else float(node.data))
    return OPERATIONS[node.op](*args)


def symbol_value(node: Expr, values: Mapping[str, Any]) -> Any:
    """The value handed in for a symbol, as a matrix. Raises ValueError where it is not what was declared."""
    name, shape, structure = node.data
    if name not in values:
        raise ValueError(f"{name} {shape} has no value; pass {name}=…")
    A = np.asarray(values[name])
    if A.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real, got {A.dtype}.")
    if A.shape != shape:
        raise ValueError(f"{name} is declared {shape}, but its value has shape {A.shape}.")
    if not np.isfinite(A).all():
        raise ValueError(f"{name} must be finite, but {np.count_nonzero(~np.isfinite(A))} entries are not.")
    A = A.astype(float).reshape(node.shape)
    if structure and not np.allclose(A, _PATTERN[structure](A), rtol=1e-12, atol=1e-12):
        raise ValueError(f"{name} is declared {structure}, but its value is not.")
    return A
