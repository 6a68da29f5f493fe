"""Kernel functions: profiles of a scaled distance, and their matrices.

Problem    k(x, z) = phi(s), where s is a squared Euclidean distance or an L1 distance, in units of the width
Gaussian   phi(s) = exp(-s/2)                       s = ‖x - z‖²/sigma², so k = exp(-‖x - z‖²/(2 sigma²))
Matérn     phi(s) = (1 + …) exp(-a), a = sqrt(2 nu s)        the same s; nu = 1/2, 3/2, 5/2
Laplacian  phi(s) = exp(-s)                         s = ‖x - z‖₁/sigma (scikit-learn's gamma is 1/sigma)
Widths     sigma is one number, or one per feature: every difference x_k - z_k is divided by sigma_k first
References rasmussen2006 (chapter 4)
Symbols    X (n, d), Z (m, d) points; K (n, m) = k(x_i, z_j); S the scaled distances; phi', phi'' in s

K is dimensionless, 1 on the diagonal; sigma has the units of the features. `phi`, `dphi`, `d2phi` take NumPy
or JAX arrays; matrices are float64 NumPy, filled block by block so that no second n x n array is needed.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.kernels._checks import named_kernel, points, widths
from mcbook.kernels._distances import distances, distances_to, each_block, mirror

Array = Any
Map = Callable[[Any], Any]


class Kernel(NamedTuple):
    """k(x, z) = phi(s), with phi' and phi''; `smooth`: how often k may be differentiated in x and in z."""

    name: str
    metric: str  # "sqeuclidean" or "cityblock"
    phi: Map
    dphi: Map
    d2phi: Map
    smooth: int


def _xp(s):
    return s.__array_namespace__()


def _exp(s):
    return _xp(s).exp(s)


def _root(s, nu):
    return _xp(s).sqrt(2 * nu * s)


def _over(numerator, a):
    """numerator / a, and 0 where a = 0: such terms only ever stand beside a difference that vanishes too."""
    xp = _xp(a)
    zero = a == 0
    return xp.where(zero, 0.0, numerator / xp.where(zero, 1.0, a))


def _matern52(s):
    a = _root(s, 2.5)
    return (1 + a + a * a / 3) * _exp(-a)


GAUSSIAN = Kernel(
    "gaussian",
    "sqeuclidean",
    phi=lambda s: _exp(-s / 2),
    dphi=lambda s: -_exp(-s / 2) / 2,
    d2phi=lambda s: _exp(-s / 2) / 4,
    smooth=2,
)
LAPLACIAN = Kernel(
    "laplacian",
    "cityblock",
    phi=lambda s: _exp(-s),
    dphi=lambda s: -_exp(-s),
    d2phi=lambda s: _exp(-s),
    smooth=0,
)
MATERN12 = Kernel(
    "matern12",
    "sqeuclidean",
    phi=lambda s: _exp(-_root(s, 0.5)),
    dphi=lambda s: _over(-_exp(-_root(s, 0.5)) / 2, _root(s, 0.5)),
    d2phi=lambda s: _over((1 + _root(s, 0.5)) * _exp(-_root(s, 0.5)) / 4, _root(s, 0.5) ** 3),
    smooth=0,
)
MATERN32 = Kernel(
    "matern32",
    "sqeuclidean",
    phi=lambda s: (1 + _root(s, 1.5)) * _exp(-_root(s, 1.5)),
    dphi=lambda s: -1.5 * _exp(-_root(s, 1.5)),
    d2phi=lambda s: _over(2.25 * _exp(-_root(s, 1.5)), _root(s, 1.5)),
    smooth=1,
)
MATERN52 = Kernel(
    "matern52",
    "sqeuclidean",
    phi=_matern52,
    dphi=lambda s: -5 / 6 * (1 + _root(s, 2.5)) * _exp(-_root(s, 2.5)),
    d2phi=lambda s: 25 / 12 * _exp(-_root(s, 2.5)),
    smooth=2,
)
KERNELS = {kernel.name: kernel for kernel in (GAUSSIAN, LAPLACIAN, MATERN12, MATERN32, MATERN52)}


def kernel_matrix(X: Any, Z: Any = None, *, kernel: Any = "gaussian", sigma: Any) -> Float[np.ndarray, "n m"]:
    """K (n, m), K_ij = k(x_i, z_j); without Z the symmetric K (n, n) of X itself, half of it computed.

    X (n, d), Z (m, d); kernel a `Kernel` or one of `KERNELS`; sigma > 0, a number or one per feature (d,).
    Raises ValueError for shapes that do not fit, NaN, an unknown kernel or a width that is not positive.
    """
    kernel, X = named_kernel(kernel, KERNELS), points(X, "X")
    sigma = widths(sigma, X.shape[1])
    if Z is not None:
        Z = points(Z, "Z", d=X.shape[1])
        K = np.empty((len(X), len(Z)))
        measure = distances_to(Z / sigma, kernel.metric, len(X))

        def fill(rows: slice) -> None:
            K[rows] = kernel.phi(measure(X[rows] / sigma, len(Z)))

        each_block(fill, len(X), len(Z))
        return K
    K = np.empty((len(X), len(X)))
    fill_lower(K, X, kernel=kernel, sigma=sigma)
    return mirror(K)


def fill_lower(K: np.ndarray, X: np.ndarray, *, kernel: Kernel, sigma: Any) -> None:
    """Write the lower triangle of the symmetric K (n, n), blockwise; what is above it is never touched."""
    scaled = X / sigma
    measure = distances_to(scaled, kernel.metric, len(X) // 2)

    def fill(rows: slice) -> None:
        K[rows, : rows.stop] = kernel.phi(measure(scaled[rows], rows.stop))
        i = np.arange(rows.start, rows.stop)
        K[i, i] = 1.0

    each_block(fill, len(X), len(X))


def vjp_kernel_matrix_log_sigma(
    X: Any, K_bar: Any, *, kernel: Any = "gaussian", sigma: Any
) -> Float[np.ndarray, "..."]:
    """⟨K_bar, ∂K/∂log sigma⟩ for K = kernel_matrix(X): the shape of sigma, () or (d,).

    ∂K_ij/∂log sigma_k = -m phi'(s_ij) s_ijk, s_ijk the share of feature k in s; m = 2 for squared distances,
    1 for L1.  With H = K_bar ∘ phi'(S) the squared ones need no more than X: Σ_ij H_ij (x_ik - x_jk)² =
    2 Σ_i (H1)_i x_ik² - 2 (XᵀHX)_kk, all widths from one product.  ∂K is used in blocks, never stored.

    X (n, d); K_bar (n, n), symmetric.  Raises ValueError as `kernel_matrix` does.
    """
    kernel, X = named_kernel(kernel, KERNELS), points(X, "X")
    sigma = widths(sigma, X.shape[1])
    if np.shape(K_bar) != (len(X), len(X)):
        raise ValueError(f"K_bar must have K's shape ({len(X)}, {len(X)}), got {np.shape(K_bar)}.")
    scaled = (X - X.mean(0)) / sigma
    measure = distances_to(scaled, kernel.metric, len(X))
    share = _share_by_feature if sigma.ndim else _share_in_all

    def add(rows: slice) -> Any:
        S = measure(scaled[rows], len(X))
        H = K_bar[rows] * kernel.dphi(S)
        return share(H, S, scaled[rows], scaled, kernel.metric)

    return np.asarray(-(2 if kernel.metric == "sqeuclidean" else 1) * sum(each_block(add, len(X), len(X))))


def _share_in_all(H, S, A, B, metric):
    """⟨H, S⟩: one width for all features."""
    return np.vdot(H, S)


def _share_by_feature(H, S, A, B, metric):
    """Σ_ij H_ij s_ijk for every feature k, (d,)."""
    if metric == "sqeuclidean":
        return H.sum(1) @ (A * A) + H.sum(0) @ (B * B) - 2 * (A * (H @ B)).sum(0)
    return np.array([np.vdot(H, np.abs(a[:, None] - b[None, :])) for a, b in zip(A.T, B.T, strict=True)])


def median_width(X: Any, *, kernel: Any = "gaussian", most: int = 500) -> float:
    """The median distance between different rows, in the kernel's own metric: a sane first width.

    X (n, d); beyond `most` rows evenly spaced ones stand for all.  Raises ValueError when all rows are equal.
    """
    kernel, X = named_kernel(kernel, KERNELS), points(X, "X", least=2)
    X = X[np.linspace(0, len(X) - 1, min(len(X), most)).astype(int)]
    S = distances(X, X, kernel.metric)[np.tril_indices(len(X), -1)]
    median = float(np.median(S[S > 0])) if (S > 0).any() else 0.0
    if median == 0:
        raise ValueError("median_width expects rows that differ; all of X's are equal: check the features.")
    return median if kernel.metric == "cityblock" else sqrt(median)
