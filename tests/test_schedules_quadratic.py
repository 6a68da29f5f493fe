"""The noisy quadratic: its formulas against Monte Carlo and exact moments; what a short horizon costs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import calculus, schedules

T = 12


def problem(rng, d=5):
    return schedules.NoisyQuadratic(rng.uniform(0.1, 1, d), rng.uniform(0.3, 1, d), rng.normal(size=d))


def test_moments_are_those_of_many_runs(rng):
    q, rates = problem(rng), rng.uniform(0.1, 1.5, T)
    n, w = 40_000, np.tile(q.w, (40_000, 1))
    for eta in rates:
        w = w - eta * q.h * (w - rng.normal(size=w.shape) * q.sigma)
    A = schedules.second_moments(q, rates)[-1]
    error = (w**2).std(axis=0) / np.sqrt(n)
    assert (np.abs((w**2).mean(axis=0) - A) < 5 * error).all()
    assert (np.abs((w**2).mean(axis=0) - 1.1 * A) > 5 * error).any()  # 10 % would be seen


def test_moments_are_the_mean_squared_and_the_variance(rng):
    q, rates = problem(rng), rng.uniform(0.1, 1.5, T)
    mean, variance = q.w, np.zeros(5)
    for eta in rates:
        mean, variance = (1 - eta * q.h) * mean, (1 - eta * q.h) ** 2 * variance + (eta * q.h * q.sigma) ** 2
    np.testing.assert_allclose(schedules.second_moments(q, rates)[-1], mean**2 + variance, rtol=1e-12)


def excess(q, rates):
    """The same in JAX."""
    A = jnp.asarray(q.w) ** 2
    for eta in rates:
        A = (1 - eta * q.h) ** 2 * A + eta**2 * q.h**2 * q.sigma**2
    return 0.5 * q.h @ A


def test_the_gradient_by_the_rates(rng):
    q, rates = problem(rng), rng.uniform(0.1, 1.5, T)
    assert float(excess(q, rates)) == pytest.approx(schedules.expected_excess(q, rates), rel=1e-13)
    G = schedules.grad_expected_excess_rates(q, rates)
    f = lambda rates: schedules.expected_excess(q, rates)  # noqa: E731
    calculus.check_grad(f, G, rates, reference=jax.grad(lambda r: excess(q, r)), rng=rng)
    for wrong in (-G, 1.001 * G, np.roll(G, 1)):
        with pytest.raises(AssertionError):
            calculus.check_grad(f, wrong, rates, rng=rng)


def test_sampled_hypergradients_have_the_exact_one_as_their_mean(rng):
    q, rates = problem(rng), rng.uniform(0.1, 1.2, T)
    exact = schedules.grad_expected_excess_rates(q, rates)
    draws = [schedules.quadratic_runs(q, T, 400, rng=rng) for _ in range(20)]
    means = [schedules.mean_hypergradient(runs, schedules.Schedule(rates))[1].rates for runs in draws]
    error = np.std(means, axis=0, ddof=1) / np.sqrt(20)
    off = np.abs(np.mean(means, axis=0) - exact)
    assert (off < 5 * error).all()
    assert np.linalg.norm(off) < 0.05 * np.linalg.norm(exact)


def test_truncation_bias_is_the_part_that_was_not_looked_at(rng):
    q, eta = problem(rng), 0.4
    bias = schedules.truncation_bias(q, eta, T)
    grad = schedules.grad_expected_excess_rates(q, np.full(T, eta))
    for K in (1, 5, T):
        assert bias[K - 1] == pytest.approx(grad[T - K :].sum() - grad.sum(), abs=1e-13)
    assert bias[-1] == 0


def test_truncation_has_the_wrong_sign_where_the_rate_is_small():
    """The last step says 'smaller' (noise), all of them say 'larger' (the flat directions)."""
    q = schedules.noisy_quadratic(20, condition=100)
    grad = schedules.grad_expected_excess_rates(q, np.full(100, 0.2))
    assert grad[-1] > 0 > grad.sum()


def test_greedy_rates_are_best_for_one_step(rng):
    q = problem(rng)
    g = schedules.greedy_rates(q, T)
    for t in range(T):
        now = q._replace(w=np.sqrt(schedules.second_moments(q, g[:t])[-1] if t else np.square(q.w)))
        slope = schedules.grad_expected_excess_rates(now, g[t : t + 1])
        assert abs(slope[0]) < 1e-13 * (q.h**2 @ np.square(q.w))
    np.testing.assert_allclose(schedules.horizon_rates(q, T, 1, most=100.0), g, rtol=1e-4)


def test_with_one_curvature_greed_is_right_and_with_several_it_is_not(rng):
    """Wu et al. 2018: the spherical problem has no short-horizon bias.  eta_t = A_t/(h (A_t + sigma²))."""
    alike = schedules.NoisyQuadratic(np.full(4, 0.7), np.full(4, 0.5), np.full(4, 1.3))
    greedy = schedules.greedy_rates(alike, T)
    A = schedules.second_moments(alike, greedy)[:-1, 0]
    np.testing.assert_allclose(greedy, A / (0.7 * (A + 0.25)), rtol=1e-12)
    best = schedules.optimal_rates(alike, T)
    assert best.converged
    np.testing.assert_allclose(best.rates, greedy, rtol=1e-5)
    several = schedules.noisy_quadratic(20, condition=100)
    far = schedules.optimal_rates(several, 100)
    assert far.converged
    assert far.slope < 1e-8
    assert schedules.expected_excess(several, schedules.greedy_rates(several, 100)) > 6 * far.excess


def test_more_foresight_costs_less():
    q = schedules.noisy_quadratic(6, condition=30)
    by = [schedules.expected_excess(q, schedules.horizon_rates(q, 20, K)) for K in (1, 3, 8, 20)]
    assert by == sorted(by, reverse=True)
    assert by[-1] == pytest.approx(schedules.optimal_rates(q, 20).excess, rel=1e-6)


def test_the_optimum_is_found_from_elsewhere(rng):
    """No step of its neighbourhood is better."""
    q = schedules.noisy_quadratic(6, condition=30)
    best = schedules.optimal_rates(q, T)
    for _ in range(20):
        other = np.minimum(best.rates * np.exp(0.1 * rng.normal(size=T)), 2.0)
        assert schedules.expected_excess(q, other) > best.excess


@pytest.mark.parametrize("rates", [np.zeros(0), np.array([0.1, np.nan])])
def test_rates_that_are_none_are_refused(rates, rng):
    with pytest.raises(ValueError, match="vector of at least one finite number"):
        schedules.expected_excess(problem(rng), rates)
