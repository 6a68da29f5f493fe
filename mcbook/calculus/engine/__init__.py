"""A derivation engine: it shows its steps, and refuses rather than guess.

expressions   nodes, algebra, functions, vocabulary, evaluate      what can be written, and what it is worth
derivatives   rules (adjoints), derive, forward, second            one named rule to an operation, both ways
reading       parser, notation, patterns                           NumPy's notation, read and never run
writing       printer → text, latex; code, index, layouts          one tree, every way to lay it out

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
