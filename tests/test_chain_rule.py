"""Orders of a chain, steps of a difference, a network by hand, an Earth at rest, and three mistakes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from mcbook import calculus
from mcbook import chain_rule as cr
from mcbook.chain_rule import climate, tape

# --- orders ----------------------------------------------------------------------------------------------


def brute(ds):
    """The cheapest order by trying all of them: take out the inner widths one after the other."""
    return min(_taken(list(ds), order) for order in itertools.permutations(ds_inner(ds)))


def ds_inner(ds):
    return range(1, len(ds) - 1)


def _taken(ds, order):
    left, total = list(range(len(ds))), 0
    for j in order:
        at = left.index(j)
        total += ds[left[at - 1]] * ds[j] * ds[left[at + 1]]
        left.remove(j)
    return total


@pytest.mark.parametrize("ds", [(5, 3, 2), (2, 9, 3, 8, 4), (100, 10, 10, 1), (1, 7, 2, 6, 5, 3)])
def test_the_counts_are_those_of_the_products(ds):
    found = cr.costs(ds)
    forward = sum(ds[0] * a * b for a, b in itertools.pairwise(ds[1:]))
    assert found.forward == forward
    assert found.reverse == cr.costs(ds[::-1]).forward  # a chain read from its other end
    assert found.best == brute(ds)
    assert found.best <= min(found.forward, found.reverse)


def test_neither_end_need_be_the_best():
    found = cr.costs((10, 2, 10, 2, 10))
    assert found.best < min(found.forward, found.reverse)


def test_one_number_at_the_end_makes_reverse_the_best():
    for ds in ((1000, 100, 10, 1), (50, 60, 70, 1)):
        found = cr.costs(ds)
        assert found.reverse == found.best == sum(a * b for a, b in itertools.pairwise(ds[:-1]))


def test_tangents_and_cotangents_meet_in_one_number_and_make_the_jacobian(rng):
    Js = cr.random_chain((6, 5, 4, 3), rng)
    J = Js[2] @ Js[1] @ Js[0]
    x_dot, y_bar = rng.normal(size=6), rng.normal(size=3)
    assert y_bar @ cr.jvp_chain(Js, x_dot) == pytest.approx(cr.vjp_chain(Js, y_bar) @ x_dot, rel=1e-13)
    np.testing.assert_allclose(np.stack([cr.jvp_chain(Js, e) for e in np.eye(6)], axis=1), J, rtol=1e-12)
    np.testing.assert_allclose(np.stack([cr.vjp_chain(Js, e) for e in np.eye(3)]), J, rtol=1e-12)


@pytest.mark.parametrize("ds", [(3, 2), (3, 0, 2), (3, 2.5, 1)])
def test_a_chain_that_is_none_is_named(ds):
    with pytest.raises(ValueError, match="three or more whole widths"):
        cr.costs(ds)


def test_the_count_of_a_network_is_that_of_its_products():
    n, d, h, k = 7, 5, 4, 3
    count = [0]

    class Counting(np.ndarray):
        def __matmul__(self, other):
            count[0] += self.size * other.shape[1]
            return np.asarray(self) @ np.asarray(other)

    def product(A, B):
        return np.asarray(A).view(Counting) @ np.asarray(B)

    X, W1, W2, Z_bar = (np.ones(s) for s in ((n, d), (h, d), (k, h), (n, k)))
    product(product(X, W1.T), W2.T)
    value = count[0]
    product(Z_bar.T, X @ W1.T), product(product(Z_bar, W2).T, X)
    assert cr.network_multiplications(n, d, h, k) == (value, count[0])


# --- the network -----------------------------------------------------------------------------------------


def problem(rng, n=6, d=3, h=4, k=3):
    weights = cr.initial(d, h, k, rng)
    weights = weights._replace(b1=rng.normal(size=h), b2=rng.normal(size=k))
    return weights, rng.normal(size=(n, d)), cr.one_hot(rng.integers(k, size=n), k)


def by_jax(weights, X, Y):
    with jax.numpy_rank_promotion("allow"):
        f = jax.grad(lambda *w: cr.loss(*w, X, Y, on=jnp), argnums=(0, 1, 2, 3))
        return f(*map(jnp.asarray, weights))


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_by_hand_is_jax_s_and_the_tape_s(seed):
    weights, X, Y = problem(np.random.default_rng(seed))
    hand, theirs = cr.grad_loss(*weights, X, Y), by_jax(weights, X, Y)
    value, taped = tape.value_and_grad(lambda *w: cr.loss(*w, X, Y, on=tape), *weights)
    size = np.sqrt(sum(np.sum(np.square(t)) for t in theirs))
    for ours, theirs_, tapes in zip(hand, theirs, taped, strict=True):
        assert np.linalg.norm(ours - theirs_) <= 1e-12 * size
        assert np.linalg.norm(tapes - theirs_) <= 1e-12 * size
    assert value == pytest.approx(float(cr.loss(*weights, X, Y)), rel=1e-13)


@pytest.mark.parametrize("part", range(4))
def test_the_gradient_by_hand_agrees_with_differences_and_wrong_ones_do_not(part, rng):
    weights, X, Y = problem(rng)
    G = cr.grad_loss(*weights, X, Y)[part]

    def f(Z):
        return float(cr.loss(*weights[:part], Z, *weights[part + 1 :], X, Y))

    calculus.check_grad(f, G, weights[part], rng=rng)
    for wrong in (-G, 2 * G, 1.001 * G):
        with pytest.raises(AssertionError):
            calculus.check_grad(f, wrong, weights[part], rng=rng)


def test_it_learns_to_read_digits(rng):
    X, y = load_digits(return_X_y=True)
    X, found = X / 16, None
    found = cr.fit(X[:300], y[:300], h=16, eta=1.0, steps=120, rng=rng)
    assert found.converged
    assert len(found.losses) == 121
    assert found.losses[-1] < 0.35 < 2.2 < found.losses[0]
    assert np.mean(cr.read(found.weights, X[300:600]) == y[300:600]) > 0.8


def test_a_step_too_long_is_said(rng):
    X, y = load_digits(return_X_y=True)
    assert not cr.fit(X[:50] / 16, y[:50], h=4, eta=30.0, steps=15, rng=rng).converged


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.ones((4, 2, 1))}, r"X \(n, d\)"),
        ({"X": np.full((4, 2), np.nan)}, "NaN"),
        ({"labels": [0, 1]}, "n labels"),
        ({"labels": [0, 1, -1, 0]}, "whole numbers"),
        ({"eta": 0.0}, "eta > 0"),
    ],
)
def test_what_cannot_be_fitted_is_named(change, message, rng):
    given = {"X": np.ones((4, 2)), "labels": [0, 1, 1, 0]} | change
    with pytest.raises(ValueError, match=message):
        cr.fit(given.pop("X"), given.pop("labels"), rng=rng, **given)


# --- checking --------------------------------------------------------------------------------------------


def smooth(x):
    return np.exp(np.sin(2 * x[0]))


def test_truncation_and_rounding_have_the_slopes_that_theory_says():
    x, V = np.array([1.4]), np.array([1.0])
    slope = float(jax.grad(lambda t: jnp.exp(jnp.sin(2 * t)))(1.4))
    found = cr.step_errors(smooth, x, V, slope)

    def order(errors, low, high):
        used = (found.steps >= low) & (found.steps <= high)
        return np.polyfit(np.log(found.steps[used]), np.log(errors[used] + 1e-300), 1)[0]

    assert order(found.forward, 1e-6, 1e-2) == pytest.approx(1, abs=0.05)
    assert order(found.central, 1e-4, 1e-2) == pytest.approx(2, abs=0.1)
    assert order(found.forward, 1e-13, 1e-9) == pytest.approx(-1, abs=0.35)
    assert found.complex[found.steps <= 1e-8].max() < 1e-14 * abs(slope) * 10


def test_the_best_steps_are_where_measured_errors_are_least():
    def derivative(k):
        f = lambda t: jnp.exp(jnp.sin(2 * t))  # noqa: E731
        for _ in range(k):
            f = jax.grad(f)
        return float(f(1.4))

    h_forward, h_central = cr.best_steps(derivative(0), derivative(2), derivative(3))
    found = cr.step_errors(smooth, np.array([1.4]), np.array([1.0]), derivative(1))
    for h, errors in ((h_forward, found.forward), (h_central, found.central)):
        near = np.abs(np.log10(found.steps / h)) < 0.6
        far = np.abs(np.log10(found.steps / h)) > 2
        assert np.median(errors[near]) < 0.1 * np.median(errors[far])
    assert 5e-9 < h_forward < 5e-8
    assert 1e-6 < h_central < 2e-5


@pytest.mark.parametrize(
    ("f", "x", "said"),
    [
        (lambda x: np.abs(x).sum(), [0.5, -2.0, -1.0], 0.0),
        (lambda X: np.linalg.slogdet(X)[1], np.diag([2.0, 3.0]), 0.0),
        (lambda x: np.linalg.norm(x), [3.0, 4.0], 0.0),
        (lambda x: np.vdot(x, x).real, [3.0, 4.0], 0.0),
    ],
)
def test_the_complex_step_lies_and_check_grad_says_so(f, x, said, rng):
    X = np.asarray(x)
    G, _ = calculus.numerical_gradient(f, X)
    V = np.ones(X.shape)
    assert cr.complex_slope(f, X, V) == said
    assert abs(np.sum(G * V)) > 0.5
    with pytest.raises(ValueError, match="complex step contradicts"):
        calculus.check_grad(f, G, X, rng=rng, complex_step=True, rtol=1e-7)


def test_a_half_truth_is_a_lie_too(rng):
    """x @ x.conj() and x @ x: the second is analytic, and one of each is half right."""
    x, V = rng.normal(size=3), rng.normal(size=3)
    right = 2 * x @ V
    assert cr.complex_slope(lambda z: z @ z, x, V) == pytest.approx(right, rel=1e-13)
    assert cr.complex_slope(lambda z: (z @ z + z @ z.conj()) / 2, x, V) == pytest.approx(right / 2, rel=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cr.complex_slope(lambda x: np.logaddexp(x, 0).sum(), np.ones(2), np.ones(2)), "complex num"),
        (lambda: cr.complex_slope(np.sum, np.ones(2), np.ones(3)), "shape"),
        (lambda: cr.step_errors(np.sum, np.ones(2), np.ones(2), 1.0, steps=[0.0]), "positive"),
        (lambda: cr.best_steps(1.0, 0.0, 1.0), "not zero"),
    ],
)
def test_what_cannot_be_measured_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- the Earth -------------------------------------------------------------------------------------------


@pytest.fixture
def at():
    return climate.earth(18)


def test_the_earth_keeps_its_heat_and_comes_to_rest(at):
    assert at.share.sum() == pytest.approx(1)
    np.testing.assert_allclose(at.share @ at.transport, 0, atol=1e-13)  # what one band loses another gains
    np.testing.assert_allclose(at.transport @ np.ones(18), 0, atol=1e-12)
    found = climate.rest(at)
    assert found.converged
    assert np.abs(climate.residual(found.T, np.zeros(18), at)).max() <= 1e-10
    np.testing.assert_allclose(found.T, found.T[::-1], rtol=1e-9)
    assert np.linalg.eigvals(found.F_T).real.max() < 0  # a warmer band cools: the rest is stable


def test_the_transport_converges_to_the_spectrum_of_the_sphere():
    """Legendre's P₂ is carried away at the rate 6 D; with n bands the error falls as n⁻²."""
    off = []
    for n in (16, 32, 64):
        at = climate.earth(n)
        edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, n + 1))
        P_2 = (np.diff(edges**3) / np.diff(edges) - 1) / 2  # its mean over a band
        off.append(np.sqrt(at.share @ (at.transport @ P_2 + 6 * climate.D * P_2) ** 2))
    np.testing.assert_allclose(np.log2(np.array(off[:-1]) / off[1:]), 2, atol=0.6)


def test_the_jacobian_is_jax_s_and_not_symmetric(at):
    T = climate.rest(at).T
    theirs = jax.jacobian(lambda T: climate.residual(T, jnp.zeros(18), at))(jnp.asarray(T))
    ours = climate.jacobian_residual_T(T, at)
    np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)
    assert np.abs(ours - ours.T).max() > 1
    calculus.check_jvp(
        lambda T: climate.residual(T, np.zeros(18), at),
        lambda T, V: climate.jacobian_residual_T(T, at) @ V,
        T,
        rng=np.random.default_rng(0),
    )


def test_the_adjoint_agrees_with_differences_and_without_the_transpose_it_does_not(at, rng):
    p = 0.01 * rng.normal(size=18)
    found = climate.rest(at, p)
    p_bar, lam = climate.vjp_rest(at, found, at.share)

    def f(p):
        return float(climate.mean(climate.rest(at, p).T, at))

    calculus.check_grad(f, p_bar, p, rng=rng)
    untransposed = at.sun * np.linalg.solve(found.F_T, at.share)
    for wrong in (untransposed, -p_bar, 1.001 * p_bar, lam):
        with pytest.raises(AssertionError):
            calculus.check_grad(f, wrong, p, rng=rng)


def test_forward_and_adjoint_make_the_same_number(at, rng):
    found = climate.rest(at)
    p_dot, T_bar = rng.normal(size=18), rng.normal(size=18)
    p_bar, _ = climate.vjp_rest(at, found, T_bar)
    assert T_bar @ climate.jvp_rest(at, found, p_dot) == pytest.approx(p_bar @ p_dot, rel=1e-12)


def test_without_ice_a_watt_is_worth_the_same_everywhere(at, monkeypatch):
    monkeypatch.setattr(climate, "ICE_AT", -500.0)
    found = climate.rest(at)
    _, lam = climate.vjp_rest(at, found, at.share)
    np.testing.assert_allclose(-lam / at.share, 1 / climate.B, rtol=1e-9)


def test_what_has_not_come_to_rest_has_no_adjoint(at):
    moving = climate.rest(at, steps=1)
    assert not moving.converged
    for call in (climate.vjp_rest, climate.jvp_rest):
        with pytest.raises(ValueError, match="at rest"):
            call(at, moving, at.share)
    with pytest.raises(ValueError, match="three bands"):
        climate.earth(2)
    with pytest.raises(ValueError, match="shape"):
        climate.rest(at, np.zeros(3))


# --- mistakes --------------------------------------------------------------------------------------------


def test_the_three_mistakes_are_wrong_and_named(rng):
    A, x, X, W, b = calculus.symbols(A=(3, 3), x=3, X=(5, 3), W=(4, 3), b=4)
    wrong = cr.wrong_grad

    def overwriting(A, x):
        return wrong("overwriting", lambda x: x @ A @ x, x)[0]

    def hasty(X, W):
        def f(W):
            H = tape.tanh(X @ W.T)
            return (H * tape.tanh(H)).sum()

        return wrong("hasty", f, W)[0]

    def unsummed(X, W, b):
        return wrong("unsummed", lambda b: (tape.tanh(X @ W.T + b) ** 2).sum() / 2, b)[0]

    for loss, answer, wrt, known, said in (
        ("x @ A @ x", overwriting, x, (A,), "forgotten"),
        ("H = tanh(X @ W.T); sum(H * tanh(H))", hasty, W, (X,), r"d(tanh(H)) in H ∘ tanh(H) forgotten"),
        ("sqnorm(tanh(X @ W.T + b)) / 2", unsummed, b, (X, W), "the sum over the samples forgotten"),
    ):
        found = calculus.diagnose(loss, answer, wrt, symbols=known)
        assert found.verdict == "wrong"
        assert said in found.cause


def test_a_mistake_shows_only_where_there_is_something_to_mistake(rng):
    """On a chain without a fork, a late share or a row, every one of them is right."""
    W, X = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))

    def f(W):
        return tape.tanh(tape.tanh(X @ W.T)).sum()

    _, (right,) = tape.value_and_grad(f, W)
    for mistake in cr.MISTAKES:
        np.testing.assert_allclose(cr.wrong_grad(mistake, f, W)[0], right, rtol=1e-13)
    with pytest.raises(ValueError, match="no mistake"):
        cr.wrong_grad("transposed", f, W)
    with pytest.raises(ValueError, match="one number"):
        cr.wrong_grad("hasty", lambda W: W * 2.0, W)
