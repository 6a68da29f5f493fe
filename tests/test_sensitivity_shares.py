"""Shares of blocks and their intervals; the randomisation check."""

import jax
import numpy as np
import pytest
from scipy import stats

from mcbook import sensitivity as se


def attributions(rng, n=400):
    """Two blocks whose sums have standard deviations 1 and 2, the first with noise that cancels within it."""
    phi = rng.normal(size=(n, 2)) * [1.0, 2.0]
    noise = rng.normal(size=(n, 6))
    noise -= noise.mean(axis=1, keepdims=True)
    return {"a": phi[:, :1] / 6 + noise, "b": phi[:, 1:]}, phi


def test_definitions_of_a_share(rng):
    A, phi = attributions(rng)
    net = se.block_shares(A, kind="net", rng=rng, repeats=10).share
    np.testing.assert_allclose(net, np.abs(phi).mean(0) / np.abs(phi).mean(0).sum(), atol=1e-13)
    variance = se.block_shares(A, kind="variance", rng=rng, repeats=10).share
    C = np.cov(phi.T)
    np.testing.assert_allclose(variance, C.sum(0) / C.sum(), atol=1e-12)
    absolute = se.block_shares(A, kind="absolute", rng=rng, repeats=10).share
    assert absolute[0] > net[0] + 0.2, "noise that cancels within a block counts in the sum of sizes"
    for share in (net, variance, absolute):
        assert share.sum() == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(se.block_totals(A), phi, atol=1e-13)


def test_shares_do_not_change_with_the_answers_units(rng):
    A, _ = attributions(rng)
    for kind in ("net", "variance", "absolute"):
        a, b = (
            se.block_shares(
                {k: c * v for k, v in A.items()}, kind=kind, rng=np.random.default_rng(0), repeats=50
            )
            for c in (1.0, -7.5)
        )
        np.testing.assert_allclose(a.share, b.share, atol=1e-13)
        np.testing.assert_allclose(a.low, b.low, atol=1e-13)


def test_the_interval_covers_as_often_as_it_says():
    """True share of the net kind 1/3; 95 % intervals over 300 data sets of 60 samples."""
    hits = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        phi = rng.normal(size=(60, 2)) * [1.0, 2.0]
        found = se.block_shares({"a": phi[:, :1], "b": phi[:, 1:]}, kind="net", rng=rng, repeats=300)
        hits += found.low[0] <= 1 / 3 <= found.high[0]
    assert 0.90 <= hits / 300 <= 0.985


def test_copies_of_a_sample_do_not_make_it_surer(rng):
    A, _ = attributions(rng, 80)
    copied = {name: np.repeat(a, 5, axis=0) for name, a in A.items()}
    alone = se.block_shares(A, rng=np.random.default_rng(1))
    grouped = se.block_shares(copied, groups=np.repeat(np.arange(80), 5), rng=np.random.default_rng(1))
    naive = se.block_shares(copied, rng=np.random.default_rng(1))
    np.testing.assert_allclose(grouped.low, alone.low, atol=1e-12)
    assert (naive.high - naive.low)[0] < 0.6 * (grouped.high - grouped.low)[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"A": np.ones((4, 2))}, "split"),
        ({"kind": "median"}, "absolute, net, variance"),
        ({"groups": np.zeros(4)}, "2 groups or more"),
        ({"groups": np.zeros(3)}, r"groups must be \(4,\)"),
        ({"A": {"a": np.zeros((4, 1)), "b": np.zeros((4, 1))}}, "share of nothing"),
        ({"A": {"a": np.full((4, 1), np.nan)}}, "NaN"),
    ],
)
def test_bad_input_is_named_with_its_remedy(change, said, rng):
    A = {"a": rng.normal(size=(4, 2)), "b": rng.normal(size=(4, 1))}
    settings = {"A": A, "rng": rng} | change
    with pytest.raises(ValueError, match=said):
        se.block_shares(settings.pop("A"), **settings)


def test_similarity_is_spearmans(rng):
    A, B = rng.normal(size=(5, 9)), rng.normal(size=(5, 9))
    expected = [stats.spearmanr(np.abs(a), np.abs(b))[0] for a, b in zip(A, B, strict=True)]
    np.testing.assert_allclose(se.similarity(A, B), expected, atol=1e-14)
    np.testing.assert_allclose(se.similarity(A, -3 * A), 1, atol=1e-14)
    assert np.isnan(se.similarity(A, np.ones_like(A))).all()
    with pytest.raises(ValueError, match="alike"):
        se.similarity(A, B[:, :8])


def test_shuffled_weights_keep_their_values_and_forget_what_was_learnt(rng):
    params = se.init_network(rng, {"a": 30}, hidden=(16, 8))
    sparse = params._replace(first={"a": np.where(np.arange(30) < 3, params.first["a"] * 5, 0)})
    X = {"a": rng.normal(size=(50, 30))}
    shuffled = se.randomise(sparse, rng=rng)
    for old, new in zip(jax.tree.leaves(sparse), jax.tree.leaves(shuffled), strict=True):
        np.testing.assert_array_equal(np.sort(np.ravel(old)), np.sort(np.ravel(new)))
    G = [se.gradients(se.as_model(p), X) for p in (sparse, shuffled)]
    assert np.nanmean(se.similarity(*G)) < 0.3
    top = se.randomise(sparse, rng=rng, fields=("v",))
    np.testing.assert_array_equal(top.W2, sparse.W2)
    assert np.nanmean(se.similarity(G[0], se.gradients(se.as_model(top), X))) > 0.8, "the first layer decides"
    with pytest.raises(ValueError, match="no field 'V'"):
        se.randomise(sparse, rng=rng, fields=("V",))
