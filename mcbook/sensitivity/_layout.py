"""Samples in blocks and the flat rows behind them; models compiled once per shape.  Private.

A sample is one array, or a dict of named arrays, the blocks. Inside the package it is a flat row z (d,), and
a `Layout` says how to cut it up again. A model f of one sample travels as a `jax.tree_util.Partial`: what it
holds (parameters) is an argument of the compiled functions, so that a network trained anew compiles nothing
anew.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

Array = Any  # NumPy or JAX
Partial = jax.tree_util.Partial

ROWS = 1 << 21  # numbers that a batch of samples may hold at a time


class Layout(NamedTuple):
    """Names (None for one array alone) and shapes of a sample's blocks, in the order of the flat row."""

    names: tuple[str, ...] | None
    shapes: tuple[tuple[int, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many numbers each block has."""
        return tuple(math.prod(shape) for shape in self.shapes)

    def slices(self) -> list[slice]:
        """Where in the flat row each block lies."""
        ends = np.cumsum(self.sizes).tolist()
        return [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]

    def block(self, name: str) -> slice:
        """Where in the flat row the block of that name lies.  Raises ValueError."""
        names = self.names or ()
        if name not in names:
            known = ", ".join(map(repr, names)) or "none: X is one array, give it as a dict of blocks"
            raise ValueError(f"there is no block {name!r}; the blocks are {known}.")
        return self.slices()[names.index(name)]


def sample(z: Float[Array, " d"], layout: Layout) -> Any:
    """The flat row z as a sample: an array, or a dict of arrays."""
    return _cut(z, layout, ())


def samples(Z: Float[Array, "n d"], layout: Layout) -> Any:
    """Flat rows Z as samples, a leading axis on every block."""
    return _cut(Z, layout, (len(Z),))


def _cut(Z, layout: Layout, lead: tuple[int, ...]) -> Any:
    parts = [
        Z[..., at].reshape(lead + shape) for at, shape in zip(layout.slices(), layout.shapes, strict=True)
    ]
    return parts[0] if layout.names is None else dict(zip(layout.names, parts, strict=True))


def flat(X: Any, lead: tuple[int, ...]) -> np.ndarray:
    """The blocks of X, each with the leading axes `lead`, beside each other: lead + (d,)."""
    parts = X.values() if isinstance(X, dict) else [X]
    return np.concatenate([np.asarray(part).reshape(*lead, -1) for part in parts], axis=-1)


# Compiled: values, gradients and Hessian-vector products at flat rows


def model(f: Callable[..., Any]) -> Any:
    """f as a `Partial`, whose leaves are traced and whose function is hashed."""
    return f if isinstance(f, Partial) else Partial(f)


def per_batch(d: int) -> int:
    """How many rows of d numbers are worked on at a time."""
    return max(1, ROWS // max(d, 1))


@partial(jax.jit, static_argnames="layout")
def values(f: Any, Z: Float[Array, "n d"], layout: Layout) -> Float[Array, " n"]:
    """f at every row."""
    return jax.lax.map(lambda z: f(sample(z, layout)), Z, batch_size=per_batch(Z.shape[1]))


@partial(jax.jit, static_argnames="layout")
def gradients(f: Any, Z: Float[Array, "n d"], layout: Layout) -> Float[Array, "n d"]:
    """∇f at every row."""
    return jax.lax.map(jax.grad(lambda z: f(sample(z, layout))), Z, batch_size=per_batch(Z.shape[1]))


@partial(jax.jit, static_argnames="layout")
def hvps(f: Any, Z: Float[Array, "n d"], V: Float[Array, "k d"], layout: Layout) -> Float[Array, "n k d"]:
    """∇²f(z) v for every row z of Z and every row v of V: a directional derivative of the gradient."""
    grad = jax.grad(lambda z: f(sample(z, layout)))

    def at(z):
        return jax.vmap(lambda v: jax.jvp(grad, (z,), (v,))[1])(V)

    return jax.lax.map(at, Z, batch_size=per_batch(V.size))
