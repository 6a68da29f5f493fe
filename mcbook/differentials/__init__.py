"""Differentials: what a small change of a matrix does, and which way to turn every knob at once.

Problem    F(X + dX) - F(X) = (linear in dX) + (a rest that shrinks as the square of dX); which linear part?
Objective  L(W) = ‖P Wᵀ - Q‖² / (2n): nine knobs W, n colours P as they came out, Q as they should be
Gradient   dL = ⟨(P Wᵀ - Q)ᵀ P / n, dW⟩        derived: book/grammar/differentials, eq. (differentials-knobs)
Rule       d(A B) = dA B + A dB; the inverse, the determinant and the trace tricks follow from it
Solver     W ← W - eta ∇L, or ∇L = 0: W = Qᵀ P (Pᵀ P)⁻¹
Reference  magnus2019

Symbols    dX → X_dot, cotangent → Y_bar, ⟨A, B⟩ = tr(Aᵀ B) → inner; rows of P and Q are colours (n, 3)
"""

from mcbook.differentials.desk import (
    CAST,
    Knobs,
    balanced,
    grad_loss_W,
    inner,
    loss,
    nudged,
    turn,
)
from mcbook.differentials.first import (
    grad_det_X,
    grad_linear_x,
    grad_logdet_X,
    grad_quadratic_x,
    grad_squares_x,
    grad_trace_sandwich_X,
    jvp_inverse,
    jvp_product,
    linear,
    logdet,
    quadratic,
    squares,
    trace_sandwich,
    vjp_inverse,
)
from mcbook.differentials.maps import MAPS, PlaneMap
from mcbook.differentials.rest import Rests, rests
from mcbook.differentials.stacking import commutation, unvec, vec
from mcbook.differentials.symmetric import entry_derivatives, sym, symmetric_of

__all__ = [
    "CAST",
    "MAPS",
    "Knobs",
    "PlaneMap",
    "Rests",
    "balanced",
    "commutation",
    "entry_derivatives",
    "grad_det_X",
    "grad_linear_x",
    "grad_logdet_X",
    "grad_loss_W",
    "grad_quadratic_x",
    "grad_squares_x",
    "grad_trace_sandwich_X",
    "inner",
    "jvp_inverse",
    "jvp_product",
    "linear",
    "logdet",
    "loss",
    "nudged",
    "quadratic",
    "rests",
    "squares",
    "sym",
    "symmetric_of",
    "trace_sandwich",
    "turn",
    "unvec",
    "vec",
    "vjp_inverse",
]
