"""The first gradients, each from d(A B) = dA B + A dB and ⟨A, B⟩ = tr(Aᵀ B).

    f(x) = aᵀx             df = ⟨a, dx⟩
    f(x) = xᵀAx            df = ⟨(A + Aᵀ)x, dx⟩
    f(x) = ‖Ax - b‖²       df = ⟨2Aᵀ(Ax - b), dx⟩
    f(X) = tr(A X B)       df = ⟨AᵀBᵀ, dX⟩
    f(X) = det X           df = ⟨det(X) X⁻ᵀ, dX⟩          X invertible
    f(X) = log|det X|      df = ⟨X⁻ᵀ, dX⟩                 X invertible
    F(X) = X⁻¹             dF = -X⁻¹ dX X⁻¹               back: X_bar = -X⁻ᵀ Y_bar X⁻ᵀ

Reference  magnus2019; for the inverse, from which the others' signs can be checked, giles2008
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Float

Array = Any


def linear(x: Float[Array, " d"], a: Float[Array, " d"]) -> Float[Array, ""]:
    """aᵀx."""
    return a @ x


def grad_linear_x(x: Float[Array, " d"], a: Float[Array, " d"]) -> Float[Array, " d"]:
    """a, wherever x is."""
    return a


def quadratic(x: Float[Array, " d"], A: Float[Array, "d d"]) -> Float[Array, ""]:
    """xᵀAx."""
    return x @ A @ x


def grad_quadratic_x(x: Float[Array, " d"], A: Float[Array, "d d"]) -> Float[Array, " d"]:
    """(A + Aᵀ)x: x stands in two places, and each moves once."""
    return (A + A.T) @ x


def squares(x: Float[Array, " d"], A: Float[Array, "n d"], b: Float[Array, " n"]) -> Float[Array, ""]:
    """‖Ax - b‖²."""
    r = A @ x - b
    return r @ r


def grad_squares_x(
    x: Float[Array, " d"], A: Float[Array, "n d"], b: Float[Array, " n"]
) -> Float[Array, " d"]:
    """2Aᵀ(Ax - b)."""
    return 2 * A.T @ (A @ x - b)


def trace_sandwich(
    X: Float[Array, "m n"], A: Float[Array, "p m"], B: Float[Array, "n p"]
) -> Float[Array, ""]:
    """tr(A X B)."""
    return jnp.trace(A @ X @ B)


def grad_trace_sandwich_X(
    X: Float[Array, "m n"], A: Float[Array, "p m"], B: Float[Array, "n p"]
) -> Float[Array, "m n"]:
    """AᵀBᵀ, the same everywhere: tr(A X B) is linear in X."""
    return A.T @ B.T


def logdet(X: Float[Array, "d d"]) -> Float[Array, ""]:
    """log|det X|; -∞ for a singular X."""
    return jnp.linalg.slogdet(X)[1]


def grad_logdet_X(X: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """X⁻ᵀ, for an invertible X."""
    return jnp.linalg.inv(X).T


def grad_det_X(X: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """det(X) X⁻ᵀ, the matrix of the cofactors, for an invertible X (Jacobi's formula)."""
    return jnp.linalg.det(X) * jnp.linalg.inv(X).T


def jvp_product(
    A: Float[Array, "m n"], B: Float[Array, "n p"], A_dot: Float[Array, "m n"], B_dot: Float[Array, "n p"]
) -> Float[Array, "m p"]:
    """d(A B) = dA B + A dB: the only rule."""
    return A_dot @ B + A @ B_dot


def jvp_inverse(X: Float[Array, "d d"], X_dot: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """d(X⁻¹) = -X⁻¹ dX X⁻¹, for an invertible X."""
    inverse = jnp.linalg.inv(X)
    return -inverse @ X_dot @ inverse


def vjp_inverse(X: Float[Array, "d d"], Y_bar: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """The gradient of ⟨Y_bar, X⁻¹⟩: -X⁻ᵀ Y_bar X⁻ᵀ, for an invertible X."""
    turned = jnp.linalg.inv(X).T
    return -turned @ Y_bar @ turned
