"""What a derivation is made of: terms ⟨C, dE⟩, lines, the rules that made them, and the whole."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.engine.evaluate import by_name, evaluate_all
from mcbook.calculus.engine.nodes import Expr, definitions, size


class Term(NamedTuple):
    """⟨C, dE⟩; C has the shape of E."""

    C: Expr
    E: Expr


class Application(NamedTuple):
    """One rule at work: ⟨C, dE⟩ became the sum of `terms` by the rule for `E.op`."""

    op: str
    rules: tuple[str, ...]
    C: Expr
    E: Expr
    terms: tuple[Term, ...]


class Line(NamedTuple):
    """df = Σ ⟨C, dE⟩, by these rules from the line before; `names` are the intermediates it introduces."""

    rules: tuple[str, ...]
    terms: tuple[Term, ...]
    steps: tuple[Application, ...]
    names: tuple[Expr, ...] = ()
    conditions: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """The rules in words."""
        return ", ".join(self.rules)

    def jvp(self, values: Mapping[str, Any], X: Expr, X_dot: Any) -> float:
        """The sum of the line for the step dX = X_dot: what must equal the derivative of f along it."""
        from mcbook.calculus.engine.forward import pushforward

        return pushforward(self.terms, values, X, X_dot)


class Derivation(NamedTuple):
    """f, the variable X, the lines from df = d(f) to df = ⟨G, dX⟩, and the gradient G."""

    f: Expr
    X: Expr
    lines: tuple[Line, ...]
    gradient: Expr

    @property
    def definitions(self) -> list[Expr]:
        """The named intermediates of the gradient, in an order in which they can be computed."""
        return definitions(self.gradient)

    @property
    def conditions(self) -> list[str]:
        """Where the derivation holds."""
        return list(dict.fromkeys(c for line in self.lines for c in line.conditions))

    @property
    def size(self) -> int:
        """Nodes of the gradient with its definitions, as a reader counts them."""
        return size(self.gradient) + sum(size(d.args[0]) + 1 for d in self.definitions)

    def __call__(self, values: Any = None, /, **named: Any) -> Any:
        """The gradient at given values, an array of the declared shape of X."""
        G = evaluate_all([self.gradient], by_name(values, named))[0]
        return np.reshape(G, self.X.data.shape)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return str(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def text(self, layout: str = "gradient", letter: str = "f") -> str:
        """The whole derivation in plain text, in one of the layouts of `mcbook.calculus.engine.layouts`."""
        from mcbook.calculus.engine.render import derivation_text

        return derivation_text(self, letter, layout)

    def latex(self, layout: str = "gradient", letter: str = "f") -> str:
        """The whole derivation in LaTeX, in one of the layouts of `mcbook.calculus.engine.layouts`."""
        from mcbook.calculus.engine.layouts import derivation_latex

        return derivation_latex(self, layout, letter)
