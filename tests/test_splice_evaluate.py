"""Folds that keep copies together, errors by class, and two tests against what is known of them."""

import numpy as np
import pytest
from scipy import stats

from mcbook import data
from mcbook.splice import evaluate
from mcbook.splice.evaluate import (
    accuracy,
    class_errors,
    confusion,
    corrected_t,
    grouped_folds,
    groups_of,
    leaked,
    mcnemar,
    precision_recall,
)


def copies(rng, n=300):
    """Classes and groups of rows of which a third are copies."""
    sequences = [f"s{i}" for i in rng.integers(2 * n // 3, size=n)]
    return rng.integers(3, size=n), groups_of(sequences)


def test_copies_share_a_group():
    assert groups_of(["AC", "GT", "AC", "A"]).tolist() == [1, 2, 1, 0]


def test_folds_cover_once_and_never_share_a_sequence(rng):
    y, groups = copies(rng)
    folds = grouped_folds(y, groups, seed=3)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(y)))
    for fold in folds:
        parts = [set(groups[rows]) for rows in fold]
        assert sum(map(len, parts)) == len(set.union(*parts)), "no sequence is in two parts"
        assert sum(map(len, fold)) == len(y)
        assert leaked(fold, groups) == 0
        assert np.abs(np.bincount(y[fold.test], minlength=3) - np.bincount(y) / 10).max() < 6


def test_folds_that_ignore_copies_leak(rng):
    """The planted error: rows as their own groups put copies on both sides."""
    y, groups = copies(rng)
    assert np.mean([leaked(fold, groups) for fold in grouped_folds(y, np.arange(len(y)))]) > 0.3


def test_the_seed_decides(rng):
    y, groups = copies(rng)
    one, two, other = (grouped_folds(y, groups, seed=seed)[0].test.tolist() for seed in (1, 1, 2))
    assert one == two != other


def test_counts_by_hand():
    y, p = np.array([0, 0, 1, 2]), np.eye(3)[[0, 1, 1, 0]]
    assert accuracy(y, p) == 0.5
    assert confusion(y, p).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert class_errors(y, p).tolist() == [0.5, 0.0, 1.0]
    curve = precision_recall(
        y, np.array([[0.9, 0], [0.2, 0], [0.5, 0], [0.1, 0], [0.0, 0]])[:4] @ np.eye(2, 3), 0
    )
    assert curve.average == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_the_corrected_t_widens_the_usual_one(rng):
    """Without correction it is the paired t-test; with it t shrinks by the ratio of the two variances."""
    d = rng.normal(0.01, 0.02, size=30)
    usual = stats.ttest_1samp(d, 0)
    plain, corrected = corrected_t(d, test_share=1e-12), corrected_t(d, test_share=1 / 9)
    assert plain.t == pytest.approx(usual.statistic)
    assert plain.p == pytest.approx(usual.pvalue)
    interval = usual.confidence_interval()
    assert (plain.low, plain.high) == pytest.approx((interval.low, interval.high))
    assert corrected.t == pytest.approx(plain.t * np.sqrt((1 / 30) / (1 / 30 + 1 / 9)))
    assert corrected.low < plain.low < corrected.mean < plain.high < corrected.high
    assert (corrected.low > 0) == (corrected.p < 0.05)


def test_the_correction_keeps_its_level_where_the_usual_test_does_not(rng):
    """Differences of mean 0, correlated as the correction assumes: ρ = n_test / (n_test + n_train)."""
    J, rho, runs = 10, 0.1, 2000
    d = np.sqrt(rho) * rng.normal(size=(runs, 1)) + np.sqrt(1 - rho) * rng.normal(size=(runs, J))
    corrected = np.mean([corrected_t(row, test_share=rho / (1 - rho)).p < 0.05 for row in d])
    usual = np.mean(stats.ttest_1samp(d, 0, axis=1).pvalue < 0.05)
    assert abs(corrected - 0.05) < 0.02 < usual - 0.05


def test_equal_differences():
    assert corrected_t([0.0, 0.0], test_share=0.1) == (0, 0, 0, 0, 1)
    assert corrected_t([0.1, 0.1], test_share=0.1).p == 0


def test_mcnemar_by_hand():
    a = np.array([True] * 6 + [False] * 5)
    b = np.array([False] * 5 + [True] * 2 + [False] * 4)
    assert mcnemar(a, b) == (5, 1, pytest.approx(2 * 7 / 64))
    assert mcnemar(b, a)[:2] == (1, 5)
    assert mcnemar(a, a).p == 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: grouped_folds([0, 1], [0, 1, 2]), "one class and one group per row"),
        (lambda: grouped_folds([0, 1, 0], [0, 0, 0]), "2 ≤ folds ≤ 1"),
        (lambda: accuracy(np.zeros(3, int), np.zeros((2, 3))), "scores p"),
        (lambda: accuracy(np.zeros(0, int), np.zeros((0, 3))), "scores p"),
        (lambda: accuracy(np.array([0.0]), np.zeros((1, 3))), "integers"),
        (lambda: accuracy(np.array([0]), np.full((1, 3), np.nan)), "without NaN"),
        (lambda: confusion(np.array([3]), np.zeros((1, 3))), r"0\.\.2"),
        (lambda: precision_recall(np.array([0, 0]), np.zeros((2, 3)), 0), "in and out of it"),
        (lambda: precision_recall(np.array([0, 1]), np.zeros((2, 3)), 3), r"0\.\.2"),
        (lambda: corrected_t([0.1], test_share=0.1), "two or more"),
        (lambda: corrected_t([0.1, np.nan], test_share=0.1), "finite"),
        (lambda: corrected_t([0.1, 0.2], test_share=0), "test_share > 0"),
        (lambda: mcnemar(np.array([True]), np.array([0])), "boolean"),
        (lambda: mcnemar(np.array([True]), np.array([True, False])), "boolean"),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.data("splice")
def test_the_uci_set_has_copies_that_plain_folds_leak():
    J = data.splice_junctions(fetch=False)
    y, groups = np.array([["EI", "IE", "N"].index(c) for c in J.labels]), groups_of(J.sequences)
    assert all(leaked(fold, groups) == 0 for fold in grouped_folds(y, groups))
    share = np.mean([leaked(fold, groups) for fold in evaluate.grouped_folds(y, np.arange(len(y)))])
    assert 0.08 < share < 0.11
