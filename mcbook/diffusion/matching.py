"""Denoising score matching: the regression whose answer is the score, although nobody knows the score.

Problem    learn s(x, sigma) ≈ ∇ log p_sigma(x) from samples x_0 alone, x = x_0 + sigma·noise
Wanted     J = ½ E |sigma (s(x) - ∇ log p_sigma(x))|²
Computed   L = ½ E |sigma s(x) + noise|²
Trick      ∇ log p_sigma(x) = -E[noise | x]/sigma, so that given x the two integrands differ by terms in
           which s does not occur, or only with mean zero: L = J + const, and the gradients with respect to
           the weights are the same. In terms of D = x + sigma² s:  sigma s + noise = (D - x_0)/sigma.
Loss       mean over samples of |D - x_0|² / (d c_out²): the same regression, weighed by `preconditioning`
Likelihood -E log p(x_0) is bounded by an integral over log sigma of E |D - x_0|²/sigma² and a constant that
           no denoiser changes. So the gain over a closed-form denoiser whose density is known is
           E ∫ (|D_base - x_0|² - |D - x_0|²)/sigma² d log sigma  nats: no Jacobian, no solver
References vincent2011, kingma2021 (the bound), kong2023 (the loss relative to a Gaussian)
Symbols    n samples, d dimensions; noise ~ N(0, I)
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.diffusion import _checks
from mcbook.diffusion import labelled as named
from mcbook.diffusion import model as learned
from mcbook.diffusion.model import Model
from mcbook.diffusion.preconditioning import loss_weight

Array = Any


class Gain(NamedTuple):
    """Bits per dimension below the base: the mean over samples, its standard error; and by noise level."""

    bits: float
    standard_error: float
    sigma: Float[np.ndarray, " m"]
    bits_by_sigma: Float[np.ndarray, " m"]


def score_regression(s: Any, exact: Any, sigma: Any) -> Any:
    """J = ½ mean over rows |sigma (s - exact)|², all (n, d), sigma (n,)."""
    return ((sigma[:, None] * (s - exact)) ** 2).sum() / (2 * len(s))


def noise_regression(s: Any, noise: Any, sigma: Any) -> Any:
    """L = ½ mean over rows |sigma s + noise|², s and noise (n, d), sigma (n,)."""
    return ((sigma[:, None] * s + noise) ** 2).sum() / (2 * len(s))


def grad_noise_regression_s(s: Any, noise: Any, sigma: Any) -> Any:
    """∂L/∂s (n, d): its mean over noise given x is that of J."""
    return sigma[:, None] * (sigma[:, None] * s + noise) / len(s)


def matching_loss(
    model: Model, x0: Any, noise: Any, sigma: Any, labels: Any, *, key: Any = None, dropout: Any = 0.0
) -> Any:
    """The training loss of a batch: x0 and noise (n, ...), sigma and labels (n,).  To be differentiated."""
    x = x0 + learned._rows(sigma, x0) * noise
    D = learned.apply(model, x, sigma, labels, key=key, dropout=dropout)
    weight = loss_weight(sigma, sigma_data=model.sigma_data)
    return (learned._rows(weight, x0) * (D - x0) ** 2).mean()


def spread_sigmas(key: Any, n: int, sigma_min: Any, sigma_max: Any) -> Float[Array, " n"]:
    """n noise levels uniform in log sigma, one in each n-th of the range, float32."""
    u = (jnp.arange(n) + jax.random.uniform(key, (n,), jnp.float32)) / n
    low, high = np.log(sigma_min), np.log(sigma_max)
    return jnp.exp(low + (high - low) * u).astype(jnp.float32)


def dequantised(key: Any, data: Any, model: Model) -> Any:
    """Grey levels k → the cell's lower edge + (k + uniform) w, float32; data as they are without levels."""
    data = jnp.asarray(data, jnp.float32)
    if model.levels is None:
        return data
    lower, w = model.levels.edges[0], model.levels.edges[1] - model.levels.edges[0]
    return (lower + w * (data + jax.random.uniform(key, data.shape, jnp.float32))).astype(jnp.float32)


def gain(
    model: Model,
    data: Any,
    labels: Any = None,
    *,
    key: Any,
    sigma_min: Any = 0.005,
    sigma_max: Any = 10.0,
    draws: Any = 64,
) -> Gain:
    """Bits per dimension that the bound gains over the model's base on data (n, ...).

    Parameters
    ----------
    data : what `train` takes; labels (n,) or None for the unconditional model.
    draws : noise levels for each sample, spread over log sigma; dequantisation and noise are drawn anew.

    Raises ValueError as `denoise` does.
    """
    data = np.asarray(data, np.float32)
    learned.check_shape(model, data.shape[1:])
    _checks.finite(data, "data", _checks.SPREADS)
    labels = named.check_labels(labels, len(data), learned.classes_of(model))
    draws = _checks.whole(draws, "draws", least=2)
    low, high = _checks.ascending(sigma_min, sigma_max, ("sigma_min", "sigma_max"))
    by_level, total = _gains(model, data, labels, jax.random.split(key, draws), low, high)
    centre = low * (high / low) ** ((np.arange(draws) + 0.5) / draws)
    error = total.std(ddof=1) / np.sqrt(len(total))
    return Gain(float(total.mean()), float(error), centre, by_level)


def _gains(model, data, labels, keys, low, high):
    """The gain in bits per dimension by noise level (draws,) and by sample (n,).

    Only the denoiser depends on the network's size: all the rest is compiled once for all networks.
    """
    frozen, less = model._replace(params=None), []
    for i, key in enumerate(keys):
        x0, x, sigma = _noisy(frozen, data, key, i, len(keys), low, high)
        less.append(_less(frozen, x0, x, sigma, labels, learned._denoise(model, x, sigma, labels)))
    bits = np.asarray(less, float) * np.log(high / low) / (np.prod(data.shape[1:]) * np.log(2))
    return bits.mean(axis=1), bits.mean(axis=0)


@partial(jax.jit, static_argnames=("low", "high"))
def _noisy(frozen, data, key, i, draws, low, high):
    """x0 and x (n, ...), sigma (n,): draw i takes its levels from the i-th part of the range."""
    level, cell, noise = jax.random.split(key, 3)
    u = (i + jax.random.uniform(level, (len(data),), jnp.float32)) / draws
    sigma = (low * (high / low) ** u).astype(jnp.float32)
    x0 = dequantised(cell, data, frozen)
    return x0, x0 + learned._rows(sigma, x0) * jax.random.normal(noise, x0.shape, jnp.float32), sigma


@jax.jit
def _less(frozen, x0, x, sigma, labels, D):
    """(|D_base - x0|² - |D - x0|²)/sigma² of each sample (n,)."""
    base = learned.closed_form(frozen, x, sigma, labels)
    return ((base - x0) ** 2 - (D - x0) ** 2).reshape(len(x), -1).sum(axis=1) / sigma**2
