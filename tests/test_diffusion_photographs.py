"""Photographs: the memory that is the optimum of score matching, and patches taken out and put back."""

import jax
import numpy as np
import pytest

from mcbook import data
from mcbook.diffusion import log_sigmas, mixtures, photographs, sample


def test_memory_is_the_mixture_of_points(rng):
    kept, x = rng.normal(size=(5, 2, 3)), rng.normal(size=(4, 2, 3))
    points = mixtures.mixture(np.ones(5), kept.reshape(5, 6), 0.0)
    for sigma in (0.2, 1.0, 5.0):
        wanted = mixtures.denoise_mixture(x.reshape(4, 6), sigma, points)
        found = np.reshape(photographs.memory_denoiser(kept)(x, sigma), (4, 6))
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_memory_minimises_the_denoising_loss(rng):
    """No change of D lowers E |D(x) - x_0|²: stationary along any function of x, by quadrature."""
    kept, sigma = rng.normal(size=(3, 1)), 0.7
    t, w = np.polynomial.hermite_e.hermegauss(60)
    x = (kept + sigma * t[None]).reshape(-1, 1)
    x0, weight = np.repeat(kept, 60, axis=0), np.tile(w / w.sum(), 3) / 3
    D = np.asarray(photographs.memory_denoiser(kept)(x, sigma))
    for _ in range(3):
        a, b = rng.normal(size=2)
        change = np.sin(a * x + b)  # any function of x alone
        slope = float((weight[:, None] * 2 * (D - x0) * change).sum())
        planted = float((weight[:, None] * 2 * (1.05 * D - x0) * change).sum())
        assert abs(slope) < 1e-9
        assert abs(planted) > 1e-4


def test_its_flow_returns_to_one_of_the_photographs(rng):
    kept = rng.normal(size=(6, 8))
    start = 20 * rng.standard_normal((10, 8))
    x = np.asarray(
        sample(photographs.memory_denoiser(kept), start, log_sigmas(60, sigma_min=0.02, sigma_max=20.0)).x
    )
    gaps = np.linalg.norm(x[:, None] - kept[None], axis=2).min(axis=1)
    assert gaps.max() < 1e-6


@pytest.mark.parametrize(("shape", "size", "stride"), [((10, 14), 4, 1), ((10, 14), 4, 2), ((8, 12), 4, 4)])
def test_averaging_undoes_taking_patches(shape, size, stride, rng):
    image = rng.normal(size=shape)
    rows = photographs.patches(image, size, stride)
    assert rows.shape[1] == size**2
    np.testing.assert_array_equal(rows[0], image[:size, :size].ravel())
    np.testing.assert_array_equal(rows[-1], image[-size:, -size:].ravel())
    np.testing.assert_allclose(photographs.average(rows, shape, size, stride), image, rtol=1e-12)


def test_patch_denoiser_on_an_image_of_one_patch_is_the_mixtures(rng):
    mix = mixtures.mixture([0.5, 0.5], rng.normal(size=(2, 16)), rng.uniform(0.1, 1, (2, 16)))
    x = rng.normal(size=(3, 4, 4))
    found = photographs.patch_denoiser(mix, size=4, stride=1)(x, 0.4)
    wanted = mixtures.denoise_mixture(x.reshape(3, 16), 0.4, mix)
    np.testing.assert_allclose(np.reshape(found, (3, 16)), wanted, rtol=1e-10)


def test_a_photographs_noise_is_taken_away(rng):
    image = photographs.grey(data.photograph("china"), shrink=8)[:50, :78]
    mix = photographs.fit_patches(image, components=4, rng=rng, most=1500)
    noisy = image + 0.3 * rng.standard_normal(image.shape)
    found = np.asarray(photographs.patch_denoiser(mix, stride=2)(noisy[None], 0.3))[0]
    error = np.sqrt(((found - image) ** 2).mean())
    assert error < 0.14  # the noise was 0.3
    assert found.std() > 0.5 * image.std()
    single = photographs.patch_denoiser(mix, stride=2)(noisy[None].astype(np.float32), 0.3)
    assert single.dtype == np.float32


def test_the_same_seed_gives_the_same_mixture():
    image = np.random.default_rng(0).normal(size=(20, 20))
    pair = [
        photographs.fit_patches(image, components=2, size=4, rng=np.random.default_rng(5)) for _ in range(2)
    ]
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, *pair)))


def test_bad_input_is_named(rng):
    for shape, size, stride in (((9, 12), 4, 2), ((3, 12), 4, 1), ((8, 8), 4, 5)):
        with pytest.raises(ValueError, match="must cover the image"):
            photographs.patches(np.zeros(shape), size, stride)
    with pytest.raises(ValueError, match="in 0 … 1"):
        photographs.grey(np.full((4, 4, 3), 255.0))
    with pytest.raises(ValueError, match="NaN"):
        photographs.memory_denoiser(np.full((2, 3), np.nan))
