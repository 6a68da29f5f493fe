"""Random Fourier features: a kernel as an average of cosines, so that ridge regression sees m columns, not n.

Problem    find phi(x) in R^m with E[phi(x)·phi(z)] = k(x, z)
Bochner    k(x - z) = E cos(omega·(x - z)), omega drawn from the kernel's spectral density
Features   phi(x) = sqrt(2/m) [cos(xΩ), sin(xΩ)], Ω (d, m/2): phi(x)·phi(z) averages m/2 cosines
Densities  Gaussian: N(0, 1/sigma²) · Matérn nu: a multivariate t with 2 nu degrees of freedom, over sigma ·
           Laplacian: a Cauchy in each coordinate, over sigma
Error      unbiased, spread (2/m)^½ at most: halving it takes four times the columns
References rahimi2007, yu2016 (orthogonal frequencies)
Symbols    X (n, d), Ω omega (d, m/2), Phi (n, m)
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.kernels._checks import named_kernel, points, widths
from mcbook.kernels.functions import KERNELS

T_DEGREES = {"gaussian": np.inf, "matern12": 1.0, "matern32": 3.0, "matern52": 5.0}


class Fourier(NamedTuple):
    """A draw of frequencies, one column each; calling it maps points to features."""

    omega: np.ndarray  # (d, m/2), per unit of the features

    @property
    def m(self) -> int:
        return 2 * self.omega.shape[1]

    def __call__(self, X: Any) -> Float[np.ndarray, "n m"]:
        """Phi (n, m) of X (n, d).  Raises ValueError for other features than the draw's, or NaN."""
        A = points(X, "X", d=len(self.omega)).astype(self.omega.dtype, copy=False) @ self.omega
        Phi = np.concatenate([np.cos(A), np.sin(A)], axis=1)
        Phi *= Phi.dtype.type(self.omega.shape[1] ** -0.5)
        return Phi


def draw_fourier(
    d: int,
    m: int,
    *,
    kernel: Any = "gaussian",
    sigma: Any,
    rng: np.random.Generator,
    orthogonal: bool = False,
    dtype: Any = float,
) -> Fourier:
    """m features of a kernel on R^d: m/2 frequencies, a cosine and a sine each.

    sigma > 0, a number or one per feature (d,).  `orthogonal` draws directions d at a time at right angles,
    each still uniform on the sphere: the same mean, less spread (radial kernels only).  dtype float32 halves
    the work that follows and costs digits: it wants a lam that is not tiny.
    Raises ValueError for d < 1, m odd or < 2, widths that are not positive, or a kernel whose spectral
    density is not known here.
    """
    kernel = named_kernel(kernel, KERNELS)
    if d < 1 or m < 2 or m % 2:
        raise ValueError(f"draw_fourier expects d ≥ 1 and an even m ≥ 2, cosine and sine; got {d=}, {m=}.")
    sigma, half = widths(sigma, d), m // 2
    if kernel.name == "laplacian" and not orthogonal:
        return _per_width(rng.standard_cauchy((d, half)), sigma, dtype)
    if kernel.name not in T_DEGREES:
        raise ValueError(
            f"draw_fourier knows no {'orthogonal ' if orthogonal else ''}frequencies of {kernel.name!r}; "
            f"take one of {sorted(T_DEGREES)}" + (", or orthogonal=False." if orthogonal else ".")
        )
    omega = _orthogonal(d, half, rng) if orthogonal else rng.standard_normal((d, half))
    degrees = T_DEGREES[kernel.name]
    if np.isfinite(degrees):
        omega *= np.sqrt(degrees / rng.chisquare(degrees, half))
    return _per_width(omega, sigma, dtype)


def _per_width(omega: np.ndarray, sigma: np.ndarray, dtype: Any) -> Fourier:
    return Fourier((omega / np.broadcast_to(sigma, len(omega))[:, None]).astype(dtype))


def _orthogonal(d: int, count: int, rng: np.random.Generator) -> Float[np.ndarray, "{d} {count}"]:
    """(d, count): orthonormal bases, d columns at a time, with the lengths of Gaussian vectors."""
    blocks = []
    for _ in range(-(-count // d)):
        Q, R = np.linalg.qr(rng.standard_normal((d, d)))
        blocks.append(Q * np.sign(np.diagonal(R)))  # the signs make Q uniform among the rotations
    lengths = np.sqrt(rng.chisquare(d, count))
    return np.concatenate(blocks, axis=1)[:, :count] * lengths
