"""Gaussian mixtures under noise: score, Hessian and denoiser against derivatives, integrals and samples."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mcbook import calculus, diffusion
from tests.diffusion_problems import PROCESSES, lone, mixtures, turned

SIGMAS = (0.01, 0.4, 30.0)


def near(mix, sigma, rng, n=4):
    """Points where the density at that noise is not negligible."""
    return diffusion.sample_mixture(diffusion.noised(mix, sigma), n, rng)


@jax.jit
def by_jax(x, mix):
    """The Hessian of the log density, differentiated twice by JAX."""
    return jax.vmap(jax.hessian(lambda row: diffusion.log_density(row[None], mix)[0]))(x)


@jax.jit
def jacobian(x, sigma, mix):
    """∂D/∂x of every row."""
    return jax.vmap(jax.jacfwd(lambda row: diffusion.denoise_mixture(row[None], sigma, mix)[0]))(x)


def total(mix):
    """x ↦ Σ_i log p(x_i): its gradient has the rows of the score."""
    return lambda x: diffusion.log_density(x, mix).sum()


# The score and the Hessian


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_score_is_the_gradient_of_the_log_density(sigma, rng):
    for mix in mixtures(rng):
        x, blurred = near(mix, sigma, rng), diffusion.noised(mix, sigma)
        f = total(blurred)
        G = diffusion.score(x, blurred)
        assert calculus.check_grad(f, G, x, reference=jax.grad(f), rng=rng)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, mix, s: -diffusion.score(x, mix),
        lambda x, mix, s: 1.001 * diffusion.score(x, mix),
        lambda x, mix, s: (diffusion.denoise_mixture(x, 0.0, mix) - x) / s**2,  # noise counted twice
        lambda x, mix, s: diffusion.score(x, mix) * 0.4,  # the noise's direction, not the score
        lambda x, mix, s: diffusion.score(x, diffusion.noised(mix, s)),  # noised a second time
    ],
)
def test_wrong_scores_are_caught(wrong, rng):
    mix = diffusion.noised(turned(rng), 0.4)
    x = near(mix, 0.0, rng)
    with pytest.raises(AssertionError):
        calculus.check_grad(total(mix), wrong(x, mix, 0.4), x, rng=rng)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_hessian_is_the_jacobian_of_the_score(sigma, rng):
    for mix in mixtures(rng):
        x, blurred = near(mix, sigma, rng), diffusion.noised(mix, sigma)
        H = diffusion.hessian(x, blurred)
        known = by_jax(x, blurred)
        np.testing.assert_allclose(H, known, rtol=0, atol=1e-11 * np.abs(known).max())
        np.testing.assert_allclose(H, H.transpose(0, 2, 1), rtol=0, atol=1e-13 * np.abs(known).max())
        assert calculus.check_vjp(
            partial(diffusion.score, mix=blurred),
            lambda x, y_bar, H=H: jnp.einsum("nij,ni->nj", H, y_bar),
            x,
            rng=rng,
        )


def test_a_hessian_without_the_spread_of_the_components_is_caught(rng):
    mix = turned(rng)
    x = near(mix, 0.0, rng)
    r = diffusion.responsibilities(x, mix)
    precision = jnp.einsum("kij,kj,klj->kil", mix.axes, 1 / jnp.asarray(mix.variances), mix.axes)
    H = -jnp.einsum("nk,kij->nij", r, precision)
    with pytest.raises(AssertionError):
        calculus.check_vjp(
            partial(diffusion.score, mix=mix),
            lambda x, y_bar: jnp.einsum("nij,ni->nj", H, y_bar),
            x,
            rng=rng,
        )


def test_the_density_is_scipys(rng):
    mix = turned(rng)
    x = near(mix, 0.0, rng, n=6)
    C = np.einsum("kij,kj,klj->kil", mix.axes, mix.variances, mix.axes)
    known = sum(
        w * multivariate_normal(m, c).pdf(x) for w, m, c in zip(mix.weights, mix.means, C, strict=True)
    )
    np.testing.assert_allclose(diffusion.log_density(x, mix), np.log(known), rtol=1e-12)
    assert diffusion.responsibilities(x, mix).sum(1) == pytest.approx(np.ones(6), abs=1e-14)


def test_far_away_nothing_overflows(rng):
    mix = diffusion.five_spots()
    x = 1e3 * rng.normal(size=(4, 2))
    assert np.isfinite(diffusion.log_density(x, mix)).all()
    nearest = ((x[:, None] - mix.means) ** 2).sum(-1).argmin(1)
    expected = -(x - mix.means[nearest]) / 0.15**2
    np.testing.assert_allclose(diffusion.score(x, mix), expected, rtol=1e-10)


# The denoiser


@pytest.mark.parametrize("sigma", SIGMAS)
def test_tweedie(sigma, rng):
    """D = x + sigma² ∇ log p_sigma, dD/dx = Cov/sigma², and div D is its trace."""
    for mix in mixtures(rng):
        x, d = near(mix, sigma, rng), mix.means.shape[1]
        D, div_D = diffusion.mixture_field(mix)(x, sigma)
        jump = sigma**2 * diffusion.score(x, diffusion.noised(mix, sigma))
        np.testing.assert_allclose(D, x + jump, rtol=0, atol=1e-13 * (1 + np.abs(x).max()))
        J = jacobian(x, sigma, mix)
        cov = diffusion.posterior_covariance(x, sigma, mix)
        np.testing.assert_allclose(cov, sigma**2 * J, rtol=0, atol=1e-12 * np.abs(cov).max())
        np.testing.assert_allclose(div_D, np.trace(J, axis1=1, axis2=2), rtol=1e-10, atol=1e-12 * d)


def test_the_denoiser_is_the_mean_of_what_could_have_been(rng):
    """E[x_0 | x] and its covariance by weighting many clean draws with the noise's density."""
    mix, sigma = diffusion.five_spots(), 0.5
    x = np.array([[0.8, 0.9]])
    clean = diffusion.sample_mixture(mix, 200_000, rng)
    w = np.exp(-((x - clean) ** 2).sum(1) / (2 * sigma**2))
    w /= w.sum()
    mean = w @ clean
    cov = (w[:, None] * (clean - mean)).T @ (clean - mean)
    error = np.sqrt((w**2 @ (clean - mean) ** 2).max())
    assert np.abs(diffusion.denoise_mixture(x, sigma, mix)[0] - mean).max() < 5 * error
    assert np.abs(diffusion.posterior_covariance(x, sigma, mix)[0] - cov).max() < 10 * error


def test_a_noise_level_for_every_row(rng):
    for mix in mixtures(rng):
        x = near(mix, 1.0, rng)
        sigma = np.array([0.1, 1.0, 5.0, 0.01])
        each = [diffusion.denoise_mixture(row[None], s, mix)[0] for row, s in zip(x, sigma, strict=True)]
        np.testing.assert_allclose(diffusion.denoise_mixture(x, sigma, mix), each, rtol=1e-13, atol=1e-13)


def test_points_have_a_denoiser_too(rng):
    """Clean data of no width: the best denoiser is a softmax over them, and returns to the nearest."""
    points = rng.normal(size=(5, 2))
    mix = diffusion.mixture(np.ones(5), points, 0.0)
    x = points[2:3] + 0.01
    np.testing.assert_allclose(diffusion.denoise_mixture(x, 0.05, mix), points[2:3], atol=1e-6)
    with pytest.raises(ValueError, match="no density"):
        diffusion.log_density(x, mix)
    assert np.isfinite(diffusion.log_density(x, diffusion.noised(mix, 0.1))).all()


# Noise


@pytest.mark.parametrize("name", PROCESSES)
def test_the_marginal_is_the_law_of_noised_samples(name, rng):
    process = PROCESSES[name]
    mix, t = turned(rng), float(process.time(0.7))
    x = diffusion.perturb(process, diffusion.sample_mixture(mix, 100_000, rng), t, rng)
    law = jax.tree.map(np.asarray, diffusion.marginal(mix, process, t))
    C = np.einsum("kij,kj,klj->kil", mix.axes, law.variances, mix.axes)
    mean = law.weights @ law.means
    off = law.means - mean
    cov = np.einsum("k,kij->ij", law.weights, C + off[:, :, None] * off[:, None, :])
    assert np.abs(x.mean(0) - mean).max() < 5 * np.sqrt(cov.max() / 100_000)
    assert np.abs(np.cov(x.T) - cov).max() < 12 * np.abs(cov).max() / np.sqrt(100_000)


def test_noise_upon_noise_adds_in_squares(rng):
    mix = turned(rng)
    twice = diffusion.noised(diffusion.noised(mix, 0.3), 0.4)
    np.testing.assert_allclose(twice.variances, diffusion.noised(mix, 0.5).variances, rtol=1e-14)


def test_the_same_seed_gives_the_same_draws():
    first, again, other = (
        diffusion.sample_mixture(diffusion.ring(), 5, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).all()


def test_the_named_landscapes():
    for mix in (diffusion.five_spots(), diffusion.ring(), diffusion.spiral()):
        assert np.sum(mix.weights) == pytest.approx(1)
        assert np.min(mix.variances) > 0
    np.testing.assert_allclose(np.linalg.norm(diffusion.ring().means, axis=1), 1.5)
    flat = diffusion.spiral()
    np.testing.assert_allclose(np.sqrt(flat.variances), [[0.06, 0.25]] * 24)


# Bad input


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "says"),
    [
        ([1.0], [1.0, 2.0], 1.0, r"means must be \(K, d\)"),
        ([1.0, 1.0], [[0.0, 0.0]], 1.0, "weights must have shape"),
        ([-1.0, 2.0], [[0.0], [1.0]], 1.0, "not be negative"),
        ([0.0, 0.0], [[0.0], [1.0]], 1.0, "not all zero"),
        ([1.0], [[0.0, np.nan]], 1.0, "NaN"),
        ([1.0], [[0.0, 0.0]], -1.0, "must not be negative"),
        ([1.0], [[0.0, 0.0]], np.ones((2, 2)), "covariances must be"),
        ([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.0, 1.0]]], "symmetric"),
        ([1.0], [[0.0, 0.0]], [[[1.0, 2.0], [2.0, 1.0]]], "must not be negative"),
        ([1.0], [["a", "b"]], 1.0, "real numbers"),
    ],
)
def test_what_is_no_mixture(weights, means, covariances, says):
    with pytest.raises(ValueError, match=says):
        diffusion.mixture(weights, means, covariances)


def test_bad_points(rng):
    mix = lone()
    for x, says in (
        (np.zeros(3), "rows are samples"),
        (np.zeros((2, 2)), r"\(n, 3\)"),
        (np.zeros((2, 3), dtype=int), "floating-point"),
        (np.array([[0.0, np.nan, 0.0]]), "NaN"),
    ):
        for f in (diffusion.log_density, diffusion.score, diffusion.hessian, diffusion.responsibilities):
            with pytest.raises(ValueError, match=says):
                f(x, mix)
    with pytest.raises(ValueError, match="sigma must not be negative"):
        diffusion.denoise_mixture(np.zeros((1, 3)), -1.0, mix)
    with pytest.raises(ValueError, match="must be a Mixture"):
        diffusion.score(np.zeros((1, 3)), (1, 2, 3))
    with pytest.raises(ValueError, match="rng must be"):
        diffusion.sample_mixture(mix, 3, 0)
