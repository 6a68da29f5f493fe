"""What the oracles accept: real, finite matrices, square or symmetric where that is due."""

from typing import Any

import numpy as np
from jaxtyping import Float

Array = Any


def sym(A: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The symmetric part, (A + Aᵀ)/2."""
    return (A + A.T) / 2


def as_matrix(A: Any, name: str) -> Float[Array, "m n"]:
    A = np.asarray(A)
    if A.ndim != 2 or A.size == 0 or A.dtype.kind not in "fiu":
        raise ValueError(f"{name} needs a real matrix, got shape {A.shape} of {A.dtype}.")
    if not np.isfinite(A).all():
        raise ValueError(f"{name} needs finite entries, but {np.count_nonzero(~np.isfinite(A))} are not.")
    return A.astype(float)


def as_square(A: Any, name: str) -> Float[Array, "n n"]:
    A = as_matrix(A, name)
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"{name} needs a square matrix, got {A.shape}.")
    return A


def as_symmetric(A: Any, name: str) -> Float[Array, "n n"]:
    A = as_square(A, name)
    if not np.allclose(A, A.T, rtol=1e-12, atol=1e-12 * np.abs(A).max()):
        raise ValueError(f"{name} needs a symmetric matrix; pass sym(A) if its symmetric part is meant.")
    return sym(A)


def like(A: Any, shape: tuple[int, ...], name: str) -> Float[Array, "..."]:
    """A step or a cotangent: real, finite, of exactly the shape that is due; nothing is stretched."""
    A = np.asarray(A)
    if A.shape != shape or A.dtype.kind not in "fiu":
        raise ValueError(f"{name} needs real numbers of shape {shape}, got shape {A.shape} of {A.dtype}.")
    if not np.isfinite(A).all():
        raise ValueError(f"{name} needs finite entries, but {np.count_nonzero(~np.isfinite(A))} are not.")
    return A.astype(float)


def symmetric_like(A: Any, shape: tuple[int, ...], name: str) -> Float[Array, "n n"]:
    """A symmetric step of that shape."""
    return as_symmetric(like(A, shape, name), name)
