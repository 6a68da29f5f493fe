"""The energy of a field on a mesh: the ridge penalty is a spring at every point.

Objective  J(w) = ½ wᵀKw + ½ kappa wᵀMw - bᵀw       (½∫|∇u|² + ½kappa∫u² - ∫fu for u = Σ w_i φ_i)
Gradient   dJ = ⟨Kw + kappa Mw - b, dw⟩             book/understanding/ridge
Hessian    K + kappa M, applied to w_dot
Symbols    K stiffness, M mass (n, n), sparse, NumPy or JAX; w, b (n,); kappa a number (a field of kappa,
           or of stiffness, goes into M, or K, when they are assembled)
"""

from typing import Any

from jaxtyping import Float

Array = Any


def energy(w: Float[Array, " n"], K: Any, M: Any, b: Float[Array, " n"], kappa: Any) -> Float[Array, ""]:
    """J(w); half of -bᵀw at the minimum."""
    return (w @ (K @ w) + kappa * (w @ (M @ w))) / 2 - b @ w


def grad_energy_w(
    w: Float[Array, " n"], K: Any, M: Any, b: Float[Array, " n"], kappa: Any
) -> Float[Array, " n"]:
    """∇J = Kw + kappa Mw - b, for symmetric K and M: what is left of the balance of forces."""
    return K @ w + kappa * (M @ w) - b


def hvp_energy_w(w_dot: Float[Array, " n"], K: Any, M: Any, kappa: Any) -> Float[Array, " n"]:
    """The Hessian K + kappa M times w_dot; the same at every w."""
    return K @ w_dot + kappa * (M @ w_dot)
