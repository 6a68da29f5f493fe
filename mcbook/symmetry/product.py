"""A kernel between molecules that lets every distance matter alone, in twos, in threes, …

Problem    compare two shapes by their distances x, z (p,), so that few frames teach a whole energy surface
Kernel     k(x, z) = Π_p (1 + a_p e_p)/(1 + a_p),  e_p = exp(-s_p²/2),  s_p = (x_p - z_p)/ell_p
           multiplied out: a constant, Σ a_p e_p (functions of one distance), Σ a_p a_q e_p e_q (of two), …;
           small weights a_p say that an energy is nearly a sum over few distances; a → ∞ is the Gaussian
Gradient   with h = log k = Σ h_p and q_p = a_p e_p/(1 + a_p e_p):
           u_p = ∂h_p/∂x_p = -q_p s_p/ell_p          v_p = ∂²h_p/∂x_p² = q_p ((1 - q_p) s_p² - 1)/ell_p²
           ∂k/∂x = k u,  ∂k/∂z = -k u,  ∂²k/∂x∂zᵀ = -k (u uᵀ + diag v): rank one and a diagonal
Reference  duvenaud2011
Symbols    x, z (…, p) distances in Å, ell (p,) widths in Å, weight (p,) the a_p
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

Array = Any  # NumPy or JAX


class ProductKernel(NamedTuple):
    """One width in Å and one weight for each pair of atoms; equal where a permutation joins two pairs."""

    ell: Float[np.ndarray, " p"]
    weight: Float[np.ndarray, " p"]


class Factors(NamedTuple):
    """k, and the first and second derivative of log k in each distance."""

    k: Float[Array, "..."]
    u: Float[Array, "... p"]
    v: Float[Array, "... p"]


class FactorSlopes(NamedTuple):
    """The derivatives of h_p, u_p and v_p with respect to one parameter of pair p."""

    h: Float[np.ndarray, "... p"]
    u: Float[np.ndarray, "... p"]
    v: Float[np.ndarray, "... p"]


def product_kernel(x: Any, z: Any, kernel: ProductKernel) -> Any:
    """k(x, z) for x, z (…, p): 1 where they are equal."""
    e = np.exp(-0.5 * ((x - z) / kernel.ell) ** 2)
    return ((1 + kernel.weight * e) / (1 + kernel.weight)).prod(axis=-1)


def factors(x: Any, z: Any, kernel: ProductKernel, xp: Any = np) -> Factors:
    """k (…), u (…, p) and v (…, p) at x, z (…, p); `xp` is numpy or jax.numpy."""
    s = (x - z) / kernel.ell
    ae = kernel.weight * xp.exp(-0.5 * s * s)
    q = ae / (1 + ae)
    k = ((1 + ae) / (1 + kernel.weight)).prod(-1)
    return Factors(k, -q * s / kernel.ell, q * ((1 - q) * s * s - 1) / kernel.ell**2)


def factor_slopes(x: Any, z: Any, kernel: ProductKernel) -> tuple[FactorSlopes, FactorSlopes]:
    """The derivatives of h, u, v with respect to log ell and log weight, each (…, p).

    With c = 1 - q: ∂q/∂log ell = q c s², ∂q/∂log a = q c, ∂s/∂log ell = -s; the rest is the product rule.
    """
    s = (x - z) / kernel.ell
    ae = kernel.weight * np.exp(-0.5 * s * s)
    q, c, s2 = ae / (1 + ae), 1 / (1 + ae), s * s
    by_ell = FactorSlopes(
        q * s2,
        q * s / kernel.ell * (2 - c * s2),
        q / kernel.ell**2 * (2 - 5 * c * s2 + c * (c - q) * s2 * s2),
    )
    by_weight = FactorSlopes(
        q - kernel.weight / (1 + kernel.weight),
        -q * c * s / kernel.ell,
        q * c / kernel.ell**2 * ((c - q) * s2 - 1),
    )
    return by_ell, by_weight


def order_shares(kernel: ProductKernel) -> Float[np.ndarray, " orders"]:
    """Shares of the kernel's variance in functions of no distance, one, two, …: p + 1 numbers that add to 1.

    At x = z the kernel is Π (1 + a_p)/(1 + a_p): the share of order m is the coefficient of t^m in
    Π (1 + a_p t)/(1 + a_p).
    """
    shares = np.ones(1)
    for a in kernel.weight:
        shares = np.convolve(shares, [1, a]) / (1 + a)
    return shares
