"""A photograph's dissolution and return, with denoisers that need no network.

Memory     the law that puts 1/n on each of n photographs has the exact denoiser
           D(x) = Σ_i r_i x_i,  r_i ∝ exp(-|x - x_i|²/(2 sigma²)):
           the optimum of score matching on n photographs. Its flow returns to one of them, never to a new
           one: what makes samples new is what keeps a network from that optimum
Patches    a Gaussian mixture of the 8 x 8 patches of one photograph; every patch of x is denoised exactly and
           each pixel is the mean over the patches that hold it. That mean is no exact denoiser of any law of
           whole images: it knows edges and textures, and nothing larger (zoran2011 has the same prior)
Symbols    photographs (n, ...), images x (b, H, W), patches (m, size²) every `stride` pixels, K components
References zoran2011 (patches), kamb2025 (the exact optimum memorises)
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.diffusion import _checks, mixtures
from mcbook.diffusion.mixtures import Mixture

Denoiser = Callable[[Any, Any], Any]


def memory_denoiser(photographs: Any) -> Denoiser:
    """(x (b, ...), sigma) ↦ E[x_0 | x] where x_0 is one of the photographs (n, ...), each as likely.

    Raises ValueError for NaN or a single number each.
    """
    kept = np.asarray(_checks.samples(np.asarray(photographs, dtype=float), "photographs"))
    flat = jnp.asarray(kept.reshape(len(kept), -1))

    def denoise(x, sigma):
        return _recall(jnp.asarray(x).reshape(len(x), -1), sigma, flat).reshape(np.shape(x))

    return denoise


@jax.jit
def _recall(x, sigma, flat):
    """Responsibilities by |x_i|² - 2 x·x_i, what they share left away; then the mean."""
    flat = flat.astype(x.dtype)
    middle = flat.mean(axis=0, keepdims=True)
    from_middle = flat - middle
    inner = (x - middle) @ from_middle.T - (from_middle**2).sum(axis=1)[None] / 2
    return jax.nn.softmax(inner / sigma**2, axis=1) @ flat


def grey(photograph: Any, *, shrink: Any = 1) -> Float[np.ndarray, "H W"]:
    """A colour photograph (H, W, 3) in 0 … 1 as grey (H/shrink, W/shrink) in -1 … 1, means over squares.

    Raises ValueError for another shape or range.
    """
    x, k = _checks.reals(photograph, "photograph"), _checks.whole(shrink, "shrink")
    if x.ndim != 3 or x.shape[2] != 3 or x.min() < 0 or x.max() > 1:
        raise ValueError(f"photograph must be (H, W, 3) in 0 … 1; got {x.shape}, {x.min()} … {x.max()}.")
    luminance = x @ np.array([0.299, 0.587, 0.114])
    H, W = (m // k * k for m in luminance.shape)
    return 2 * luminance[:H, :W].reshape(H // k, k, W // k, k).mean(axis=(1, 3)) - 1


def patches(image: Any, size: int = 8, stride: int = 1) -> Float[Any, "m p"]:
    """All patches of an image (H, W), rows (m, size²), their corners `stride` apart.

    Raises ValueError if the stride leaves pixels out.
    """
    H, W = np.shape(image)
    _covering(H, W, size, stride)
    rows, columns = _corners(H, W, size, stride)
    return jnp.asarray(image)[rows, columns]


def average(rows: Any, shape: tuple[int, int], size: int = 8, stride: int = 1) -> Float[Any, "H W"]:
    """The image (H, W), each pixel the mean over the patches (m, size²) that hold it; undoes `patches`."""
    at = _corners(*shape, size, stride)
    total = jnp.zeros(shape, rows.dtype).at[at].add(rows)
    count = np.zeros(shape)
    np.add.at(count, at, 1.0)
    return total / jnp.asarray(count, rows.dtype)


def fit_patches(image: Any, *, components: Any = 12, size: int = 8, rng: Any, most: Any = 6000) -> Mixture:
    """A mixture of the image's patches by expectation maximisation (scikit-learn), on at most `most`."""
    from sklearn.mixture import GaussianMixture

    rng, K = _checks.generator(rng), _checks.whole(components, "components")
    X = np.asarray(patches(np.asarray(_checks.reals(image, "image")), size))
    X = X[rng.permutation(len(X))[: _checks.whole(most, "most")]]
    seed = int(rng.integers(2**31))
    fitted = GaussianMixture(K, reg_covar=1e-4, init_params="k-means++", random_state=seed, tol=1e-2)
    fitted.fit(X)
    return mixtures.mixture(fitted.weights_, fitted.means_, fitted.covariances_)


def patch_denoiser(mix: Mixture, *, size: int = 8, stride: int = 2) -> Denoiser:
    """(x (b, H, W), sigma) ↦ each patch denoised by the mixture, and each pixel's mean over its patches."""

    def denoise(x, sigma):
        return jnp.stack([_denoise_image(jnp.asarray(image), sigma, mix, size, stride) for image in x])

    return denoise


@partial(jax.jit, static_argnames=("size", "stride"))
def _denoise_image(image, sigma, mix, size, stride):
    found = mixtures._field(patches(image, size, stride), sigma, mix)[0]
    return average(found.astype(image.dtype), image.shape, size, stride)


def _corners(H: int, W: int, size: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (m, size²) of every pixel of every patch."""
    i, j = np.meshgrid(np.arange(0, H - size + 1, stride), np.arange(0, W - size + 1, stride), indexing="ij")
    a, b = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    return i.reshape(-1, 1) + a.reshape(1, -1), j.reshape(-1, 1) + b.reshape(1, -1)


def _covering(H: int, W: int, size: int, stride: int) -> None:
    if min(H, W) < size or stride < 1 or stride > size or (H - size) % stride or (W - size) % stride:
        raise ValueError(
            f"patches of {size} x {size} pixels every {stride} must cover the image: height and width less "
            f"{size} must be multiples of {stride}, the stride at most {size}; got {H} x {W}."
        )
