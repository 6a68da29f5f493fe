"""Going downhill: derivatives, the theory of quadratics against real walks, orders, invariances, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import calculus
from mcbook import downhill as dh

SCALE = dh.Scale(-1.0, 3.0)


def line_problem(rng, n=40, d=4):
    X = rng.normal(size=(n, d))
    return X, X @ rng.normal(size=d) + rng.normal(size=n)


def quadratic(h, rng, d=None):
    """H with eigenvalues h in directions drawn at random, its gradient about a random bottom."""
    d = len(h)
    Q = np.linalg.qr(rng.normal(size=(d, d)))[0]
    H, bottom = Q @ np.diag(h) @ Q.T, rng.normal(size=d)
    return (H + H.T) / 2, bottom, lambda w: H @ (w - bottom)


# --- derivatives -------------------------------------------------------------------------------------------


def jax_fit(w, X, y):
    return jnp.mean((SCALE.low + (SCALE.high - SCALE.low) * jax.nn.sigmoid(X @ w) - y) ** 2) / 2


GRADS = {
    "line": (dh.loss, dh.grad_loss_w, dh.loss),
    "saturating": (
        lambda w, X, y: dh.fit_loss(w, X, y, SCALE),
        lambda w, X, y: dh.grad_fit_w(w, X, y, SCALE),
        jax_fit,
    ),
}


@pytest.mark.parametrize("name", GRADS)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_jax_s_and_agree_with_differences(name, seed):
    f, grad, same = GRADS[name]
    rng = np.random.default_rng(seed)
    X, y = line_problem(rng)
    w = rng.normal(size=4)
    calculus.check_grad(
        lambda v: f(v, X, y), grad(w, X, y), w, reference=lambda v: jax.grad(same)(v, X, y), rng=rng
    )


@pytest.mark.parametrize("name", GRADS)
@pytest.mark.parametrize(
    "wrong", [lambda G: -G, lambda G: 2 * G, lambda G: 1.001 * G, lambda G: 40 * G, lambda G: G[::-1]]
)
def test_planted_errors_fail(name, wrong, rng):
    f, grad, _ = GRADS[name]
    X, y = line_problem(rng)
    w = rng.normal(size=4)
    with pytest.raises(AssertionError):
        calculus.check_grad(lambda v: f(v, X, y), wrong(np.asarray(grad(w, X, y))), w, rng=rng)


def test_hessians_are_jax_s(rng):
    X, y = line_problem(rng)
    w = rng.normal(size=4)
    np.testing.assert_allclose(dh.hess_loss_w(X), jax.hessian(dh.loss)(w, X, y), atol=1e-12)
    np.testing.assert_allclose(
        dh.hess_fit_w(w, X, y, SCALE), jax.hessian(jax_fit)(w, X, y), rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(
        dh.jac_residual_w(w, X, SCALE),
        jax.jacobian(lambda v: SCALE.low + (SCALE.high - SCALE.low) * jax.nn.sigmoid(X @ v))(w),
        rtol=1e-11,
        atol=1e-13,
    )


def test_the_half_that_gauss_and_newton_keep_is_the_whole_where_nothing_is_left_over(rng):
    X, _ = line_problem(rng)
    w = rng.normal(size=4)
    exact = dh.forecast(w, X, SCALE)
    np.testing.assert_allclose(dh.hess_fit_w(w, X, exact, SCALE), dh.half_hess_fit_w(w, X, SCALE), atol=1e-14)
    other = dh.hess_fit_w(w, X, exact + 1.0, SCALE)
    assert abs(other - dh.half_hess_fit_w(w, X, SCALE)).max() > 1e-2


def test_the_half_is_never_indefinite_and_the_whole_is(rng):
    X, y = line_problem(rng)
    far = 4 * rng.normal(size=(20, 4))
    assert min(dh.curvatures(dh.half_hess_fit_w(w, X, SCALE))[0] for w in far) > 0
    assert min(dh.curvatures(dh.hess_fit_w(w, X, y, SCALE))[0] for w in far) < -1e-3


def test_the_solution_is_where_the_gradient_vanishes(rng):
    X, y = line_problem(rng)
    w = dh.solution(X, y)
    assert np.linalg.norm(dh.grad_loss_w(w, X, y)) < 1e-13
    assert dh.loss(w, X, y) < dh.loss(w + 1e-3 * rng.normal(size=4), X, y)


def test_standardised_columns_tell_the_same_story_on_another_scale(rng):
    X, y = line_problem(rng)
    X = X * [1.0, 100.0, 1e-3, 7.0] + [0.0, 50.0, 3.0, -2.0]
    scaled = dh.standardise(X)
    np.testing.assert_allclose(scaled.columns.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.columns.std(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(scaled.like(X[:5]), scaled.columns[:5], atol=1e-12)
    raw, new = dh.with_ones(X), dh.with_ones(scaled.columns)
    np.testing.assert_allclose(raw @ dh.solution(raw, y), new @ dh.solution(new, y), atol=1e-8)
    assert np.linalg.cond(dh.hess_loss_w(raw)) > 1e6 * np.linalg.cond(dh.hess_loss_w(new))


# --- rates: what theory says and what a walk does --------------------------------------------------------


def measured(path, bottom, last=60):
    """The factor per step of the error, from the last steps above rounding."""
    error = np.linalg.norm(path.points - bottom, axis=1)
    error = error[error > 1e-10 * error[0]]
    return (error[-1] / error[-1 - last]) ** (1 / last)


@pytest.mark.parametrize("c", [3.0, 50.0, 400.0])
@pytest.mark.parametrize("seed", range(2))
def test_the_rate_of_descent_is_the_predicted_one(c, seed):
    rng = np.random.default_rng(seed)
    h = np.geomspace(1, c, 5)
    _, bottom, grad = quadratic(h, rng)
    found = dh.best_step(1, c)
    path = dh.descend(grad, np.zeros(5), eta=found.eta, steps=int(20 / -np.log(found.rate)))
    last = min(60, max(8, int(2 / -np.log(found.rate))))
    assert measured(path, bottom, last) == pytest.approx(found.rate, rel=1e-3)
    assert dh.contraction(h, found.eta) == pytest.approx(found.rate, rel=1e-12)


@pytest.mark.parametrize("c", [10.0, 100.0, 1000.0])
def test_the_rate_with_momentum_is_the_predicted_one_up_to_a_double_root(c, rng):
    """At the best momentum two eigenvalues meet, and a factor k comes with rate^k: the k-th root hides it."""
    h = np.geomspace(1, c, 5)
    _, bottom, grad = quadratic(h, rng)
    best = dh.best_momentum(1, c)
    path = dh.with_momentum(grad, np.zeros(5), eta=best.eta, beta=best.beta, steps=4000)
    error = np.linalg.norm(path.points - bottom, axis=1)
    k = np.flatnonzero(error > 1e-9 * error[0])[-1]
    assert (error[k] / error[0] / k) ** (1 / k) == pytest.approx(best.rate, rel=0.02)
    assert dh.contraction(h, best.eta, best.beta) == pytest.approx(best.rate, rel=1e-6)


def test_no_other_setting_contracts_faster():
    h = np.array([1.0, 7.0, 30.0])
    step, ball = dh.best_step(1, 30), dh.best_momentum(1, 30)
    for eta in step.eta * np.linspace(0.5, 1.4, 37):
        assert dh.contraction(h, eta) >= step.rate - 1e-12
    for eta in ball.eta * np.linspace(0.5, 1.4, 19):
        for beta in np.linspace(0, 0.95, 20):
            assert dh.contraction(h, eta, beta) >= ball.rate - 1e-12
    assert ball.rate < step.rate


def test_two_over_the_largest_curvature_is_the_border(rng):
    h = np.array([1.0, 4.0, 9.0])
    _, bottom, grad = quadratic(h, rng)
    inside = dh.descend(grad, np.zeros(3), eta=0.999 * 2 / 9, steps=20_000)
    outside = dh.descend(grad, np.zeros(3), eta=1.001 * 2 / 9, steps=2000)
    assert np.linalg.norm(inside.end - bottom) < 1e-6
    assert np.linalg.norm(outside.points[-1] - bottom) > 3 * np.linalg.norm(bottom)
    assert not outside.converged


def test_overflow_is_data_and_the_last_finite_point_is_kept(rng):
    _, _, grad = quadratic(np.array([1.0, 100.0]), rng)
    path = dh.descend(grad, np.ones(2), eta=1.0, steps=10_000)
    assert not path.converged
    assert np.isfinite(path.points).all()
    assert len(path.points) < 10_000


def test_the_iteration_matrix_is_what_a_step_does(rng):
    h, eta, beta = 3.0, 0.2, 0.6
    path = dh.with_momentum(lambda w: h * w, [1.0], eta=eta, beta=beta, steps=3)
    e = path.points[:, 0]
    for k in (1, 2):
        np.testing.assert_allclose(
            dh.iteration_matrix(h, eta, beta) @ [e[k], e[k - 1]], [e[k + 1], e[k]], atol=1e-14
        )


def test_momentum_zero_is_descent_and_nesterov_differs_by_the_look_ahead(rng):
    _, _, grad = quadratic(np.array([1.0, 5.0]), rng)
    plain = dh.descend(grad, np.ones(2), eta=0.1, steps=30)
    ball = dh.with_momentum(grad, np.ones(2), eta=0.1, beta=0.0, steps=30)
    np.testing.assert_array_equal(plain.points, ball.points)
    ahead = dh.accelerated(grad, np.ones(2), eta=0.1, beta=0.5, steps=30)
    w, v = np.ones(2), np.zeros(2)
    for k in range(30):
        v = 0.5 * v - 0.1 * grad(w + 0.5 * v)
        w = w + v
        np.testing.assert_allclose(ahead.points[k + 1], w, atol=1e-14)


def test_acceleration_pays_on_a_long_valley(rng):
    h = np.geomspace(1, 1000, 6)
    _, bottom, grad = quadratic(h, rng)
    step, ball = dh.best_step(1, 1000), dh.best_momentum(1, 1000)
    beta = (np.sqrt(1000) - 1) / (np.sqrt(1000) + 1)
    ends = {
        "plain": dh.descend(grad, np.zeros(6), eta=step.eta, steps=300),
        "ball": dh.with_momentum(grad, np.zeros(6), eta=ball.eta, beta=ball.beta, steps=300),
        "ahead": dh.accelerated(grad, np.zeros(6), eta=1 / 1000, beta=beta, steps=300),
    }
    off = {name: np.linalg.norm(path.end - bottom) for name, path in ends.items()}
    assert off["ball"] < 1e-3 * off["plain"]
    assert off["ahead"] < 1e-2 * off["plain"]


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.999])
def test_steps_to_a_factor(rate):
    k = dh.steps_to(rate, 1e-3)
    assert rate**k == pytest.approx(1e-3, rel=1e-9)
    assert dh.steps_to(1.0, 0.1) == np.inf


# --- invariances and orders ------------------------------------------------------------------------------


def saturating_problem(rng, n=60, d=3, noise=0.1):
    X = rng.normal(size=(n, d))
    truth = rng.normal(size=d)
    y = dh.forecast(truth, X, SCALE) + noise * rng.normal(size=n)
    return X, y, truth


def test_descent_turns_with_the_axes_and_newton_does_not_care_about_any_of_them(rng):
    X, y, truth = saturating_problem(rng)
    w, Q, A = truth + 0.1, np.linalg.qr(rng.normal(size=(3, 3)))[0], rng.normal(size=(3, 3)) + 2 * np.eye(3)

    def paths(T):  # the samples seen in other coordinates, w = T v
        v, Z = np.linalg.solve(T, w), X @ T
        slope = lambda v: dh.grad_fit_w(v, Z, y, SCALE)  # noqa: E731
        bent = lambda v: dh.hess_fit_w(v, Z, y, SCALE)  # noqa: E731
        plain = dh.descend(slope, v, eta=0.3, steps=5).points @ T.T
        return plain, dh.newton(slope, bent, v, steps=3, tol=0.0).points @ T.T

    plain, newton = paths(np.eye(3))
    np.testing.assert_allclose(paths(Q)[0], plain, atol=1e-12)  # a rotation: steepest is steepest
    np.testing.assert_allclose(paths(A)[1], newton, atol=1e-9)  # any coordinates
    assert abs(paths(A)[0] - plain).max() > 1e-2  # descent does care


def test_newton_doubles_the_digits_and_gauss_newton_does_where_nothing_is_left_over(rng):
    X, y, truth = saturating_problem(rng, noise=0.5)
    path = dh.newton(
        lambda w: dh.grad_fit_w(w, X, y, SCALE), lambda w: dh.hess_fit_w(w, X, y, SCALE), truth + 0.05
    )
    e = np.linalg.norm(path.points - path.end, axis=1)
    e = e[(e > 1e-8) & (e < 0.2)]
    assert path.converged
    assert (np.log(e[1:]) / np.log(e[:-1]) > 1.6).all()
    exact = dh.forecast(truth, X, SCALE)
    rates = {}
    for name, data in (("noisy", y), ("exact", exact)):
        found = dh.gauss_newton(
            lambda w, data=data: dh.residual(w, X, data, SCALE),
            lambda w: dh.jac_residual_w(w, X, SCALE),
            truth + 0.05,
        )
        e = np.linalg.norm(found.points - found.end, axis=1)
        rates[name] = e[2] / e[1]
        assert found.converged
    assert rates["exact"] < 0.02 < rates["noisy"] < 0.5  # linear with noise


def test_newton_on_a_quadratic_takes_one_step(rng):
    H, bottom, grad = quadratic(np.geomspace(1, 1e4, 5), rng)
    path = dh.newton(grad, lambda w: H, np.zeros(5), tol=1e-6)
    assert len(path.points) == 2
    np.testing.assert_allclose(path.end, bottom, atol=1e-9)


def test_newton_walks_to_a_saddle_and_descent_away_from_it():
    """f = (x² - y²)/2 + y⁴/4: a saddle at 0, valleys at y = ±1."""

    def grad(w):
        return np.array([w[0], -w[1] + w[1] ** 3])

    def hess(w):
        return np.diag([1.0, 3 * w[1] ** 2 - 1])

    start = [0.5, 0.2]
    np.testing.assert_allclose(dh.newton(grad, hess, start).end, [0, 0], atol=1e-9)
    np.testing.assert_allclose(dh.descend(grad, start, eta=0.3, steps=200).end, [0, 1], atol=1e-9)


def test_damping_finds_the_valley_from_where_bare_steps_do_not(rng):
    X, y, truth = saturating_problem(rng, noise=0.3)
    bottom = dh.newton(
        lambda w: dh.grad_fit_w(w, X, y, SCALE), lambda w: dh.hess_fit_w(w, X, y, SCALE), truth
    ).end
    starts = 4 * rng.normal(size=(10, 3))
    damped = [
        dh.levenberg_marquardt(
            lambda w: dh.residual(w, X, y, SCALE), lambda w: dh.jac_residual_w(w, X, SCALE), s
        )
        for s in starts
    ]
    bare = [
        dh.newton(lambda w: dh.grad_fit_w(w, X, y, SCALE), lambda w: dh.hess_fit_w(w, X, y, SCALE), s)
        for s in starts
    ]
    arrived = lambda paths: sum(np.linalg.norm(p.end - bottom) < 1e-6 for p in paths)  # noqa: E731
    assert arrived(damped) >= 8
    assert arrived(bare) <= 3
    assert all((np.diff(p.losses) <= 1e-12 * p.losses[:-1]).all() for p in damped)


def test_backtracking_keeps_armijo_s_promise_and_searched_descent_falls_at_every_step(rng):
    X, y, _ = saturating_problem(rng)
    f, grad = lambda w: dh.fit_loss(w, X, y, SCALE), lambda w: dh.grad_fit_w(w, X, y, SCALE)
    w = 2 * rng.normal(size=3)
    g = grad(w)
    t = dh.backtrack(f, w, g, -g, first=1e4)
    assert 0 < t < 1e4
    assert f(w - t * g) <= f(w) - 1e-4 * t * (g @ g)
    path = dh.searched(f, grad, w, steps=200, tol=1e-9)
    values = [f(p) for p in path.points]
    assert (np.diff(values) <= 0).all()
    assert path.slopes[-1] < 1e-3 * path.slopes[0]


# --- noise -------------------------------------------------------------------------------------------------


def test_a_minibatch_is_right_on_average_and_its_covariance_is_the_stated_one(rng):
    X, y = line_problem(rng)
    w = rng.normal(size=4)
    noisy = dh.minibatch(dh.grad_loss_w, X, y, batch=5)
    drawn = np.array([noisy(w, rng) for _ in range(20_000)])
    C = dh.noise_of(w, X, y, batch=5)
    four_sigma = 4 * np.sqrt(np.diag(C) / len(drawn))
    assert (abs(drawn.mean(axis=0) - dh.grad_loss_w(w, X, y)) < four_sigma).all()
    np.testing.assert_allclose(np.cov(drawn, rowvar=False), C, rtol=0.1, atol=0.03 * abs(C).max())


@pytest.mark.parametrize("eta", [0.05, 0.2, 0.45])
def test_the_floor_is_the_predicted_one_also_for_long_steps(eta):
    rng = np.random.default_rng(1)
    h = np.array([0.5, 1.0, 4.0])
    H, bottom, _ = quadratic(h, rng)
    C = np.cov(rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3)), rowvar=False)
    root = np.linalg.cholesky(C)

    def noisy(w, rng):  # 300 walks at once, each of three numbers
        W = w.reshape(300, 3)
        return ((W - bottom) @ H + rng.normal(size=(300, 3)) @ root.T).ravel()

    points = dh.stochastic(noisy, np.tile(bottom, 300), eta=eta, steps=1500, rng=rng)
    e = points[500:].reshape(-1, 3) - bottom
    excess = 0.5 * np.einsum("ki,ij,kj->k", e, H, e).mean()
    assert excess == pytest.approx(dh.stationary_excess(H, C, eta), rel=0.03)


def test_the_floor_falls_with_the_step_and_vanishes_with_decay(rng):
    H, C = np.diag([1.0, 3.0]), np.eye(2)
    floors = [dh.stationary_excess(H, C, eta) for eta in (0.02, 0.01, 0.005)]
    np.testing.assert_allclose(np.divide(floors[1:], floors[:-1]), 0.5, rtol=0.02)
    _, bottom, grad = quadratic(np.array([1.0, 3.0]), rng)
    noisy = lambda w, rng: grad(w) + rng.normal(size=2)  # noqa: E731
    level = dh.stochastic(noisy, np.zeros(2), eta=0.2, steps=4000, rng=rng)
    decayed = dh.stochastic(noisy, np.zeros(2), eta=lambda k: 0.2 / (1 + k / 50), steps=4000, rng=rng)
    off = lambda p: np.linalg.norm(p[-400:] - bottom, axis=1).mean()  # noqa: E731
    assert off(decayed) < 0.3 * off(level)


# --- refusals ----------------------------------------------------------------------------------------------


def bent(w):
    return w


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dh.descend(bent, [1.0, np.nan], eta=0.1), "NaN"),
        (lambda: dh.descend(bent, [1.0], eta=-0.1), "eta"),
        (lambda: dh.descend(bent, [1.0], eta=0.1, steps=0), "steps"),
        (lambda: dh.descend(lambda w: w[:, None], [1.0, 2.0], eta=0.1), "shape"),
        (lambda: dh.descend(bent, np.ones((2, 2)), eta=0.1), "ravel"),
        (lambda: dh.descend(bent, [1j], eta=0.1), "real"),
        (lambda: dh.with_momentum(bent, [1.0], eta=0.1, beta=1.0), "beta"),
        (lambda: dh.newton(bent, lambda w: w, [1.0, 2.0]), "hess"),
        (lambda: dh.backtrack(lambda w: 0.0, np.ones(1), np.ones(1), np.ones(1)), "downhill"),
        (lambda: dh.best_step(0.0, 1.0), "h_min"),
        (lambda: dh.best_momentum(2.0, 1.0), "h_max"),
        (lambda: dh.curvatures(np.array([[1.0, 2.0], [0.0, 1.0]])), "symmetric"),
        (lambda: dh.stationary_excess(np.eye(2), np.eye(2), 2.5), "eta"),
        (lambda: dh.rows_at_random(np.random.default_rng(0), 5, 6), "batch"),
        (lambda: dh.standardise(np.column_stack([np.ones(4), np.arange(4.0)])), "constant"),
        (lambda: dh.solution(np.ones((4, 2)), np.ones(4)), "independent"),
        (lambda: dh.solution(np.eye(3), np.ones(4)), "rows"),
        (lambda: dh.forecast(np.ones(1), np.ones((1, 1)), dh.Scale(1.0, 1.0)), "low < high"),
    ],
)
def test_bad_input_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_singular_hessian_ends_the_walk_and_says_so():
    path = dh.newton(lambda w: np.array([w[0], 1.0]), lambda w: np.diag([1.0, 0.0]), [1.0, 1.0])
    assert not path.converged
    np.testing.assert_array_equal(path.points, [[1.0, 1.0]])


def test_a_stochastic_walk_that_overflows_names_its_step(rng):
    with pytest.raises(FloatingPointError, match=r"step \d+ overflows"), np.errstate(over="ignore"):
        dh.stochastic(lambda w, rng: 1e9 * w**3, [1.0], eta=1.0, steps=100, rng=rng)
