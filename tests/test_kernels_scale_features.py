"""Random features, inducing points and streamed ridge: means, orders, exactness, sums, refusals."""

import numpy as np
import pytest

from mcbook import kernels

RADIAL = ["gaussian", "matern12", "matern32", "matern52"]


def points(rng, n=40, d=3):
    return rng.uniform(-1, 1, (n, d))


def curve(rng, n=300, d=3):
    X = points(rng, n, d)
    return X, np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=n)


def estimate(rng, X, m, **options):
    Phi = kernels.draw_fourier(X.shape[1], m, rng=rng, **options)(X)
    return Phi @ Phi.T


# Random Fourier features --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "orthogonal"),
    [*((k, o) for k in RADIAL for o in (False, True)), ("laplacian", False)],
)
def test_features_are_unbiased(kernel, orthogonal, rng):
    """Over 800 draws the mean is the kernel to within 4.5 standard errors, for unequal widths."""
    X, sigma = points(rng, 8), [0.5, 1.0, 2.0]
    K = kernels.kernel_matrix(X, kernel=kernel, sigma=sigma)
    draws = np.array(
        [
            estimate(rng, X, 12, kernel=kernel, sigma=sigma, orthogonal=orthogonal)[np.tril_indices(8, -1)]
            for _ in range(800)
        ]
    )
    gap = (draws.mean(0) - K[np.tril_indices(8, -1)]) / (draws.std(0) / np.sqrt(len(draws)))
    assert np.abs(gap).max() < 4.5


def test_a_wrong_width_is_noticed(rng):
    """The test above would fail for a width 10 % off."""
    X = points(rng, 8)
    K = kernels.kernel_matrix(X, sigma=1.1)
    draws = np.array([estimate(rng, X, 12, sigma=1.0)[np.tril_indices(8, -1)] for _ in range(800)])
    gap = (draws.mean(0) - K[np.tril_indices(8, -1)]) / (draws.std(0) / np.sqrt(len(draws)))
    assert np.abs(gap).max() > 4.5


def test_error_falls_with_the_square_root_of_m(rng):
    X = points(rng)
    K = kernels.kernel_matrix(X, sigma=0.7)

    def error(m):
        return np.mean([np.abs(estimate(rng, X, m, sigma=0.7) - K).mean() for _ in range(20)])

    rate = np.log(error(32) / error(2048)) / np.log(64)
    assert 0.42 < rate < 0.58


def test_right_angles_spread_less(rng):
    X = points(rng, 20, 8)
    K = kernels.kernel_matrix(X, sigma=2.0)
    spread = {
        o: np.mean([(estimate(rng, X, 64, sigma=2.0, orthogonal=o) - K) ** 2 for _ in range(60)])
        for o in (False, True)
    }
    assert spread[True] < 0.8 * spread[False]


def test_norm_is_one_and_the_variance_is_that_of_a_cosine(rng):
    X = points(rng)
    Phi = kernels.draw_fourier(3, 50, sigma=0.7, rng=rng)(X)
    np.testing.assert_allclose((Phi**2).sum(1), 1, atol=1e-12)
    # var cos(ωδ) = (1 - k²)²/2 for the Gaussian, over m/2 frequencies
    x = np.array([[0.0, 0, 0], [0.5, 0.3, 0.2]])
    k = kernels.kernel_matrix(x, sigma=0.7)[0, 1]
    draws = [estimate(rng, x, 10, sigma=0.7)[0, 1] for _ in range(3000)]
    assert np.var(draws) == pytest.approx((1 - k**2) ** 2 / 2 / 5, rel=0.1)


# Inducing points ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [*RADIAL, "laplacian"])
def test_all_points_give_back_the_kernel_matrix_and_the_exact_fit(kernel, rng):
    X, y = curve(rng, 60)
    basis = kernels.nystroem_basis(X, kernel=kernel, sigma=0.4)
    assert basis.dropped == 0
    Phi = basis(X)
    np.testing.assert_allclose(Phi @ Phi.T, kernels.kernel_matrix(X, kernel=kernel, sigma=0.4), atol=1e-10)
    model = kernels.fit_streamed(basis, X, y, lam=0.05, rows=17)
    exact = kernels.fit(X, y, kernel=kernel, sigma=0.4, lam=0.05, P=np.ones((60, 1)))
    new = points(rng)
    np.testing.assert_allclose(
        kernels.predict_streamed(model, new, rows=7),
        kernels.predict(exact, new, P=np.ones((40, 1))),
        atol=1e-9,
    )
    assert model.c[0] == pytest.approx(exact.beta[0], abs=1e-9)


def test_what_stays_open_is_a_positive_schur_complement(rng):
    X = points(rng, 80)
    K = kernels.kernel_matrix(X, sigma=0.8)
    Phi = kernels.nystroem_basis(X[:15], sigma=0.8)(X)
    S = K - Phi @ Phi.T
    np.testing.assert_allclose(S[:15], 0, atol=1e-9)
    np.testing.assert_allclose(
        S[15:, 15:], K[15:, 15:] - K[15:, :15] @ np.linalg.solve(K[:15, :15], K[:15, 15:]), atol=1e-8
    )
    assert np.linalg.eigvalsh(S).min() > -1e-9


def test_redundant_points_are_dropped_and_counted(rng):
    X = points(rng, 20)
    basis = kernels.nystroem_basis(np.concatenate([X, X[:5]]), sigma=0.5)
    assert basis.dropped == 5
    assert basis.m == 20
    wide = kernels.nystroem_basis(points(rng, 60, 1), sigma=20.0)  # nearly a polynomial of low degree
    assert wide.m < 10
    assert np.isfinite(wide(X[:, :1])).all()


def test_pivoted_cholesky_chooses_what_is_least_explained(rng):
    X = points(rng, 50)
    K = kernels.kernel_matrix(X, sigma=0.8)
    run = kernels.pivoted_cholesky(X, 12, sigma=0.8)
    for j in range(12):
        P = run.pivots[:j]
        left = np.diagonal(K - K[:, P] @ np.linalg.solve(K[np.ix_(P, P)], K[P])) if j else np.ones(50)
        assert left[run.pivots[j]] == pytest.approx(left.max(), abs=1e-8)
        assert run.open[j] == pytest.approx(left.mean(), abs=1e-8)
    np.testing.assert_allclose((run.F @ run.F.T)[run.pivots], K[run.pivots], atol=1e-10)
    full = kernels.pivoted_cholesky(X, 50, sigma=0.8, tol=1e-14)
    np.testing.assert_allclose(full.F @ full.F.T, K, atol=1e-7)


def test_pivoted_cholesky_stops_at_duplicates(rng):
    X = np.repeat(points(rng, 6), 3, axis=0)
    run = kernels.pivoted_cholesky(X, 18, sigma=0.5)
    assert len(run.pivots) == 6
    assert len(np.unique(X[run.pivots], axis=0)) == 6


def test_greedy_points_leave_less_open_than_random_ones(rng):
    """At the point that is served worst, and on clustered data on the average too."""
    X = np.concatenate([0.1 * rng.normal(size=(360, 2)), 2 * rng.normal(size=(40, 2))])

    def left(method):
        Z = kernels.choose_inducing(X, 30, sigma=0.7, rng=rng, method=method, candidates=400)
        open_ = 1 - (kernels.nystroem_basis(Z, sigma=0.7)(X) ** 2).sum(1)
        return np.array([open_.mean(), open_.max()])

    assert (left("greedy") < 0.5 * np.mean([left("uniform") for _ in range(5)], axis=0)).all()


# Sums ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
def test_streamed_ridge_is_ridge(threads, rng):
    X = points(rng, 205)
    Y = rng.normal(size=(205, 2))
    basis = kernels.draw_fourier(3, 20, sigma=1.0, rng=rng)
    F = np.concatenate([basis(X), np.ones((205, 1))], axis=1)
    D = np.diag([1.0] * 20 + [0.0])
    w = np.linalg.solve(F.T @ F + 0.3 * D, F.T @ Y)
    model = kernels.fit_streamed(basis, X, Y, lam=0.3, rows=20, threads=threads)
    np.testing.assert_allclose(np.vstack([model.w, model.c]), w, atol=1e-10)
    np.testing.assert_allclose(model.training_mse, ((F @ w - Y) ** 2).mean(0), rtol=1e-10)
    np.testing.assert_allclose(kernels.predict_streamed(model, X, rows=50), F @ w, atol=1e-10)
    # the constant is not penalised: targets may move, and the weights do not
    moved = kernels.fit_streamed(basis, X, Y + 1000.0, lam=0.3)
    np.testing.assert_allclose(moved.w, model.w, atol=1e-7)
    np.testing.assert_allclose(moved.c, model.c + 1000.0, rtol=1e-10)


def test_a_generator_of_blocks_will_do_and_lam_is_chosen_from_sums(rng):
    X, y = curve(rng, 600)
    basis = kernels.nystroem_basis(X[:80], sigma=0.6)
    train = kernels.add_up(basis, ((X[i : i + 37], y[i : i + 37]) for i in range(0, 400, 37)))
    held = kernels.add_up(basis, kernels.stream_rows(X[437:], y[437:], rows=50))
    assert train.n == 407
    lams = np.logspace(-6, 2, 9)
    errors = []
    for lam in lams:
        model = kernels.fit_streamed(basis, X[:407], y[:407], lam=lam)
        errors.append(((kernels.predict_streamed(model, X[437:]) - y[437:]) ** 2).mean())
    assert kernels.choose_lam(train, held, lams) == lams[np.argmin(errors)]


def test_a_memory_mapped_file_is_walked_in_blocks(rng, tmp_path):
    X, y = curve(rng)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    basis = kernels.nystroem_basis(X[:20], sigma=0.6)
    a, b = (kernels.fit_streamed(basis, data, y, lam=0.1, rows=64) for data in (X, mapped))
    np.testing.assert_array_equal(a.w, b.w)


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda X, y, rng: kernels.draw_fourier(3, 7, sigma=1.0, rng=rng), "even m"),
        (lambda X, y, rng: kernels.draw_fourier(0, 8, sigma=1.0, rng=rng), "d ≥ 1"),
        (lambda X, y, rng: kernels.draw_fourier(3, 8, sigma=0.0, rng=rng), "positive"),
        (lambda X, y, rng: kernels.draw_fourier(3, 8, sigma=[1.0, 2.0], rng=rng), "width per feature"),
        (
            lambda X, y, rng: kernels.draw_fourier(
                3, 8, kernel="laplacian", sigma=1.0, rng=rng, orthogonal=True
            ),
            "orthogonal=False",
        ),
        (
            lambda X, y, rng: kernels.draw_fourier(
                3, 8, kernel=kernels.GAUSSIAN._replace(name="mine"), sigma=1.0, rng=rng
            ),
            "knows no frequencies of 'mine'",
        ),
        (lambda X, y, rng: kernels.draw_fourier(2, 8, sigma=1.0, rng=rng)(X), "2 features"),
        (lambda X, y, rng: kernels.nystroem_basis(X[:0], sigma=1.0), "at least 1"),
        (lambda X, y, rng: kernels.nystroem_basis(X * np.nan, sigma=1.0), "NaN"),
        (lambda X, y, rng: kernels.nystroem_basis(X[:5], sigma=1.0)(X[:, :2]), "3 features"),
        (lambda X, y, rng: kernels.pivoted_cholesky(X, 41, sigma=1.0), "m ≤ n"),
        (lambda X, y, rng: kernels.choose_inducing(X, 41, sigma=1.0, rng=rng), "m ≤ n"),
        (lambda X, y, rng: kernels.choose_inducing(X, 0, sigma=1.0, rng=rng), "1 ≤ m"),
        (lambda X, y, rng: kernels.choose_inducing(X, 9, sigma=1.0, rng=rng, candidates=5), "candidates"),
        (lambda X, y, rng: kernels.choose_inducing(X, 9, sigma=1.0, rng=rng, method="best"), "'uniform'"),
        (lambda X, y, rng: kernels.add_up(kernels.nystroem_basis(X, sigma=0.3), []), "stream was empty"),
        (
            lambda X, y, rng: kernels.fit_streamed(kernels.nystroem_basis(X, sigma=0.3), X, y, lam=0.0),
            "lam must be positive",
        ),
        (
            lambda X, y, rng: kernels.fit_streamed(kernels.nystroem_basis(X, sigma=0.3), X, y[:9], lam=1.0),
            "a y for every row",
        ),
        (
            lambda X, y, rng: kernels.fit_streamed(
                kernels.nystroem_basis(X, sigma=0.3), X, y * np.nan, lam=1.0
            ),
            "NaN",
        ),
        (
            lambda X, y, rng: kernels.fit_streamed(
                kernels.nystroem_basis(X, sigma=0.3), X, y, lam=1.0, threads=0
            ),
            "threads ≥ 1",
        ),
    ],
)
def test_bad_input_is_refused(call, says, rng):
    with pytest.raises(ValueError, match=says):
        call(points(rng), rng.normal(size=40), rng)


def test_float32_features_cost_digits_and_say_so_when_lam_is_too_small(rng):
    X, y = curve(rng)
    full, half = (
        kernels.draw_fourier(3, 400, sigma=3.0, rng=np.random.default_rng(1), dtype=t)
        for t in (np.float64, np.float32)
    )
    assert half(X).dtype == np.float32
    np.testing.assert_allclose(half(X), full(X), atol=1e-6)
    a, b = (kernels.predict_streamed(kernels.fit_streamed(f, X, y, lam=0.1), X) for f in (full, half))
    np.testing.assert_allclose(a, b, atol=1e-3)
    with pytest.raises(ValueError, match="drowns in the rounding"):
        kernels.fit_streamed(half, X, y, lam=1e-12)
