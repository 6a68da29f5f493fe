"""Expressions as data: immutable nodes with a shape, shared wherever they are equal.

An expression is an operation, its arguments and, for some, a piece of data (a name, a number, an axis).
Everything is a matrix: a vector is a column (n, 1), a number is (1, 1), so that products associate and
transposes mean what they mean on paper.  Equal expressions are one object; `is` compares them.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from keyword import iskeyword
from operator import index
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

Shape = tuple[int, int]
Number = int | float | Fraction
STRUCTURES = ("", "symmetric", "diagonal", "lower", "upper")


class Declaration(NamedTuple):
    """What is known of a symbol: its name, the shape of the array it stands for, and its structure."""

    name: str
    shape: tuple[int, ...]
    structure: str = ""


class Expr:
    """A node: `op` of `args`, with its shape and its `data`.  Build with the operators and functions."""

    __slots__ = ("__weakref__", "args", "data", "free", "op", "shape")
    __array_ufunc__ = None  # NumPy leaves the operators to us
    op: str
    args: tuple["Expr", ...]
    shape: Shape
    data: Any
    free: frozenset["Expr"]  # the symbols that occur in it

    def __new__(cls, op: str, args: tuple["Expr", ...], shape: Shape, data: Any = None) -> "Expr":
        key = (op, args, shape, data)
        known = _KNOWN.get(key)
        if known is not None:
            return known
        node = super().__new__(cls)
        node.op, node.args, node.shape, node.data = key
        node.free = frozenset([node]) if op == "symbol" else frozenset().union(*(a.free for a in args))
        _KNOWN[key] = node
        return node

    def __add__(self, other: Any) -> "Expr":
        return _algebra().plus(self, other)

    def __radd__(self, other: Any) -> "Expr":
        return _algebra().plus(other, self)

    def __sub__(self, other: Any) -> "Expr":
        return _algebra().plus(self, -_algebra().as_expr(other))

    def __rsub__(self, other: Any) -> "Expr":
        return _algebra().plus(other, -self)

    def __neg__(self) -> "Expr":
        return _algebra().times(-1, self)

    def __mul__(self, other: Any) -> "Expr":
        return _algebra().entrywise(self, other)

    def __rmul__(self, other: Any) -> "Expr":
        return _algebra().entrywise(other, self)

    def __truediv__(self, other: Any) -> "Expr":
        return _algebra().quotient(self, other)

    def __rtruediv__(self, other: Any) -> "Expr":
        return _algebra().quotient(other, self)

    def __matmul__(self, other: Any) -> "Expr":
        return _algebra().product(self, other)

    def __rmatmul__(self, other: Any) -> "Expr":
        return _algebra().product(other, self)

    def __pow__(self, exponent: Any) -> "Expr":
        return _algebra().power(self, exponent)

    def __getitem__(self, key: Any) -> "Expr":
        from mcbook.calculus.engine.picking import item

        return item(self, key)

    __iter__ = None  # an expression is not run through, though its entries can be picked

    @property
    def T(self) -> "Expr":
        """The transpose."""
        return _algebra().transpose(self)

    @property
    def is_scalar(self) -> bool:
        return self.shape == (1, 1)

    @property
    def is_column(self) -> bool:
        return self.shape[1] == 1

    @property
    def name(self) -> str:
        """The name of a symbol or of a named intermediate."""
        return self.data.name if self.op == "symbol" else self.data if self.op == "let" else ""

    def __repr__(self) -> str:
        from mcbook.calculus.engine.text import text

        return text(self)

    def _repr_latex_(self) -> str:
        from mcbook.calculus.engine.latex import latex

        return f"$\\displaystyle {latex(self)}$"

    def __copy__(self) -> "Expr":
        return self

    def __deepcopy__(self, memo: Any) -> "Expr":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Expr, (self.op, self.args, self.shape, self.data)


_KNOWN: WeakValueDictionary[Any, Expr] = WeakValueDictionary()


def _algebra() -> Any:
    from mcbook.calculus.engine import algebra  # the two know each other: operators simplify as they build

    return algebra


def symbol(name: str, shape: Any = (), structure: str = "") -> Expr:
    """A named array: () a number, (n,) or n a column vector, (m, n) a matrix.

    structure  "symmetric", "diagonal", "lower" or "upper" (triangular): what X and every step dX obey.
    """
    shape = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if not name.isidentifier() or iskeyword(name):
        raise ValueError(f"a symbol is named like a Python variable, got {name!r}.")
    if len(shape) > 2 or not all(hasattr(k, "__index__") and k >= 1 for k in shape):
        raise ValueError(f"{name} needs a shape of up to two positive integers, got {shape}.")
    shape = tuple(map(index, shape))
    if structure not in STRUCTURES:
        raise ValueError(f"the structure of {name} is one of {STRUCTURES[1:]} or '', got {structure!r}.")
    if structure and (len(shape) != 2 or shape[0] != shape[1]):
        raise ValueError(f"only a square matrix is {structure}, but {name} has shape {shape}.")
    return Expr("symbol", (), matrix_shape(shape), Declaration(name, shape, structure))


def symbols(**shapes: Any) -> tuple[Expr, ...]:
    """Several symbols at once: `W, X = symbols(W=(3, 3), X=(20, 3))`."""
    return tuple(symbol(name, shape) for name, shape in shapes.items())


def matrix_shape(shape: tuple[int, ...]) -> Shape:
    """The shape of the matrix that stands for an array: a vector is a column, a number 1 × 1."""
    rows, columns = (*shape, 1, 1)[:2]
    return rows, columns


def array_shape(F: Expr) -> tuple[int, ...]:
    """The shape of the array that an expression stands for: a column is 1-D, a number 0-D."""
    return () if F.is_scalar else F.shape[:1] if F.is_column else F.shape


def let(name: str, value: Expr) -> Expr:
    """The value under a name of its own: the derivation speaks of it by that name."""
    if not name.isidentifier() or iskeyword(name):
        raise ValueError(f"an intermediate is named like a Python variable, got {name!r}.")
    if value.op in ("let", "symbol", "number") and value.name == name:
        return value
    return Expr("let", (value,), value.shape, name)


def walk(*roots: Expr, behind_names: bool = True) -> Iterator[Expr]:
    """Every distinct node below the roots, arguments before what is made of them, the first root's last."""
    seen: set[Expr] = set()
    stack = [(root, False) for root in roots]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            if behind_names or node.op != "let":
                stack.extend((a, False) for a in node.args if a not in seen)


def definitions(*roots: Expr) -> list[Expr]:
    """The named intermediates that occur in the roots, each after those it is made of."""
    return [node for node in walk(*roots) if node.op == "let"]


def size(expr: Expr) -> int:
    """How many symbols, numbers and operations a reader meets; a name counts one, a minus sign nothing."""
    if expr.op in ("let", "symbol", "number", "identity", "ones"):
        return 1
    if expr.op == "pick" and expr.args[0].op == "identity":  # a unit vector
        return 1
    if expr.op == "times" and expr.args[0].data == -1 and len(expr.args) == 2:
        return size(expr.args[1])
    return 1 + sum(size(a) for a in expr.args)


def unused_name(name: str, taken: set[str]) -> str:
    """The name, or with the first number that makes it new."""
    if name not in taken:
        return name
    k = 1
    while f"{name}{k}" in taken:
        k += 1
    return f"{name}{k}"


def require_distinct_names(*roots: Expr) -> None:
    """Raises ValueError where one name stands for two things, which no reader could tell apart."""
    from mcbook.calculus.engine.text import Text

    known: dict[str, Expr] = {}
    for node in walk(*roots):
        if not node.name:
            continue
        printed = Text().name(node.name)
        pair = (known.setdefault(printed, node), node)
        if pair[0].name != node.name:
            raise ValueError(f"{pair[0].name} and {node.name} would both be printed {printed}; rename one.")
        if pair[0] is not node:
            kinds = [f"the symbol {n.data[1:]}" if n.op == "symbol" else repr(n.args[0]) for n in pair]
            raise ValueError(f"{node.name} stands for two things, {kinds[0]} and {kinds[1]}; rename one.")
