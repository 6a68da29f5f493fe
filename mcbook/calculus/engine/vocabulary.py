"""The words of the language: traces, determinants, inverses, norms and the rest, checked for shape as built.

What a word means in NumPy stands beside it in `evaluate`, its derivative in `rules`.
"""

from typing import Any

from mcbook.calculus.engine.algebra import (
    as_expr,
    hadamard,
    identity,
    is_symmetric,
    is_zero,
    matmul,
    number,
    ones,
    power,
    times,
    transpose,
    zeros,
)
from mcbook.calculus.engine.functions import FUNCTIONS, apply
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.picking import is_unit


def _square(A: Any, word: str) -> Expr:
    A = as_expr(A)
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"{word} needs a square matrix, got {A.shape}: {A!r}.")
    return A


def _column(a: Any, word: str) -> Expr:
    """The argument as a column; a row is turned."""
    a = as_expr(a)
    if 1 not in a.shape:
        raise ValueError(f"{word} needs a vector, got a matrix {a.shape}: {a!r}.")
    return a if a.is_column else transpose(a)


# --- to a number -----------------------------------------------------------------------------------------


def trace(A: Any) -> Expr:
    A = _square(A, "trace")
    if A.is_scalar:
        return A
    if A.op == "identity":
        return number(A.shape[0])
    if A.op == "times":
        return times(*A.args[:-1], trace(A.args[-1]))
    if rank_one := _rank_one(A):
        return matmul(transpose(rank_one[1]), rank_one[0])
    return number(0) if is_zero(A) else Expr("trace", (A,), (1, 1))


def _rank_one(A: Expr) -> tuple[Expr, Expr] | None:
    """a and b where A is a product abᵀ."""
    if A.op == "matmul":
        for k in range(1, len(A.args)):
            if A.args[k].shape[0] == 1:
                return matmul(*A.args[:k]), transpose(matmul(*A.args[k:]))
    return None


def total(A: Any) -> Expr:
    """The sum of all entries."""
    A = as_expr(A)
    if A.is_scalar:
        return A
    if A.op == "times":
        return times(*A.args[:-1], total(A.args[-1]))
    if A.op == "ones":
        return number(A.shape[0] * A.shape[1])
    if is_unit(A):
        return number(1)
    if A.op == "hadamard" and len(A.args) == 2 and 1 in A.shape:
        a, b = (_column(v, "sum") for v in A.args)
        return matmul(transpose(a), b)
    return number(0) if is_zero(A) else Expr("sum", (A,), (1, 1))


def inner(A: Any, B: Any) -> Expr:
    """⟨A, B⟩ = tr(AᵀB), the sum of the entrywise products."""
    A, B = as_expr(A), as_expr(B)
    if A.shape != B.shape:
        raise ValueError(f"an inner product needs equal shapes, got {A.shape} and {B.shape}.")
    if A.is_scalar:
        return times(A, B)
    scalars = [s for M in (A, B) if M.op == "times" for s in M.args[:-1]]
    A, B = (M.args[-1] if M.op == "times" else M for M in (A, B))
    if is_zero(A) or is_zero(B):
        return number(0)
    for M, N in ((A, B), (B, A)):
        if M.op == "ones":
            return times(*scalars, total(N))
        if M.op == "identity":
            return times(*scalars, trace(N))
    for M, N in ((A, B), (B, A)):
        if M.op == "matmul" and min(M.shape) > 1 and (k := _waist(M)):  # ⟨u vᵀ, N⟩ = uᵀ N v
            u, v = matmul(*M.args[:k]), transpose(matmul(*M.args[k:]))
            return times(*scalars, matmul(transpose(u), N, v))
    if A.is_column or A.shape[0] == 1:
        return times(*scalars, matmul(transpose(A), B) if A.is_column else matmul(A, transpose(B)))
    return times(*scalars, Expr("sqnorm", (A,), (1, 1)) if A is B else Expr("inner", (A, B), (1, 1)))


def _waist(M: Expr) -> int:
    """Where a product of matrices is a column times a row, or 0."""
    return next((k for k, factor in enumerate(M.args) if k and factor.shape[0] == 1), 0)


def norm(A: Any) -> Expr:
    """The Frobenius norm; of a vector, the Euclidean one."""
    A = as_expr(A)
    return apply("abs", A) if A.is_scalar else Expr("norm", (A,), (1, 1))


def sqnorm(A: Any) -> Expr:
    """‖A‖², the sum of the squares."""
    return power(norm(A), 2) if not as_expr(A).is_scalar else power(A, 2)


def det(A: Any) -> Expr:
    A = _square(A, "det")
    return A if A.is_scalar else Expr("det", (A,), (1, 1))


def logdet(A: Any) -> Expr:
    """log|det A|."""
    A = _square(A, "logdet")
    return apply("log", apply("abs", A)) if A.is_scalar else Expr("logdet", (A,), (1, 1))


# --- matrices --------------------------------------------------------------------------------------------


def inverse(A: Any) -> Expr:
    A = _square(A, "inv")
    if A.is_scalar:
        return power(A, -1)
    if A.op in ("identity", "inverse"):
        return A if A.op == "identity" else A.args[0]
    if A.op == "times":
        return times(*(power(s, -1) for s in A.args[:-1]), inverse(A.args[-1]))
    if A.op == "transpose":
        return transpose(inverse(A.args[0]))
    return Expr("inverse", (A,), A.shape)


def solve(A: Any, B: Any) -> Expr:
    """A⁻¹B, the solution of AX = B."""
    A, B = _square(A, "solve"), as_expr(B)
    if A.shape[1] != B.shape[0]:
        raise ValueError(f"solve(A, B): A is {A.shape}, so B needs {A.shape[1]} rows, got {B.shape}.")
    if A.op == "identity" or A.is_scalar:
        return matmul(inverse(A), B)
    if B.op == "times":
        return times(*B.args[:-1], solve(A, B.args[-1]))
    return (
        inverse(A) if B.op == "identity" else zeros(B.shape) if is_zero(B) else Expr("solve", (A, B), B.shape)
    )


def diag(a: Any) -> Expr:
    """The diagonal matrix of a vector; of a matrix, its diagonal as a vector (as np.diag)."""
    a = as_expr(a)
    if 1 not in a.shape:
        return diagonal(a)
    a = _column(a, "diag")
    if a.op == "ones" or a.is_scalar:
        return times(a, identity(1)) if a.is_scalar else identity(a.shape[0])
    if a.op == "times":
        return times(*a.args[:-1], diag(a.args[-1]))
    if is_unit(a):
        return matmul(a, transpose(a))
    return Expr("diag", (a,), (a.shape[0],) * 2)


def diagonal(A: Any) -> Expr:
    """The diagonal of a square matrix, as a vector."""
    A = _square(A, "diagonal")
    if A.op == "times":
        return times(*A.args[:-1], diagonal(A.args[-1]))
    if A.op in ("identity", "diag") or A.is_scalar:
        return A if A.is_scalar else ones(A.shape[0]) if A.op == "identity" else A.args[0]
    if rank_one := _rank_one(A):
        return hadamard(*rank_one)
    return Expr("diagonal", (A,), (A.shape[0], 1))


def sym(A: Any) -> Expr:
    """The symmetric part, (A + Aᵀ)/2."""
    A = _square(A, "sym")
    return A if is_symmetric(A) else Expr("sym", (A,), A.shape)


def skew(A: Any) -> Expr:
    """The antisymmetric part, (A - Aᵀ)/2."""
    A = _square(A, "skew")
    return zeros(A.shape) if is_symmetric(A) else Expr("skew", (A,), A.shape)


def vec(A: Any) -> Expr:
    """The columns of A, stacked."""
    A = as_expr(A)
    if A.op in ("ones", "zeros"):
        return Expr(A.op, (), (A.shape[0] * A.shape[1], 1))
    if A.op == "times":
        return times(*A.args[:-1], vec(A.args[-1]))
    return (
        A
        if A.is_column
        else transpose(A)
        if A.shape[0] == 1
        else Expr("vec", (A,), (A.shape[0] * A.shape[1], 1))
    )


def unvec(a: Any, rows: int, columns: int) -> Expr:
    """The rows × columns matrix whose columns, stacked, are the vector a."""
    a = _column(a, "unvec")
    if a.shape[0] != rows * columns:
        raise ValueError(f"unvec needs {rows * columns} entries for {rows} × {columns}, got {a.shape[0]}.")
    if columns == 1:
        return a
    return (
        a.args[0]
        if a.op == "vec" and a.args[0].shape == (rows, columns)
        else Expr("unvec", (a,), (rows, columns))
    )


def kron(A: Any, B: Any) -> Expr:
    """The Kronecker product A ⊗ B."""
    A, B = as_expr(A), as_expr(B)
    if A.is_scalar or B.is_scalar:
        return times(A, B)
    scalars = [s for M in (A, B) if M.op == "times" for s in M.args[:-1]]
    A, B = (M.args[-1] if M.op == "times" else M for M in (A, B))
    shape = (A.shape[0] * B.shape[0], A.shape[1] * B.shape[1])
    if is_zero(A) or is_zero(B):
        return zeros(shape)
    if A.op == B.op == "identity":
        return times(*scalars, identity(shape[0]))
    return times(*scalars, Expr("kron", (A, B), shape))


def kron_left(C: Any, B: Any) -> Expr:
    """[⟨C_ij, B⟩]_ij for the blocks C_ij of C, each of the shape of B: the adjoint of A ↦ A ⊗ B."""
    C, B = as_expr(C), as_expr(B)
    return _blocks("kron_left", C, B)


def kron_right(C: Any, A: Any) -> Expr:
    """Σ_ij A_ij C_ij for as many blocks C_ij of C as A has entries: the adjoint of B ↦ A ⊗ B."""
    C, A = as_expr(C), as_expr(A)
    return _blocks("kron_right", C, A)


def _blocks(word: str, C: Expr, M: Expr) -> Expr:
    if C.shape[0] % M.shape[0] or C.shape[1] % M.shape[1]:
        raise ValueError(f"{word}: {C.shape} is not made of blocks for {M.shape}.")
    shape = (C.shape[0] // M.shape[0], C.shape[1] // M.shape[1])
    return zeros(shape) if is_zero(C) or is_zero(M) else Expr(word, (C, M), shape)


def commutation(m: int, n: int) -> Expr:
    """K with K vec A = vec Aᵀ for A (m, n)."""
    return identity(m * n) if 1 in (m, n) else Expr("commutation", (), (m * n, m * n), (m, n))


def selection(n: int) -> Expr:
    """S with S a = vec diag(a) for a vector a (n,), and Sᵀ vec A = diag A."""
    return identity(1) if n == 1 else Expr("selection", (), (n * n, n))


def lower(A: Any) -> Expr:
    """The entries on and below the diagonal, zeros above."""
    return Expr("lower", (_square(A, "lower"),), as_expr(A).shape)


def upper(A: Any) -> Expr:
    """The entries on and above the diagonal, zeros below."""
    return Expr("upper", (_square(A, "upper"),), as_expr(A).shape)


# --- named patterns --------------------------------------------------------------------------------------


def softmax(Z: Any) -> Expr:
    """exp Z, each row divided by its sum; a vector counts as one row."""
    Z = as_expr(Z)
    return Expr("softmax", (Z,), Z.shape)


def logsumexp(Z: Any) -> Expr:
    """log Σ exp over each row, as a vector; of a vector, one number."""
    Z = as_expr(Z)
    return Expr("logsumexp", (Z,), (1 if Z.is_column else Z.shape[0], 1))


def sqdist(X: Any, Z: Any = None) -> Expr:
    """‖x_i - z_j‖² for every row of X and every row of Z (of X itself, if none is given)."""
    X = as_expr(X)
    Z = X if Z is None else as_expr(Z)
    if X.shape[1] != Z.shape[1]:
        raise ValueError(f"sqdist compares rows of equal length, got {X.shape} and {Z.shape}.")
    return Expr("sqdist", (X, Z), (X.shape[0], Z.shape[0]))


def outer(a: Any, b: Any) -> Expr:
    """abᵀ."""
    return matmul(_column(a, "outer"), transpose(_column(b, "outer")))


def function(name: str) -> Any:
    """The word for a function applied entry by entry."""

    def word(A: Any) -> Expr:
        return apply(name, as_expr(A))

    word.__name__, word.__doc__ = name, f"{name}, entry by entry: {FUNCTIONS[name].title}."
    return word


exp, log, sin, cos, tanh = (function(name) for name in ("exp", "log", "sin", "cos", "tanh"))
logistic, softplus, logcosh = (function(name) for name in ("logistic", "softplus", "logcosh"))
relu, absolute, step, sign = (function(name) for name in ("relu", "abs", "step", "sign"))


def sqrt(A: Any) -> Expr:
    """The square root, entry by entry."""
    return power(A, 0.5)
