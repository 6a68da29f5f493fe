"""Checking a gradient, and finding out what is wrong with it.

Problem    a gradient G is claimed for a scalar function f at X: is df = ⟨G, dX⟩ true?
Check      ⟨G, V⟩ against the slope of t ↦ f(X + tV) in random directions V, and against a reference
Convention a gradient has the shape of its variable, and ⟨A, B⟩ = tr(AᵀB) is the sum of the entrywise products

Nothing but NumPy stands behind it: a reference derivative (`jax.grad(f)`, say) is handed in.
"""

from mcbook.calculus.check import GradReport, check_grad
from mcbook.calculus.diagnosis import Diagnosis, diagnose
from mcbook.calculus.differences import Slope, numerical_gradient, slope_along
from mcbook.calculus.products import ProductReport, check_jvp, check_vjp
from mcbook.calculus.taylor import TaylorOrder, taylor_order

__all__ = [
    "Diagnosis",
    "GradReport",
    "ProductReport",
    "Slope",
    "TaylorOrder",
    "check_grad",
    "check_jvp",
    "check_vjp",
    "diagnose",
    "numerical_gradient",
    "slope_along",
    "taylor_order",
]
