"""Leave-one-out and cross-validation in closed form: no refitting.

Problem    the residual y_i - f₋ᵢ(x_i) of a fit that never saw sample i, for every i; or for whole folds F
Solution   r_i = alpha_i / B_ii,   r_F = (B_FF)⁻¹ alpha_F
           B = C⁻¹ - C⁻¹P(PᵀC⁻¹P)⁻¹PᵀC⁻¹ takes y to alpha; without the unpenalised block B = C⁻¹
Why        striking row and column F out of the saddle system [C P; Pᵀ 0] is a Schur complement of it
References wahba1990, rasmussen2006 (section 5.4), sundararajan2001
Symbols    as in `solve`; r (n,) residuals, F a fold's indices

All of it comes from one factorisation and one inverse, both in the same buffer.
"""

from typing import Any, NamedTuple

import numpy as np

from mcbook.kernels._checks import block, gram, ridge, survives, targets
from mcbook.kernels._factor import coefficients, factorise, inverse


class LeaveOneOut(NamedTuple):
    """Residuals y_i - prediction without i, the predictions, and the root of their mean square."""

    residuals: np.ndarray  # (n,) or (n, k)
    predictions: np.ndarray
    rmse: float


def leave_one_out(K: Any, y: Any, *, lam: Any, P: Any = None, overwrite: bool = False) -> LeaveOneOut:
    """The n leave-one-out residuals alpha_i / B_ii, exact with the unpenalised block.

    K (n, n), y (n,) or (n, k), P (n, q).  `overwrite` spends K's memory (then no other n x n array is made).
    Raises ValueError as `solve` does, and when leaving a sample out would leave P without full rank.
    """
    alpha, B, y = weights_and_inverse(K, y, lam=lam, P=P, overwrite=overwrite)
    survives(P, np.arange(len(B)))
    residuals = (alpha.T / np.diagonal(B)).T
    return LeaveOneOut(residuals, y - residuals, float(np.sqrt(np.mean(residuals**2))))


def cross_validate(K: Any, y: Any, *, lam: Any, folds: Any, P: Any = None) -> LeaveOneOut:
    """The residuals of cross-validation, (B_FF)⁻¹ alpha_F for every fold F, from one fit of all samples.

    folds (n,): the label of each sample's fold; every fold must leave something to learn from.
    Raises ValueError as `solve` does, for labels that do not fit, and when leaving a fold out would leave P
    without full rank.
    """
    alpha, B, y = weights_and_inverse(K, y, lam=lam, P=P)
    folds = np.asarray(folds)
    if folds.shape != (len(B),) or len(np.unique(folds)) < 2:
        raise ValueError(f"folds must be ({len(B)},) labels of two folds or more; got shape {folds.shape}.")
    survives(P, folds)
    residuals = np.empty_like(y)
    for label in np.unique(folds):
        F = np.flatnonzero(folds == label)
        residuals[F] = np.linalg.solve(B[np.ix_(F, F)], alpha[F])
    return LeaveOneOut(residuals, y - residuals, float(np.sqrt(np.mean(residuals**2))))


def weights_and_inverse(
    K: Any, y: Any, *, lam: Any, P: Any = None, overwrite: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """alpha, B (n, n) and y: one Cholesky factorisation and one inverse, in one buffer."""
    K, lam = gram(K), ridge(lam)
    y, P = targets(y, len(K)), block(P, len(K))
    C = np.ascontiguousarray(K) if overwrite else np.array(K, order="C")
    C[np.diag_indices_from(C)] += lam
    factor = factorise(C, P)
    alpha, _ = coefficients(factor, y)
    return alpha, inverse(factor), y
