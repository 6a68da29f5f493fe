"""How good is a classifier, and is it better than another: folds without leaks, errors by class, two tests.

Problem    accuracy on windows never seen, and whether a difference is more than the luck of the folds
Folds      copies of a sequence share a fold (a group); each fold has each class in its share
Tests      the same folds for both sides. Training sets of k-fold cross-validation overlap, so differences d_j
           of J = repeats times k folds depend on each other; the correction widens their variance:
             t = d̄ / sqrt((1/J + n_test/n_train) s²),   J - 1 degrees of freedom
           McNemar: of the windows that one side alone gets right, is either side's half?  (exact, binomial)
References nadeau2003 (correction), bouckaert2004 (repeated folds), mcnemar1947
Symbols    n windows, k classes, p (n, k) probabilities or scores, J differences
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.model_selection import StratifiedGroupKFold


class Fold(NamedTuple):
    """Rows to train on, to stop and to choose settings by, and to judge by; no sequence is in two of them."""

    train: Int[np.ndarray, " a"]
    validation: Int[np.ndarray, " b"]
    test: Int[np.ndarray, " c"]


class Curve(NamedTuple):
    """Precision against recall for one class against the rest, and the area under it (average precision)."""

    precision: Float[np.ndarray, " m"]
    recall: Float[np.ndarray, " m"]
    average: float


class CorrectedT(NamedTuple):
    """Mean difference with its interval, Nadeau and Bengio's t and two-sided p."""

    mean: float
    low: float
    high: float
    t: float
    p: float


class McNemar(NamedTuple):
    """Windows that only the first, or only the second, gets right; exact two-sided p."""

    first_only: int
    second_only: int
    p: float


def groups_of(sequences: Sequence[Any]) -> Int[np.ndarray, " n"]:
    """One number per distinct sequence: copies share theirs."""
    return np.unique(np.asarray(sequences), return_inverse=True)[1].ravel()


def grouped_folds(y: Any, groups: Any, *, folds: int = 10, seed: int = 0) -> list[Fold]:
    """Folds by class and group; of each training part one more such fold is set aside for validation.

    With groups = np.arange(len(y)) copies fall where they may: the leak.

    Raises
    ------
    ValueError : y and groups of unequal length; fewer groups than folds, or folds < 2.
    """
    y, groups = np.asarray(y), np.asarray(groups)
    if y.ndim != 1 or y.shape != groups.shape:
        raise ValueError(
            f"grouped_folds expects one class and one group per row, got {y.shape}, {groups.shape}."
        )
    if not 2 <= folds <= len(np.unique(groups)):
        raise ValueError(
            f"grouped_folds expects 2 ≤ folds ≤ {len(np.unique(groups))}, the number of groups; got {folds}."
        )
    found = []
    for rows, test in StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(y, y, groups):
        inner = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        train, validation = next(inner.split(y[rows], y[rows], groups[rows]))
        found.append(Fold(rows[train], rows[validation], test))
    return found


def leaked(fold: Fold, groups: Any) -> float:
    """Share of the test rows of which a copy stands among the rows to train on or to choose by."""
    groups = np.asarray(groups)
    return float(np.isin(groups[fold.test], groups[np.concatenate([fold.train, fold.validation])]).mean())


def accuracy(y: Any, p: Any) -> float:
    """Share of the rows whose class has the highest score.  Raises ValueError."""
    y, p = _scored(y, p)
    return float((p.argmax(axis=1) == y).mean())


def confusion(y: Any, p: Any) -> Int[np.ndarray, "k k"]:
    """Counts: rows are true classes, columns the classes said.  Raises ValueError."""
    y, p = _scored(y, p)
    counts = np.zeros((p.shape[1], p.shape[1]), int)
    np.add.at(counts, (y, p.argmax(axis=1)), 1)
    return counts


def class_errors(y: Any, p: Any) -> Float[np.ndarray, " k"]:
    """Share of each true class that is called something else (NaN for a class without rows)."""
    counts = confusion(y, p)
    with np.errstate(invalid="ignore"):
        return 1 - np.diag(counts) / counts.sum(axis=1)


def precision_recall(y: Any, p: Any, c: int) -> Curve:
    """Of class c against the rest, by its score.  Raises ValueError, also if c is absent or alone."""
    y, p = _scored(y, p)
    if not 0 <= c < p.shape[1] or len(np.unique(y == c)) < 2:
        raise ValueError(
            f"precision_recall expects a class in 0..{p.shape[1] - 1} with rows in and out of it: {c}."
        )
    precision, recall, _ = precision_recall_curve(y == c, p[:, c])
    return Curve(precision, recall, float(average_precision_score(y == c, p[:, c])))


def corrected_t(differences: Any, *, test_share: int | float, level: float = 0.95) -> CorrectedT:
    """Nadeau and Bengio's test on paired differences, one per fold and repeat.

    Parameters
    ----------
    test_share : n_test / n_train, 1/9 for ten folds.

    Raises
    ------
    ValueError : fewer than two differences, or one not finite; test_share ≤ 0. (Equal differences have no
        variance: then t is 0 or infinite.)
    """
    d = np.asarray(differences, dtype=float).ravel()
    if len(d) < 2 or not np.isfinite(d).all() or not test_share > 0:
        raise ValueError(
            f"corrected_t expects two or more finite differences and test_share > 0, got {d}, {test_share}."
        )
    J, mean = len(d), float(d.mean())
    error = float(np.sqrt((1 / J + test_share) * d.var(ddof=1)))
    reach = float(stats.t.ppf((1 + level) / 2, J - 1)) * error
    t = mean / error if error else float(np.sign(mean) * np.inf if mean else 0.0)
    return CorrectedT(mean, mean - reach, mean + reach, t, float(2 * stats.t.sf(abs(t), J - 1)))


def mcnemar(first_right: Any, second_right: Any) -> McNemar:
    """Exact test on the rows where exactly one of two classifiers is right.  Raises ValueError."""
    a, b = np.asarray(first_right), np.asarray(second_right)
    if a.shape != b.shape or a.ndim != 1 or a.dtype != bool or b.dtype != bool:
        raise ValueError(
            f"mcnemar expects two boolean arrays (n,), right or wrong per row; got {a.shape}, {b.shape}."
        )
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return McNemar(only_a, only_b, float(p))


def _scored(y: Any, p: Any) -> tuple[np.ndarray, np.ndarray]:
    """y (n,) and p (n, k) that fit.  Raises ValueError."""
    y, p = np.asarray(y), np.asarray(p)
    if p.ndim != 2 or y.shape != p.shape[:1] or not len(y) or y.dtype.kind not in "iu" or np.isnan(p).any():
        raise ValueError(
            f"expected classes y (n,), integers, and scores p (n, k) without NaN; got {y.shape}, {p.shape}."
        )
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise ValueError(
            f"y must lie in 0..{p.shape[1] - 1}, as p has {p.shape[1]} columns; got up to {y.max()}."
        )
    return y, p
