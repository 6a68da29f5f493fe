"""The algebra that keeps expressions short: sums, products and transposes that simplify as they are built.

Sums collect equal terms, products drop identities and pull numbers to the front, (AB)ᵀ = BᵀAᵀ, Aᵀ = A where
A is symmetric.  Nothing here differentiates; every simplification holds wherever what was written is defined.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Any

from mcbook.calculus.engine.distributions import sums_to_one
from mcbook.calculus.engine.leaves import as_expr, identity, is_zero, number, ones, zeros
from mcbook.calculus.engine.nodes import Expr, Number, Shape, array_shape, size

# --- sums ------------------------------------------------------------------------------------------------


def plus(left: Any, right: Any) -> Expr:
    """left + right as NumPy reads it: a number, a row or a vector is added to every row of a matrix."""
    A, B = as_expr(left), as_expr(right)
    return add(*_broadcast(A, B, "+"))


def _broadcast(A: Expr, B: Expr, sign: str) -> tuple[Expr, Expr]:
    """A and B stretched to a common shape. Raises ValueError where NumPy would refuse, or could not tell."""
    if A.shape == B.shape:
        return A, B
    for small, large in ((A, B), (B, A)):
        stretched = _stretch(small, large.shape)
        if stretched is not None:
            return (stretched, B) if small is A else (A, stretched)
    raise ValueError(f"{array_shape(A)} {sign} {array_shape(B)}: the shapes differ, in {A!r} {sign} {B!r}.")


def _stretch(a: Expr, shape: Shape) -> Expr | None:
    """A number, a row or a vector repeated: over the rows if it is as long as one, else over the columns."""
    rows, columns = shape
    if a.is_scalar:
        return times(a, ones(*shape))
    if a.shape == (1, columns):
        return matmul(ones(rows), a)
    if a.is_column and rows == columns == a.shape[0]:
        raise ValueError(
            f"a vector and a square matrix {shape}: applied to each row or to each column? "
            "Write outer(ones(n), b) or outer(b, ones(n))."
        )
    if a.is_column and columns > 1 and a.shape[0] == columns:
        return matmul(ones(rows), transpose(a))
    flat = a.op == "symbol" and len(a.data.shape) == 1  # NumPy would not know it for a column
    return matmul(a, ones(1, columns)) if a.shape == (rows, 1) and not flat else None


def add(*terms: Expr) -> Expr:
    """The sum of terms of one shape; equal terms are collected, a difference of equals is gone."""
    weights: dict[Expr, Number] = {}
    shape = terms[0].shape
    for term in terms:
        if term.shape != shape:
            raise ValueError(f"a sum needs terms of one shape, got {shape} and {term.shape}.")
        for c, core in _summands(term):
            weights[core] = weights.get(core, 0) + c
    kept = [times(number(c), core) for core, c in weights.items() if c != 0 and not is_zero(core)]
    if not kept:
        return zeros(shape)
    return kept[0] if len(kept) == 1 else Expr("add", tuple(kept), shape)


def _summands(term: Expr) -> list[tuple[Number, Expr]]:
    """The terms of a sum as (number, rest); a sum under a minus sign is opened, one under a factor is not."""
    c, core = split(term)
    if core.op == "add" and c in (1, -1):
        return [(c * k, rest) for part in core.args for k, rest in _summands(part)]
    return [(c, core)]


def split(term: Expr) -> tuple[Number, Expr]:
    """A term as (number, the rest)."""
    if term.op == "number":
        return term.data, number(1)
    if term.op == "times" and term.args[0].op == "number":
        return term.args[0].data, times(*term.args[1:])
    return 1, term


def _picking() -> Any:
    from mcbook.calculus.engine import picking  # it is built on the algebra, which simplifies by it

    return picking


# --- products --------------------------------------------------------------------------------------------


def times(*factors: Any) -> Expr:
    """Numbers and scalars times at most one matrix; numbers multiply, equal scalars become powers."""
    c, powers, core = _factors([as_expr(f) for f in factors])
    scalars = [power(s, p) for s, p in powers.items() if p != 0]
    shape = core.shape if core is not None else (1, 1)
    if c == 0 or (core is not None and is_zero(core)):
        return zeros(shape)
    if core is not None and core.op == "add" and not scalars:
        if c == -1 and any(split(t)[0] < 0 for t in core.args):
            return add(*(times(-1, t) for t in core.args))
        if c == 1:
            return core
    parts = ([] if c == 1 else [number(c)]) + scalars + ([] if core is None else [core])
    if not parts:
        return number(1)
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2 and c == -1 and parts[1].op == "add" and any(split(t)[0] < 0 for t in parts[1].args):
        return add(*(times(-1, t) for t in parts[1].args))
    return Expr("times", tuple(parts), shape)


def _factors(factors: list[Expr]) -> tuple[Number, dict[Expr, Number], Expr | None]:
    """The product taken apart: its number, its scalars with their powers, its matrix if it has one."""
    c: Number = Fraction(1)
    powers: dict[Expr, Number] = {}
    core: Expr | None = None
    for f in factors:
        for part in f.args if f.op == "times" else (f,):
            if part.op == "number":
                c = c * part.data
            elif part.is_scalar:
                base, p = (part.args[0], part.data) if part.op == "power" else (part, 1)
                powers[base] = powers.get(base, 0) + p
            elif core is None:
                core = part
            else:
                raise ValueError(f"{core.shape} times {part.shape}: use @ for matrices, * entry by entry.")
    return c, _norms_joined(powers), core


def _norms_joined(powers: dict[Expr, Number]) -> dict[Expr, Number]:
    """‖A‖² counts with ‖A‖ where both are factors: ‖A‖²/‖A‖ = ‖A‖."""
    joined = dict(powers)
    for s in powers:
        root = Expr("norm", s.args, (1, 1)) if s.op == "sqnorm" else s
        if root is not s and root in joined:
            joined[root] += 2 * joined.pop(s)
    return joined


def entrywise(left: Any, right: Any) -> Expr:
    """left * right as NumPy reads it: scalar multiple, or entry by entry with rows stretched."""
    A, B = as_expr(left), as_expr(right)
    return times(A, B) if A.is_scalar or B.is_scalar else hadamard(*_broadcast(A, B, "*"))


def quotient(left: Any, right: Any) -> Expr:
    """left / right as NumPy reads it, entry by entry."""
    A, B = as_expr(left), as_expr(right)
    if not (A.is_scalar or B.is_scalar):
        _broadcast(A, B, "/")
    return entrywise(A, power(B, -1))


def hadamard(*factors: Expr) -> Expr:
    """The entry-by-entry product of matrices of one shape; equal factors become powers."""
    shape = factors[0].shape
    if any(f.shape != shape for f in factors):
        raise ValueError(f"an entry-by-entry product needs one shape, got {[f.shape for f in factors]}.")
    if shape == (1, 1):
        return times(*factors)
    scalars: list[Expr] = []
    powers: dict[Expr, Number] = {}
    for f in factors:
        if f.op == "times":
            scalars += f.args[:-1]
            f = f.args[-1]
        for part in f.args if f.op == "hadamard" else (f,):
            base, p = (part.args[0], part.data) if part.op == "power" else (part, 1)
            if part.op == "zeros":
                return part
            if part.op != "ones":
                powers[base] = powers.get(base, 0) + p
    parts = tuple(power(base, p) for base, p in powers.items() if p != 0)
    if len(parts) > 1 and (picked := _picking().unit_among(parts)):
        return times(*scalars, *picked)
    core = ones(*shape) if not parts else parts[0] if len(parts) == 1 else Expr("hadamard", parts, shape)
    return times(*scalars, core)


def power(base: Any, exponent: Any) -> Expr:
    """base ** exponent, entry by entry, for a number as exponent."""
    A, p = as_expr(base), as_expr(exponent)
    if p.op != "number":
        raise ValueError(f"an exponent must be a number, got {p!r}; for x ** p write exp(p * log(x)).")
    q = p.data
    whole = q == int(q)
    if q == 0:
        return ones(*A.shape)
    if q == 1:
        return A
    if A.op == "number":
        if A.data == 0 and q < 0:
            raise ValueError("division by zero.")
        if A.data < 0 and not whole:
            raise ValueError(f"{A!r} has no real power {p!r}.")
        return number(A.data ** int(q) if whole else float(A.data) ** float(q))
    if A.op == "ones":
        return A
    if A.op == "power" and whole:
        return power(A.args[0], A.data * q)
    if A.op == "times" and whole:
        return times(*(power(a, q) for a in A.args))
    if A.op == "norm" and whole and q % 2 == 0:  # an even power is one of the square: no root, no kink
        return power(Expr("sqnorm", A.args, (1, 1)), q / 2)
    return Expr("power", (A,), A.shape, q)


def product(left: Any, right: Any) -> Expr:
    """left @ right; a vector on the left is a row where it has to be, as in NumPy: x @ A @ y is xᵀAy."""
    A, B = as_expr(left), as_expr(right)
    if A.is_scalar or B.is_scalar:
        outer = A.shape[1] == B.shape[0]
        if not outer:
            raise ValueError(f"{A.shape} @ {B.shape}: @ multiplies matrices; use * for a scalar.")
    if A.shape[1] != B.shape[0] and A.is_column and A.shape[0] == B.shape[0]:
        return transpose(matmul(transpose(A), B))
    return matmul(A, B)


def matmul(*factors: Expr) -> Expr:
    """The matrix product: associative, without identities, its scalar parts in front."""
    for A, B in pairwise(factors):
        if A.shape[1] != B.shape[0]:
            raise ValueError(
                f"{array_shape(A)} @ {array_shape(B)}: the inner dimensions differ, in {A!r} @ {B!r}."
            )
    shape = (factors[0].shape[0], factors[-1].shape[1])
    scalars: list[Expr] = []
    chain: list[Expr] = []
    for f in factors:
        if f.op == "times" and not f.is_scalar:
            scalars += f.args[:-1]
            f = f.args[-1]
        for part in f.args if f.op == "matmul" else (f,):
            if part.op == "zeros" or (part.op == "number" and part.data == 0):
                return zeros(shape)
            if part.is_scalar:
                scalars.append(part)
            elif chain and part.op == chain[-1].op == "ones":
                scalars.append(number(part.shape[0]))
                merged = ones(chain.pop().shape[0], part.shape[1])
                chain += [] if merged.is_scalar else [merged]
            elif part.op != "identity" and not sums_to_one(chain, part):
                _append(chain, part)
    scalars += _scalar_parts(chain)
    if not chain:
        return times(*scalars, identity(shape[0]))
    core = chain[0] if len(chain) == 1 else Expr("matmul", tuple(chain), shape)
    return times(*scalars, _dot(core))


def _dot(A: Expr) -> Expr:
    """(a ∘ b)ᵀ1 = aᵀb; between unit vectors stands an entry."""
    picked = _picking().entry_of(A) if A.op == "matmul" and A.is_scalar else None
    if picked is not None:
        return picked
    if A.op == "matmul" and A.is_scalar and len(A.args) == 2:
        for vector, other in (A.args, A.args[::-1]):
            vector = vector.args[0] if vector.op == "transpose" else vector
            if other.op == "ones" and vector.op == "hadamard" and len(vector.args) == 2:
                a, b = (v if v.is_column else transpose(v) for v in vector.args)
                return Expr("matmul", (transpose(a), b), (1, 1))
    return A


def _append(chain: list[Expr], part: Expr) -> None:
    """Put a factor at the end, unless it meets its own inverse there."""
    if chain and (_inverse_of(part) is chain[-1] or _inverse_of(chain[-1]) is part):
        chain.pop()
    else:
        chain.append(part)


def _inverse_of(A: Expr) -> Expr | None:
    """B where A is written as B⁻¹ or B⁻ᵀ (then Bᵀ)."""
    if A.op == "transpose" and A.args[0].op == "inverse":
        return transpose(A.args[0].args[0])
    return A.args[0] if A.op == "inverse" else None


def _scalar_parts(chain: list[Expr]) -> list[Expr]:
    """Take every xᵀ…y that stands inside a longer chain out of it."""
    found = []
    start: int | None = None
    k = 0
    while k < len(chain):
        if chain[k].shape[0] == 1:
            start = k
        if start is not None and chain[k].shape[1] == 1 and (start > 0 or k + 1 < len(chain)):
            found.append(matmul(*chain[start : k + 1]))
            del chain[start : k + 1]
            k, start = start, None
        else:
            k += 1
    return found


# --- transposes ------------------------------------------------------------------------------------------


def transpose(A: Expr) -> Expr:
    """Aᵀ, moved inward through products and gone where A is symmetric."""
    if A.is_scalar or is_symmetric(A):
        return A
    match A.op:
        case "transpose":
            return A.args[0]
        case "matmul":
            return matmul(*(transpose(a) for a in reversed(A.args)))
        case "times":
            return times(*A.args[:-1], transpose(A.args[-1]))
        case "ones" | "zeros":
            return Expr(A.op, (), A.shape[::-1])
        case "skew":
            return times(-1, A)
        case "add":
            flipped = [transpose(a) for a in A.args]
            if set(flipped) == set(A.args):
                return A
            if sum(map(size, flipped)) < sum(map(size, A.args)):
                return add(*flipped)
    return Expr("transpose", (A,), A.shape[::-1])


def is_symmetric(A: Expr) -> bool:
    """Whether A = Aᵀ follows from how it is declared and built (False: not known to be)."""
    if A.shape[0] != A.shape[1]:
        return False
    match A.op:
        case "symbol":
            return A.data.structure in ("symmetric", "diagonal")
        case "identity" | "ones" | "zeros" | "diag" | "sym":
            return True
        case "let" | "inverse" | "power" | "apply":
            return is_symmetric(A.args[0])
        case "times":
            return is_symmetric(A.args[-1])
        case "add" | "hadamard":
            return all(is_symmetric(a) for a in A.args)
        case "sqdist":
            return A.args[0] is A.args[1]
        case "matmul":
            return all(a is transpose(b) for a, b in zip(A.args, reversed(A.args), strict=True))
    return False
