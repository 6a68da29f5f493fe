"""Grey levels as cells: the part of a pixel's denoiser that dequantisation leaves to a closed form.

Problem    a pixel of grey level k becomes uniform in the cell [b_k, b_{k+1}); its density has steps, and a
           smooth network draws steps badly
Law        with shares h_k of the levels and cells of width w, under noise:
           p_sigma(x) = Σ_k h_k (Φ((b_{k+1} - x)/sigma) - Φ((b_k - x)/sigma)) / w
Pull       sigma ∂ log p_sigma/∂x = (E[x_0 | x] - x)/sigma: Tweedie's formula, pixel by pixel
Use        the network says, pixel by pixel, how much of the pull to take. Far from all cells the pull would
           grow without bound; with a small FLOOR added to the probability it fades instead.
Symbols    b edges (L + 1,), h shares (L,), Φ and φ the standard normal's distribution and density
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Float

from mcbook.diffusion import _checks

Array = Any
FLOOR = 1e-6  # of the probability; below it the pull fades


class Levels(NamedTuple):
    """Edges (L + 1,) of the cells, equally wide, in the units of x, and the share (L,) of each level."""

    edges: Any
    shares: Any


def grey_levels(images: Any, edges: Any) -> Levels:
    """The levels of whole-numbered images (any shape), 0 … L - 1, each counted once more than it occurs.

    Raises ValueError for values that are not levels of those edges.
    """
    images, edges = np.asarray(images), _checks.reals(edges, "edges")
    L = len(edges) - 1
    if edges.ndim != 1 or L < 2 or edges[1] <= edges[0] or np.ptp(np.diff(edges)) > 1e-9 * np.ptp(edges):
        raise ValueError(f"edges must be at least three increasing numbers, equally far apart; got {edges}.")
    whole = np.isfinite(images).all() and (images == np.round(images)).all()
    if images.size == 0 or not whole or images.min() < 0 or images.max() >= L:
        raise ValueError(f"images must hold whole grey levels 0 … {L - 1}, as many as there are cells.")
    counts = np.bincount(images.astype(int).ravel(), minlength=L) + 1.0
    return Levels(edges, counts / counts.sum())


def log_density(x: Any, sigma: Any, levels: Levels) -> Float[Array, "..."]:
    """log p_sigma of each entry of x, per unit of x; sigma > 0 broadcasts against x."""
    x = jnp.asarray(x)
    inside, _ = _cells(x, sigma, levels.edges)
    width = levels.edges[1] - levels.edges[0]
    return jnp.log((_shares(levels, x) * inside).sum(-1) / width)


def pull(x: Any, sigma: Any, levels: Levels) -> Float[Array, "..."]:
    """(E[x_0 | x] - x)/sigma of each entry x, its level unknown."""
    x = jnp.asarray(x)
    inside, rise = _cells(x, sigma, levels.edges)
    h = _shares(levels, x)
    return (h * rise).sum(-1) / ((h * inside).sum(-1) + FLOOR)


def _cells(x, sigma, edges):
    """Φ(z_{k+1}) - Φ(z_k) and φ(z_k) - φ(z_{k+1}) for each entry and cell, z_k = (b_k - x)/sigma."""
    sigma = jnp.broadcast_to(jnp.asarray(sigma, x.dtype), x.shape)[..., None]
    edges = jnp.asarray(edges, x.dtype).reshape((1,) * x.ndim + (-1,))
    z = (edges - x[..., None]) / sigma
    phi = jnp.exp(-(z**2) / 2) / np.sqrt(2 * np.pi).astype(x.dtype)
    return jnp.diff(ndtr(z), axis=-1), -jnp.diff(phi, axis=-1)


def _shares(levels, x):
    return jnp.asarray(levels.shares, x.dtype).reshape((1,) * x.ndim + (-1,))
