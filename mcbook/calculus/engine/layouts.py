r"""The layout switch: one derivation, one tree, five ways to lay it out.

differential   df = tr(Gᵀ dX)
gradient       ∇f = G, of the shape of X                           this book, and automatic differentiation
numerator      ∂f/∂X = Gᵀ: the derivative by a column is a row
denominator    ∂f/∂X = G: the derivative by a column is a column
index          ∂f/∂X_ij = G_ij, every sum written out
"""

from typing import NamedTuple

from mcbook.calculus.engine.algebra import transpose
from mcbook.calculus.engine.derive import Derivation, Line
from mcbook.calculus.engine.index import entry_latex, term_latex
from mcbook.calculus.engine.latex import Latex
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.printer import CHAIN, SCALED
from mcbook.calculus.engine.recurrence import Group, grouped, repeated_sum
from mcbook.calculus.engine.rules import title_latex
from mcbook.calculus.engine.second import Jacobian

LAYOUTS = ("differential", "gradient", "numerator", "denominator", "index")


class Statement(NamedTuple):
    """left = right in a layout: `value` is the expression on the right, `latex` the right side as printed."""

    layout: str
    left: str
    latex: str
    value: Expr

    def __str__(self) -> str:
        return f"{self.left} = {self.latex}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self}$"


def statement(result: Derivation | Jacobian, layout: str = "gradient", letter: str = "f") -> Statement:
    """The result in one of the `LAYOUTS`; `letter` is what the page calls the function.

    Raises ValueError for a layout that is none of them.
    """
    _require_layout(layout)
    if isinstance(result, Derivation):
        return _of_gradient(result, layout, letter)
    return _of_jacobian(result, layout)


def _require_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise ValueError(f"a layout is one of {', '.join(LAYOUTS)}, got {layout!r}.")


def _of_gradient(derivation: Derivation, layout: str, letter: str) -> Statement:
    write, G, X = Latex(), derivation.gradient, derivation.X
    x, f = write(X), write.name(letter)
    match layout:
        case "differential":
            return Statement(layout, rf"\mathrm{{d}}{f}", trace_latex(G, X), G)
        case "gradient":
            return Statement(layout, rf"\nabla_{{{x}}} {f}", write(G), G)
        case "numerator":
            turned = transpose(G)
            return Statement(layout, rf"\frac{{\partial {f}}}{{\partial {x}}}", write(turned), turned)
        case "denominator":
            return Statement(layout, rf"\frac{{\partial {f}}}{{\partial {x}}}", write(G), G)
    return Statement(layout, rf"\frac{{\partial {f}}}{{\partial {entry_latex(X)}}}", entry_latex(G), G)


def _of_jacobian(J: Jacobian, layout: str) -> Statement:
    write, name, x = Latex(), "F", Latex()(J.X)
    flat = J.F.is_column and J.X.is_column
    above, below = (name, x) if flat else (rf"\operatorname{{vec}} {name}", rf"\operatorname{{vec}} {x}")
    quotient = rf"\frac{{\partial {above}}}{{\partial {below}}}"
    match layout:
        case "differential":
            return Statement(layout, rf"\mathrm{{d}}{name}", write(J.differential), J.differential)
        case "gradient" | "numerator":
            return Statement(layout, quotient, write(J.matrix), J.matrix)
        case "denominator":
            return Statement(layout, quotient, write(transpose(J.matrix)), transpose(J.matrix))
    letters = "ij"[: 2 - (1 in J.F.shape)]
    return Statement(
        layout, rf"\mathrm{{d}}{name}_{{{letters}}}", entry_latex(J.differential), J.differential
    )


def trace_latex(C: Expr, E: Expr) -> str:
    """⟨C, dE⟩ as tr(Cᵀ dE); for vectors Cᵀ dE, for numbers c dE."""
    write = Latex()
    if E.is_scalar:
        return write.term(C, E)
    turned = transpose(C)
    core = turned.args[-1] if turned.op == "times" else turned
    level = CHAIN if core.op in ("hadamard", "kron") else SCALED
    product = write.at(turned, level) + r"\," + write.differential(E)
    return product if E.is_column else rf"\operatorname{{tr}}\left({product}\right)"


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
        Row(_line(line, layout), line.rules, tuple(f"{write(d)} = {write(d.args[0])}" for d in line.names))
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


def _line(line: Line, layout: str) -> str:
    if layout in ("gradient", "denominator"):
        return Latex().terms(line.terms)
    return Latex().terms(line.terms, term_latex if layout == "index" else trace_latex)
