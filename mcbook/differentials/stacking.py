"""A matrix as a vector: vec stacks the columns, and then every linear map of matrices is itself a matrix.

    vec(A X B) = (Bᵀ ⊗ A) vec X          ⟨A, B⟩ = (vec A)ᵀ vec B          vec(Xᵀ) = K vec X

Reference  magnus2019 (K is the commutation matrix)
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from mcbook._numbers import reals


def vec(X: Any) -> Float[np.ndarray, " mn"]:
    """The columns of X (m, n), the first on top.  Raises ValueError for what is no matrix."""
    A = reals(X, "vec")
    if A.ndim != 2:
        raise ValueError(f"vec expects a matrix (m, n), got shape {A.shape}.")
    return A.ravel(order="F")


def unvec(x: Any, shape: tuple[int, int]) -> Float[np.ndarray, "m n"]:
    """The matrix of that shape with vec X = x.  Raises ValueError if the numbers do not fill it."""
    a = reals(x, "unvec")
    if a.shape != (shape[0] * shape[1],):
        raise ValueError(f"unvec expects {shape[0] * shape[1]} numbers for {shape}, got shape {a.shape}.")
    return a.reshape(shape, order="F")


def commutation(m: int, n: int) -> Float[np.ndarray, "mn mn"]:
    """K with K vec X = vec(Xᵀ) for every X (m, n): a permutation."""
    places = np.arange(m * n).reshape(m, n, order="F")
    return np.eye(m * n)[vec(places.T).astype(int)]
