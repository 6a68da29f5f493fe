"""A derivation engine: it shows its steps, and refuses rather than guess.

expressions   nodes, algebra, functions, vocabulary, picking       what can be written; evaluate: its value
derivatives   rules (adjoints, rearranging), patterns              one named rule to an operation, both ways
              derive → records; forward, second                    line by line; Jacobians and Hessians
reading       parser (tokens, notation, remedies)                  NumPy's notation, read and never run
writing       printer → text, latex, mathml; code                  one tree, every way to write it
              index, layouts, render                               and to lay it out

    >>> from mcbook.calculus.engine import derive, parse, symbols
    >>> A, x = symbols(A=(3, 3), x=3)
    >>> print(derive(parse("x @ A @ x", A, x), x))
    df = d(xᵀ A x)
       = ⟨A x + Aᵀ x, dx⟩   product, transpose
       = ⟨(A + Aᵀ) x, dx⟩   common factors
    ∇f(x) = (A + Aᵀ) x
"""

from mcbook.calculus.engine.code import expression_code, function_code
from mcbook.calculus.engine.derive import Application, Derivation, Line, Term, derive
from mcbook.calculus.engine.evaluate import evaluate
from mcbook.calculus.engine.forward import differential
from mcbook.calculus.engine.latex import latex
from mcbook.calculus.engine.layouts import LAYOUTS, Statement, statement
from mcbook.calculus.engine.nodes import Expr, let, symbol, symbols
from mcbook.calculus.engine.parser import ParseError, parse
from mcbook.calculus.engine.rebuild import substitute
from mcbook.calculus.engine.rules import RULES, Rule
from mcbook.calculus.engine.second import Hessian, Jacobian, hessian, hvp, jacobian
from mcbook.calculus.engine.text import text

__all__ = [
    "LAYOUTS",
    "RULES",
    "Application",
    "Derivation",
    "Expr",
    "Hessian",
    "Jacobian",
    "Line",
    "ParseError",
    "Rule",
    "Statement",
    "Term",
    "derive",
    "differential",
    "evaluate",
    "expression_code",
    "function_code",
    "hessian",
    "hvp",
    "jacobian",
    "latex",
    "let",
    "parse",
    "statement",
    "substitute",
    "symbol",
    "symbols",
    "text",
]
