"""Preconditioning: what the network is left to do, in units in which nothing is large or small.

Problem    a denoiser D(x, sigma) for x = x_0 + sigma·noise, sigma over four orders of magnitude
Form       D = c_skip x + c_out F(c_in x, c_noise): only F is learned
Demands    the input c_in x has variance 1; the target (x_0 - c_skip x)/c_out has variance 1; c_skip makes
           c_out, which magnifies F's mistakes, as small as it can be. With s = sigma_data:
           c_in² = 1/(s² + sigma²),   c_out² = (1 - c_skip)² s² + c_skip² sigma²,   ∂c_out²/∂c_skip = 0  ⇒
           c_skip = s²/(s² + sigma²),   c_out² = s² sigma²/(s² + sigma²)
Meaning    c_skip x is the denoiser of N(0, s² I), exactly: F learns what the simplest of all mixtures leaves
           over. Another closed-form denoiser can stand in its place (`model`), F being scaled the same.
Weight     1/c_out² on |D - x_0|² gives F's regression the same weight at every noise level
Reference  karras2022
Symbols    c_noise = log(sigma)/4, what F is told of the noise level
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Float

Array = Any


class Coefficients(NamedTuple):
    """c_skip, c_out, c_in and c_noise at given noise levels, each of sigma's shape."""

    skip: Any
    out: Any
    inp: Any
    noise: Any


def coefficients(sigma: Float[Array, "..."], *, sigma_data: Any) -> Coefficients:
    """The four of them; sigma > 0 and sigma_data, the data's standard deviation, in the units of x."""
    total = sigma_data**2 + sigma**2
    return Coefficients(
        skip=sigma_data**2 / total,
        out=sigma * sigma_data / jnp.sqrt(total),
        inp=1 / jnp.sqrt(total),
        noise=jnp.log(sigma) / 4,
    )


def loss_weight(sigma: Float[Array, "..."], *, sigma_data: Any) -> Float[Array, "..."]:
    """1/c_out² = 1/sigma² + 1/sigma_data²."""
    return 1 / sigma**2 + 1 / sigma_data**2
