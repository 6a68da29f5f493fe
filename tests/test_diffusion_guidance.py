"""Guidance: Bayes as a sum of gradients, exactly on a labelled mixture, and of a learned model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusion_networks import shaken, two_classes, untrained

from mcbook.diffusion import guidance, labelled
from mcbook.diffusion import model as learned


def halves(base, y):
    return (
        lambda x, sigma: labelled.denoise_labelled(x, sigma, base),
        lambda x, sigma: labelled.denoise_labelled(x, sigma, base, y),
    )


@pytest.mark.parametrize("sigma", [0.05, 0.6, 3.0])
@pytest.mark.parametrize("strength", [0.0, 1.0, 2.5])
def test_a_classifiers_gradient_and_the_difference_of_denoisers_agree(sigma, strength, rng):
    """D(x | y) - D(x) = sigma² ∇ log p(y | x_sigma), where all three are known exactly."""
    base, y, x = two_classes(rng), 1, rng.normal(size=(6, 4)) * (1 + sigma)
    plain, for_class = halves(base, y)
    by_difference = guidance.guided(plain, for_class, strength)(x, sigma)

    def log_probability(x, sigma):
        return labelled.class_log_probability(x, sigma, base)[:, y]

    by_gradient = guidance.classifier_guided(plain, log_probability, strength)(x, sigma)
    np.testing.assert_allclose(by_gradient, by_difference, rtol=1e-9, atol=1e-11)
    pull = np.asarray(by_difference - plain(x, sigma))
    for factor in (-1.0, 1.001, sigma**-2):  # a sign, 0.1 %, sigma² forgotten
        planted = np.asarray(plain(x, sigma) + factor * (by_gradient - plain(x, sigma)))
        gap = np.abs(planted - by_difference).max()
        assert gap >= 5e-4 * np.abs(pull).max()
        assert (gap > 1e-9) == bool(strength)


def test_strength_zero_is_no_guidance_and_one_is_bayes(rng):
    base, x = two_classes(rng), rng.normal(size=(6, 4))
    plain, for_class = halves(base, 0)
    np.testing.assert_array_equal(guidance.guided_base(base, 0, 0.0)(x, 0.3), plain(x, 0.3))
    np.testing.assert_allclose(guidance.guided_base(base, 0, 1.0)(x, 0.3), for_class(x, 0.3), atol=1e-14)


def test_more_strength_makes_the_class_more_probable(rng):
    """The slope of log p(y | x) along the guided change is its squared length over sigma²: never negative."""
    base, x, sigma, y = two_classes(rng), rng.normal(size=(6, 4)), 0.5, 1
    plain, for_class = halves(base, y)
    change = for_class(x, sigma) - plain(x, sigma)
    along = jax.jvp(lambda x: labelled.class_log_probability(x, sigma, base)[:, y], (x,), (change,))[1]
    np.testing.assert_allclose(along, (np.asarray(change) ** 2).sum(1) / sigma**2, rtol=1e-9)
    assert float(along.min()) > 0


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_the_learned_denoiser_guided_is_the_two_halves(kind, rng):
    model = shaken(untrained(rng, kind))
    x, y = rng.normal(size=(3, 2, 2)), np.array([0, 1, 0])
    plain, for_class = learned.denoise(model, x, 0.4), learned.denoise(model, x, 0.4, y)
    for strength in (0.0, 1.0, 2.0):
        D = guidance.guided_denoiser(model, y, strength)(x, 0.4)
        np.testing.assert_allclose(D, plain + strength * (for_class - plain), rtol=1e-9, atol=1e-11)
    assert np.abs(np.asarray(for_class - plain)).max() > 1e-3
    single = guidance.guided_denoiser(model, 1, 1.0)(x.astype(np.float32), 0.4)
    assert single.dtype == jnp.float32


def test_bad_input_is_named(rng):
    model, base = untrained(rng), two_classes(rng)
    for bad in (2, -1, [0.5], []):
        with pytest.raises(ValueError, match="whole numbers 0 … 1"):
            guidance.guided_denoiser(model, bad)
    with pytest.raises(ValueError, match="0 classes"):
        guidance.guided_denoiser(untrained(rng, base=None, classes=0), 0)
    for strength in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="strength must be positive"):
            guidance.guided_base(base, 0, strength)
