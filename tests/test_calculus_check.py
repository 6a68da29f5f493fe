"""The checker, checked: right gradients pass, planted errors fail, and it refuses what it cannot judge."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook.calculus import check_grad, check_jvp, check_vjp, numerical_gradient, slope_along, taylor_order


class Problem(NamedTuple):
    """A function, its gradient as derived by hand, and a point."""

    f: Callable
    G: np.ndarray
    X: np.ndarray


def logdet(rng):
    X = rng.standard_normal((4, 4))
    return Problem(lambda X: np.linalg.slogdet(X)[1], np.linalg.inv(X).T, X)


def log_cosh(rng):
    A, X = rng.standard_normal((30, 3)), rng.standard_normal((3, 3))
    f = lambda X: (np.logaddexp(A @ X.T, -A @ X.T)).sum() / 30  # noqa: E731
    return Problem(f, np.tanh(A @ X.T).T @ A / 30, X)


def quadratic(rng):
    A, X = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    return Problem(lambda X: np.trace(X.T @ A @ X), (A + A.T) @ X, X)


def least_squares(rng):
    A, B, X = rng.standard_normal((12, 5)), rng.standard_normal((12, 2)), rng.standard_normal((5, 2))
    return Problem(lambda X: 0.5 * ((A @ X - B) ** 2).sum(), A.T @ (A @ X - B), X)


def vector(rng):
    x = rng.standard_normal(6)
    return Problem(lambda x: np.log(np.exp(x).sum()), np.exp(x) / np.exp(x).sum(), x)


def scalar(rng):
    x = rng.uniform(0.2, 1.2)
    return Problem(np.sin, np.cos(x), np.array(x))


PROBLEMS = [logdet, log_cosh, quadratic, least_squares, vector, scalar]
WRONG = {
    "transposed": lambda G: G.T,
    "sign": lambda G: -G,
    "twice": lambda G: 2 * G,
    "0.1 %": lambda G: 1.001 * G,
    "one entry": lambda G: G + np.eye(1, G.size, 1).reshape(G.shape) * np.linalg.norm(G),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_right_gradients_pass(problem, rng):
    for _ in range(100):
        f, G, X = problem(rng)
        assert check_grad(f, G, X, rng=rng).differences <= 1e-8


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("problem", [logdet, log_cosh, quadratic])
def test_planted_errors_fail(problem, wrong, rng):
    for _ in range(30):
        f, G, X = problem(rng)
        with pytest.raises(AssertionError, match="diagnose"):
            check_grad(f, wrong(G), X, rng=rng)


@pytest.mark.parametrize("seed", range(20))
def test_0_1_percent_is_seen_among_ten_thousand_entries(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((100, 100))
    f = lambda X: 0.25 * (X**4).sum()  # noqa: E731
    check_grad(f, X**3, X, rng=rng)
    with pytest.raises(AssertionError):
        check_grad(f, 1.001 * X**3, X, rng=rng)


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_a_large_constant_neither_alarms_nor_hides_an_error(offset, rng):
    for _ in range(50):
        f, G, X = logdet(rng)
        lifted = lambda X, f=f: f(X) + offset  # noqa: E731
        check_grad(lifted, G, X, rng=rng)
        with pytest.raises(AssertionError):
            check_grad(lifted, 1.001 * G, X, rng=rng)


def test_too_large_a_constant_is_refused_not_passed(rng):
    f, G, X = logdet(rng)
    with pytest.raises(ValueError, match="too rough to judge"):
        check_grad(lambda X: f(X) + 1e14, G, X, rng=rng)


@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6])
def test_ill_conditioned_points(condition, rng):
    for _ in range(20):
        Q, _ = np.linalg.qr(rng.standard_normal((4, 4)))
        X = Q * np.geomspace(1, 1 / condition, 4) @ np.linalg.qr(rng.standard_normal((4, 4)))[0]
        G = np.linalg.inv(X).T
        f = lambda X: np.linalg.slogdet(X)[1]  # noqa: E731
        check_grad(f, G, X, rng=rng)
        with pytest.raises(AssertionError):
            check_grad(f, 1.001 * G, X, rng=rng)


def test_the_error_of_a_slope_is_never_understated(rng):
    """The true slope lies within four times the stated error, at 600 points of six functions."""
    for problem in PROBLEMS:
        for _ in range(100):
            f, G, X = problem(rng)
            V = np.asarray(rng.standard_normal(X.shape))
            V = np.asarray(V / np.linalg.norm(V))
            slope = slope_along(f, X, V)
            assert abs(slope.value - np.vdot(G, V)) <= 4 * slope.error


def test_the_numerical_gradient_is_jax_s(rng):
    A, X = rng.standard_normal((12, 5)), rng.standard_normal((5, 2))
    f = lambda X: jnp.sum(jnp.tanh(A @ X) ** 2)  # noqa: E731
    G, error = numerical_gradient(jax.jit(f), X)
    gap = np.linalg.norm(G - jax.grad(f)(X))
    assert gap <= 1e-9 * np.linalg.norm(G)
    assert gap <= 4 * error


def test_the_reference_is_held_to_eleven_digits(rng):
    A, X = rng.standard_normal((20, 3)), rng.standard_normal((3, 3))
    f = jax.jit(lambda X: jnp.log(jnp.cosh(A @ X.T)).sum())
    G = np.tanh(A @ X.T).T @ A
    report = check_grad(f, G, X, reference=jax.grad(f), rng=rng)
    assert report.reference <= 1e-14
    assert str(report) == (
        "✓ gradient checked: reference ≤ 1e-11, central differences in 3 directions ≤ 1e-8"
    )
    with pytest.raises(AssertionError, match="not the reference"):
        check_grad(f, G * (1 + 1e-10), X, reference=jax.grad(f), rng=rng)
    with pytest.raises(AssertionError, match="f and the reference disagree"):
        check_grad(f, 2 * G, X, reference=2 * G, rng=rng)


def test_complex_step_only_where_f_is_analytic(rng):
    X = rng.standard_normal((3, 3))
    X *= np.sign(np.linalg.det(X))
    G = np.linalg.inv(X).T
    if np.linalg.det(X) < 0:
        X, G = X[::-1].copy(), G[::-1].copy()
    report = check_grad(lambda X: np.log(np.linalg.det(X)), G, X, rng=rng, complex_step=True)
    assert report.complex_step <= 1e-12
    with pytest.raises(ValueError, match="not analytic"):
        check_grad(lambda X: np.linalg.slogdet(X)[1], G, X, rng=rng, complex_step=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, G, X: (f, G[:, :2], X[:, :3]), r"a gradient has the shape of its variable"),
        (lambda f, G, X: (lambda Z: f(Z), np.ones((2, 3)), np.ones((3, 2))), r"transpose G\?"),
        (lambda f, G, X: (f, G * np.nan, X), r"G must be finite, but 9 of 9"),
        (lambda f, G, X: (f, G, np.where(np.eye(3) > 0, np.inf, X)), r"X must be finite"),
        (lambda f, G, X: (f, G, X.astype(np.float32)), r"must be float64"),
        (lambda f, G, X: (f, G + 1j, X), r"G must be real"),
        (lambda f, G, X: (lambda Z: np.float32(f(Z)), G, X), r"computes in float32"),
        (lambda f, G, X: (lambda Z: f(Z) + 1j, G, X), r"real-valued"),
        (lambda f, G, X: (lambda Z: Z, G, X), r"scalar-valued"),
        (lambda f, G, X: (lambda Z: np.nan, G, X), r"finite"),
        (lambda f, G, X: (f, G[:0], X[:0]), r"at least one entry"),
    ],
)
def test_unfit_input_is_refused(change, message, rng):
    X = rng.standard_normal((3, 3))
    f, G, X = change(lambda Z: np.sum(Z**3), 3 * X**2, X)
    with pytest.raises(ValueError, match=message):
        check_grad(f, G, X, rng=rng)


def test_a_stationary_point_is_refused(rng):
    A = rng.standard_normal((8, 3))
    b = A @ np.ones(3)
    f = lambda x: 0.5 * ((A @ x - b) ** 2).sum()  # noqa: E731
    for x in (np.ones(3), np.ones(3) + 1e-12):
        with pytest.raises(ValueError, match=r"stationary|too rough"):
            check_grad(f, A.T @ (A @ x - b), x, rng=rng)
    with pytest.raises(AssertionError):
        check_grad(f, np.zeros(3), np.zeros(3), rng=rng)


def _array_problem(rng):
    A, x = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))
    f = lambda x: jnp.tanh(A @ x)  # noqa: E731
    D = 1 - np.tanh(A @ x) ** 2
    return f, (lambda x, y_bar: A.T @ (D * y_bar)), (lambda x, x_dot: D * (A @ x_dot)), x


def test_vjp_and_jvp(rng):
    for _ in range(10):
        f, vjp, jvp, x = _array_problem(rng)
        assert "reference ≤ 1e-11" in str(
            check_vjp(f, vjp, x, reference=lambda x, y_bar, f=f: jax.vjp(f, x)[1](y_bar)[0], rng=rng)
        )
        check_jvp(f, jvp, x, reference=lambda x, v, f=f: jax.jvp(f, (x,), (v,))[1], rng=rng)


@pytest.mark.parametrize("factor", [-1, 2, 1.001])
def test_wrong_products_fail(factor, rng):
    f, vjp, jvp, x = _array_problem(rng)
    with pytest.raises(AssertionError, match="diagnose"):
        check_vjp(f, lambda x, y_bar: factor * vjp(x, y_bar), x, rng=rng)
    with pytest.raises(AssertionError):
        check_jvp(f, lambda x, v: factor * jvp(x, v), x, rng=rng)
    with pytest.raises(ValueError, match="shape of its variable"):
        check_vjp(f, lambda x, y_bar: vjp(x, y_bar).T, x, rng=rng)
    with pytest.raises(ValueError, match="shape of f"):
        check_jvp(f, lambda x, v: jvp(x, v).T, x, rng=rng)


def test_taylor_remainders_are_of_second_order_when_right(rng):
    orders, wrong = [], []
    for _ in range(50):
        f, G, X = log_cosh(rng)
        orders.append(taylor_order(f, G, X, rng=rng).order)
        wrong.append(taylor_order(f, -G, X, rng=rng).order)
    assert np.median(orders) == pytest.approx(2, abs=0.05)
    assert np.median(wrong) == pytest.approx(1, abs=0.05)


def test_taylor_of_a_linear_function_has_no_remainder(rng):
    assert taylor_order(lambda x: x.sum(), np.ones(4), np.ones(4), rng=rng).order == np.inf
