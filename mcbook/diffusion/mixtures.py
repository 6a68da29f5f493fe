"""Gaussian mixtures under noise: density, score, Hessian and denoiser in closed form.

Problem    p(x) = Σ_k w_k N(x; mu_k, C_k); adding sigma·noise adds sigma² I to every C_k, scaling by s scales
           mu_k by s and C_k by s²: a mixture remains a mixture
Score      r_k(x) = w_k N_k / p (responsibilities), a_k = -(x - mu_k) C_k⁻¹,  ∇ log p = Σ_k r_k a_k
Hessian    ∇² log p = Σ_k r_k (a_k - a)ᵀ(a_k - a) - Σ_k r_k C_k⁻¹,  a = ∇ log p  (rows: a is 1 x d)
Denoiser   D(x) = E[x_0 | x] = x + sigma² ∇ log p_sigma = Σ_k r_k (mu_k + (x - mu_k)(C_k + sigma² I)⁻¹ C_k)
           dD/dx = I + sigma² ∇² log p_sigma = Cov[x_0 | x] / sigma²  (Tweedie's second formula)
Computed   in the axes of each C_k = V_k diag(v_k) V_kᵀ, where sigma² is added to v_k: one factorisation
           serves every noise level
Reference  efron2011 (Tweedie's formula)
Symbols    n points, K components, d dimensions; v variances, V axes (columns); z = (x - mu_k) V_k
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Float

from mcbook.diffusion import _checks
from mcbook.diffusion.processes import Process

Array = Any


class Mixture(NamedTuple):
    """Weights (K,) that sum to 1, means (K, d), variances (K, d) along the axes (K, d, d), columns.

    axes None: the axes of the coordinates. A variance of 0 makes a point; it needs noise before it has a
    density.
    """

    weights: Any
    means: Any
    variances: Any
    axes: Any = None


def mixture(weights: Any, means: Any, covariances: Any) -> Mixture:
    """A mixture from weights (K,), means (K, d) and covariances: a number, (K,), (K, d) or (K, d, d).

    A number or (K,) holds variances of round components, (K, d) diagonals. Weights need not sum to 1.
    Raises ValueError for wrong shapes, NaN, negative weights, a covariance that is not one.
    """
    means = _checks.reals(means, "means")
    if means.ndim != 2 or means.size == 0:
        raise ValueError(f"means must be (K, d), got shape {means.shape}; one Gaussian is mean[None].")
    K, d = means.shape
    weights = _checks.reals(weights, "weights", shape=(K,))
    if weights.min() < 0 or weights.sum() == 0:
        raise ValueError(f"weights must not be negative and not all zero, got {weights}.")
    C = _checks.reals(covariances, "covariances")
    if C.shape == (K, d, d) and (K, d) != (1, 1):
        variances, axes = _axes(C)
    elif C.shape in ((), (K,), (K, d)):
        variances, axes = np.broadcast_to(C[:, None] if C.shape == (K,) else C, (K, d)), None
    else:
        raise ValueError(
            f"covariances must be a number, ({K},), ({K}, {d}) or ({K}, {d}, {d}); got {C.shape}."
        )
    if variances.min() < 0:
        raise ValueError(f"covariances must not be negative, got a variance of {variances.min():.3g}.")
    return Mixture(weights / weights.sum(), means, np.array(variances), axes)


def _axes(C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances and axes of symmetric matrices; rounding below zero is zero."""
    gap = np.abs(C - C.transpose(0, 2, 1)).max()
    if gap > 1e-8 * np.abs(C).max():
        raise ValueError(f"covariances must be symmetric; they differ from their transposes by {gap:.3g}.")
    variances, axes = np.linalg.eigh((C + C.transpose(0, 2, 1)) / 2)
    small = np.abs(variances) <= 1e-13 * variances.max()
    return np.where(small, np.maximum(variances, 0.0), variances), axes


def noised(mix: Mixture, sigma: Any, scale: Any = 1.0) -> Mixture:
    """The law of scale·(x_0 + sigma·noise): the marginal at that noise, a mixture again."""
    square = scale * scale
    return mix._replace(means=scale * mix.means, variances=square * (mix.variances + sigma * sigma))


def marginal(mix: Mixture, process: Process, t: Any) -> Mixture:
    """The law of x_t under the process, started from mix at sigma = 0."""
    return noised(mix, process.sigma(t), process.s(t))


def sample_mixture(mix: Mixture, n: Any, rng: Any) -> np.ndarray:
    """n draws (n, d)."""
    n, rng = _checks.whole(n, "n"), _checks.generator(rng)
    weights, means, variances = (np.asarray(part) for part in mix[:3])
    k = rng.choice(len(weights), size=n, p=weights)
    z = np.sqrt(variances[k]) * rng.standard_normal((n, means.shape[1]))
    return means[k] + (z if mix.axes is None else np.einsum("nj,nij->ni", z, np.asarray(mix.axes)[k]))


def log_density(x: Any, mix: Any) -> Float[Array, " n"]:
    """log p (n,) in nats at x (n, d).  Raises ValueError for NaN, wrong shapes, a component of no width."""
    return _log_density(*_checked(x, mix))


def score(x: Any, mix: Any) -> Float[Array, "n d"]:
    """∇ log p (n, d), the gradient of each row's log density."""
    return _score(*_checked(x, mix))


def hessian(x: Any, mix: Any) -> Float[Array, "n d d"]:
    """∇² log p (n, d, d)."""
    return _hessian(*_checked(x, mix))


def responsibilities(x: Any, mix: Any) -> Float[Array, "n K"]:
    """The probability (n, K) that each row came from each component."""
    return jnp.exp(_log_shares(_local(*_checked(x, mix)), mix, 0.0))


def denoise_mixture(x: Any, sigma: Any, mix: Any) -> Float[Array, "n d"]:
    """E[x_0 | x] (n, d) for x = x_0 + sigma·noise (n, d); sigma a number or one per row (n,)."""
    x, mix = _checked(x, mix, sigma)
    return _field(x, jnp.asarray(sigma), mix)[0]


def posterior_covariance(x: Any, sigma: Any, mix: Any) -> Float[Array, "n d d"]:
    """Cov[x_0 | x] (n, d, d) = sigma² dD/dx = sigma² I + sigma⁴ ∇² log p_sigma, sigma a number > 0."""
    x, mix = _checked(x, mix, sigma)
    return _posterior_covariance(x, jnp.asarray(float(sigma)), mix)


def denoiser(mix: Mixture) -> Callable[[Any, Any], Any]:
    """(x, sigma) ↦ E[x_0 | x], compiled: what the samplers take.  Not validated at every call."""
    return lambda x, sigma: _field(x, sigma, mix)[0]


def mixture_field(mix: Mixture) -> Callable[[Any, Any], tuple[Any, Any]]:
    """(x, sigma) ↦ (D (n, d), div D (n,)), compiled: what the likelihood takes."""
    return lambda x, sigma: _field(x, sigma, mix)


def _checked(x: Any, mix: Any, sigma: Any = 0.0) -> tuple[Any, Mixture]:
    if not isinstance(mix, Mixture):
        raise ValueError(f"mix must be a Mixture, made by mixture(...); got {type(mix).__name__}.")
    x = _checks.samples(x, d=np.shape(mix.means)[1])
    if not _checks.traced(mix, sigma):
        if not np.all(np.asarray(sigma) >= 0):
            raise ValueError(f"sigma must not be negative or NaN, got {sigma}.")
        if np.min(mix.variances) + np.min(sigma) ** 2 <= 0:
            raise ValueError("a component without width has no density: add noise first, noised(mix, sigma).")
    return jnp.asarray(x), mix


def _local(x, mix):
    """z (n, K, d): each point in each component's own axes."""
    away = x[:, None, :] - jnp.asarray(mix.means)[None]
    return away if mix.axes is None else jnp.einsum("nki,kij->nkj", away, mix.axes)


def _outward(z, mix):
    """Vectors (n, K, d) in the components' axes, back in the coordinates."""
    return z if mix.axes is None else jnp.einsum("nkj,kij->nki", z, mix.axes)


def _widened(mix, square):
    """The variances with `square` added, (1, K, d), or (n, K, d) where every row has its own."""
    return jnp.asarray(mix.variances)[None] + square


def _log_joint(z, mix, square):
    """log w_k N_k (n, K), with `square` (sigma², or (n, 1, 1)) added to the variances."""
    v = _widened(mix, square)
    parts = z**2 / v + jnp.log(2 * jnp.pi * v)
    return jnp.log(jnp.asarray(mix.weights))[None] - parts.sum(-1) / 2


def _log_shares(z, mix, square):
    """The logarithms of the responsibilities."""
    joint = _log_joint(z, mix, square)
    return joint - logsumexp(joint, axis=1, keepdims=True)


@jax.jit
def _log_density(x, mix):
    return logsumexp(_log_joint(_local(x, mix), mix, 0.0), axis=1)


@jax.jit
def _score(x, mix):
    return _parts(x, mix)[1]


def _parts(x, mix):
    """Responsibilities r (n, K), the score a (n, d), and the components' own scores a_k (n, K, d)."""
    z = _local(x, mix)
    r = jnp.exp(_log_shares(z, mix, 0.0))
    each = _outward(-z / _widened(mix, 0.0), mix)
    return r, jnp.einsum("nk,nkd->nd", r, each), each


@jax.jit
def _hessian(x, mix):
    r, a, each = _parts(x, mix)
    spread = each - a[:, None, :]
    precision = _matrices(mix, 1 / jnp.asarray(mix.variances))
    return jnp.einsum("nk,nki,nkj->nij", r, spread, spread) - jnp.einsum("nk,kij->nij", r, precision)


@partial(jax.jit, inline=True)
def _field(x, sigma, mix):
    """D and div D: Σ_k r_k tr(C_k (C_k + sigma²)⁻¹) + sigma² Σ_k r_k |a_k - a|²."""
    square = jnp.square(jnp.asarray(sigma))
    square = square[:, None, None] if square.ndim == 1 else square
    z = _local(x, mix)
    r = jnp.exp(_log_shares(z, mix, square))
    v = _widened(mix, square)
    keep = jnp.broadcast_to(_widened(mix, 0.0) / v, z.shape)
    each = jnp.asarray(mix.means)[None] + _outward(keep * z, mix)
    D = jnp.einsum("nk,nkd->nd", r, each)
    pull = _outward(-z / v, mix)  # a_k; (D_k - D)/sigma² is the same, but divides by a small sigma²
    spread = ((pull - jnp.einsum("nk,nkd->nd", r, pull)[:, None, :]) ** 2).sum(-1)
    own = jnp.einsum("nk,nk->n", r, keep.sum(-1))
    return D, own + jnp.einsum("nk,nk->n", r, spread) * square.reshape(-1)


@jax.jit
def _posterior_covariance(x, sigma, mix):
    """The law of total variance: within the components, and between their means D_k."""
    square = sigma**2
    z, v = _local(x, mix), _widened(mix, square)
    r = jnp.exp(_log_shares(z, mix, square))
    away = jnp.asarray(mix.means)[None] + _outward(_widened(mix, 0.0) / v * z, mix)
    away = away - jnp.einsum("nk,nki->ni", r, away)[:, None, :]
    within = _matrices(mix, mix.variances * square / v[0])
    return jnp.einsum("nk,kij->nij", r, within) + jnp.einsum("nk,nki,nkj->nij", r, away, away)


def _matrices(mix, diagonal):
    """V_k diag(diagonal_k) V_kᵀ (K, d, d)."""
    if mix.axes is None:
        return jax.vmap(jnp.diag)(jnp.asarray(diagonal))
    return jnp.einsum("kij,kj,klj->kil", mix.axes, diagonal, mix.axes)


def five_spots() -> Mixture:
    """Five round spots of width 0.15 in the plane, in unequal shares: the chapter's first landscape."""
    means = [
        [1.764052345967664, 0.4001572083672233],
        [0.9787379841057392, 2.240893199201458],
        [1.8675579901499675, -0.977277879876411],
        [0.9500884175255894, -0.1513572082976979],
        [-0.1032188517935578, 0.4105985019383724],
    ]
    return mixture([0.3, 0.25, 0.2, 0.15, 0.1], means, 0.15**2)


def ring(K: Any = 8, *, radius: Any = 1.5, width: Any = 0.08) -> Mixture:
    """K equal round spots on a circle: symmetric, with ridges of the density between neighbours."""
    angle = 2 * np.pi * np.arange(_checks.whole(K, "K")) / K
    means = _checks.positive(radius, "radius") * np.stack([np.cos(angle), np.sin(angle)], 1)
    return mixture(np.ones(K), means, _checks.positive(width, "width") ** 2)


def spiral(K: Any = 24, *, long: Any = 0.25, wide: Any = 0.06) -> Mixture:
    """K flat ellipses along a spiral of one and a half turns: a curve with a width, no round components."""
    angle = np.linspace(0.6, 3.2 * np.pi, _checks.whole(K, "K"))
    along = np.stack([np.cos(angle) - angle * np.sin(angle), np.sin(angle) + angle * np.cos(angle)], 1)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    means = 0.2 * angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    C = long**2 * along[:, :, None] * along[:, None, :] + wide**2 * across[:, :, None] * across[:, None, :]
    return mixture(np.ones(K), means, C)
