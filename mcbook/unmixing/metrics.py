"""How good an unmixing is, when the truth is known, up to what can never be known: order, sign and scale.

Amari      P = W A; 0 if and only if P is a scaled permutation, at most 1
References amari1996
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment


class Match(NamedTuple):
    """estimates[:, order] * scale is the least-squares fit to the references, column by column."""

    order: np.ndarray  # (d,) which estimate belongs to reference i
    scale: np.ndarray  # (d,) signed factor
    correlation: np.ndarray  # (d,) absolute correlation of each matched pair


def amari_distance(W, A) -> float:
    """Amari's distance of P = W A from a scaled permutation: 0 at best, 1 at worst.

    (1 / 2d(d-1)) Σ_i (Σ_j |P_ij| / max_j |P_ij| - 1) + the same over columns.  W, A (d, d), d >= 2.
    Raises ValueError when the product is not square, d < 2, or a row or column of it vanishes.
    """
    P = np.abs(np.asarray(W) @ np.asarray(A))
    d = len(P)
    if P.shape != (d, d) or d < 2:
        raise ValueError(f"amari_distance expects W A to be square with d >= 2, got {P.shape}.")
    if not (P.max(0).all() and P.max(1).all()):
        raise ValueError("amari_distance expects no zero row or column in W A; W or A is singular.")
    rows = (P / P.max(1, keepdims=True)).sum(1) - 1
    columns = (P / P.max(0, keepdims=True)).sum(0) - 1
    return float((rows.sum() + columns.sum()) / (2 * d * (d - 1)))


def match_sources(estimates: Float[np.ndarray, "n k"], references: Float[np.ndarray, "n d"]) -> Match:
    """Pair estimated with true sources by the largest total absolute correlation (Hungarian method).

    Both (n, d), k >= d.  Raises ValueError when a column is constant.
    """
    Y, S = estimates - estimates.mean(0), references - references.mean(0)
    y_norm, s_norm = np.linalg.norm(Y, axis=0), np.linalg.norm(S, axis=0)
    if not (y_norm.all() and s_norm.all()):
        raise ValueError("match_sources expects columns that vary; drop the constant ones.")
    corr = (S.T @ Y) / np.outer(s_norm, y_norm)
    rows, order = linear_sum_assignment(-np.abs(corr))
    scale = corr[rows, order] * s_norm / y_norm[order]
    return Match(order, scale, np.abs(corr[rows, order]))
