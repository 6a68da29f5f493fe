"""Denoising a picture: every pixel tied to what was seen, and to its neighbours.

Objective  J(u) = ½(u - g)ᵀM(u - g) + ½ length² uᵀKu    on P1 triangles whose nodes are the pixels
Gradient   dJ = ⟨M(u - g) + length² Ku, du⟩:  -length² Δu + u = g, the equation with 1/kappa = length²
Solver     K is the five-point stencil; with M lumped (the trapezoid rule: 1, ½ on an edge, ¼ in a corner)
           the cosines cos(πik/(H-1)) are the modes: a discrete cosine transform (DCT-I), a division by
           1 + length² mu, and the transform back
Length     by gradient, from the exact degrees of freedom.  Noise known: the unbiased estimate of the mean
           square error, ‖u - g‖²_M/tr M - noise² + 2 noise² dof/N.  Unknown: generalised cross-validation,
           (‖u - g‖²_M / tr M) / (1 - dof/N)², which favours shorter lengths where dof/N is not small
References golub1979 (GCV), stein1981 (the unbiased estimate), strang1999 (cosines)
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
    """The picture, the length, the degrees of freedom per channel (of H·W), and the score of that length."""

    image: np.ndarray
    length: float
    dof: float
    score: float


def denoise(image: Any, *, length: Any = None, noise: Any = None) -> Denoised:
    """The picture of least J, for a `length` in pixels, or the best length where it is None.

    image  (H, W), or (H, W, C), channels last; floats on any scale (0 … 1 for a photograph)
    noise  its standard deviation on that scale, if it is known: the length then minimises `risk`, else `gcv`
    Raises ValueError for another shape or dtype, NaN, length < 0, or noise ≤ 0.
    """
    g = _picture(image)
    mu, power = modes_of_grid(*g.shape[:2]), _power(g)
    noise = None if noise is None else positive(noise, "noise", "leave it out where it is not known")
    if length is None:
        length = best_length(mu, power, noise=noise)
    length = not_negative(length, "length", "in pixels")
    keep = 1 / (1 + length**2 * mu)
    hat = dctn(g, type=1, axes=(0, 1))
    u = idctn(hat * keep[..., None], type=1, axes=(0, 1)).reshape(np.shape(image))
    score = gcv(length, mu, power) if noise is None else risk(length, mu, power, noise)
    return Denoised(u, length, float(keep.sum()), score)


def best_length(mu: Float[Array, "H W"], power: Float[Array, "H W"], *, noise: Any = None) -> float:
    """The length, between 1/50 and 50 pixels, of least `risk`, or of least `gcv` where noise is None."""
    scale = power.sum()

    def score(log_length: np.ndarray) -> tuple[float, np.ndarray]:
        args = (np.exp(log_length[0]), mu, power / scale)
        if noise is None:
            return gcv(*args), np.array([grad_gcv_log_length(*args)])
        level = noise / np.sqrt(scale)
        return risk(*args, level), np.array([grad_risk_log_length(*args, level)])

    tight = {"ftol": 1e-15, "gtol": 1e-10}
    found = minimize(
        score, 0.0, jac=True, method="L-BFGS-B", bounds=[(-np.log(50), np.log(50))], options=tight
    )
    return float(np.exp(found.x[0]))


def modes_of_grid(H: int, W: int) -> Float[Array, "H W"]:
    """mu of Kv = mu Mv on the grid: 4 sin²(πi/2(H-1)) + 4 sin²(πj/2(W-1))."""
    rows, columns = (4 * np.sin(np.pi * np.arange(n) / (2 * (n - 1))) ** 2 for n in (H, W))
    return rows[:, None] + columns


def gcv(length: Any, mu: Float[Array, "H W"], power: Float[Array, "H W"]) -> float:
    """GCV's score; power holds ‖g‖²_M / tr M split over the modes, so that its sum is g's mean square."""
    r = mu / (1 + length**2 * mu)  # q / length², which has a limit at length 0
    return float((power * r**2).sum() / r.mean() ** 2)


def grad_gcv_log_length(length: Any, mu: Float[Array, "H W"], power: Float[Array, "H W"]) -> float:
    """d GCV / d log length: with r = mu/(1 + length² mu), dr = -2 length² r² d log length."""
    r = mu / (1 + length**2 * mu)
    r_dot = -2 * length**2 * r**2
    top, bottom = (power * r**2).sum(), r.mean()
    return float(2 * (power * r * r_dot).sum() / bottom**2 - 2 * top * r_dot.mean() / bottom**3)


def risk(length: Any, mu: Float[Array, "H W"], power: Float[Array, "H W"], noise: Any) -> float:
    """An unbiased estimate of the mean square error, for white noise of that standard deviation."""
    q = 1 - 1 / (1 + length**2 * mu)
    return float((power * q**2).sum() + noise**2 * (1 - 2 * q.mean()))


def grad_risk_log_length(
    length: Any, mu: Float[Array, "H W"], power: Float[Array, "H W"], noise: Any
) -> float:
    """d risk / d log length."""
    q = 1 - 1 / (1 + length**2 * mu)
    q_dot = 2 * q * (1 - q)
    return float(2 * (power * q * q_dot).sum() - 2 * noise**2 * q_dot.mean())


def power_of_modes(image: Any) -> Float[Array, "H W"]:
    """The picture's mean square (lumped weights, mean over channels), mode by mode."""
    return _power(_picture(image))


def psnr(image: Any, truth: Any, *, peak: Any = 1.0) -> float:
    """10 log₁₀(peak² / mean square error), in dB; for pictures of one shape."""
    image, truth = np.asarray(image, dtype=float), np.asarray(truth, dtype=float)
    if image.shape != truth.shape:
        raise ValueError(f"image and truth must have one shape, got {image.shape} and {truth.shape}.")
    return float(10 * np.log10(positive(peak, "peak") ** 2 / np.mean((image - truth) ** 2)))


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
