"""The likelihood and its derivatives: oracles, laws, planted errors; fast passes against readable code."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from mcbook import unmixing
from mcbook.calculus import check_grad
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


SHAPES = [(50, 3), (7, 2), (5, 1), (200, 8)]


def derivatives(rng, density, n, d):
    """Every public derivative as (function, claimed gradient, variable, JAX's gradient)."""
    W, X = problem(rng, n, d)
    V, Y = rng.normal(size=(d, d)), X @ W.T
    X_jax, V_jax, Y_jax = map(jnp.asarray, (X, V, Y))

    def along_V(W):
        xp = W.__array_namespace__()
        data, v = (X, V) if xp is np else (X_jax, V_jax)
        return (unmixing.grad_loss_W(W, data, density) * v).sum()

    def relative(E):
        xp = E.__array_namespace__()
        return unmixing.loss(xp.eye(d) + E, Y if xp is np else Y_jax, density)

    def relative_along_V(E):  # L((I + E) W) in the direction V: its gradient at 0 is H V
        xp = E.__array_namespace__()
        data, v = (Y, V) if xp is np else (Y_jax, V_jax)
        return (unmixing.grad_loss_W(xp.eye(d) + E, data, density) * v).sum()

    def plain(W):
        return unmixing.loss(W, X if W.__array_namespace__() is np else X_jax, density)

    zero = np.zeros((d, d))
    return {
        "grad_loss_W": (plain, unmixing.grad_loss_W(W, X, density), W),
        "hvp_loss": (along_V, unmixing.hvp_loss(W, V, X, density), W),
        "relative_grad": (relative, unmixing.relative_grad(Y, density), zero),
        "relative_hvp": (relative_along_V, unmixing.relative_hvp(V, Y, density), zero),
    }


NAMES = ["grad_loss_W", "hvp_loss", "relative_grad", "relative_hvp"]


@densities
@pytest.mark.parametrize("name", NAMES)
def test_derivatives_hold_against_jax_and_differences(name, density, rng):
    for n, d in SHAPES if density is not MIXED else SHAPES[:1]:
        f, G, at = derivatives(rng, density, n, d)[name]
        check_grad(f, G, at, reference=jax.grad(f)(jnp.asarray(at)), rng=rng)


@pytest.mark.parametrize("wrong", [lambda G: G.T, lambda G: -G, lambda G: 2 * G, lambda G: 1.001 * G])
@pytest.mark.parametrize("name", NAMES)
def test_planted_errors_are_seen_without_a_reference(name, wrong, rng):
    f, G, at = derivatives(rng, MIXED, 50, 3)[name]
    with pytest.raises(AssertionError, match="gradient is wrong"):
        check_grad(f, wrong(G), at, rng=rng)


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


def test_passes_keep_their_scratch_apart(rng):
    """Evaluations one after another reuse memory; each is what a fresh object gives, with threads too."""
    X, Ws = rng.laplace(size=(40_000, 4)), rng.normal(size=(3, 4, 4))
    fresh = [Passes(X, X.mean(0)).evaluate(W, THREE) for W in Ws]
    with ThreadPoolExecutor(3) as pool:
        for passes in (Passes(X, X.mean(0)), Passes(X, X.mean(0), pool)):
            passes.stability(Ws[0], THREE[::-1])
            again = [passes.evaluate(W, THREE) for W in Ws]
            assert 1 <= len(passes._spare) <= 3
            for one, other in zip(fresh, again, strict=True):
                assert one.loss == other.loss
                np.testing.assert_array_equal(one.R, other.R)
                np.testing.assert_array_equal(one.h, other.h)


@pytest.mark.parametrize(
    "density", [unmixing.LAPLACE, unmixing.LOG_COSH, unmixing.QUARTIC], ids=lambda p: p.name
)
def test_the_slope_along_a_rotation_is_r12_minus_r21(density, rng):
    """The page's eq. (unmixing-angle): dL/dθ = ⟨R, J⟩ for W(θ) = [[cos θ, sin θ], [-sin θ, cos θ]]."""
    X, theta = rng.laplace(size=(60, 2)), np.array([0.7])

    def W(t):
        return np.array([[np.cos(t[0]), np.sin(t[0])], [-np.sin(t[0]), np.cos(t[0])]])

    def loss(t):
        return unmixing.loss(W(t), X, density)

    R = unmixing.relative_grad(X @ W(theta).T, density)
    slope = np.array([R[0, 1] - R[1, 0]])
    check_grad(loss, slope, theta, rng=rng)
    for wrong in (-slope, 2 * slope, 1.001 * slope, np.array([R[0, 1] + R[1, 0]])):
        with pytest.raises(AssertionError):
            check_grad(loss, wrong, theta, rng=rng)
