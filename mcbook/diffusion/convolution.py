"""A small convolutional network for images: what one pixel learns, every pixel knows.

Problem    F(inputs, c_noise, label) → outs numbers for each pixel of images (n, H, W)
Layers     a 3 x 3 convolution to h channels; blocks that add u U to h as in `network`, their W a 3 x 3
           convolution and the condition's scale and shift one number for each channel; between the levels
           means over 2 x 2 pixels downwards, copies upwards, where what was there before is added again
Sizes      `levels` halvings: H and W must be divisible by the stride 2^levels
Reference  ronneberger2015
Symbols    n images, H x W pixels, p inputs and q outputs per pixel, h channels
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from mcbook.diffusion.network import Condition, condition, dropped, init_condition, normal, zero

Array = Any


class ConvBlock(NamedTuple):
    """One round: a 3 x 3 convolution W, scaled and shifted by the condition, and U back."""

    W: Float[Array, "3 3 h h"]
    b: Float[Array, " h"]
    G: Float[Array, "h h"]
    S: Float[Array, "h h"]
    U: Float[Array, "h h"]


class Conv(NamedTuple):
    """All weights; `down` and `up` hold one block for each level, `middle` one more."""

    condition: Condition
    W_in: Float[Array, "3 3 p h"]
    b_in: Float[Array, " h"]
    down: tuple[ConvBlock, ...]
    middle: ConvBlock
    up: tuple[ConvBlock, ...]
    W_out: Float[Array, "h q"]
    b_out: Float[Array, " q"]


def init_conv(
    key: Any, inputs: int, outs: int, *, width: int = 32, levels: int = 2, classes: int = 0
) -> Conv:
    """Random weights, float32; the output's are zero.  Raises ValueError for sizes that are not positive."""
    sizes = (inputs, outs, width, levels)
    if min(sizes) < 1 or classes < 0:
        raise ValueError(f"init_conv expects positive sizes and classes ≥ 0, got {sizes} and {classes}.")
    keys = iter(jax.random.split(key, 2 * levels + 3))
    first, W_in = (
        init_condition(next(keys), width, classes),
        normal(next(keys), (3, 3, inputs, width), 9 * inputs),
    )
    down, up = (tuple(_init_block(next(keys), width) for _ in range(levels)) for _ in range(2))
    return Conv(
        first, W_in, zero(width), down, _init_block(next(keys), width), up, zero(width, outs), zero(outs)
    )


def _init_block(key, h):
    first, second = jax.random.split(key)
    return ConvBlock(
        normal(first, (3, 3, h, h), 9 * h), zero(h), zero(h, h), zero(h, h), normal(second, (h, h), h)
    )


def stride(params: Conv) -> int:
    """What H and W must be divisible by."""
    return 2 ** len(params.down)


def apply_conv(
    params: Conv,
    inputs: Float[Array, "n H W p"],
    c_noise: Float[Array, " n"],
    labels: Int[Array, " n"],
    *,
    key: Any = None,
    dropout: Any = 0.0,
) -> Float[Array, "n H W q"]:
    """F (n, H, W, q); key and dropout as in `network.apply_mlp`."""
    e = condition(params.condition, c_noise, labels)
    h = convolve(inputs, params.W_in) + params.b_in[None, None, None]
    kept = []
    for i, block in enumerate(params.down):
        h = _round(block, h, e, key, dropout, i)
        kept.append(h)
        h = halve(h)
    h = _round(params.middle, h, e, key, dropout, len(kept))
    for i, block in enumerate(params.up):
        h = double(h) + kept.pop()
        h = _round(block, h, e, key, dropout, len(params.down) + 1 + i)
    return jax.nn.silu(h) @ params.W_out + params.b_out[None, None, None]


@jax.custom_jvp
def convolve(x: Float[Array, "n H W p"], W: Float[Array, "3 3 p q"]) -> Float[Array, "n H W q"]:
    """A 3 x 3 convolution, zeros beyond the edge."""
    return jax.lax.conv_general_dilated(x, W, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@convolve.defjvp
def _jvp_convolve(primals, tangents):
    """Linear in x and in W: y = N W, y_dot = N_dot W + N W_dot, with each pixel's window as a row of N.

    Matrix products, whose transposes are such again: XLA's own transpose of a convolution is far slower on a
    CPU, and it alone compiles faster, so that it is used where nothing is differentiated.
    """
    (x, W), (x_dot, W_dot) = primals, tangents
    N, flat = _windows(x), W.reshape(-1, W.shape[3])
    return N @ flat, _windows(x_dot) @ flat + N @ W_dot.reshape(flat.shape)


def _windows(x: Float[Array, "n H W p"]) -> Float[Array, "n H W 9*p"]:
    """The 3 x 3 pixels about each, nine shifted copies side by side."""
    _n, H, W_pixels, _p = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    near = [padded[:, i : i + H, j : j + W_pixels] for i in range(3) for j in range(3)]
    return jnp.concatenate(near, axis=-1)


def halve(h: Float[Array, "n H W c"]) -> Float[Array, "n H/2 W/2 c"]:
    """Means over 2 x 2 pixels."""
    n, H, W, c = h.shape
    return h.reshape(n, H // 2, 2, W // 2, 2, c).mean(axis=(2, 4))


def double(h: Float[Array, "n H W c"]) -> Float[Array, "n 2*H 2*W c"]:
    """Each pixel copied to 2 x 2."""
    return jnp.repeat(jnp.repeat(h, 2, axis=1), 2, axis=2)


def _round(block, h, e, key, dropout, i):
    h_hat = h / jnp.sqrt((h**2).mean(axis=-1, keepdims=True) + 1e-6)
    scale, shift = (1 + e @ block.G)[:, None, None], (e @ block.S + block.b[None])[:, None, None]
    u = jax.nn.silu(convolve(h_hat, block.W) * scale + shift)
    return h + dropped(u, key, dropout, i) @ block.U
