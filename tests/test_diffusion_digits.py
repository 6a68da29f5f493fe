"""The learned flow's likelihood, the judges of its samples, and the network that ships with the book."""

import hashlib

import jax
import numpy as np
import pytest
from diffusion_networks import shaken, untrained

from mcbook.diffusion import (
    bits,
    images,
    judging,
    labelled,
    likelihood,
    log_sigmas,
    matching,
    sample,
    trained,
)
from mcbook.diffusion import model as learned
from mcbook.diffusion.guidance import guided_denoiser

# The likelihood of the flow


def test_adams_has_order_three():
    """z' = -sin(t) z with its volume, both known; every halving of the step divides the error by 8 or so."""

    def rate(z, t):
        return -np.sin(t) * z, np.full(len(z), np.exp(-t))

    errors = []
    for m in (21, 41, 81):
        z, volume = bits.adams(rate, np.ones((2, 1)), np.linspace(0.0, 3.0, m))
        errors.append([abs(z[0, 0] - np.exp(np.cos(3.0) - 1)), abs(volume[0] - (1 - np.exp(-3.0)))])
    orders = np.log2(np.array(errors)[:-1] / np.array(errors)[1:])
    assert orders.min() > 2.7


def test_untrained_the_flow_has_the_density_of_its_base(rng):
    model = untrained(rng)
    base = learned.base_of(model)
    x = np.asarray(base.mixture.means)[[0, 1, 2, 2]].reshape(4, 2, 2) + 0.1 * rng.normal(size=(4, 2, 2))
    wanted = np.asarray(labelled.log_density_labelled(x.reshape(4, 4), base, sigma=0.02))
    gaps = []
    for m in (60, 120):
        found = bits.flow_density(model, x, evaluations=m, sigma_min=0.02)
        gaps.append(np.abs(found.log_density - wanted).max())
    assert gaps[1] < 2e-4
    assert gaps[1] < gaps[0] / 4
    assert np.abs(found.log_density - 4 * np.log(2) - wanted).min() > 1  # a forgotten change of scale


def test_the_divergence_is_the_trace_of_the_jacobian(rng):
    model = learned.precise(shaken(untrained(rng)))
    x = rng.normal(size=(3, 2, 2))
    D, div_D = bits.divergence(model, x, 0.4)
    np.testing.assert_allclose(D, learned.denoise(model, x, 0.4), rtol=1e-12, atol=1e-14)
    for i in range(3):
        J = jax.jacobian(lambda v: learned.learned_denoiser(model)(v.reshape(1, 2, 2), 0.4).ravel())(
            x[i].ravel()
        )
        assert float(div_D[i]) == pytest.approx(float(np.trace(J)), rel=1e-9)


def test_the_grid_agrees_with_the_adaptive_solver(rng):
    model = learned.precise(shaken(untrained(rng), size=0.1))
    base, x = learned.base_of(model), 0.5 * rng.normal(size=(3, 2, 2))
    found = bits.flow_density(model, x, evaluations=160, sigma_min=0.05, sigma_max=10.0)
    adaptive = likelihood.log_likelihood(
        x,
        likelihood.exact_field(learned.learned_denoiser(model)),
        log_prior=lambda z: np.asarray(labelled.log_density_labelled(z.reshape(3, 4), base, sigma=10.0)),
        sigma_min=0.05,
        sigma_max=10.0,
        data_scale=0.7,
        rtol=1e-7,
        atol=1e-7,
    )
    np.testing.assert_allclose(found.log_density, adaptive.log_density, atol=2e-3)
    single = bits.flow_density(model, x, evaluations=160, sigma_min=0.05, precision="float32")
    np.testing.assert_allclose(single.log_density, found.log_density, atol=2e-3)


def test_without_a_base_the_prior_is_the_round_gaussian(rng):
    model = untrained(rng, base=None, levels=None, classes=0)
    x, s = rng.normal(size=(3, 2, 2)), 0.7
    found = bits.flow_density(model, x, evaluations=80).log_density
    total = s**2 + 0.005**2
    wanted = -(x.reshape(3, 4) ** 2).sum(1) / (2 * total) - 2 * np.log(2 * np.pi * total)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_bad_input_of_the_likelihood_is_named(rng):
    model = untrained(rng)
    for bad, words in ((np.full((2, 2, 2), np.nan), "NaN"), (np.zeros((2, 3)), "4 numbers per sample")):
        with pytest.raises(ValueError, match=words):
            bits.flow_density(model, bad)
    with pytest.raises(ValueError, match="evaluations"):
        bits.flow_density(model, np.zeros((1, 2, 2)), evaluations=2)
    with pytest.raises(ValueError, match="no base but the round Gaussian"):
        learned.base_of(untrained(rng, base=None, classes=0))


# Judging samples


def test_nearest_is_brute_force(rng):
    x, references = rng.normal(size=(7, 2, 3)), rng.normal(size=(5, 2, 3))
    found = judging.nearest(x, references)
    gaps = np.linalg.norm((x[:, None] - references[None]).reshape(7, 5, 6), axis=2)
    np.testing.assert_array_equal(found.row, gaps.argmin(1))
    np.testing.assert_allclose(found.distance, gaps.min(1), rtol=1e-12)
    np.testing.assert_allclose(judging.nearest(references, references).distance, 0)


def test_two_samples_of_one_law_are_a_coin_and_of_two_laws_are_told_apart(rng):
    first, second = rng.normal(size=(600, 3)), rng.normal(size=(600, 3))
    assert abs(judging.two_sample_accuracy(first, second) - 0.5) < 0.06
    assert judging.two_sample_accuracy(first, second + 20) == 1.0
    assert judging.two_sample_accuracy(first, second + 0.8) > 0.6
    assert judging.two_sample_accuracy(first, first + 1e-9) == 0.0  # copies
    with pytest.raises(ValueError, match="same shape"):
        judging.two_sample_accuracy(first, second[:-1])
    with pytest.raises(ValueError, match="rows alike"):
        judging.nearest(first, second[:, :2])


# The network that ships with the book


@pytest.fixture(scope="module")
def shipped():
    return trained.trained_digits()


def test_it_has_the_sizes_and_the_start_it_says(shipped):
    split = images.digits()
    blank = trained.untrained(images.together(split.train, split.validation))
    shapes = [jax.tree.map(np.shape, model) for model in (blank, shipped)]
    assert shapes[0] == shapes[1]
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, blank.base, shipped.base)))
    count = sum(leaf.size for leaf in jax.tree.leaves(shipped.params))
    assert f"{count:,}".replace(",", " ") in trained.__doc__


def test_damaged_weights_are_refused(shipped, tmp_path):
    path = tmp_path / "weights.npz"
    trained.store(shipped, path)
    again = trained.trained_digits(path)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, again.params, shipped.params)))
    with np.load(path) as arrays:
        weights, digest = arrays["weights"].copy(), arrays["sha256"]
    weights[1000] += 1
    np.savez(path, weights=weights, sha256=digest)
    with pytest.raises(ValueError, match=r"weights\.npz is damaged"):
        trained.trained_digits(path)
    short = weights[:-1]
    digest = np.frombuffer(hashlib.sha256(short.tobytes()).digest(), np.uint8)
    np.savez(path, weights=short, sha256=digest)
    with pytest.raises(ValueError, match="train it again"):
        trained.trained_digits(path)


def test_it_beats_its_ten_gaussians_on_digits_that_it_never_saw(shipped):
    found = matching.gain(shipped, images.digits().test.pixels[:120], key=jax.random.key(0), draws=32)
    assert found.bits > 0.5
    assert found.standard_error < 0.05


def test_its_sevens_are_sevens_to_the_ten_gaussians(shipped):
    rng, y = np.random.default_rng(0), np.repeat([1, 7], 10)
    start = (10 * rng.standard_normal((20, 8, 8))).astype(np.float32)
    grid = log_sigmas(24, sigma_min=0.005, sigma_max=10.0)
    x = sample(guided_denoiser(shipped, y, 1.5), start, grid, data_scale=float(shipped.sigma_data)).x
    base = learned.base_of(shipped)
    told = np.asarray(labelled.class_log_probability(np.asarray(x, float).reshape(20, 64), 0.1, base)).argmax(
        1
    )
    assert (told == y).mean() >= 0.9
    again = sample(guided_denoiser(shipped, y, 1.5), start, grid, data_scale=float(shipped.sigma_data)).x
    np.testing.assert_array_equal(x, again)
