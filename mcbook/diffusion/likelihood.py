"""How likely a point is: the flow's change of volume, added up on the way to noise.

Change     x_1 = φ(x_0):  log p_0(x_0) = log p_1(x_1) + log|det ∂φ/∂x_0|
Along it   d/dtheta log|det ∂z/∂z_0| = tr(∂ż/∂z)  (Jacobi's formula), with div D at each point
Exact      div D = Σ_i e_i (∂D/∂x) e_iᵀ, d products with the Jacobian; mixtures have it in closed form
Hutchinson div D ≈ v (∂D/∂x) vᵀ for random signs v: unbiased, one product; it is noise of known mean, and
           the variance comes with it: Σ_{i≠j} (J_ij + J_ji)²/2 for a matrix J
Prior      at sigma_max the exact marginal is rarely known; N(0, sigma_max² I) stands in for it. That error
           is not one of the integration, however small the steps: both terms are reported
Solver     DOP853 in the angle; its state is z (n, ...) and the volume per dimension (n,), of the same size
References chen2018 (instantaneous change of variables), grathwohl2019, song2021, hutchinson1990
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.diffusion import _checks
from mcbook.diffusion.angle import angle, noise_at, slope, slope_of_volume, total_scale
from mcbook.diffusion.flows import integrate

Array = Any


class Likelihood(NamedTuple):
    """log p (n,) in nats = log_prior + log_volume, the latents (n, ...) at sigma_max, calls of the field."""

    log_density: np.ndarray
    log_prior: np.ndarray
    log_volume: np.ndarray
    latent: np.ndarray
    evaluations: int


class Estimate(NamedTuple):
    """Hutchinson's: mean (n,) over draws, its standard error (n,), every draw (m, n), calls of the field."""

    mean: np.ndarray
    standard_error: np.ndarray
    draws: np.ndarray
    evaluations: int


def log_likelihood(
    x: Any,
    field: Any,
    *,
    log_prior: Any,
    sigma_min: Any = 0.002,
    sigma_max: Any = 80.0,
    data_scale: Any = 1.0,
    rtol: Any = 3e-9,
    atol: Any = 3e-9,
) -> Likelihood:
    """log p (n,) at rows x (n, ...), in nats: the density of the flow at sigma_min.

    field      (x, sigma) ↦ (D, div D): `mixture_field`, or `exact_field` of any denoiser
    log_prior  (latent) ↦ (n,) at sigma_max: `gaussian_log_prior(sigma_max)`, or the exact one where known
    float32 rows want tolerances of 1e-5 or more. Raises ValueError for NaN, in x or in the field's answers,
    or data whose spread is not small beside sigma_max; RuntimeError where the solver gives up.
    """
    x = np.asarray(_checks.samples(x))
    low, high = _checks.ascending(sigma_min, sigma_max, ("sigma_min", "sigma_max"))
    a, (n, d) = _checks.positive(data_scale, "data_scale"), (len(x), int(np.prod(x.shape[1:])))
    _scaled(x, high)
    calls = 0

    def rate(theta: float, state: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        sigma, z = noise_at(theta, a), state[: n * d].reshape(x.shape)
        D, div_D = field((total_scale(sigma, a) * z).astype(x.dtype), sigma)
        _checks.answered(D, "field", sigma)
        _checks.answered(div_D, "field", sigma)
        volume = slope_of_volume(np.asarray(div_D, dtype=float), d, sigma, a) / d
        return np.concatenate([np.asarray(slope(z, D, sigma, a), dtype=float).ravel(), volume])

    start = np.concatenate([(x / total_scale(low, a)).ravel(), np.zeros(n)])
    end = integrate(rate, start, angle([low, high], a), rtol=rtol, atol=atol)[-1]
    latent = total_scale(high, a) * end[: n * d].reshape(x.shape)
    volume = d * end[n * d :] + d * np.log(total_scale(high, a) / total_scale(low, a))
    prior = _checks.reals(log_prior(latent), "log_prior(latent)", shape=(n,))
    return Likelihood(prior + volume, prior, volume, latent, calls)


def hutchinson_likelihood(x: Any, denoise: Any, *, key: Any, draws: Any = 8, **settings: Any) -> Estimate:
    """log p estimated with one random direction a draw: never a likelihood, always a mean with its error.

    settings go to `log_likelihood`. Raises ValueError for fewer than two draws: one has no error.
    """
    draws = _checks.whole(draws, "draws", least=2)
    runs = [log_likelihood(x, hutchinson_field(denoise, k), **settings) for k in jax.random.split(key, draws)]
    values = np.stack([run.log_density for run in runs])
    error = values.std(axis=0, ddof=1) / np.sqrt(draws)
    return Estimate(values.mean(axis=0), error, values, sum(run.evaluations for run in runs))


def exact_field(denoise: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    """(x, sigma) ↦ (D, div D) of any denoiser written in JAX: one product with its Jacobian a dimension."""

    @jax.jit
    def field(x, sigma):
        directions = jnp.eye(x[0].size, dtype=x.dtype).reshape(-1, 1, *x.shape[1:])
        D = denoise(x, sigma)

        def along(v):
            return _diagonal(denoise, x, sigma, jnp.broadcast_to(v, x.shape))

        return D, jax.lax.map(along, directions).sum(axis=0)

    return field


def hutchinson_field(denoise: Any, key: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    """(x, sigma) ↦ (D, v (∂D/∂x) vᵀ), v random signs, the same at every call so that the ODE stays smooth."""
    return partial(_hutchinson, denoise, key)


@partial(jax.jit, static_argnums=0)
def _hutchinson(denoise, key, x, sigma):
    v = jax.random.rademacher(key, x.shape, x.dtype)
    return denoise(x, sigma), _diagonal(denoise, x, sigma, v)


def _diagonal(denoise, x, sigma, v):
    """v (∂D/∂x) vᵀ of every row (n,)."""
    _, D_dot = jax.jvp(lambda at: denoise(at, sigma), (x,), (v,))
    return (v * D_dot).reshape(len(x), -1).sum(axis=1)


def gaussian_log_prior(sigma: Any) -> Callable[[Any], np.ndarray]:
    """x (n, ...) ↦ log N(x; 0, sigma² I) (n,)."""
    sigma = _checks.positive(sigma, "sigma")

    def log_prior(x: Any) -> np.ndarray:
        flat = np.asarray(x, dtype=float).reshape(len(x), -1)
        return -((flat / sigma) ** 2).sum(1) / 2 - flat.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))

    return log_prior


def bits_per_dimension(log_density: Any, d: Any, *, levels: Any = 1) -> Float[Array, "..."]:
    """-log2 p / d of data in `levels` grey values spread over a range of 1, uniformly dequantised.

    levels  how many grey values fit into one unit of x: 1 where x is left in grey values, 127.5 where
            0 … 255 became -1 … 1
    """
    d, levels = _checks.whole(d, "d"), _checks.positive(levels, "levels")
    return -_checks.reals(log_density, "log_density") / (d * np.log(2)) + np.log2(levels)


def _scaled(x: np.ndarray, sigma_max: float) -> None:
    size = float(np.sqrt(np.mean(np.square(x, dtype=float))))
    if size > 0.2 * sigma_max:
        raise ValueError(
            f"x has entries of size {size:.3g}, not small beside sigma_max = {sigma_max:g}: noise would not "
            "drown the data. Scale x to a size of about 1 (pixels to -1 … 1), or raise sigma_max."
        )
