"""What a learned model's samples cost in bits: the exact likelihood of its flow, on a grid of noise levels.

Problem    -log2 p(x)/d of images that the model has not seen, p the density of its probability flow
Flow       from sigma_min up to sigma_max in lam = log sigma: dx/dlam = x - D, d log|∂x|/dlam = d - div D;
           computed in z = x/c, c² = sigma_data² + sigma²: dz/dlam = (sigma_data/c)² z - D/c
Divergence exact: D is linearised once a level, and each of the d directions is pushed through
Solver     Adams of order 3 in equal steps of lam (predict, evaluate once, correct): a network costs too much
           for an adaptive solver of high order; a second run with half the steps tells the error
Prior      the base's exact density at sigma_max, where the network has nothing left to add
Symbols    x (n, ...), d entries of each
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
from mcbook.diffusion.angle import adams_weights, total_scale
from mcbook.diffusion.likelihood import gaussian_log_prior
from mcbook.diffusion.model import Model


class FlowDensity(NamedTuple):
    """log p (n,) in nats, the latents at sigma_max (n, ...), and the evaluations of D and its divergence."""

    log_density: Float[np.ndarray, " n"]
    latent: np.ndarray
    evaluations: int


def flow_density(
    model: Model,
    x: Any,
    *,
    evaluations: Any = 40,
    sigma_min: Any = 0.005,
    sigma_max: Any = 10.0,
    precision: Any = "float64",
) -> FlowDensity:
    """log p (n,) of images x (n, ...) under the unconditional model's flow, in nats.

    precision : of the network, "float64" or "float32"; the integration is float64 always.
    Raises ValueError for NaN, a shape that the model does not take, fewer than 4 evaluations.
    """
    x = np.asarray(_checks.samples(x), dtype=float)
    learned.check_shape(model, x.shape[1:])
    m = _checks.whole(evaluations, "evaluations", least=4)
    low, high = _checks.ascending(sigma_min, sigma_max, ("sigma_min", "sigma_max"))
    model = jax.tree.map(lambda leaf: jnp.asarray(leaf, precision), model)
    a, d = float(model.sigma_data), int(np.prod(x.shape[1:]))

    def rate(z: np.ndarray, lam: float) -> tuple[np.ndarray, np.ndarray]:
        sigma, c = np.exp(lam), total_scale(np.exp(lam), a)
        D, div_D = divergence(model, jnp.asarray(c * z, precision), sigma)
        return z * (a / c) ** 2 - np.asarray(D, dtype=float) / c, d - np.asarray(div_D, dtype=float)

    z, volume = adams(rate, x / total_scale(low, a), np.linspace(np.log(low), np.log(high), m))
    latent = total_scale(high, a) * z
    return FlowDensity(_log_prior(model, latent, high) + volume, latent, m)


def adams(rate: Any, z: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """z and the volume (n,) at the last time: each step predicted, its end evaluated once, and corrected."""
    rates, volume = [rate(z, float(times[0]))], np.zeros(len(z))
    for i in range(1, len(times)):
        before = times[max(i - 3, 0) : i]
        predict = adams_weights(before, times[i - 1], times[i])
        guess = z + sum(w * r[0] for w, r in zip(predict, rates, strict=True))
        rates.append(rate(guess, float(times[i])))
        correct = adams_weights(np.append(before[-2:], times[i]), times[i - 1], times[i])
        pairs = list(zip(correct, rates[-len(correct) :], strict=True))
        z, volume = z + sum(w * r[0] for w, r in pairs), volume + sum(w * r[1] for w, r in pairs)
        rates = rates[-3:]
    return z, volume


@jax.jit
def divergence(model: Model, x: Any, sigma: Any) -> tuple[Any, Any]:
    """D (n, ...) and its divergence (n,), exactly: D linearised at x, one push for each direction."""
    none = jnp.full(len(x), learned.classes_of(model))
    level = jnp.full(len(x), sigma, x.dtype)
    D, push = jax.linearize(lambda x: learned.apply(model, x, level, none), x)
    directions = jnp.eye(x[0].size, dtype=x.dtype).reshape(-1, 1, *x.shape[1:])

    def along(v):
        v = jnp.broadcast_to(v, x.shape)
        return (v * push(v)).reshape(len(x), -1).sum(axis=1)

    return D, jax.lax.map(along, directions).sum(axis=0)


def _log_prior(model: Model, latent: np.ndarray, sigma: float) -> np.ndarray:
    if model.base is None:
        return gaussian_log_prior(float(np.hypot(sigma, float(model.sigma_data))))(latent)
    base = jax.tree.map(partial(np.asarray, dtype=float), model.base)
    flat = latent.reshape(len(latent), -1)
    return np.asarray(named.log_density_labelled(flat, base, sigma=sigma), dtype=float)
