"""Denoising a picture: every pixel tied to what was seen, and to its neighbours.

Objective  J(u) = ½(u - g)ᵀM(u - g) + ½ length² uᵀKu    on P1 triangles whose nodes are the pixels
Gradient   dJ = ⟨M(u - g) + length² Ku, du⟩:  -length² Δu + u = g, the equation with 1/kappa = length²
Solver     with lumped M the triangles' K is the five-point stencil, and the cosines cos(πik/(H-1)) are its
           modes: a discrete cosine transform (DCT-I), a division by 1 + length² mu, and the transform back
Length     the one that minimises generalised cross-validation, with the exact degrees of freedom,
           GCV = (‖u - g‖²_M / tr M) / (1 - dof/N)²,  its derivative in log length by hand
References golub1979 (GCV), strang1999 (cosines)
Symbols    g, u (H, W) or (H, W, C); mu (H, W) modes; length in pixels, a neighbour's distance being 1
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.fft import dctn, idctn
from scipy.optimize import minimize

from mcbook.ridge._checks import finite, not_negative, positive

Array = Any


class Denoised(NamedTuple):
    """The picture, and with it the length, the share of freedom kept dof/N, and its GCV score."""

    image: np.ndarray
    length: float
    dof: float
    gcv: float


def denoise(image: Any, *, length: Any = None) -> Denoised:
    """The picture of least J, for a `length` in pixels, or the one that GCV chooses where it is None.

    image (H, W), or (H, W, C) with its channels side by side; floats on any scale (0 … 1 for a photograph).
    dof counts per channel.  Raises ValueError for another shape or dtype, NaN, or length < 0.
    """
    g = _picture(image)
    mu = modes_of_grid(*g.shape[:2])
    power = _power(g)
    if length is None:
        start = minimize(_score, 0.0, args=(mu, power), jac=True, method="L-BFGS-B", bounds=[(-4, 4)])
        length = float(np.exp(start.x[0]))
    length = not_negative(length, "length", "in pixels")
    keep = 1 / (1 + length**2 * mu)
    hat = dctn(g, type=1, axes=(0, 1))
    u = idctn(hat * keep[..., None], type=1, axes=(0, 1)).reshape(np.shape(image))
    return Denoised(u, length, float(keep.sum()), gcv(length, mu, power))


def modes_of_grid(H: int, W: int) -> Float[Array, "H W"]:
    """mu of Kv = mu Mv on the grid: 4 sin²(πi/2(H-1)) + 4 sin²(πj/2(W-1))."""
    rows, columns = (4 * np.sin(np.pi * np.arange(n) / (2 * (n - 1))) ** 2 for n in (H, W))
    return rows[:, None] + columns


def gcv(length: Any, mu: Float[Array, "H W"], power: Float[Array, "H W"]) -> float:
    """GCV's score; power holds ‖g‖²_M / tr M split over the modes, so that its sum is g's mean square."""
    lost = 1 - 1 / (1 + length**2 * mu)
    return float((power * lost**2).sum() / lost.mean() ** 2)


def grad_gcv_log_length(length: Any, mu: Float[Array, "H W"], power: Float[Array, "H W"]) -> float:
    """d GCV / d log length: with q = length² mu/(1 + length² mu), dq = 2q(1 - q) d log length."""
    q = 1 - 1 / (1 + length**2 * mu)
    q_dot = 2 * q * (1 - q)
    top, bottom = (power * q**2).sum(), q.mean()
    return float(2 * (power * q * q_dot).sum() / bottom**2 - 2 * top * q_dot.mean() / bottom**3)


def power_of_modes(image: Any) -> Float[Array, "H W"]:
    """The picture's mean square (lumped weights, mean over channels), mode by mode."""
    return _power(_picture(image))


def psnr(image: Any, truth: Any, *, peak: float = 1.0) -> float:
    """10 log₁₀(peak² / mean square error), in dB; for pictures of one shape."""
    image, truth = np.asarray(image, dtype=float), np.asarray(truth, dtype=float)
    if image.shape != truth.shape:
        raise ValueError(f"image and truth must have one shape, got {image.shape} and {truth.shape}.")
    return float(10 * np.log10(positive(peak, "peak") ** 2 / np.mean((image - truth) ** 2)))


def _score(log_length: np.ndarray, mu: np.ndarray, power: np.ndarray) -> tuple[float, np.ndarray]:
    length = np.exp(log_length[0])
    value = gcv(length, mu, power)  # its logarithm has no unit, and so suits any scale of the picture
    return np.log(value), np.array([grad_gcv_log_length(length, mu, power) / value])


def _power(g: np.ndarray) -> np.ndarray:
    """Parseval for DCT-I: cosines are orthogonal in the lumped mass, with norms 1, ½ or ¼ of tr M."""
    weights = np.outer(*(np.where(np.arange(n) % (n - 1) == 0, 1.0, 2.0) for n in g.shape[:2]))
    scale = 4 * (g.shape[0] - 1) * (g.shape[1] - 1)
    return weights * ((dctn(g, type=1, axes=(0, 1)) / scale) ** 2).mean(-1)


def _picture(image: Any) -> np.ndarray:
    """image as finite float64 (H, W, C)."""
    image = np.asarray(image)
    if image.dtype.kind != "f":
        raise ValueError(
            f"image must hold floats, got dtype {image.dtype}; a photograph of bytes is image / 255."
        )
    if image.ndim not in (2, 3) or min(image.shape[:2]) < 2 or image.size == 0:
        raise ValueError(
            f"image must be (H, W) or (H, W, C) with H, W ≥ 2, channels last; got shape {image.shape}."
        )
    if image.ndim == 3 and image.shape[2] > 4:
        raise ValueError(
            f"image has {image.shape[2]} channels; (H, W, C) with C ≤ 4 is expected, channels last."
        )
    return finite(np.asarray(image, dtype=float), "image").reshape(*image.shape[:2], -1)
