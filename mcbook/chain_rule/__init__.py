"""The chain rule: linear maps one behind the other, and the two ends from which they can be multiplied.

Problem    a network of a million weights makes one error; its derivative by them all costs three evaluations
Objective  L = f_L(… f₂(f₁(x))), each f_k a step whose differential is known
Gradient   dL = ⟨ȳ, J_L ⋯ J₂ J₁ dx⟩ = ⟨J₁ᵀ(J₂ᵀ(⋯ J_Lᵀ ȳ)), dx⟩
           derived: book/grammar/chain_rule, eq. (chain-back)
Solver     `tape`: the program is written down as it runs, and read backwards; shares that meet are added
Reference  griewank2008, baur1983, linnainmaa1976

Symbols    tangent ẋ → x_dot, cotangent x̄ → x_bar; an equation F(T, p) = 0 has the adjoint lam, F_Tᵀ lam = T̄
"""

from mcbook.chain_rule import climate, tape
from mcbook.chain_rule.checking import Errors, best_steps, complex_slope, step_errors
from mcbook.chain_rule.mistakes import MISTAKES, wrong_grad
from mcbook.chain_rule.modes import (
    Costs,
    costs,
    jvp_chain,
    network_multiplications,
    random_chain,
    vjp_chain,
)
from mcbook.chain_rule.network import Fit, Weights, fit, grad_loss, initial, logits, loss, one_hot, read

__all__ = [
    "MISTAKES",
    "Costs",
    "Errors",
    "Fit",
    "Weights",
    "best_steps",
    "climate",
    "complex_slope",
    "costs",
    "fit",
    "grad_loss",
    "initial",
    "jvp_chain",
    "logits",
    "loss",
    "network_multiplications",
    "one_hot",
    "random_chain",
    "read",
    "step_errors",
    "tape",
    "vjp_chain",
    "wrong_grad",
]
