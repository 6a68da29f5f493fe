"""A multilayer perceptron that knows how much noise there is, and which class is wanted.

Problem    F(inputs, c_noise, label) → outs numbers for each entry of x, smooth in the inputs
Layers     h = inputs W_in + b_in;  e = silu(waves(c_noise) W_noise + b_noise + labels[label])
           each block: u = silu((ĥ W) ∘ (1 + e G) + e S + b), ĥ = h/rms(h);  h ← h + u U
           F = silu(h) W_out + b_out, zero at the start: an untrained network leaves D what it is without it
Waves      sin and cos of c_noise at frequencies in geometric progression
Reference  perez2018 (scale and shift by a condition)
Symbols    n samples, p inputs and q outputs of a sample, h hidden size; e (n, h) what noise and label say
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

Array = Any
WAVES = 16  # frequencies for the noise level
CHUNK = 2**15  # random numbers drawn at once


class Block(NamedTuple):
    """One round: h → u → h, scaled and shifted by G and S of the condition."""

    W: Float[Array, "h h"]
    b: Float[Array, " h"]
    G: Float[Array, "h h"]
    S: Float[Array, "h h"]
    U: Float[Array, "h h"]


class Condition(NamedTuple):
    """What turns noise level and label into e; the last row of labels stands for "no class said"."""

    W: Float[Array, "w h"]
    b: Float[Array, " h"]
    labels: Float[Array, "c h"]


class Mlp(NamedTuple):
    """All weights of the perceptron."""

    condition: Condition
    W_in: Float[Array, "p h"]
    b_in: Float[Array, " h"]
    blocks: tuple[Block, ...]
    W_out: Float[Array, "h q"]
    b_out: Float[Array, " q"]


def init_mlp(key: Any, inputs: int, outs: int, *, width: int = 256, depth: int = 3, classes: int = 0) -> Mlp:
    """Random weights, float32; the output's are zero.  Raises ValueError for sizes that are not positive."""
    sizes = (inputs, outs, width, depth)
    if min(sizes) < 1 or classes < 0:
        raise ValueError(f"init_mlp expects positive sizes and classes ≥ 0, got {sizes} and {classes}.")
    keys = jax.random.split(key, depth + 2)
    blocks = tuple(_init_block(k, width) for k in keys[2:])
    W_in = normal(keys[0], (inputs, width), inputs)
    last = zero(width, outs), zero(outs)
    return Mlp(init_condition(keys[1], width, classes), W_in, zero(width), blocks, *last)


def init_condition(key: Any, width: int, classes: int) -> Condition:
    """Random weights of the condition for so many classes, and one row more."""
    first, second = jax.random.split(key)
    W = normal(first, (2 * WAVES, width), 2 * WAVES)
    return Condition(W, zero(width), normal(second, (classes + 1, width), 100))


def normal(key: Any, shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """float32 normal numbers of variance 1/fan_in."""
    size = int(np.prod(shape))
    drawn = np.asarray(_normal(key, -(-size // CHUNK) * CHUNK))[:size].reshape(shape)
    return jnp.asarray(drawn / np.float32(np.sqrt(fan_in)))


@partial(jax.jit, static_argnums=1)
def _normal(key, size):
    """The i-th of them depends on i alone: drawn by the chunk, all shapes share what was compiled for one."""
    return jax.random.normal(key, (size,), jnp.float32)


def zero(*shape: int) -> Float[Array, "..."]:
    """float32 zeros."""
    return jnp.asarray(np.zeros(shape, np.float32))


def _init_block(key, h):
    first, second = jax.random.split(key)
    return Block(normal(first, (h, h), h), zero(h), zero(h, h), zero(h, h), normal(second, (h, h), h))


def condition(
    params: Condition, c_noise: Float[Array, " n"], labels: Int[Array, " n"]
) -> Float[Array, "n h"]:
    """e (n, h) from the noise level and the label."""
    frequencies = np.geomspace(0.8, 16.0, params.W.shape[0] // 2)[None]
    angle = c_noise[:, None] * jnp.asarray(frequencies, c_noise.dtype)
    waves = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=1)
    return jax.nn.silu(waves @ params.W + params.b[None] + params.labels[labels])


def apply_mlp(
    params: Mlp,
    inputs: Float[Array, "n p"],
    c_noise: Float[Array, " n"],
    labels: Int[Array, " n"],
    *,
    key: Any = None,
    dropout: Any = 0.0,
) -> Float[Array, "n q"]:
    """F (n, q); with a key, a share `dropout` of the hidden units is silenced (training only)."""
    e = condition(params.condition, c_noise, labels)
    h = inputs @ params.W_in + params.b_in[None]
    for i, block in enumerate(params.blocks):
        h_hat = h / jnp.sqrt((h**2).mean(axis=1, keepdims=True) + 1e-6)
        u = (h_hat @ block.W) * (1 + e @ block.G) + e @ block.S + block.b[None]
        h = h + dropped(jax.nn.silu(u), key, dropout, i) @ block.U
    return jax.nn.silu(h) @ params.W_out + params.b_out[None]


def dropped(u: Any, key: Any, dropout: Any, i: int) -> Any:
    """u, a share of its entries set to 0, the rest enlarged to keep the mean; u itself if none is to be."""
    if key is None or (isinstance(dropout, float) and dropout == 0):
        return u
    kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - dropout, u.shape)
    return jnp.where(kept, u / (1 - dropout), 0.0).astype(u.dtype)
