"""The likelihood of independent sources: objective, gradient, Hessian.

Problem    X = S Aᵀ, rows are samples, the columns of S independent with densities exp(-f_i); find W = A⁻¹.
Objective  L(W) = -log|det W| + (1/n) Σ f(Y),  Y = X Wᵀ
Gradient   dL = ⟨psi(Y)ᵀX/n - W⁻ᵀ, dW⟩                       derived: book/learning/unmixing
Relative   dL = ⟨R, E⟩ for dW = E W,  R = ∇L Wᵀ = psi(Y)ᵀY/n - I: no inverse, and blind to the mixing
Hessian    d²L = ⟨E, H E⟩,  H E = (psi'(Y) ∘ Y Eᵀ)ᵀY/n + Eᵀ
           for independent sources H couples E_ij with E_ji only: 2 x 2 blocks [[h_ij, 1], [1, h_ji]]
References cardoso1996, amari1996, ablin2018
Symbols    W (d, d) unmixing, X (n, d) data, Y (n, d) sources, E (d, d) relative change, h (d, d) the blocks

`density` is a `Density` that acts on all columns; `per_source` makes one out of d different ones.
Every function takes NumPy or JAX arrays.
"""

from typing import Any

from jaxtyping import Float

from mcbook.unmixing.density import Density

Array = Any  # NumPy or JAX


def loss(W: Float[Array, "d d"], X: Float[Array, "n d"], density: Density):
    """L(W) = -log|det W| + (1/n) Σ f(X Wᵀ), a scalar in nats per sample, without the densities' constants."""
    xp = X.__array_namespace__()
    return -xp.linalg.slogdet(W)[1] + density.neg_log_p(X @ W.T).sum() / X.shape[0]


def grad_loss_W(W: Float[Array, "d d"], X: Float[Array, "n d"], density: Density) -> Float[Array, "d d"]:
    """∇L = psi(Y)ᵀX/n - W⁻ᵀ, Y = X Wᵀ.  (d, d), the shape of W."""
    xp = X.__array_namespace__()
    return density.score(X @ W.T).T @ X / X.shape[0] - xp.linalg.inv(W).T


def relative_grad(Y: Float[Array, "n d"], density: Density) -> Float[Array, "d d"]:
    """R = ∇L Wᵀ = psi(Y)ᵀY/n - I, a function of the estimated sources alone.  (d, d)."""
    xp = Y.__array_namespace__()
    return density.score(Y).T @ Y / Y.shape[0] - xp.eye(Y.shape[1], dtype=Y.dtype)


def hvp_loss(
    W: Float[Array, "d d"], V: Float[Array, "d d"], X: Float[Array, "n d"], density: Density
) -> Float[Array, "d d"]:
    """The Hessian of L at W applied to V: (psi'(Y) ∘ X Vᵀ)ᵀX/n + W⁻ᵀVᵀW⁻ᵀ.  (d, d)."""
    xp = X.__array_namespace__()
    W_inv = xp.linalg.inv(W)
    return (density.score_prime(X @ W.T) * (X @ V.T)).T @ X / X.shape[0] + (W_inv @ V @ W_inv).T


def relative_hvp(E: Float[Array, "d d"], Y: Float[Array, "n d"], density: Density) -> Float[Array, "d d"]:
    """H E = (psi'(Y) ∘ Y Eᵀ)ᵀY/n + Eᵀ, the second derivative of t -> L((I + tE) W).  (d, d).

    It is `hvp_loss(W, E W, X) Wᵀ`.
    """
    return (density.score_prime(Y) * (Y @ E.T)).T @ Y / Y.shape[0] + E.T


def hessian_approx(Y: Float[Array, "n d"], density: Density, *, order: int = 2) -> Float[Array, "d d"]:
    """The block-diagonal Hessian's entries h (d, d): off the diagonal h_ij, on it the whole entry h_ii + 1.

    order 2: h_ij = E[psi'(y_i) y_j²];  order 1: h_ij = E[psi'(y_i)] E[y_j²], equal for independent sources.
    Raises ValueError for another order.
    """
    xp = Y.__array_namespace__()
    n, d = Y.shape
    slope, square = density.score_prime(Y), Y * Y
    one = xp.eye(d, dtype=Y.dtype)
    if order == 2:
        return slope.T @ square / n + one
    if order == 1:
        h = slope.mean(0)[:, None] * square.mean(0)[None, :]
        return h * (1 - one) + ((slope * square).mean(0) + 1) * one
    raise ValueError(f"hessian_approx expects order 1 or 2, got {order}.")


def regularise(h: Float[Array, "d d"], *, least: float = 0.01) -> Float[Array, "d d"]:
    """Lift both entries of every block [[h_ij, 1], [1, h_ji]] whose smaller eigenvalue is below `least`.

    What comes back is positive definite with eigenvalues of at least `least`.
    """
    xp = h.__array_namespace__()
    smaller = (h + h.T) / 2 - xp.sqrt(((h - h.T) / 2) ** 2 + 1)
    off = h + xp.maximum(least - smaller, 0.0)
    one = xp.eye(h.shape[0], dtype=h.dtype)
    return off * (1 - one) + xp.maximum(h, least) * one


def solve_blocks(h: Float[Array, "d d"], G: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """E with h_ij E_ij + E_ji = G_ij off the diagonal and h_ii E_ii = G_ii on it.  (d, d)."""
    xp = h.__array_namespace__()
    one = xp.eye(h.shape[0], dtype=h.dtype)
    off = (h.T * G - G.T) / (h * h.T * (1 - one) - 1 + 2 * one)
    return off * (1 - one) + (G / h) * one
