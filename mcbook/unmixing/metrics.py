"""How good an unmixing is, when the truth is known, up to what can never be known: order, sign and scale.

Amari      P = W A; 0 if and only if P is a scaled permutation, at most 1
References amari1996
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment


class Match(NamedTuple):
    """estimates[:, order] * scale is the least-squares fit to the references, column by column."""

    order: np.ndarray  # (d,) which estimate belongs to reference i
    scale: np.ndarray  # (d,) signed factor
    correlation: np.ndarray  # (d,) absolute correlation of each matched pair


def amari_distance(W, A) -> float:
    """Amari's distance of P = W A from a scaled permutation: 0 at best, 1 at worst.

    (1 / 2d(d-1)) Σ_i (Σ_j |P_ij| / max_j |P_ij| - 1) + the same over columns.  W, A (d, d), d >= 2.
    Raises ValueError when the product is not square or not finite, d < 2, or a row or column of it vanishes.
    """
    W, A = np.asarray(W, dtype=float), np.asarray(A, dtype=float)
    d = len(W) if W.ndim else 0
    if W.ndim != 2 or d < 2 or A.shape != W.shape[::-1]:
        raise ValueError(
            f"amari_distance expects W A to be square with d >= 2, got W {W.shape} and A {A.shape}."
        )
    P = np.abs(W @ A)
    if not np.isfinite(P).all():
        raise ValueError("amari_distance expects finite W and A, got NaN or infinity.")
    if not (P.max(0).all() and P.max(1).all()):
        raise ValueError("amari_distance expects no zero row or column in W A; W or A is singular.")
    rows = (P / P.max(1, keepdims=True)).sum(1) - 1
    columns = (P / P.max(0, keepdims=True)).sum(0) - 1
    return float((rows.sum() + columns.sum()) / (2 * d * (d - 1)))


def match_sources(estimates: Any, references: Any) -> Match:
    """Pair estimated with true sources by the largest total absolute correlation (Hungarian method).

    estimates (n, k), references (n, d), k >= d.  Raises ValueError for other shapes, NaN or infinities, and
    when a column is constant.
    """
    estimates, references = np.asarray(estimates, dtype=float), np.asarray(references, dtype=float)
    if estimates.ndim != 2 or references.ndim != 2 or len(estimates) != len(references):
        raise ValueError(
            "match_sources expects estimates (n, k) and references (n, d) of the same n samples, "
            f"got {estimates.shape} and {references.shape}."
        )
    if estimates.shape[1] < references.shape[1]:
        raise ValueError("match_sources expects at least as many estimates as references; drop references.")
    if not (np.isfinite(estimates).all() and np.isfinite(references).all()):
        raise ValueError("match_sources expects finite columns, got NaN or infinity; drop those rows.")
    Y, S = estimates - estimates.mean(0), references - references.mean(0)
    y_norm, s_norm = np.linalg.norm(Y, axis=0), np.linalg.norm(S, axis=0)
    if not (y_norm.all() and s_norm.all()):
        raise ValueError("match_sources expects columns that vary; drop the constant ones.")
    corr = (S.T @ Y) / np.outer(s_norm, y_norm)
    rows, order = linear_sum_assignment(-np.abs(corr))
    scale = corr[rows, order] * s_norm / y_norm[order]
    return Match(order, scale, np.abs(corr[rows, order]))
