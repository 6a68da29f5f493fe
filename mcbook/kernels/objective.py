"""What kernel ridge regression minimises, once the representer theorem has made it finite.

Objective  J(alpha, beta) = ‖r‖² + lam alphaᵀK alpha,  r = y - K alpha - P beta
Gradient   dJ = -2⟨K(r - lam alpha), dalpha⟩ - 2⟨Pᵀr, dbeta⟩    book/learning/kernels, eq. (kernels-grad)
Solver     `solve`: both vanish where r = lam alpha and Pᵀalpha = 0
Symbols    K (n, n), P (n, q), y (n,), alpha (n,), beta (q,); NumPy or JAX arrays
"""

from typing import Any

from jaxtyping import Float

Array = Any


def loss(
    alpha: Float[Array, " n"],
    beta: Float[Array, " q"],
    K: Float[Array, "n n"],
    y: Float[Array, " n"],
    P: Float[Array, "n q"],
    lam: float,
) -> Float[Array, ""]:
    """J = ‖y - K alpha - P beta‖² + lam alphaᵀK alpha."""
    r = y - K @ alpha - P @ beta
    return r @ r + lam * (alpha @ (K @ alpha))


def grad_loss_alpha(
    alpha: Float[Array, " n"],
    beta: Float[Array, " q"],
    K: Float[Array, "n n"],
    y: Float[Array, " n"],
    P: Float[Array, "n q"],
    lam: float,
) -> Float[Array, " n"]:
    """∇J in alpha, -2K(r - lam alpha), for a symmetric K."""
    r = y - K @ alpha - P @ beta
    return -2 * (K @ (r - lam * alpha))


def grad_loss_beta(
    alpha: Float[Array, " n"],
    beta: Float[Array, " q"],
    K: Float[Array, "n n"],
    y: Float[Array, " n"],
    P: Float[Array, "n q"],
) -> Float[Array, " q"]:
    """∇J in beta, -2Pᵀr."""
    return -2 * (P.T @ (y - K @ alpha - P @ beta))
