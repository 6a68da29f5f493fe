"""Deriving a gradient, checking one, and finding out what is wrong with it.

Problem    a scalar function f at X: which G makes df = ⟨G, dX⟩ true, and does a claimed one?
Derive     `derive(f, X)`: differentials, one named rule a line, from df = ⟨1, df⟩ to df = ⟨G, dX⟩
Check      ⟨G, V⟩ against the slope of t ↦ f(X + tV) in random directions V, and against a reference
Convention a gradient has the shape of its variable, and ⟨A, B⟩ = tr(AᵀB) is the sum of the entrywise products

Nothing but NumPy stands behind it: a reference derivative (`jax.grad(f)`, say) is handed in.
"""

from mcbook.calculus.catalogue import entry
from mcbook.calculus.check import GradReport, check_grad
from mcbook.calculus.diagnosis import Diagnosis, diagnose
from mcbook.calculus.differences import Slope, numerical_gradient, slope_along
from mcbook.calculus.engine import (
    Derivation,
    Expr,
    ParseError,
    derive,
    evaluate,
    hessian,
    hvp,
    jacobian,
    let,
    parse,
    statement,
    symbol,
    symbols,
)
from mcbook.calculus.marking.lines import LineReport, check_lines
from mcbook.calculus.marking.report import MISTAKES
from mcbook.calculus.products import ProductReport, check_jvp, check_vjp
from mcbook.calculus.taylor import TaylorOrder, taylor_order

__all__ = [
    "MISTAKES",
    "Derivation",
    "Diagnosis",
    "Expr",
    "GradReport",
    "LineReport",
    "ParseError",
    "ProductReport",
    "Slope",
    "TaylorOrder",
    "check_grad",
    "check_jvp",
    "check_lines",
    "check_vjp",
    "derive",
    "diagnose",
    "entry",
    "evaluate",
    "hessian",
    "hvp",
    "jacobian",
    "let",
    "numerical_gradient",
    "parse",
    "slope_along",
    "statement",
    "symbol",
    "symbols",
    "taylor_order",
]
