"""Centring and whitening.

Problem    X (n, d) with covariance C; find K with (X - mean) Kᵀ of covariance I.
Solution   channels scaled by their standard deviations D, correlation D⁻¹CD⁻¹ = U diag(lam) Uᵀ,
           K = U diag(lam)^(-1/2) Uᵀ D⁻¹
Why first  after whitening only a rotation is left to find, and every channel's unit has dropped out
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class Whitening(NamedTuple):
    """`transform(X)` is (X - mean) Kᵀ."""

    mean: np.ndarray  # (d,)
    K: np.ndarray  # (d, d)
    eigenvalues: np.ndarray  # (d,) of the correlation matrix, ascending

    def transform(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """(X - mean) Kᵀ, (n, d): zero mean, covariance I on the data it was made from."""
        return (X - self.mean) @ self.K.T


def whiten(X: Any) -> Whitening:
    """The whitening of X (n, d); covariances divide by n.

    Raises ValueError when X is not (n, d) or not finite, a channel is constant, or the channels are linearly
    dependent (rank deficient).
    """
    X = np.asarray(X, dtype=float)
    if X.ndim != 2 or not X.size or not np.isfinite(X).all():
        raise ValueError(
            f"whiten expects finite samples X (n, d), rows are samples, got shape {X.shape}; "
            "drop or fill what is not finite."
        )
    mean = X.mean(0)
    centred = X - mean
    return whiten_covariance(mean, centred.T @ centred / len(X))


def whiten_covariance(mean: Float[np.ndarray, " d"], C: Float[np.ndarray, "d d"]) -> Whitening:
    """The whitening that belongs to a mean (d,) and a covariance C (d, d).  Raises as `whiten`."""
    std = np.sqrt(np.diag(C))
    constant = np.flatnonzero(std <= 1e-12 * np.abs(mean))
    if len(constant):
        raise ValueError(
            f"whiten expects channels that vary, but channel(s) {constant.tolist()} are constant; "
            "drop these columns."
        )
    lam, U = np.linalg.eigh(C / np.outer(std, std))
    rank = int((lam > 10 * len(C) * np.finfo(float).eps * lam[-1]).sum())
    if rank < len(C):
        raise ValueError(
            f"whiten expects linearly independent channels, but {len(C)} channels have rank {rank}"
            f"{_duplicates(C, std)}; drop redundant columns, or keep {rank} principal components."
        )
    return Whitening(mean, (U / np.sqrt(lam)) @ U.T / std, lam)


def _duplicates(C, std) -> str:
    corr = np.abs(C / np.outer(std, std))
    pairs = np.argwhere(np.triu(corr > 1 - 1e-12, 1))
    if not len(pairs):
        return " (a duplicated source, an average reference or a repeated channel does this)"
    return f" (channels {pairs[0][0]} and {pairs[0][1]} are copies of each other)"
