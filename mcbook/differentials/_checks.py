"""What the chapter's entry points refuse, and how they say it."""

from typing import Any

import numpy as np

from mcbook._numbers import reals


def colours(X: Any, name: str) -> np.ndarray:
    """Colours (n, 3), n ≥ 1, one to a row, or a ValueError."""
    A = reals(X, name)
    if A.ndim != 2 or A.shape[1] != 3 or not len(A):
        raise ValueError(
            f"{name} expects colours (n, 3), one to a row, got {A.shape}; a picture: picture.reshape(-1, 3)."
        )
    return A


def pair(P: Any, Q: Any) -> tuple[np.ndarray, np.ndarray]:
    """Colours as they came out and as they should be, equally many, enough to set nine knobs by."""
    A, B = colours(P, "P"), colours(Q, "Q")
    if len(A) != len(B):
        raise ValueError(f"P and Q expect the same colours in the same order, got {len(A)} and {len(B)}.")
    if np.linalg.matrix_rank(A) < 3:
        raise ValueError(
            "P expects colours that differ in all three channels, got a matrix of rank below 3: "
            "these patches cannot tell the knobs apart; photograph more colours."
        )
    return A, B


def square(A: Any, name: str) -> np.ndarray:
    """A finite square matrix, or a ValueError."""
    B = reals(A, name)
    if B.ndim != 2 or B.shape[0] != B.shape[1]:
        raise ValueError(f"{name} expects a square matrix, got shape {B.shape}.")
    return B
