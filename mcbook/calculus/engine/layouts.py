r"""The layout switch: one derivation, one tree, five ways to lay it out.

differential   df = tr(Gᵀ dX)
gradient       ∇f = G, of the shape of X                           this book, and automatic differentiation
numerator      ∂f/∂X = Gᵀ: the derivative by a column is a row
denominator    ∂f/∂X = G: the derivative by a column is a column
index          ∂f/∂X_ij = G_ij, every sum written out
"""

from typing import NamedTuple

from mcbook.calculus.engine.algebra import transpose
from mcbook.calculus.engine.index import LETTERS, Writer, entry_form, names_in, term_form
from mcbook.calculus.engine.latex import Latex
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.printer import CHAIN, SCALED
from mcbook.calculus.engine.records import Derivation, Line
from mcbook.calculus.engine.recurrence import Group, grouped, repeated_sum
from mcbook.calculus.engine.rules import title_latex
from mcbook.calculus.engine.second import Jacobian
from mcbook.calculus.engine.text import Text

LAYOUTS = ("differential", "gradient", "numerator", "denominator", "index")


class Statement(NamedTuple):
    """left = right in a layout: `value` is the expression on the right, `latex` the right side as printed.

    `text` is all of it in plain characters.
    """

    layout: str
    left: str
    latex: str
    value: Expr
    text: str

    def __str__(self) -> str:
        return f"{self.left} = {self.latex}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self}$"


def statement(result: Derivation | Jacobian, layout: str = "gradient", letter: str = "f") -> Statement:
    """The result in one of the `LAYOUTS`; `letter` is what the page calls the function.

    Raises ValueError for a layout that is none of them.
    """
    _require_layout(layout)
    left, right, value = _sides(result, layout, letter, Latex)
    return Statement(layout, left, right, value, " = ".join(_sides(result, layout, letter, Text)[:2]))


def _require_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise ValueError(f"a layout is one of {', '.join(LAYOUTS)}, got {layout!r}.")


Sides = tuple[str, str, Expr]  # left and right as written, and what the right is


def _sides(result: Derivation | Jacobian, layout: str, letter: str, alphabet: Writer) -> Sides:
    if isinstance(result, Derivation):
        return _of_gradient(result, layout, letter, alphabet)
    return _of_jacobian(result, layout, letter, alphabet)


def _of_gradient(derivation: Derivation, layout: str, letter: str, alphabet: Writer) -> Sides:
    write, G, X = alphabet(), derivation.gradient, derivation.X
    f = write.name(letter)
    quotient = write.fraction(write.partial + f, write.partial + write(X))[0]
    match layout:
        case "differential":
            return write.d + f, trace_form(G, X, alphabet), G
        case "gradient":
            return write.nabla(f, write(X)), write(G), G
        case "numerator":
            return quotient, write(transpose(G)), transpose(G)
        case "denominator":
            return quotient, write(G), G
    names = names_in(X, G)
    quotient = write.fraction(write.partial + f, write.partial + entry_form(X, alphabet, names))[0]
    return quotient, entry_form(G, alphabet, names), G


def _of_jacobian(J: Jacobian, layout: str, letter: str, alphabet: Writer) -> Sides:
    write, name, dF = alphabet(), "F" if letter == "f" else alphabet().name(letter), J.differential
    flat = J.F.is_column and J.X.is_column
    above, below = (write.partial + (n if flat else write.vec(n)) for n in (name, write(J.X)))
    match layout:
        case "differential":
            return write.d + name, write(dF), dF
        case "gradient" | "numerator":
            return write.fraction(above, below)[0], write(J.matrix), J.matrix
        case "denominator":
            return write.fraction(above, below)[0], write(transpose(J.matrix)), transpose(J.matrix)
    names = names_in(dF, J.F, J.X)
    letters = [a for a in LETTERS if a not in names][: 2 - (1 in J.F.shape)]
    return write.d + write.indexed(name, letters), entry_form(dF, alphabet, names), dF


def trace_form(C: Expr, E: Expr, alphabet: Writer = Latex) -> str:
    """⟨C, dE⟩ as tr(Cᵀ dE); for vectors Cᵀ dE, for numbers c dE."""
    write = alphabet()
    if E.is_scalar:
        return write.term(C, E)
    turned = transpose(C)
    core = turned.args[-1] if turned.op == "times" else turned
    level = CHAIN if core.op in ("hadamard", "kron") else SCALED
    product = write.at(turned, level) + write.space + write.differential(E)
    return product if E.is_column else write.words["trace"] + write.parens(product)


class Row(NamedTuple):
    """One line in a layout: what stands right of df =, by these rules, with these names given on the way."""

    latex: str
    rules: tuple[str, ...]
    names: tuple[str, ...]


class LaidOut(NamedTuple):
    """A derivation in one layout, in LaTeX: all lines, the result, and the names that it uses.

    `total` is the result once more as a sum over steps, where it is one; `where` states the named
    intermediates that no line has introduced, and those that repeat from step to step.
    """

    rows: tuple[Row, ...]
    statement: Statement
    total: str
    where: tuple[str, ...]


def laid_out(derivation: Derivation, layout: str = "gradient", letter: str = "f") -> LaidOut:
    """All lines and the result in one of the `LAYOUTS`. Raises ValueError for another."""
    _require_layout(layout)
    write = Latex()
    rows = tuple(
        Row(
            line_form(line, layout), line.rules, tuple(f"{write(d)} = {write(d.args[0])}" for d in line.names)
        )
        for line in derivation.lines
    )
    introduced = {d for line in derivation.lines for d in line.names}
    groups = grouped(derivation.definitions, Latex)
    back = grouped([d for d in derivation.definitions if d in introduced], Latex)
    where = tuple(_stated(g) for g in groups if g not in back or len(g.steps) > 1)
    return LaidOut(rows, statement(derivation, layout, letter), _total(derivation, layout), where)


def _total(derivation: Derivation, layout: str) -> str:
    total = repeated_sum(derivation.gradient, Latex) if layout in ("gradient", "denominator") else None
    if total is None:
        return ""
    rest = "".join(f" + {Latex()(term)}" for term in total.rest)
    return rf"\sum_{{t={total.steps[0]}}}^{{{total.steps[-1]}}} {total.term}{rest}"


def derivation_latex(derivation: Derivation, layout: str = "gradient", letter: str = "f") -> str:
    """All lines in a layout, aligned, with the rules beside them and the boxed result at the end."""
    page, rows = laid_out(derivation, layout, letter), []
    for k, row in enumerate(page.rows):
        note = " && " + r",\ ".join(map(title_latex, row.rules)) if row.rules else ""
        rows.append((rf"\mathrm{{d}}{Latex().name(letter)} &= " if k == 0 else "&= ") + row.latex + note)
        rows += [rf"&\qquad {name}" for name in row.names]
    rows.append(rf"&\boxed{{{page.statement}}}")
    rows += [f"&= {page.total}"] if page.total else []
    rows += [rf"&\qquad {stated}" for stated in page.where]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _stated(group: Group) -> str:
    between = r"\dots, " if len(group.steps) > 2 else ""
    steps = rf"\quad (t = {group.steps[0]}, {between}{group.steps[-1]})" if group.steps else ""
    return f"{group.left} = {group.right}{steps}"


def line_form(line: Line, layout: str, alphabet: Writer = Latex) -> str:
    """What stands right of df =, in a layout."""
    if layout in ("gradient", "denominator"):
        return alphabet().terms(line.terms)
    form = term_form if layout == "index" else trace_form
    return alphabet().terms(line.terms, lambda C, E: form(C, E, alphabet))
