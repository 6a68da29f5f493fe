"""Ways of adding noise: one curve of densities, seen in three frames.

Forward    dx = f(t) x dt + g(t) dW, a linear SDE, so x_t = s(t) (x_0 + sigma(t) noise) in law, with
               s' = f s,   g² = 2 s² sigma sigma'
Density    Fokker-Planck: dp/dt = -∇·(f x p) + ½ g² Δp
Score      ∇ log p_t(x) = (s D(x/s, sigma) - x) / (s sigma)², D(y, sigma) = E[x_0 | y]  (Tweedie)
Backward   with eta ≥ 0 the same densities are kept by
               dx = [f x - ½ (1 + eta²) g² ∇ log p_t] dt + eta g dW̄,   t running down:
           eta = 1 is the reverse SDE, eta = 0 the probability-flow ODE (½ g², not g²)
Frames     y = x/s moves every process to the variance-exploding frame, where only sigma is left: VP, VE and
           EDM are one flow at three speeds, in coordinates of three scales
References song2021 (VP, VE, the two reversals), karras2022 (s and sigma), anderson1982
           and haussmann1986 (the reverse SDE)
Symbols    s scale, sigma noise over signal, f drift rate, g diffusion, D denoiser
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mcbook.diffusion import _checks


class Process(NamedTuple):
    """Functions of a time t, a number: s, sigma, f = s'/s, g; `time` turns sigma into t."""

    name: str
    s: Callable[[Any], Any]
    sigma: Callable[[Any], Any]
    f: Callable[[Any], Any]
    g: Callable[[Any], Any]
    time: Callable[[Any], Any]
    t_min: float
    t_max: float


def edm(*, sigma_min: Any = 0.002, sigma_max: Any = 80.0) -> Process:
    """s = 1 and sigma = t: time is the noise itself (Karras et al. 2022)."""
    low, high = _checks.ascending(sigma_min, sigma_max, ("sigma_min", "sigma_max"))
    one, none = jnp.ones_like, jnp.zeros_like
    return Process("EDM", one, lambda t: 1.0 * t, none, lambda t: jnp.sqrt(2.0 * t), lambda s: s, low, high)


def ve(*, sigma_min: Any = 0.002, sigma_max: Any = 80.0) -> Process:
    """s = 1 and sigma = √t: Brownian motion, dx = dW, whose Fokker-Planck equation is that of heat."""
    low, high = _checks.ascending(sigma_min, sigma_max, ("sigma_min", "sigma_max"))
    one, none = jnp.ones_like, jnp.zeros_like
    return Process("VE", one, jnp.sqrt, none, one, lambda s: s * s, low**2, high**2)


def vp(*, beta_min: Any = 0.1, beta_max: Any = 20.0, sigma_min: Any = 0.002) -> Process:
    """dx = -½ beta x dt + √beta dW on 0 < t ≤ 1, beta from beta_min to beta_max in a straight line.

    Then s² (1 + sigma²) = 1: data of unit variance keep it. Equal betas are the Ornstein-Uhlenbeck process.
    """
    low, slope = _checks.positive(beta_min, "beta_min"), float(beta_max) - float(beta_min)
    if not 0 <= slope < np.inf:
        raise ValueError(f"beta_max must be finite and at least beta_min = {low}, got {beta_max}.")

    def integral(t):
        return t * (low + slope * t / 2)  # of beta, from 0

    def time(sigma):
        area = jnp.log1p(sigma * sigma)
        return 2 * area / (low + jnp.sqrt(low**2 + 2 * slope * area))

    smallest = _checks.positive(sigma_min, "sigma_min")
    return Process(
        "VP",
        lambda t: jnp.exp(-integral(t) / 2),
        lambda t: jnp.sqrt(jnp.expm1(integral(t))),
        lambda t: -(low + slope * t) / 2,
        lambda t: jnp.sqrt(low + slope * t),
        time,
        float(time(smallest)),
        1.0,
    )


def to_frame(x: Any, t: Any, process: Process) -> Any:
    """The process's coordinates as those of the variance-exploding frame: x/s(t)."""
    return x / process.s(t)


def from_frame(y: Any, t: Any, process: Process) -> Any:
    """Back again: s(t) y."""
    return process.s(t) * y


def perturb(process: Process, x0: Any, t: Any, rng: Any) -> np.ndarray:
    """x_t given x_0 (n, ...), one draw a row: s (x_0 + sigma noise).  Raises ValueError for NaN."""
    x0 = np.asarray(_checks.samples(x0, "x0"))
    noise = _checks.generator(rng).standard_normal(x0.shape)
    return (float(process.s(t)) * (x0 + float(process.sigma(t)) * noise)).astype(x0.dtype)


def score_at(process: Process, denoise: Any) -> Callable[[Any, Any], Any]:
    """(x, t) ↦ ∇ log p_t(x) in the process's own coordinates, from a denoiser of the frame."""

    def score(x, t):
        s, sigma = process.s(t), process.sigma(t)
        return (s * denoise(x / s, sigma) - x) / (s * sigma) ** 2

    return score


def reverse_drift(process: Process, denoise: Any, *, eta: Any = 1.0) -> Callable[[Any, Any], Any]:
    """(x, t) ↦ f x - ½ (1 + eta²) g² ∇ log p_t: the drift, in forward time, of the way back.

    Its noise is eta g(t). eta = 1: reverse SDE; eta = 0: the probability-flow ODE.
    """
    eta, score = _checks.not_negative(eta, "eta"), score_at(process, denoise)

    def drift(x, t):
        return process.f(t) * x - (1 + eta**2) / 2 * process.g(t) ** 2 * score(x, t)

    return drift


def velocity(process: Process, denoise: Any) -> Callable[[Any, Any], Any]:
    """(x, t) ↦ dx/dt of the probability-flow ODE, `reverse_drift` with eta = 0."""
    return reverse_drift(process, denoise, eta=0.0)
