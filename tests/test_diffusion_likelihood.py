"""Likelihood along the flow: exact cases, conservation of probability, traces, and what Hutchinson is not."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import diffusion
from mcbook.diffusion import likelihood
from mcbook.diffusion.angle import slope, slope_of_volume, total_scale
from tests.diffusion_problems import line, lone, turned


def exact_prior(mix, sigma=80.0):
    return partial(diffusion.log_density, mix=diffusion.noised(mix, sigma))


def bent(x, sigma):
    """A denoiser of no data at all: smooth, and its Jacobian is not symmetric."""
    pull = jnp.stack([jnp.sin(x[:, 0] + 2 * x[:, 1]), jnp.cos(x[:, 0]), x[:, 1] * 0.3], axis=1)
    return pull[:, : x.shape[1]] / (1 + sigma)


# The value


def test_a_gaussian_is_exact(rng):
    mix = lone()
    x = diffusion.sample_mixture(mix, 10, rng)
    found = diffusion.log_likelihood(x, diffusion.mixture_field(mix), log_prior=exact_prior(mix))
    known = diffusion.log_density(x, diffusion.noised(mix, 0.002))
    np.testing.assert_allclose(found.log_density, known, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.log_prior + found.log_volume, found.log_density, rtol=1e-14)


def test_a_mixtures_likelihood_is_its_density(rng):
    for mix, allowed in ((diffusion.five_spots(), 2e-9), (turned(rng), 1e-8)):
        x = diffusion.sample_mixture(mix, 20, rng)
        found = diffusion.log_likelihood(x, diffusion.mixture_field(mix), log_prior=exact_prior(mix))
        known = diffusion.log_density(x, diffusion.noised(mix, 0.002))
        assert np.abs(found.log_density - known).mean() < allowed


def test_the_budget_of_the_chapter():
    """The benchmark's 200 points: at most 1e-9 nats on average in at most 400 evaluations."""
    mix, legacy = diffusion.five_spots(), np.random.RandomState(0)
    legacy.randn(5, 2)
    legacy.randn(2000, 2)
    x = mix.means[legacy.choice(5, 200, p=mix.weights)] + 0.15 * legacy.randn(200, 2)
    found = diffusion.log_likelihood(x, diffusion.mixture_field(mix), log_prior=exact_prior(mix))
    known = diffusion.log_density(x, diffusion.noised(mix, 0.002))
    assert found.evaluations <= 400
    assert np.abs(found.log_density - known).mean() < 1e-9


@pytest.mark.parametrize(
    "spoil",
    [
        lambda D, div: (D, -div),
        lambda D, div: (D, 1.001 * div),
        lambda D, div: (D, div - D.shape[1]),  # the Laplacian's term alone
        lambda D, div: (1.001 * D, div),
        lambda D, div: (D, 0 * div),
    ],
)
def test_planted_errors_move_the_likelihood(spoil, rng):
    mix = diffusion.five_spots()
    x = diffusion.sample_mixture(mix, 20, rng)
    field = diffusion.mixture_field(mix)
    found = diffusion.log_likelihood(
        x, lambda x, s: spoil(*field(x, s)), log_prior=exact_prior(mix), rtol=1e-6, atol=1e-6
    )
    known = diffusion.log_density(x, diffusion.noised(mix, 0.002))
    assert np.abs(found.log_density - known).mean() > 1e-4


def test_probability_is_conserved_whatever_the_denoiser():
    """Change of variables needs no score: for any smooth field the flow's density has mass 1."""
    x = np.linspace(-6, 6, 801)[:, None]

    def denoise(x, sigma):
        return x / (1 + sigma**2) + 0.4 * jnp.sin(2 * x) * sigma**2 / (1 + sigma**2)

    def mass(field):
        prior = diffusion.gaussian_log_prior(20.0)
        found = diffusion.log_likelihood(
            x, field, log_prior=prior, sigma_min=0.05, sigma_max=20.0, rtol=1e-8, atol=1e-8
        )
        return np.exp(found.log_density).sum() * (x[1] - x[0])[0]

    field = diffusion.exact_field(denoise)
    assert mass(field) == pytest.approx(1, abs=1e-6)
    for wrong in (-1.0, 0.0, 1.01):
        assert abs(mass(lambda x, s, w=wrong: (field(x, s)[0], w * field(x, s)[1])) - 1) > 1e-3


def test_the_priors_mismatch_is_not_an_error_of_integration(rng):
    """N(0, sigma_max²) for the exact prior: the same volume, an error that no tolerance removes."""
    mix = diffusion.five_spots()
    x = diffusion.sample_mixture(mix, 20, rng)
    field, known = diffusion.mixture_field(mix), diffusion.log_density(x, diffusion.noised(mix, 0.002))
    gaps = []
    for tol in (1e-6, 1e-9):
        found = diffusion.log_likelihood(
            x, field, log_prior=diffusion.gaussian_log_prior(80.0), rtol=tol, atol=tol
        )
        gaps.append(np.abs(found.log_density - known).mean())
        exact = exact_prior(mix)(found.latent) + found.log_volume
        assert np.abs(exact - known).mean() < 100 * tol
    assert gaps[1] == pytest.approx(gaps[0], rel=1e-3)
    assert 1e-3 < gaps[1] < 1e-1


def test_the_volume_is_the_jacobians_determinant(rng):
    """log|det ∂φ/∂x| of the whole flow, by finite differences of the endpoint."""
    mix, start, end = diffusion.five_spots(), 0.1, 20.0
    x, eps = diffusion.sample_mixture(mix, 3, rng), 1e-5
    moved = np.concatenate([x + s * eps * e for e in np.eye(2) for s in (1, -1)])
    out = diffusion.flow(
        diffusion.denoiser(mix), moved, sigma_from=start, sigma_to=end, rtol=1e-12, atol=1e-12
    ).x.reshape(2, 2, 3, 2)
    J = (out[:, 0] - out[:, 1]) / (2 * eps)  # (in, n, out)
    known = np.linalg.slogdet(J.transpose(1, 2, 0))[1]
    found = diffusion.log_likelihood(
        x,
        diffusion.mixture_field(mix),
        log_prior=diffusion.gaussian_log_prior(end),
        sigma_min=start,
        sigma_max=end,
    )
    np.testing.assert_allclose(found.log_volume, known, rtol=0, atol=1e-6)


def test_the_volumes_rate_is_the_trace_of_the_slopes_jacobian(rng):
    mix, sigma, a = turned(rng), 0.7, 1.3
    z, c = rng.normal(size=(3, 3)), total_scale(0.7, 1.3)
    rate = jax.vmap(
        jax.jacobian(
            lambda row: slope(row[None], diffusion.denoise_mixture(c * row[None], sigma, mix), sigma, a)[0]
        )
    )(z)
    _, div_D = diffusion.mixture_field(mix)(c * z, sigma)
    np.testing.assert_allclose(
        slope_of_volume(div_D, 3, sigma, a), np.trace(rate, axis1=1, axis2=2), rtol=1e-11
    )


# Traces


def test_the_exact_field_is_the_trace(rng):
    x = rng.normal(size=(4, 3))
    D, div_D = diffusion.exact_field(bent)(x, 0.5)
    J = jax.vmap(jax.jacobian(lambda row: bent(row[None], 0.5)[0]))(x)
    np.testing.assert_allclose(D, bent(jnp.asarray(x), 0.5), rtol=1e-14)
    np.testing.assert_allclose(div_D, np.trace(J, axis1=1, axis2=2), rtol=1e-12)
    mix = turned(rng)
    known = diffusion.mixture_field(mix)(x, 0.5)[1]
    np.testing.assert_allclose(diffusion.exact_field(diffusion.denoiser(mix))(x, 0.5)[1], known, rtol=1e-11)


def test_images_are_rows_too(rng):
    images = rng.normal(size=(4, 1, 3))
    found = diffusion.exact_field(lambda x, s: bent(x[:, 0], s)[:, None])(images, 0.5)
    np.testing.assert_allclose(found[1], diffusion.exact_field(bent)(images[:, 0], 0.5)[1], rtol=1e-13)


def test_hutchinson_is_unbiased_and_its_variance_is_known(rng):
    """Over all 2^d signs, exactly: the mean is the trace, the variance Σ_{i≠j} (J_ij + J_ji)²/2."""
    x = rng.normal(size=(4, 3))
    J = jax.vmap(jax.jacobian(lambda row: bent(row[None], 0.5)[0]))(x)
    signs = itertools.product([-1.0, 1.0], repeat=3)
    draws = np.stack(
        [
            likelihood._diagonal(bent, jnp.asarray(x), 0.5, jnp.broadcast_to(jnp.array(v), x.shape))
            for v in signs
        ]
    )
    np.testing.assert_allclose(draws.mean(0), np.trace(J, axis1=1, axis2=2), rtol=1e-12)
    both = np.asarray(J + J.transpose(0, 2, 1))
    off = both * (1 - np.eye(3))
    np.testing.assert_allclose(draws.var(0), (off**2).sum((1, 2)) / 2, rtol=1e-11)
    assert (np.abs(draws - np.trace(J, axis1=1, axis2=2)).max(0) > 0.05).all()


def test_a_hutchinson_likelihood_is_a_mean_with_an_error(rng):
    mix = turned(rng)
    x = diffusion.sample_mixture(mix, 6, rng)
    settings = {"log_prior": exact_prior(mix), "rtol": 1e-4, "atol": 1e-4}
    denoise = diffusion.denoiser(mix)
    found = diffusion.hutchinson_likelihood(x, denoise, key=jax.random.key(0), draws=24, **settings)
    exact = diffusion.log_likelihood(x, diffusion.mixture_field(mix), **settings).log_density
    assert found.draws.shape == (24, 6)
    np.testing.assert_allclose(found.standard_error, found.draws.std(0, ddof=1) / 24**0.5, rtol=1e-12)
    assert (np.abs(found.mean - exact) < 5 * found.standard_error + 1e-3).all()
    assert np.abs(found.draws[0] - exact).max() > 0.1  # one draw is no likelihood
    again = diffusion.hutchinson_likelihood(x, denoise, key=jax.random.key(0), draws=2, **settings)
    known = diffusion.hutchinson_likelihood(x, denoise, key=jax.random.key(0), draws=2, **settings)
    np.testing.assert_array_equal(again.draws, known.draws)
    with pytest.raises(ValueError, match="at least 2"):
        diffusion.hutchinson_likelihood(x, denoise, key=jax.random.key(0), draws=1, **settings)


# Units and bad input


def test_bits_per_dimension_of_uniform_greys():
    """k equally likely grey values cost log2 k bits, in whatever units x is."""
    k, d = 16, 5
    for levels in (1.0, 8.0):
        log_density = -d * np.log(k / levels)  # uniform on an interval of length k/levels
        assert diffusion.bits_per_dimension(log_density, d, levels=levels) == pytest.approx(np.log2(k))


def test_bad_likelihoods_are_named(rng):
    field, prior = diffusion.mixture_field(line()), diffusion.gaussian_log_prior(80.0)
    for x, says in (
        (np.array([[np.nan]]), "NaN"),
        (np.array([[0, 1]]), "floating-point"),
        (255 * rng.random((8, 1)), "Scale x"),
    ):
        with pytest.raises(ValueError, match=says):
            diffusion.log_likelihood(x, field, log_prior=prior)
    with pytest.raises(ValueError, match="sigma_min must be less"):
        diffusion.log_likelihood(np.zeros((1, 1)), field, log_prior=prior, sigma_min=90.0)
    for spoiled in (lambda x, s: (x * np.nan, x[:, 0]), lambda x, s: (x, x[:, 0] * np.nan)):
        with pytest.raises(ValueError, match="answered with NaN"):
            diffusion.log_likelihood(np.zeros((1, 1)), spoiled, log_prior=prior)
    with pytest.raises(ValueError, match="log_prior"):
        diffusion.log_likelihood(np.zeros((2, 1)), field, log_prior=lambda x: 0.0)
