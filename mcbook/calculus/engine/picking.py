"""What stands in square brackets: an entry, a row, a column, a block; and the unit vectors that put it back.

Picking the rows a…b and the columns c…d of A is the product UᵀAV with columns U, V of the identity, so what
comes back on C is UCVᵀ: for an entry, c e_i e_jᵀ.  Keys count from 0, as in NumPy; in formulas, as everywhere
in mathematics, rows and columns count from 1.
"""

from operator import index
from typing import Any

from mcbook.calculus.engine.algebra import hadamard, identity, matmul, number, ones, times, transpose, zeros
from mcbook.calculus.engine.nodes import Expr

Run = tuple[int, int]  # neighbours: from the first up to, and without, the second


def item(A: Expr, key: Any) -> Expr:
    """A[key] as NumPy reads it: whole numbers, and slices of neighbours; x[None, :] is a vector as a row.

    Raises ValueError for a key that NumPy would refuse, one that picks nothing, and one that skips entries.
    """
    keys = key if isinstance(key, tuple) else (key,)
    if A.is_scalar:
        raise ValueError(f"{A!r} is a number: it has no entries to pick.")
    if None in keys:
        return _turned(A, keys)
    if len(keys) > 2 or (len(keys) == 2 and A.is_column and not _all_of_one(keys[1])):
        what = "a vector takes one index" if A.is_column else "a matrix takes one index or two"
        raise ValueError(f"{what}, got {len(keys)} for {A!r} {A.shape}.")
    rows, columns = (*keys, slice(None))[:2]
    picked = pick(
        A, _run(rows, A.shape[0], "entries" if A.is_column else "rows"), _run(columns, A.shape[1], "columns")
    )
    single = isinstance(rows, slice) is False and not A.is_column
    return transpose(picked) if single else picked


def _turned(A: Expr, keys: tuple[Any, ...]) -> Expr:
    """x[None, :], a row; a column of its own, x[:, None], is what a vector is here already."""
    if A.is_column and len(keys) == 2 and keys[0] is None and keys[1] == slice(None):
        return transpose(A)
    from mcbook.calculus.engine.code import expression_code

    x = expression_code(A)
    raise ValueError(
        f"of None only x[None, :] is known, a vector x as a row; for {x}[:, None] * B "
        f"write diag({x}) @ B, for {x}[:, None] + B write outer({x}, ones(n)) + B."
    )


def _all_of_one(key: Any) -> bool:
    return key == slice(None) or (not isinstance(key, slice) and key in (0, -1))


def _run(key: Any, n: int, what: str) -> Run:
    """The neighbours that a key means, of n."""
    if isinstance(key, slice):
        if key.step not in (None, 1):
            raise ValueError(f"a slice picks neighbours, got a step of {key.step}.")
        start, stop, _ = slice(*(None if k is None else _whole(k) for k in (key.start, key.stop))).indices(n)
        if start >= stop:
            raise ValueError(f"the slice {start}:{stop} picks none of {n} {what}.")
        return start, stop
    k = _whole(key)
    if not -n <= k < n:
        raise ValueError(f"there are {n} {what}, counted from 0 to {n - 1}; {k} is not among them.")
    return k % n, k % n + 1


def _whole(key: Any) -> int:
    if isinstance(key, Expr) and key.op == "number" and key.data == int(key.data):
        return int(key.data)
    try:
        return index(key)
    except TypeError:
        raise ValueError(f"an index is a whole number, known beforehand, got {key!r}.") from None


def pick(A: Expr, rows: Run, columns: Run) -> Expr:
    """The block of those rows and columns of A; of multiples and constants it is taken at once."""
    shape = (rows[1] - rows[0], columns[1] - columns[0])
    if shape == A.shape:
        return A
    match A.op:
        case "matmul" if A.args[-1].op == "ones":
            k = A.args[-1].shape[0]
            return matmul(pick(matmul(*A.args[:-1]), rows, (0, k)), ones(k, shape[1]))
        case "times":
            return times(*A.args[:-1], pick(A.args[-1], rows, columns))
        case "transpose":
            return transpose(pick(A.args[0], columns, rows))
        case "ones":
            return ones(*shape)
        case "zeros":
            return zeros(shape)
        case "pick":
            return pick(A.args[0], *(_within(r, s) for r, s in zip((rows, columns), A.data, strict=True)))
        case "identity" if shape == (1, 1):
            return number(int(rows == columns))
        case "identity" if shape[0] == 1:
            return transpose(pick(A, columns, rows))
        case "identity" if shape[1] == 1 and rows != (
            0,
            A.shape[0],
        ):  # a shorter unit vector, or nothing of it
            k = columns[0] - rows[0]
            return unit(shape[0], k) if 0 <= k < shape[0] else zeros(shape)
    return Expr("pick", (A,), shape, (rows, columns))


def _within(inner: Run, outer: Run) -> Run:
    return outer[0] + inner[0], outer[0] + inner[1]


def unit(n: int, k: int) -> Expr:
    """e, column k of the identity: 1 in its row k, else 0."""
    return pick(identity(n), (0, n), (k, k + 1))


def is_unit(A: Expr) -> bool:
    """Whether A is a column of the identity."""
    return A.op == "pick" and A.is_column and A.args[0].op == "identity" and A.data[0] == (0, A.shape[0])


def entry_of(A: Expr) -> Expr | None:
    """The entry that a product eᵢᵀ B eⱼ, aᵀ eⱼ or eᵢᵀ a is."""
    left, right = transpose(A.args[0]), A.args[-1]
    if len(A.args) == 3 and is_unit(left) and is_unit(right):
        return pick(A.args[1], left.data[1], right.data[1])
    if len(A.args) == 2 and (is_unit(left) or is_unit(right)):
        a, e = (left, right) if is_unit(right) else (right, left)
        return pick(a, e.data[1], (0, 1))
    return None


def unit_among(factors: tuple[Expr, ...]) -> tuple[Expr, Expr] | None:
    """a_k and e_k for an entrywise product a ∘ e_k."""
    e = next((f for f in factors if is_unit(f)), None)
    if e is None:
        return None
    return pick(hadamard(*(f for f in factors if f is not e)), e.data[1], (0, 1)), e


def placed(C: Expr, E: Expr) -> Expr:
    """UCVᵀ: C where E = pick(A, …) took it from, zeros elsewhere; ⟨C, pick(D)⟩ = ⟨placed(C), D⟩."""
    (m, n), (rows, columns) = E.args[0].shape, E.data
    return matmul(columns_of(m, rows), C, transpose(columns_of(n, columns)))


def columns_of(n: int, run: Run) -> Expr:
    """Some columns of the identity."""
    return pick(identity(n), (0, n), run)


def picked(E: Expr) -> str:
    """What E picks, in words."""
    rows, columns = (k == 1 for k in E.shape)
    if rows and columns:
        return "an entry"
    (m, n), whole = E.args[0].shape, E.shape
    if rows and whole[1] == n:
        return "a row"
    if columns and whole[0] == m and n > 1:
        return "a column"
    return "entries" if columns and n == 1 else "a block"


def numbered(E: Expr) -> tuple[str, ...]:
    """What E picks of its argument, counted from 1, to stand below it: ("2", "3"), ("2", ":"), ("2:4",)."""

    def written(run: Run, n: int) -> str:
        if run == (0, n) and n > 1:
            return ":"
        return str(run[1]) if run[1] - run[0] == 1 else f"{run[0] + 1}:{run[1]}"

    runs = list(zip(E.data, E.args[0].shape, strict=True))
    return tuple(written(run, n) for run, n in (runs[:1] if E.args[0].is_column else runs))
