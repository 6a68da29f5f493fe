"""What `fit` demands of its input, before any work is done.  Private."""

from typing import Any

import numpy as np

from mcbook.unmixing.density import DENSITIES, Density


def samples(X: Any) -> np.ndarray:
    """X as a real (n, d) array with n > d.  Raises ValueError naming the remedy."""
    X = np.asarray(X)
    if X.ndim != 2:
        raise ValueError(
            f"fit expects X (n, d), rows are samples; got {X.ndim} dimension(s), shape {X.shape}."
        )
    if X.dtype.kind not in "fiu":
        raise ValueError(f"fit expects real numbers, got dtype {X.dtype}; convert with X.astype(float).")
    n, d = X.shape
    if d < 1 or n <= d:
        raise ValueError(
            f"fit expects more samples than channels, X (n, d) with n > d; got {X.shape}. "
            "Rows are samples: pass X.T if they are the channels."
        )
    return X


def finite(X: np.ndarray, covariance: np.ndarray) -> None:
    """Raises ValueError when X holds NaN or infinities (they would show in its covariance)."""
    if np.isfinite(covariance).all():
        return
    for j in range(X.shape[1]):
        bad = np.flatnonzero(~np.isfinite(X[:, j]))
        if len(bad):
            raise ValueError(
                f"fit expects finite samples, but channel {j} holds {len(bad)} NaN or infinite value(s), "
                f"the first in row {bad[0]}; drop or fill those rows."
            )
    raise ValueError("fit's covariance overflows: rescale the channels to moderate units.")


def named_density(density: Any) -> Density:
    """A `Density` from itself or from its name.  Raises ValueError listing the names."""
    if isinstance(density, Density):
        return density
    if isinstance(density, str) and density in DENSITIES:
        return DENSITIES[density]
    raise ValueError(
        f"density must be 'adaptive', a Density, or one of {sorted(DENSITIES)}; got {density!r}."
    )


def initial(W: Any, d: int) -> np.ndarray:
    """A user's starting matrix as float64 (d, d), invertible.  Raises ValueError."""
    W = np.asarray(W, dtype=float)
    if W.shape != (d, d) or not np.isfinite(W).all() or np.linalg.matrix_rank(W) < d:
        raise ValueError(f"W_init must be a finite, invertible ({d}, {d}) matrix, got shape {W.shape}.")
    return W
