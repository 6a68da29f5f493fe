"""The likelihood and its derivatives: oracles, laws, planted errors; fast passes against readable code."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from mcbook import unmixing
from mcbook.calculus import check_grad, check_vjp
from mcbook.unmixing._passes import Passes

MIXED = unmixing.per_source([unmixing.LAPLACE, unmixing.QUARTIC, unmixing.LOG_COSH])
ALL = [unmixing.LAPLACE, unmixing.LOG_COSH, unmixing.QUARTIC, unmixing.TWO_HUMPS, MIXED]
densities = pytest.mark.parametrize("density", ALL, ids=lambda p: p.name)


def problem(rng, n=50, d=3):
    return np.eye(d) + 0.3 * rng.normal(size=(d, d)), rng.laplace(size=(n, d))


def close(G, reference, rel=1e-11):
    reference = np.asarray(reference)
    assert np.shape(G) == reference.shape
    assert np.linalg.norm(G - reference) <= rel * np.linalg.norm(reference)


@densities
def test_score_is_the_slope_and_score_prime_its_slope(density, rng):
    Y = rng.normal(size=(20, 3))
    close(density.score(Y), jax.grad(lambda Y: density.neg_log_p(Y).sum())(jnp.asarray(Y)))
    close(density.score_prime(Y), jax.grad(lambda Y: density.score(Y).sum())(jnp.asarray(Y)))


@pytest.mark.parametrize("density", [*ALL[:4], unmixing.smoothed_laplace(0.5)], ids=lambda p: p.name)
def test_densities_integrate_to_one(density):
    def p(y):
        return np.exp(-density.neg_log_p(np.array([y]))[0] - density.log_normaliser)

    assert 2 * quad(p, 0, 40, points=[0.1, 1, 5], epsabs=1e-12)[0] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("n", "d"), [(50, 3), (7, 1), (200, 8)])
def test_grad_loss_W_matches_jax(n, d, rng):
    W, X = problem(rng, n, d)
    for density in ALL[:4]:
        close(
            unmixing.grad_loss_W(W, X, density),
            jax.grad(unmixing.loss)(jnp.asarray(W), jnp.asarray(X), density),
        )


@densities
def test_gradient_and_hessian_products_match_jax(density, rng):
    W, X = problem(rng)
    V = rng.normal(size=W.shape)

    def f(W):
        return unmixing.loss(W, jnp.asarray(X), density)

    close(unmixing.grad_loss_W(W, X, density), jax.grad(f)(jnp.asarray(W)))
    close(unmixing.hvp_loss(W, V, X, density), jax.jvp(jax.grad(f), (jnp.asarray(W),), (jnp.asarray(V),))[1])


SHAPES = [(p, n, d) for p in ALL for n, d in ((5, 1), (50, 3)) if p is not MIXED or d == 3]


@pytest.mark.parametrize(("density", "n", "d"), SHAPES, ids=lambda x: getattr(x, "name", x))
def test_gradient_passes_the_book_s_own_checker(density, n, d, rng):
    W, X = problem(rng, n, d)
    check_grad(lambda W: unmixing.loss(W, X, density), unmixing.grad_loss_W(W, X, density), W, rng=rng)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wrong", [lambda G: G.T, lambda G: -G, lambda G: 2 * G, lambda G: 1.001 * G])
def test_planted_errors_are_seen(wrong, seed):
    W, X = problem(np.random.default_rng(seed))
    with pytest.raises(AssertionError):
        check_grad(
            lambda W: unmixing.loss(W, X, MIXED),
            wrong(unmixing.grad_loss_W(W, X, MIXED)),
            W,
            rng=np.random.default_rng(seed),
        )


@densities
def test_hessian_products_are_the_slopes_of_the_gradient(density, rng):
    W, X = problem(rng)
    check_vjp(
        lambda W: unmixing.grad_loss_W(W, X, density),
        lambda W, V: unmixing.hvp_loss(W, V, X, density),  # the Hessian is its own adjoint
        W,
        rng=rng,
    )


@pytest.mark.parametrize("wrong", [lambda V: V.T, lambda V: -V, lambda V: 1.001 * V])
def test_planted_errors_in_hessian_products_are_seen(wrong, rng):
    W, X = problem(rng)
    with pytest.raises(AssertionError):
        check_vjp(
            lambda W: unmixing.grad_loss_W(W, X, MIXED),
            lambda W, V: wrong(unmixing.hvp_loss(W, V, X, MIXED)),
            W,
            rng=rng,
        )


@densities
def test_relative_forms_are_the_plain_ones_in_other_coordinates(density, rng):
    W, X = problem(rng)
    E, Y = rng.normal(size=W.shape), X @ W.T
    close(unmixing.relative_grad(Y, density), unmixing.grad_loss_W(W, X, density) @ W.T)
    close(unmixing.relative_hvp(E, Y, density), unmixing.hvp_loss(W, E @ W, X, density) @ W.T)


def test_relative_hessian_is_symmetric(rng):
    Y = rng.laplace(size=(40, 3))
    E, F = rng.normal(size=(2, 3, 3))
    one, other = (np.vdot(a, unmixing.relative_hvp(b, Y, MIXED)) for a, b in ((F, E), (E, F)))
    assert one == pytest.approx(other, rel=1e-12)


@densities
def test_likelihood_is_equivariant(density, rng):
    """L(W B⁻¹; X Bᵀ) = L(W; X) + log|det B|, and the relative gradient does not see B."""
    W, X = problem(rng)
    B = np.eye(3) + 0.4 * rng.normal(size=(3, 3))
    W_B, X_B = W @ np.linalg.inv(B), X @ B.T
    shift = np.linalg.slogdet(B)[1]
    assert unmixing.loss(W_B, X_B, density) == pytest.approx(unmixing.loss(W, X, density) + shift, rel=1e-12)
    close(
        unmixing.grad_loss_W(W_B, X_B, density) @ W_B.T, unmixing.grad_loss_W(W, X, density) @ W.T, rel=1e-10
    )


@pytest.mark.parametrize("order", [1, 2])
def test_block_hessian_tends_to_the_hessian_for_independent_sources(order, rng):
    gaps = []
    for n in (1_000, 100_000):
        Y = rng.laplace(size=(n, 4))
        E = rng.normal(size=(4, 4))
        h = unmixing.hessian_approx(Y, unmixing.LOG_COSH, order=order)
        blocks = h * E + E.T - np.diag(np.diag(E))
        gaps.append(np.linalg.norm(blocks - unmixing.relative_hvp(E, Y, unmixing.LOG_COSH)))
    assert gaps[1] < gaps[0] / 3


def test_solve_blocks_inverts_the_blocks(rng):
    h, E = 2 + rng.uniform(size=(4, 4)), rng.normal(size=(4, 4))
    G = h * E + E.T - np.diag(np.diag(E))
    close(unmixing.solve_blocks(h, G), E)


def test_regularise_lifts_every_block_to_the_floor(rng):
    h = rng.normal(size=(5, 5))
    lifted = unmixing.regularise(h, least=0.05)
    for i in range(5):
        assert lifted[i, i] >= 0.05
        for j in range(i):
            block = np.array([[lifted[i, j], 1], [1, lifted[j, i]]])
            assert np.linalg.eigvalsh(block)[0] >= 0.05 - 1e-12
    good = 3 + rng.uniform(size=(5, 5))
    np.testing.assert_array_equal(unmixing.regularise(good, least=0.05), good)


def test_hessian_approx_refuses_an_unknown_order(rng):
    with pytest.raises(ValueError, match="order 1 or 2"):
        unmixing.hessian_approx(rng.normal(size=(9, 2)), unmixing.LOG_COSH, order=3)


# The fast passes ----------------------------------------------------------------------------------

THREE = [unmixing.QUARTIC, unmixing.LAPLACE, unmixing.LOG_COSH, unmixing.QUARTIC]


@pytest.mark.parametrize("n", [5, 40, 30_000])
def test_passes_equal_the_readable_code(n, rng):
    X, W, density = rng.laplace(size=(n, 4)) + 3, rng.normal(size=(4, 4)), unmixing.per_source(THREE)
    mean = X.mean(0)
    Y = (X - mean) @ W.T
    with ThreadPoolExecutor(2) as pool:
        passes = Passes(X, mean, pool)
        got = passes.evaluate(W, THREE)
        value = passes.stability(W / Y.std(0)[:, None], THREE)
        close(passes.covariance(), np.cov(X.T, ddof=0), rel=1e-12)
    assert got.loss == pytest.approx(unmixing.loss(W, X - mean, density), rel=1e-12)
    close(got.R, unmixing.relative_grad(Y, density), rel=1e-12)
    close(got.h, unmixing.hessian_approx(Y, density), rel=1e-12)
    np.testing.assert_allclose(value, unmixing.stability(Y, density), rtol=1e-9, atol=1e-12)


def test_passes_do_not_depend_on_the_number_of_threads(rng):
    X, W = rng.laplace(size=(40_000, 4)), rng.normal(size=(4, 4))
    alone = Passes(X, X.mean(0)).evaluate(W, THREE)
    with ThreadPoolExecutor(3) as pool:
        together = Passes(X, X.mean(0), pool).evaluate(W, THREE)
    assert alone.loss == together.loss
    np.testing.assert_array_equal(alone.R, together.R)
    np.testing.assert_array_equal(alone.h, together.h)


def test_single_precision_is_single_precision_and_sums_in_double(rng):
    X, W = rng.laplace(size=(30_000, 4)), rng.normal(size=(4, 4))
    exact, rough = (Passes(X, X.mean(0), dtype=t).evaluate(W, THREE) for t in (np.float64, np.float32))
    assert rough.R.dtype == np.float64
    assert 0 < np.linalg.norm(rough.R - exact.R) <= 1e-6 * np.linalg.norm(exact.R)
    assert Passes(X, X.mean(0)).evaluate(W, THREE, blocks=False).h is None


def test_scratch_memory_is_used_again_and_carries_nothing_over(rng):
    X, W = rng.laplace(size=(40_000, 4)), rng.normal(size=(4, 4))
    with ThreadPoolExecutor(2) as pool:
        passes = Passes(X, X.mean(0), pool)
        first = passes.evaluate(W, THREE)
        passes.evaluate(2 * W, THREE[::-1])
        again = passes.evaluate(W, THREE)
        assert 1 <= len(passes._spare) <= 2
    np.testing.assert_array_equal(first.R, again.R)
    np.testing.assert_array_equal(first.h, again.h)
