"""Alignments, features of mutants, and the real protein."""

import numpy as np
import pytest
from scipy import stats

from mcbook import data
from mcbook import sensitivity as se
from mcbook.sensitivity import features


def alignment(rng, N=30, L=12):
    A = rng.integers(0, 20, (N, L))
    A[N // 2 :] = A[0]
    A[N // 2 :, :2] = rng.integers(0, 21, (N - N // 2, 2))
    return A


def test_letters_become_codes_and_gaps_are_apart():
    assert se.encode_protein("ACDEFGHIKLMNPQRSTVWY").tolist() == list(range(20))
    A = se.encode_alignment(["AC-Y", "ac.x", "WBzA"])
    assert A.tolist() == [[0, 1, 20, 19], [0, 1, 20, 20], [18, 20, 20, 0]]
    np.testing.assert_array_equal(se.one_hot(A)[1, 2:], 0)
    np.testing.assert_array_equal(se.one_hot(A).argmax(axis=2)[0, :2], [0, 1])


def test_weights_are_one_over_the_number_of_near_copies(rng):
    A = alignment(rng)
    near = (A[:, None] == A[None]).mean(axis=2) >= 0.8
    np.testing.assert_allclose(se.sequence_weights(A), 1 / near.sum(axis=1), rtol=1e-15)
    thrice = np.repeat(A[:14], 3, axis=0)
    np.testing.assert_allclose(se.sequence_weights(thrice)[::3] * 3, se.sequence_weights(A[:14]), rtol=1e-14)


def test_copies_do_not_change_what_the_relatives_say(rng):
    A = alignment(rng)[:14]
    more = np.concatenate([A, A[:1], A[:1], A[:1]])
    f, g = (se.frequencies(B, se.sequence_weights(B)) for B in (A, more))
    np.testing.assert_allclose(f, g, atol=1e-14)
    assert np.abs(se.frequencies(A) - se.frequencies(more)).max() > 0.05


def test_frequencies_entropy_and_gaps(rng):
    A = alignment(rng)
    w = rng.uniform(size=len(A))
    f = se.frequencies(A, w, pseudocount=0.7)
    i, a = 1, 4
    counted = w[A[:, i] == a].sum() + 0.7 / 20
    assert f[i, a] == pytest.approx(counted / (w[A[:, i] < 20].sum() + 0.7), rel=1e-13)
    np.testing.assert_allclose(f.sum(axis=1), 1, atol=1e-13)
    np.testing.assert_allclose(se.entropy(f), stats.entropy(f, axis=1), atol=1e-13)
    np.testing.assert_allclose(se.gap_fraction(A, w), w @ (A == 20) / w.sum(), atol=1e-14)
    assert se.entropy(np.eye(20)[:2]).tolist() == [0, 0]
    b, c = np.array([3, 5]), np.array([7, 7])
    odds = se.log_odds(f, np.array([1, 2]), b, c)
    np.testing.assert_allclose(odds, [np.log(f[1, 7] / f[1, 3]), np.log(f[2, 7] / f[2, 5])], atol=1e-14)
    np.testing.assert_allclose(se.log_odds(f, np.array([1, 2]), c, b), -odds, atol=1e-14)


def test_close_relatives_count_for_more(rng):
    A = alignment(rng)
    w = np.ones(len(A))
    np.testing.assert_allclose(se.kin_weights(A, A[0], w, beta=0.0), w)
    kin = se.kin_weights(A, A[0], w, beta=6.0)
    assert kin[0] == pytest.approx(1)
    np.testing.assert_allclose(kin, np.exp(6 * (se.identity_to(A, A[0]) - 1)), rtol=1e-13)
    assert kin[1:15].max() < kin[15:].min()


WILD = "ACDEFGHIKLMN"


def mutants(rng, n=9):
    i = rng.integers(0, 12, n)
    return i, tuple(next(x for x in rng.permutation(list("ACDWY")) if x != WILD[k]) for k in i)


def test_features_come_from_their_own_block_alone(rng):
    A = np.concatenate([se.encode_alignment([WILD]), alignment(rng)])
    i, letters = mutants(rng)
    first = se.mutant_features(WILD, i, letters, A, np.ones(len(A)))
    other = se.mutant_features(WILD, i, letters, A[:20], np.ones(20))
    np.testing.assert_array_equal(first.X["PS"], other.X["PS"])
    assert np.abs(first.X["MSA"] - other.X["MSA"]).max() > 0.1
    for name in ("PS", "MSA"):
        assert first.X[name].shape == (9, len(first.names[name]))
        assert np.isfinite(first.X[name]).all()
    column = first.names["MSA"].index("log odds")
    a = se.encode_protein(WILD)[i]
    f = se.frequencies(A, np.ones(len(A)))
    np.testing.assert_allclose(
        first.X["MSA"][:, column], se.log_odds(f, i, a, se.encode_protein("".join(letters))), atol=1e-14
    )


def test_sequence_features_name_what_they_hold(rng):
    A = se.encode_alignment([WILD, WILD])
    found = se.mutant_features(WILD, np.array([2]), ("W",), A, np.ones(2))
    value = dict(zip(found.names["PS"], found.X["PS"][0], strict=True))
    assert [k for k in value if k.startswith("wild type") and value[k]] == ["wild type D"]
    assert [k for k in value if k.startswith("mutant") and value[k]] == ["mutant W"]
    volume = features.STANDARD[:, features.PROPERTIES.index("volume")]
    assert value["volume change"] == pytest.approx(volume[18] - volume[2])
    assert value["volume at +1"] == pytest.approx(volume[3])
    assert value["volume at -3"] == pytest.approx(volume[:12][se.encode_protein(WILD)].mean())


def test_the_table_of_properties_has_its_order_right():
    value = {
        name: dict(zip(se.LETTERS, column, strict=True))
        for name, column in zip(features.PROPERTIES, features.TABLE.T, strict=True)
    }
    hydropathy, volume = value["hydropathy"], value["volume"]
    assert sorted(hydropathy, key=hydropathy.__getitem__)[0] == "R"
    assert "".join(sorted(hydropathy, key=hydropathy.__getitem__)[-3:]) == "LVI"
    assert sorted(volume, key=volume.__getitem__)[:2] == ["G", "A"]
    assert sorted(volume, key=volume.__getitem__)[-1] == "W"
    assert {x for x, q in value["charge"].items() if q == 1} == {"K", "R"}
    assert {x for x, q in value["charge"].items() if q == -1} == {"D", "E"}
    assert max(value["helix"], key=value["helix"].__getitem__) == "P"


def test_scaling_is_learnt_from_the_training_samples(rng):
    X = {"a": rng.normal(3, 2, size=(50, 4))}
    X["a"][:, 2] = 7.0
    Z = se.scaled(X, se.standardise(X))["a"]
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=0), [1, 1, 0, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: se.encode_protein("ACB"), "position 3 of the sequence is 'B'"),
        (lambda: se.encode_protein("AC-"), "no gaps"),
        (lambda: se.encode_protein("AC1"), "'1' in column 3"),
        (lambda: se.encode_alignment([]), "empty"),
        (lambda: se.encode_alignment(["ACD", "AC"]), "row 0 has 3 columns, row 1 has 2"),
        (lambda: se.encode_alignment(["ACD", "A?D"]), r"row 1 of the alignment has '\?' in column 2"),
        (lambda: se.sequence_weights(np.zeros((2, 3))), "codes"),
        (lambda: se.sequence_weights(np.zeros((2, 3), int), identity=0.0), "identity"),
        (lambda: se.frequencies(np.zeros((2, 3), int), np.ones(3)), "2 weights"),
        (lambda: se.frequencies(np.zeros((2, 3), int), pseudocount=0.0), "-inf"),
        (lambda: features_of([12], "Y"), r"0\.\.11"),
        (lambda: features_of([1], "Y", columns=11), "12 columns"),
    ],
)
def test_bad_input_is_named_with_its_remedy(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def features_of(positions, letters, columns=12):
    A = se.encode_alignment([WILD[:columns]] * 3)
    return se.mutant_features(WILD, np.array(positions), tuple(letters), A, np.ones(3))


# The real protein


@pytest.mark.data("blat")
def test_blat_is_what_its_docstring_says():
    blat = data.blat(fetch=False)
    assert len(blat.mutants) == len(blat.positions) == len(blat.letters) == len(blat.log_fitness) == 4807
    assert len(blat.alignment) == len(blat.names) == 8403
    assert {len(row) for row in blat.alignment} == {263}
    assert blat.names[0] == "BLAT_ECOLX/24-286"
    assert all(blat.wild_type[i] == code[0] for i, code in zip(blat.positions, blat.mutants, strict=True))
    assert len(set(blat.positions.tolist())) == 253
    assert blat.log_fitness.min() == pytest.approx(-3.743, abs=5e-4)
    assert blat.log_fitness.max() == pytest.approx(0.356, abs=5e-4)


@pytest.mark.data("blat")
def test_blats_site_independent_log_odds_reach_the_known_rank_correlation():
    blat = data.blat(fetch=False)
    A = se.encode_alignment(blat.alignment)
    present, mutant = A[0][blat.positions], se.encode_protein("".join(blat.letters))
    f = se.frequencies(A, pseudocount=10.0)  # half a count for each of the 20 letters
    rank = stats.spearmanr(se.log_odds(f, blat.positions, present, mutant), blat.log_fitness)[0]
    assert rank == pytest.approx(0.600, abs=1e-3)
