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


def statement(result: Derivation | Jacobian, layout: str = "gradient") -> Statement:
    """The result in one of the `LAYOUTS`. Raises ValueError for a layout that is none of them."""
    _require_layout(layout)
    return _of_gradient(result, layout) if isinstance(result, Derivation) else _of_jacobian(result, layout)


def _require_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise ValueError(f"a layout is one of {', '.join(LAYOUTS)}, got {layout!r}.")


def _of_gradient(derivation: Derivation, layout: str) -> Statement:
    write, G, X = Latex(), derivation.gradient, derivation.X
    x = write(X)
    match layout:
        case "differential":
            return Statement(layout, r"\mathrm{d}f", trace_latex(G, X), G)
        case "gradient":
            return Statement(layout, rf"\nabla_{{{x}}} f", write(G), G)
        case "numerator":
            return Statement(
                layout, rf"\frac{{\partial f}}{{\partial {x}}}", write(transpose(G)), transpose(G)
            )
        case "denominator":
            return Statement(layout, rf"\frac{{\partial f}}{{\partial {x}}}", write(G), G)
    return Statement(layout, rf"\frac{{\partial f}}{{\partial {entry_latex(X)}}}", entry_latex(G), G)


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


def derivation_latex(derivation: Derivation, layout: str = "gradient") -> str:
    """All lines in a layout, aligned, with the rules beside them and the boxed result at the end."""
    _require_layout(layout)
    write, rows = Latex(), []
    for k, line in enumerate(derivation.lines):
        note = " && " + r",\ ".join(map(title_latex, line.rules)) if line.rules else ""
        rows.append((r"\mathrm{d}f &= " if k == 0 else "&= ") + _line(line, layout) + note)
        rows += [rf"&\qquad {write(d)} = {write(d.args[0])}" for d in line.names]
    introduced = {d for line in derivation.lines for d in line.names}
    groups = grouped(derivation.definitions, Latex)
    back = grouped([d for d in derivation.definitions if d in introduced], Latex)
    rows.append(rf"&\boxed{{{statement(derivation, layout)}}}")
    if layout in ("gradient", "denominator") and (total := repeated_sum(derivation.gradient, Latex)):
        rest = "".join(f" + {write(term)}" for term in total.rest)
        rows.append(rf"&= \sum_{{t={total.steps[0]}}}^{{{total.steps[-1]}}} {total.term}{rest}")
    rows += [rf"&\qquad {_stated(g)}" for g in groups if g not in back or len(g.steps) > 1]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _stated(group: Group) -> str:
    steps = rf"\quad (t = {group.steps[0]}, \dots, {group.steps[-1]})" if group.steps else ""
    return f"{group.left} = {group.right}{steps}"


def _line(line: Line, layout: str) -> str:
    if layout in ("gradient", "denominator"):
        return Latex().terms(line.terms)
    return Latex().terms(line.terms, term_latex if layout == "index" else trace_latex)
