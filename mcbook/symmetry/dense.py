"""The same plain network fed twice: with raw coordinates, and with inverse distances.

Problem    an energy e(z) of a fixed list of numbers z; what z is decides which laws hold
Raw        z = X as it stands (3a): neither turned nor moved nor renumbered without consequences
Pairs      z_p = 1/r_ij for every pair p = (i, j): nothing that turns, mirrors or moves is seen; renumbering
           is
Forward    h₁ = tanh(W₁z + b₁), h₂ = tanh(W₂h₁ + b₂), e = w·h₂, E = E₀ + scale · e
Backward   z_bar = W₁ᵀ((1 - h₁²) ∘ W₂ᵀ((1 - h₂²) ∘ w));  raw: X_bar = z_bar;
           pairs: dz_p = -z³ ⟨D_p, dD_p⟩, so D_bar_p = -z_p³ z_bar_p D_p, and on with `vjp_displacements`
Page       book/understanding/symmetry
Symbols    h₁ h₂ hidden units, a atoms, p = a(a-1)/2 pairs, F = -scale X_bar forces (kcal/mol/Å)
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

Array = Any  # NumPy or JAX


class Plain(NamedTuple):
    """Weights of two hidden layers, the centre and width that z is reduced by, and the energy's units."""

    W1: Float[Array, "h d"]
    b1: Float[Array, " h"]
    W2: Float[Array, "h h"]
    b2: Float[Array, " h"]
    w: Float[Array, " h"]
    center: Float[Array, " d"]
    width: Float[Array, " d"]
    scale_kcal: Float[Array, ""]
    offset_kcal: Float[Array, ""]


def init(
    key: Any, Z: Any, *, hidden: int = 64, scale_kcal: int | float = 1.0, offset_kcal: int | float = 0.0
) -> Plain:
    """Random weights; centre and width (one for all, so that no axis is favoured) from inputs Z (n, d).

    Raises ValueError for fewer than two rows, NaN, or rows that are all the same.
    """
    Z = np.asarray(Z, dtype=float)
    if Z.ndim != 2 or len(Z) < 2 or not np.isfinite(Z).all() or Z.std(axis=0).max() == 0 or hidden < 1:
        raise ValueError(
            f"init expects finite inputs Z (n, d), two rows or more that differ, and hidden ≥ 1; got shape "
            f"{Z.shape} and {hidden}."
        )
    k1, k2, k3 = jax.random.split(key, 3)
    d, h = Z.shape[1], hidden
    width = float(np.sqrt(Z.var(axis=0).mean()))
    return Plain(
        jax.random.normal(k1, (h, d)) / np.sqrt(d),
        jnp.zeros(h),
        jax.random.normal(k2, (h, h)) / np.sqrt(h),
        jnp.zeros(h),
        jax.random.normal(k3, (h,)) / np.sqrt(h),
        jnp.asarray(Z.mean(axis=0)),
        jnp.full(d, width),
        jnp.asarray(float(scale_kcal)),
        jnp.asarray(float(offset_kcal)),
    )


def plain(params: Plain, z: Float[Array, " d"]) -> Float[Array, ""]:
    """e(z)."""
    h1 = jnp.tanh(params.W1 @ ((z - params.center) / params.width) + params.b1)
    return params.w @ jnp.tanh(params.W2 @ h1 + params.b2)


def plain_and_grad_z(params: Plain, z: Float[Array, " d"]) -> tuple[Float[Array, ""], Float[Array, " d"]]:
    """e(z) and its gradient, one pass forwards and one back."""
    h1 = jnp.tanh(params.W1 @ ((z - params.center) / params.width) + params.b1)
    h2 = jnp.tanh(params.W2 @ h1 + params.b2)
    h1_bar = params.W2.T @ ((1 - h2**2) * params.w)
    z_bar = params.W1.T @ ((1 - h1**2) * h1_bar) / params.width
    return params.w @ h2, z_bar


def inverse_distances(X: Float[Array, "a 3"]) -> Float[Array, " p"]:
    """1/r_ij for i < j."""
    i, j = np.triu_indices(len(X), 1)
    return 1 / jnp.sqrt(((X[j] - X[i]) ** 2).sum(-1))


def vjp_inverse_distances(X: Float[Array, "a 3"], z_bar: Float[Array, " p"]) -> Float[Array, "a 3"]:
    """From z_bar to X_bar: along each pair -z³ z_bar D, added to j and taken from i."""
    i, j = np.triu_indices(len(X), 1)
    pull = (-(inverse_distances(X) ** 3) * z_bar)[:, None] * (X[j] - X[i])
    return jnp.zeros_like(X).at[j].add(pull).at[i].add(-pull)


def energy_and_forces_raw(
    params: Plain, X: Float[Array, "a 3"]
) -> tuple[Float[Array, ""], Float[Array, "a 3"]]:
    """E (kcal/mol) and F (kcal/mol/Å) of the network that reads X as it stands."""
    e, z_bar = plain_and_grad_z(params, X.reshape(-1))
    return params.offset_kcal + params.scale_kcal * e, -params.scale_kcal * z_bar.reshape(X.shape)


def energy_and_forces_pairs(
    params: Plain, X: Float[Array, "a 3"]
) -> tuple[Float[Array, ""], Float[Array, "a 3"]]:
    """E (kcal/mol) and F (kcal/mol/Å) of the same network on inverse distances."""
    e, z_bar = plain_and_grad_z(params, inverse_distances(X))
    X_bar = vjp_inverse_distances(X, z_bar)
    return params.offset_kcal + params.scale_kcal * e, -params.scale_kcal * X_bar
