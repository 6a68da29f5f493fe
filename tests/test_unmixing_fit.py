"""Unmixing as a whole: recovery, equivariance, evidence, efficiency, and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mcbook import unmixing
from mcbook.unmixing.density import JUDGE


def mixture(rng, n=5_000, kinds=("laplace",) * 4):
    draw = {
        "laplace": lambda: rng.laplace(size=n),
        "uniform": lambda: rng.uniform(-1, 1, size=n),
        "gauss": lambda: rng.normal(size=n),
    }
    S = np.stack([draw[k]() for k in kinds], axis=1)
    S /= S.std(0)
    A = rng.normal(size=(len(kinds), len(kinds)))
    return S @ A.T + rng.normal(size=len(kinds)), A, S


def test_recovers_the_sources(rng):
    X, A, S = mixture(rng, kinds=("laplace", "uniform", "laplace", "uniform"))
    result = unmixing.fit(X)
    assert result.converged
    assert not result.ambiguous, result.message
    assert result.gradient_norms[-1] < 1e-6
    assert unmixing.amari_distance(result.W, A) < 0.03
    assert unmixing.match_sources(result.unmix(X), S).correlation.min() > 0.995
    np.testing.assert_allclose(result.mixing @ result.W, np.eye(4), atol=1e-10)


def test_reported_gradient_is_the_true_one_on_all_samples(rng):
    X, _, _ = mixture(rng, n=60_000, kinds=("laplace", "uniform", "laplace"))
    result = unmixing.fit(X)
    density = unmixing.per_source(result.densities)
    R = unmixing.relative_grad(result.unmix(X), density)
    assert np.abs(R).max() < 1e-6
    assert result.gradient_norms[-1] == pytest.approx(np.abs(R).max(), abs=1e-12)
    assert result.losses[-1] == pytest.approx(unmixing.loss(result.W, X - X.mean(0), density), rel=1e-12)


def test_coarse_to_fine_ends_where_the_plain_road_ends(rng):
    X, _, _ = mixture(rng, n=40_000, kinds=("laplace", "uniform", "laplace"))
    coarse, plain = (unmixing.fit(X, coarse_to_fine=c, tol=1e-9).W for c in (True, False))
    assert unmixing.amari_distance(coarse, np.linalg.inv(plain)) < 1e-6


def test_error_falls_with_the_square_root_of_n(rng):
    def error(n):
        return np.mean(
            [unmixing.amari_distance(unmixing.fit(X).W, A) for X, A, _ in (mixture(rng, n) for _ in range(6))]
        )

    rate = np.log(error(1_000) / error(16_000)) / np.log(16)
    assert 0.35 < rate < 0.65


def test_matched_score_attains_the_cramer_rao_bound(rng):
    n, d, seeds = 4_000, 5, 20
    amari = np.mean(
        [
            unmixing.amari_distance(unmixing.fit(X).W, A)
            for X, A, _ in (mixture(rng, n, ("laplace",) * d) for _ in range(seeds))
        ]
    )
    bound = unmixing.expected_amari(unmixing.cramer_rao(stats.laplace()), n)
    assert 0.9 < amari / bound < 1.15


def test_mismatched_score_pays_what_theory_says(rng):
    n, d, seeds = 4_000, 5, 20
    amari = np.mean(
        [
            unmixing.amari_distance(unmixing.fit(X, density="log-cosh").W, A)
            for X, A, _ in (mixture(rng, n, ("laplace",) * d) for _ in range(seeds))
        ]
    )
    predicted = unmixing.expected_amari(unmixing.score_error(unmixing.LOG_COSH, stats.laplace()), n)
    assert 0.9 < amari / predicted < 1.12


def test_threads_do_not_change_the_answer(rng):
    X, _, _ = mixture(rng, n=60_000, kinds=("laplace",) * 3)
    one, two = (unmixing.fit(X, threads=t) for t in (1, 2))
    np.testing.assert_allclose(one.W, two.W, rtol=1e-9, atol=1e-12)


def test_float32_and_integers_are_welcome(rng):
    X, A, _ = mixture(rng)
    assert unmixing.amari_distance(unmixing.fit(X.astype(np.float32)).W, A) < 0.03
    assert unmixing.amari_distance(unmixing.fit((1000 * X).astype(int)).W, A) < 0.03


# The three descents -------------------------------------------------------------------------------


def test_natural_gradient_does_not_see_the_mixing(rng):
    S = rng.laplace(size=(500, 3))
    B = np.array([[2.0, 1.0, 0.0], [0.3, 1.0, 0.2], [0.0, -0.4, 0.7]])
    W = np.eye(3)
    run = {"steps": 20, "tol": 1e-12}
    plain = unmixing.natural_gradient(S, W, unmixing.LOG_COSH, **run)
    mixed = unmixing.natural_gradient(S @ B.T, W @ np.linalg.inv(B), unmixing.LOG_COSH, **run)
    np.testing.assert_allclose(mixed.W @ B, plain.W, atol=1e-10)
    ordinary = [
        unmixing.gradient_descent(T, V, unmixing.LOG_COSH, eta=0.05, **run).W
        for T, V in ((S, W), (S @ B.T, W @ np.linalg.inv(B)))
    ]
    assert np.abs(ordinary[1] @ B - ordinary[0]).max() > 1e-2


def test_all_descents_reach_the_same_optimum(rng):
    X, _, _ = mixture(rng, n=2_000, kinds=("laplace",) * 3)
    whitening = unmixing.whiten(X)
    Z, W = whitening.transform(X), np.eye(3)
    ends = [
        unmixing.gradient_descent(Z, W, unmixing.LOG_COSH, eta=0.3, steps=2000),
        unmixing.natural_gradient(Z, W, unmixing.LOG_COSH, steps=2000),
        unmixing.quasi_newton(Z, W, [unmixing.LOG_COSH] * 3),
    ]
    assert all(end.converged for end in ends)
    assert ends[2].iterations < ends[1].iterations / 3
    for end in ends[:2]:
        assert unmixing.amari_distance(end.W, np.linalg.inv(ends[2].W)) < 1e-4
    assert (np.diff(ends[2].losses) <= 1e-12).all()


@pytest.mark.parametrize("method", ["natural-gradient", "gradient"])
def test_fit_takes_the_simpler_methods(method, rng):
    X, A, _ = mixture(rng, n=2_000, kinds=("laplace",) * 2)
    result = unmixing.fit(X, method=method, max_iter=3000, tol=1e-5)
    assert result.converged
    assert unmixing.amari_distance(result.W, A) < 0.1


def test_stopping_early_is_reported(rng):
    X, _, _ = mixture(rng)
    result = unmixing.fit(X, max_iter=1, tol=1e-14)
    assert not result.converged
    assert "NOT converged" in result.message
    assert len(result.losses) == result.iterations + 1 == 2


# Adaptivity and honesty ---------------------------------------------------------------------------


def test_uniform_sources_need_another_density(rng):
    X, A, _ = mixture(rng, kinds=("uniform",) * 3)
    adaptive, stubborn = unmixing.fit(X), unmixing.fit(X, density="smoothed-laplace")
    assert unmixing.amari_distance(adaptive.W, A) < 0.02
    assert {p.name for p in adaptive.densities} == {"quartic"}
    assert unmixing.amari_distance(stubborn.W, A) > 0.1


def test_choose_densities_tells_the_kinds_apart(rng):
    _, _, S = mixture(rng, kinds=("laplace", "uniform", "gauss"))
    choice = unmixing.choose_densities(5 * S)
    assert [p.name for p in choice.densities[:2]] == ["smoothed-laplace(0.1)", "quartic"]
    assert choice.looks_gaussian.tolist() == [False, False, True]


def test_two_gaussians_are_reported_one_is_fine(rng):
    X, _, S = mixture(rng, n=20_000, kinds=("laplace", "gauss", "uniform", "gauss"))
    result = unmixing.fit(X)
    order = unmixing.match_sources(result.unmix(X), S).order
    pair = tuple(sorted((int(order[1]), int(order[3]))))
    assert result.ambiguous == (pair,)
    assert "Gaussian" in result.message
    X, _, _ = mixture(rng, n=20_000, kinds=("laplace", "gauss", "uniform"))
    assert unmixing.fit(X).ambiguous == ()


def test_evidence_is_asked_of_all_samples_only_where_a_part_leaves_doubt(rng):
    n = 64_000  # enough for two coarser levels
    S, A = rng.laplace(size=(n, 3)), rng.normal(size=(3, 3))
    clear = unmixing.fit(S @ A.T)
    doubtful = unmixing.fit(np.column_stack([S[:, 0], rng.normal(size=(n, 2))]) @ A.T)
    noise = unmixing.gaussian_noise(JUDGE)
    assert clear.ambiguous == ()
    assert clear.gaussian_noise[0] == pytest.approx(noise / np.sqrt(n / 8), rel=1e-12)
    assert len(doubtful.ambiguous) == 1
    assert doubtful.gaussian_noise.min() <= noise / np.sqrt(n) * (1 + 1e-12)


def test_other_channels_than_those_of_the_fit_are_refused(rng):
    run = unmixing.fit(rng.laplace(size=(500, 3)))
    for X in (np.ones((10, 2)), np.ones((3, 10)), np.ones(3)):
        with pytest.raises(ValueError, match=r"unmix expects X \(n, 3\)"):
            run.unmix(X)
    for X in ([[1.0, np.nan], [0.0, 1.0], [2.0, 0.0]], [1.0, 2.0]):
        with pytest.raises(ValueError, match="whiten expects finite samples"):
            unmixing.whiten(X)


def test_a_step_too_long_ends_as_data(rng):
    X = rng.laplace(size=(200, 2))
    for descend in (unmixing.gradient_descent, unmixing.natural_gradient):
        run = descend(X, np.eye(2), unmixing.QUARTIC, eta=50.0, steps=200)
        assert not run.converged
        assert run.gradient_norms[-1] == np.inf
        assert len(run.losses) == len(run.gradient_norms) == run.iterations + 1


@pytest.mark.parametrize("density", [unmixing.smoothed_laplace(0.5), unmixing.QUARTIC], ids=lambda p: p.name)
def test_noise_of_the_stability_of_a_gaussian(density, rng):
    values = unmixing.stability(rng.normal(size=(2_000, 1_000)), density)
    assert np.sqrt(2_000) * values.std() == pytest.approx(unmixing.gaussian_noise(density), rel=0.1)
    assert abs(values.mean()) < 0.1 * values.std()


@pytest.mark.parametrize("d", [2, 4, 8])
def test_pure_gaussians_never_pass_for_sources(d, rng):
    result = unmixing.fit(rng.normal(size=(4_000, d)))
    assert len(result.ambiguous) == d * (d - 1) // 2, result.message


# Whitening, metrics, bounds -----------------------------------------------------------------------


def test_whitening_law(rng):
    X, _, _ = mixture(rng)
    X = X * np.array([1e-6, 1.0, 1e4, 1e9])
    Z = unmixing.whiten(X).transform(X)
    np.testing.assert_allclose(Z.T @ Z / len(Z), np.eye(4), atol=1e-9)
    np.testing.assert_allclose(Z.mean(0), 0, atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.permutations(range(4)))
def test_amari_ignores_order_sign_and_scale(seed, order):
    rng = np.random.default_rng(seed)
    W, A = rng.normal(size=(2, 4, 4))
    D = np.diag(rng.choice([-1, 1], 4) * rng.uniform(0.5, 2, 4))
    assert unmixing.amari_distance((D @ W)[list(order)], A) == pytest.approx(
        unmixing.amari_distance(D @ W, A), rel=1e-9
    )
    assert unmixing.amari_distance((D @ np.linalg.inv(A))[list(order)], A) == pytest.approx(0, abs=1e-9)
    assert 0 <= unmixing.amari_distance(W, A) <= 1


def test_amari_is_one_at_worst():
    assert unmixing.amari_distance(np.ones((3, 3)), np.eye(3)) == pytest.approx(1)
    with pytest.raises(ValueError, match="square"):
        unmixing.amari_distance(np.ones((3, 2)), np.eye(2))
    with pytest.raises(ValueError, match="zero row"):
        unmixing.amari_distance(np.diag([1.0, 0.0]), np.eye(2))


def test_match_sources_finds_order_and_scale(rng):
    S = rng.laplace(size=(200, 3))
    found = unmixing.match_sources(S[:, [2, 0, 1]] * np.array([-2.0, 0.5, 3.0]), S)
    assert found.order.tolist() == [1, 2, 0]
    np.testing.assert_allclose(found.scale, [2, 1 / 3, -0.5])


def test_bounds_known_by_hand():
    assert unmixing.fisher_information(stats.norm()) == pytest.approx(1, rel=1e-6)
    assert unmixing.fisher_information(stats.laplace(scale=3)) == pytest.approx(2, rel=1e-5)
    assert unmixing.fisher_information(stats.logistic()) == pytest.approx(np.pi**2 / 9, rel=1e-6)
    assert unmixing.cramer_rao(stats.laplace()) == pytest.approx(2 / 3, rel=1e-5)
    with pytest.raises(ValueError, match="no such bound"):
        unmixing.cramer_rao(stats.uniform(-1, 2))
    with pytest.raises(ValueError, match="Gaussian"):
        unmixing.cramer_rao(stats.norm())


def test_no_score_beats_the_bound_and_the_own_score_attains_it():
    sech = stats.hypsecant()
    assert unmixing.score_error(unmixing.LOG_COSH, sech) == pytest.approx(unmixing.cramer_rao(sech), rel=1e-5)
    assert unmixing.score_error(unmixing.LAPLACE, sech) > unmixing.cramer_rao(sech)
    errors = [
        unmixing.score_error(unmixing.smoothed_laplace(eps), stats.laplace()) for eps in (0.3, 0.1, 0.03)
    ]
    assert errors[0] > errors[1] > errors[2] > 2 / 3
    with pytest.raises(ValueError, match="cannot separate"):
        unmixing.score_error(unmixing.LOG_COSH, stats.uniform(-1, 2))


# Refusals -----------------------------------------------------------------------------------------


def spoil(X, value):
    X = X.copy()
    X[7, 1] = value
    return X


BAD = {
    "vector": (lambda X: X[:, 0], "1 dimension"),
    "transposed": (lambda X: X.T, "pass X.T"),
    "as many samples as channels": (lambda X: X[:3], "more samples than channels"),
    "empty": (lambda X: X[:0], "more samples than channels"),
    "complex": (lambda X: X + 0j, "dtype complex128"),
    "strings": (lambda X: X.astype(str), "real numbers"),
    "nan": (lambda X: spoil(X, np.nan), "channel 1 holds 1 NaN or infinite value.*row 7"),
    "infinite": (lambda X: spoil(X, np.inf), "channel 1 holds 1 NaN or infinite"),
    "huge": (lambda X: X * 1e200, "overflows"),
    "constant": (lambda X: X * [1, 0, 1] + 0.1, r"channel\(s\) \[1\] are constant"),
    "duplicated channel": (lambda X: X[:, [0, 1, 1]], "channels 1 and 2 are copies"),
    "duplicated source": (
        lambda X: X[:, [0, 1]] @ np.array([[1.0, 2, 3], [1, -1, 1]]),
        "3 channels have rank 2",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_remedy(case, rng):
    make, says = BAD[case]
    with pytest.raises(ValueError, match=says):
        unmixing.fit(make(rng.laplace(size=(100, 3))))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"density": "gauss"}, "density must be"),
        ({"method": "newton"}, "method in"),
        ({"tol": 0.0}, "tol > 0"),
        ({"eta": -1.0}, "eta > 0"),
        ({"W_init": np.ones((3, 3))}, "invertible"),
        ({"W_init": np.eye(2)}, r"\(3, 3\)"),
    ],
)
def test_bad_options_are_refused(options, says, rng):
    with pytest.raises(ValueError, match=says):
        unmixing.fit(rng.laplace(size=(100, 3)), **options)


def test_smoothed_laplace_refuses_a_sharp_corner():
    with pytest.raises(ValueError, match="eps > 0"):
        unmixing.smoothed_laplace(0.0)


def test_extreme_units_and_correlations_are_unmixed_all_the_same(rng):
    X, A, _ = mixture(rng, n=40_000, kinds=("laplace", "uniform", "laplace"))
    B = np.diag([1e-20, 1.0, 1e20])
    scaled = unmixing.fit(X @ B)
    assert scaled.converged
    assert unmixing.amari_distance(scaled.W, B @ A) < 0.02
    near = np.ones((3, 3)) + 1e-4 * rng.normal(size=(3, 3))
    assert unmixing.amari_distance(unmixing.fit(X @ near.T).W, near @ A) < 0.02


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda L: unmixing.whiten(L[:0]), "finite samples"),
        (lambda L: unmixing.choose_densities(spoil(L, np.nan)), "finite sources"),
        (lambda L: unmixing.choose_densities(L * [1, 0, 1]), "vary"),
        (lambda L: unmixing.per_source([]), "none"),
        (lambda L: unmixing.per_source([unmixing.LAPLACE] * 2).score(L), "column per density"),
        (lambda L: unmixing.quasi_newton(L, np.eye(3), [unmixing.LAPLACE]), "one per source"),
        (lambda L: unmixing.gradient_descent(L, np.eye(3), unmixing.LAPLACE, eta=0.0), "eta > 0"),
        (lambda L: unmixing.natural_gradient(L, np.eye(3), unmixing.LAPLACE, steps=-1), "steps >= 0"),
        (lambda L: unmixing.amari_distance(np.full((2, 2), np.nan), np.eye(2)), "finite"),
        (lambda L: unmixing.amari_distance(np.eye(3), np.eye(2)), "square"),
        (lambda L: unmixing.match_sources(L[:, :2], L), "at least as many"),
        (lambda L: unmixing.match_sources(L[:9], L), "same n"),
        (lambda L: unmixing.match_sources(spoil(L, np.inf), L), "finite"),
        (lambda L: unmixing.smoothed_laplace(np.inf), "eps > 0"),
        (lambda L: unmixing.sdr_sir(L + 1j, L), "complex"),
        (lambda L: unmixing.separate_room(L * 1e170, 16_000, window=8), "rescale"),
        (lambda L: unmixing.natural_gradient_iva(unmixing.stft(L, window=8), eta=np.nan), "eta > 0"),
    ],
)
def test_the_parts_refuse_bad_input_too(call, says, rng):
    with pytest.raises(ValueError, match=says):
        call(rng.laplace(size=(100, 3)))


def test_one_channel_and_barely_enough_samples(rng):
    one = unmixing.fit(rng.laplace(size=(500, 1)))
    assert one.converged
    assert one.ambiguous == ()
    few = unmixing.fit(rng.laplace(size=(5, 3)))
    assert len(few.ambiguous) == 3  # nothing can be told apart, and it says so


def test_an_offset_a_memory_order_or_a_lock_do_not_matter(rng):
    X, _, _ = mixture(rng, kinds=("laplace", "uniform", "laplace"))
    locked = np.asfortranarray(X)
    locked.flags.writeable = False
    plain = unmixing.fit(X).W
    for same in (X + 1e8, locked, X.tolist()):
        assert unmixing.amari_distance(unmixing.fit(same).W, np.linalg.inv(plain)) < 1e-4


def test_scores_do_not_see_the_units(rng):
    S = rng.laplace(size=(300, 2))
    E = S @ np.array([[1.0, 0.1], [0.2, 1.0]])
    units = np.array([1e-170, 1e9])
    np.testing.assert_allclose(
        unmixing.sdr_sir(S * units, E).sir_db, unmixing.sdr_sir(S, E).sir_db, rtol=1e-9
    )
