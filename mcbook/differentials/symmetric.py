"""Gradients by a symmetric matrix: the free one, the symmetric one, and the derivatives by entries.

For f(S) with df = ⟨G, dS⟩ for free steps, and symmetric steps dS:
    the symmetric gradient     sym(G) = (G + Gᵀ)/2: the only symmetric matrix with df = ⟨·, dS⟩
    derivatives by entries     sᵢⱼ, i ≥ j, moved together with sⱼᵢ: G + Gᵀ - diag(G), which is not a gradient
                               for ⟨A, B⟩ = tr(AᵀB): the pairing that makes it one counts each pair once
Reference  srinivasan2023
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from mcbook.differentials._checks import square

Array = Any


def sym(A: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """(A + Aᵀ)/2."""
    return (A + A.T) / 2


def entry_derivatives(G: Any) -> Float[np.ndarray, "d d"]:
    """G + Gᵀ - diag(G) from the free gradient: at (i, j) the derivative by sᵢⱼ, with sⱼᵢ moving along.

    Raises ValueError for what is no square matrix.
    """
    A = square(G, "G")
    return A + A.T - np.diag(np.diag(A))


def symmetric_of(E: Any) -> Float[np.ndarray, "d d"]:
    """The symmetric gradient from the derivatives by entries: halve what is off the diagonal.

    Raises ValueError for a matrix that is not symmetric, as derivatives by entries must be.
    """
    A = square(E, "E")
    if not np.allclose(A, A.T, rtol=1e-12, atol=0):
        raise ValueError(
            "derivatives by the entries of a symmetric matrix are symmetric; this matrix is not."
        )
    return (A + np.diag(np.diag(A))) / 2
