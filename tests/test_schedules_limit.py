"""The implicit gradient as the limit of reverse mode, and growth that says when a gradient is useless."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import calculus, schedules
from mcbook.schedules.implicit import conjugate_gradients

LAM, STEPS = 0.2, 400


def ridge_loss(w, X, y):
    """Least squares: w* is known in closed form."""
    return 0.5 * ((X @ w - y) ** 2).mean()


def ridge_run(rng):
    X, y = rng.normal(size=(40, 5)), rng.normal(size=40)
    batches = np.tile(np.arange(30), (STEPS, 1))
    return schedules.Run(ridge_loss, np.zeros(5), (X[:30], y[:30]), batches, (X[30:], y[30:]))


def solution(run, lam):
    X, y = run.data
    return np.linalg.solve(X.T @ X / len(X) + lam * np.eye(5), X.T @ y / len(X))


def test_the_implicit_gradient_is_that_of_the_solution(rng):
    run = ridge_run(rng)

    def f(lam):
        return float(ridge_loss(jnp.asarray(solution(run, float(lam))), *run.held_out))

    found = schedules.implicit_gradient(run, solution(run, LAM), LAM)
    calculus.check_grad(f, np.array(found.grad), np.array(LAM), rng=rng)
    assert found.residual < 1e-11
    assert found.stationarity < 1e-12
    assert found.iterations <= 6
    X, w = run.data[0], solution(run, LAM)
    b = jax.grad(ridge_loss)(jnp.asarray(w), *run.held_out)
    np.testing.assert_allclose(
        found.q, np.linalg.solve(X.T @ X / 30 + LAM * np.eye(5), np.asarray(b)), rtol=1e-9
    )


def test_reverse_mode_tends_to_it_as_fast_as_the_theory_says(rng):
    """Started at w*, the truncated sweep is Neumann's series: the error shrinks like (1 - eta mu)^K."""
    run, eta = ridge_run(rng), 0.3
    w = solution(run, LAM)
    run = run._replace(w=w)
    H = run.data[0].T @ run.data[0] / 30 + LAM * np.eye(5)
    q = np.asarray(schedules.implicit_gradient(run, w, LAM).q)
    schedule = schedules.Schedule(np.full(STEPS, eta), None, np.full(STEPS, LAM))
    bars = np.asarray(schedules.hypergradient(run, schedule).grad.decays)
    exact = schedules.implicit_gradient(run, w, LAM).grad
    for K in (1, 10, 40):
        left = np.linalg.matrix_power(np.eye(5) - eta * H, K) @ q
        assert bars[STEPS - K :].sum() - exact == pytest.approx(w @ left, rel=1e-6, abs=1e-13)
    assert bars.sum() == pytest.approx(exact, rel=1e-11)
    assert bars[STEPS - 1] != pytest.approx(exact, rel=0.1)


def test_a_long_training_from_anywhere_has_the_implicit_gradient(rng):
    run = ridge_run(rng)
    schedule = schedules.Schedule(np.full(STEPS, 0.3), np.full(STEPS, 0.5), np.full(STEPS, LAM))
    found = schedules.hypergradient(run, schedule)
    exact = schedules.implicit_gradient(run, found.w, LAM)
    assert float(found.grad.decays.sum()) == pytest.approx(exact.grad, rel=1e-9)
    assert float(jnp.abs(found.grad.rates).sum()) < 1e-3  # where it ends does not depend on the rates
    assert float(jnp.linalg.norm(found.w_bar)) < 1e-12  # nor on where it began


def test_conjugate_gradients_refuse_a_saddle():
    A = jnp.diag(jnp.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="no minimum"):
        conjugate_gradients(lambda v: A @ v, jnp.array([0.1, 1.0]), tol=1e-10, iterations=10)


def test_growth_is_the_rate_of_the_quadratic():
    """Alone in one direction: w̄ shrinks by 1 - eta h a step, and grows by eta h - 1 beyond 2/h."""
    c = np.zeros((50, 1))
    for eta, h in ((0.1, 1.0), (2.5, 1.0)):
        q = schedules.NoisyQuadratic(np.array([h]), np.zeros(1), np.ones(1))
        run = schedules.quadratic_run(q, 50, rng=np.random.default_rng(0))._replace(data=(c,))
        growth = schedules.sensitivity_growth(run, schedules.Schedule(np.full(50, eta)))
        assert growth.exponent == pytest.approx(np.log(abs(1 - eta * h)), rel=1e-9)
        assert growth.factors[-1] == 1
    assert growth.largest == pytest.approx(1.5**50, rel=1e-9)


def test_growth_is_measured_where_the_hypergradient_overflows():
    """In float32, 4.5 to the power of 80 is too much for w̄, though not for a w that begins at zero."""
    q = schedules.NoisyQuadratic(np.ones(1), np.zeros(1), np.zeros(1))
    run = schedules.quadratic_run(q, 80, rng=np.random.default_rng(0))
    run = run._replace(w=np.zeros(1, "f"), held_out=(np.ones((1, 1)),))
    schedule = schedules.Schedule(np.full(80, 5.5))
    with pytest.raises(ValueError, match="training is finite, its hypergradient is not"):
        schedules.hypergradient(run, schedule)
    growth = schedules.sensitivity_growth(run, schedule)
    assert growth.largest == np.inf
    assert growth.exponent == pytest.approx(np.log(4.5), rel=1e-5)
