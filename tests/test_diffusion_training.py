"""Score matching and training: the conditional trick, the bound's gain, seeds, averages, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusion_networks import shaken, two_classes, untrained

from mcbook import calculus
from mcbook.diffusion import labelled, matching, mixtures, training
from mcbook.diffusion import model as learned
from mcbook.diffusion.training import Settings

TINY = Settings(steps=20, every=5, batch=8)


# The conditional trick


def nodes():
    """Points x = x_0 + sigma·noise on a grid over both laws of a mixture in one dimension, with weights."""
    mix = mixtures.mixture([0.6, 0.4], [[-1.0], [0.8]], [0.3, 0.1])
    t, w = np.polynomial.hermite_e.hermegauss(60)
    w = w / w.sum()
    x0 = np.concatenate(
        [m + np.sqrt(v) * t for m, v in zip(mix.means[:, 0], mix.variances[:, 0], strict=True)]
    )
    weight0 = np.concatenate([p * w for p in mix.weights])
    X0, noise = np.meshgrid(x0, t, indexing="ij")
    return mix, X0.reshape(-1, 1), noise.reshape(-1, 1), np.outer(weight0, w).ravel()


def s_theta(theta, x):
    return jnp.sin(theta[0] * x) + theta[1] * x + theta[2]


@pytest.mark.parametrize("theta", [[0.7, -0.4, 0.2], [2.0, 1.0, -1.0]])
def test_regression_on_the_noise_has_the_gradient_of_regression_on_the_score(theta):
    """Expectations by Gauss-Hermite quadrature: the gradients agree, the losses differ by a constant."""
    mix, x0, noise, weight = nodes()
    sigma, theta = 0.7, np.array(theta)
    x = x0 + sigma * noise
    exact = np.asarray(mixtures.score(x, mixtures.noised(mix, sigma)))
    scale = jnp.sqrt(jnp.asarray(weight) * len(weight))[:, None]  # weighs the squares of each row

    def J(theta):
        level = np.full(len(x), sigma)
        return matching.score_regression(scale * s_theta(theta, x), scale * exact, level)

    def L(theta):
        return matching.noise_regression(scale * s_theta(theta, x), scale * noise, np.full(len(x), sigma))

    wanted, found = jax.grad(J)(theta), jax.grad(L)(theta)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)
    assert float(L(theta) - J(theta)) == pytest.approx(float(L(2 * theta) - J(2 * theta)), rel=1e-9)
    assert float(L(theta) - J(theta)) > 0.05
    wrong_sign = jax.grad(
        lambda th: matching.noise_regression(scale * s_theta(th, x), -scale * noise, np.full(len(x), sigma))
    )
    assert np.abs(wrong_sign(theta) - wanted).max() > 0.1 * np.abs(wanted).max()


def test_gradient_of_the_noise_regression(rng):
    s, noise, sigma = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.uniform(0.1, 2, 4)
    f = lambda s: float(matching.noise_regression(s, noise, sigma))  # noqa: E731
    G = matching.grad_noise_regression_s(s, noise, sigma)
    wanted = jax.grad(lambda s: matching.noise_regression(s, noise, sigma))(s)
    assert np.abs(G - wanted).max() <= 1e-13 * np.abs(wanted).max()
    calculus.check_grad(f, G, s, rng=rng)
    for planted in (-G, 1.001 * G, G / sigma[:, None], 2 * G):
        with pytest.raises(AssertionError):
            calculus.check_grad(f, planted, s, rng=rng)


def test_the_matching_loss_is_the_noise_regression_in_other_words(rng):
    """|D - x_0|²/(d c_out²) = |sigma s + noise|² sigma²/(d c_out²), s = (D - x)/sigma²."""
    model = learned.precise(shaken(untrained(rng)))
    x0, noise, sigma = rng.normal(size=(5, 2, 2)), rng.normal(size=(5, 2, 2)), rng.uniform(0.1, 2, 5)
    y = np.array([0, 1, 2, 0, 1])
    loss = float(matching.matching_loss(model, x0, noise, sigma, y))
    x = x0 + sigma[:, None, None] * noise
    s = (np.asarray(learned.denoise(model, x, sigma, y)) - x) / sigma[:, None, None] ** 2
    weight = (sigma**2 + float(model.sigma_data) ** 2) / float(model.sigma_data) ** 2
    each = ((sigma[:, None, None] * s + noise) ** 2).reshape(5, -1).mean(1)
    assert loss == pytest.approx(float((weight * each).mean()), rel=1e-10)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_its_gradient_is_that_of_central_differences(kind, rng):
    model = learned.precise(shaken(untrained(rng, kind)))
    x0, noise, sigma = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2, 2)), rng.uniform(0.1, 2, 3)
    flat, unravel = jax.flatten_util.ravel_pytree(model.params)

    @jax.jit
    def loss(flat):
        return matching.matching_loss(
            model._replace(params=unravel(flat)), x0, noise, sigma, np.array([0, 1, 2])
        )

    G = np.asarray(jax.grad(loss)(flat))
    calculus.check_grad(lambda p: float(loss(p)), G, np.asarray(flat), rng=rng)
    with pytest.raises(AssertionError):
        calculus.check_grad(lambda p: float(loss(p)), 1.001 * G, np.asarray(flat), rng=rng)


def test_noise_levels_cover_the_range_evenly():
    sigma = np.asarray(matching.spread_sigmas(jax.random.key(0), 64, 0.01, 10.0))
    place = np.log(sigma / 0.01) / np.log(1000) * 64
    assert (np.floor(place) == np.arange(64)).all()
    assert sigma.dtype == np.float32


def test_dequantisation_fills_every_cell(rng):
    model = untrained(rng)
    k = np.repeat(np.arange(3), 400).reshape(-1, 2, 2)
    x = np.asarray(matching.dequantised(jax.random.key(1), k, model))
    inside = (x + 1) * 1.5 - k
    assert inside.min() >= 0
    assert inside.max() <= 1 + 1e-6
    assert abs(inside.mean() - 0.5) < 0.05
    assert inside.std() == pytest.approx(1 / np.sqrt(12), abs=0.02)


# The bound's gain


def test_the_gain_is_the_difference_of_the_log_densities(rng):
    """Where both denoisers are exact: N(0, s² I) as base, the data's own mixture as D."""
    mix = mixtures.mixture([0.6, 0.4], [[-0.8, 0.2], [0.7, -0.1]], [0.2, 0.1])
    x = mixtures.sample_mixture(mix, 2000, rng).astype(np.float32)
    s, low, high = 0.9, 0.02, 60.0
    base = learned.init_model(jax.random.key(0), (2,), width=4, depth=1, sigma_data=s)
    exact = learned.init_model(
        jax.random.key(0),
        (2,),
        width=4,
        depth=1,
        classes=1,
        base=labelled.labelled(mix, [0, 0]),
        sigma_data=s,
    )
    found = matching._gains(base, x, np.zeros(len(x), int), jax.random.split(jax.random.key(2), 1), low, high)
    assert np.abs(found[1]).max() < 1e-4  # before training no gain, in single precision
    gained = _gain_between(base, exact, x, low, high)
    round_one = mixtures.mixture([1.0], np.zeros((1, 2)), s**2)
    truth = np.asarray(mixtures.log_density(x, mixtures.noised(mix, low))) - np.asarray(
        mixtures.log_density(x, mixtures.noised(round_one, low))
    )
    gap = gained.mean() - truth.mean()
    assert abs(gap) < 4 * (gained - truth).std() / np.sqrt(len(x)) + 0.01
    assert truth.mean() > 0.2
    assert abs(0.9 * gained.mean() - truth.mean()) > 0.02


def _gain_between(base, exact, x, low, high, draws=400):
    """∫ (|D_base - x_0|² - |D - x_0|²)/sigma² d log sigma for each row, in nats, by many noise levels."""
    key, total = jax.random.key(5), np.zeros(len(x))
    for i in range(draws):
        level, noise = jax.random.split(jax.random.fold_in(key, i))
        u = (i + jax.random.uniform(level, (len(x),))) / draws
        sigma = np.asarray(low * (high / low) ** u, np.float32)
        at = x + sigma[:, None] * np.asarray(jax.random.normal(noise, x.shape, jnp.float32))
        squares = [((np.asarray(learned.denoise(m, at, sigma)) - x) ** 2).sum(1) for m in (base, exact)]
        total += (squares[0] - squares[1]) / sigma**2 / draws * np.log(high / low)
    return total


def test_gain_reports_itself_by_noise_level(rng):
    model = shaken(untrained(rng), size=0.05)
    pixels = rng.integers(0, 3, size=(12, 2, 2))
    found = matching.gain(model, pixels, key=jax.random.key(0), draws=16)
    assert found.bits == pytest.approx(found.bits_by_sigma.mean(), rel=1e-4)
    assert (np.diff(found.sigma) > 0).all()
    assert found.standard_error > 0
    again = matching.gain(model, pixels, key=jax.random.key(0), draws=16)
    assert again.bits == found.bits


# Training


@pytest.fixture(scope="module")
def pixels():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 30)
    return np.where(rng.random((30, 2, 2)) < 0.85, 2 * y[:, None, None], 1), y


def test_training_lowers_the_loss_and_beats_its_base(pixels, rng):
    X, y = pixels
    model = untrained(
        rng, base=labelled.gaussians_by_class((X.reshape(30, 4) + 0.5) * 2 / 3 - 1, y, extra=0.04)
    )
    settings = Settings(steps=400, every=100, batch=32, rate=1e-2, dropout=0.0, ema=0.98)
    found = training.train(model, X, y, key=jax.random.key(0), settings=settings, validation=(X, None))
    assert not found.diverged
    assert found.steps == 400
    assert found.gains[-1] > 0.05
    judged = matching.gain(found.model, X, key=jax.random.key(9))
    assert judged.bits > 0.05
    assert judged.bits > 3 * judged.standard_error


def test_seeds_give_the_same_weights_and_others_do_not(pixels, rng):
    X, y = pixels
    model = untrained(rng)
    runs = [training.train(model, X, y, key=jax.random.key(k), settings=TINY).model.params for k in (4, 4, 5)]
    same = jax.tree.map(np.array_equal, runs[0], runs[1])
    assert all(jax.tree.leaves(same))
    assert np.abs(runs[0].W_in - runs[2].W_in).max() > 1e-4


def test_everything_stays_in_single_precision(pixels, rng):
    X, y = pixels
    found = training.train(untrained(rng), X, y, key=jax.random.key(0), settings=TINY)
    assert {leaf.dtype for leaf in jax.tree.leaves(found.model)} == {np.dtype("float32")}


def test_what_is_returned_is_the_average(pixels, rng):
    """Against the recurrence, from the weights after each step (ema 0)."""
    X, y = pixels
    model, settings = untrained(rng), Settings(steps=4, every=1, batch=8, ema=0.0)

    def weights(until, ema):
        run = training.train(
            model, X, y, key=jax.random.key(0), settings=settings._replace(ema=ema), until=until
        )
        return np.asarray(run.model.params.W_in)

    average = np.asarray(model.params.W_in)
    for i, ema in enumerate((0.15, 0.15, 0.15, 0.15)):
        a = min(ema, (1 + i) / (10 + i))
        average = a * average + (1 - a) * weights(i + 1, 0.0)
    found = weights(4, 0.15)
    np.testing.assert_allclose(found, average, rtol=1e-5, atol=1e-7)
    assert np.abs(found - weights(4, 0.0)).max() > 1e-5


def test_labels_are_hidden_as_often_as_asked(rng):
    frozen = untrained(rng)._replace(params=None)
    data, labels = jnp.zeros((10, 2, 2)), jnp.zeros(10, int)
    settings = Settings(batch=4000, unlabelled=0.3)
    y = np.asarray(training._batch(jax.random.key(0), frozen, data, labels, 2, settings)[3])
    assert set(y) == {0, 2}
    assert abs((y == 2).mean() - 0.3) < 0.03


def test_the_bar_goes_to_the_error_stream(pixels, rng, capsys):
    X, y = pixels
    training.train(untrained(rng), X, y, key=jax.random.key(0), settings=TINY, progress=True)
    said = capsys.readouterr()
    assert "4/4" in said.err
    assert said.out == ""


def test_divergence_is_reported_and_the_weights_are_those_before(pixels, rng):
    X, y = pixels
    model = untrained(rng)
    broken = model._replace(params=model.params._replace(W_in=jnp.full_like(model.params.W_in, jnp.nan)))
    found = training.train(broken, X, y, key=jax.random.key(0), settings=TINY)
    assert found.diverged
    assert found.steps == 0
    assert len(found.losses) == 0


def test_continuous_data_in_two_dimensions(rng):
    """A perceptron without base and levels, as on the page's mixture."""
    mix = mixtures.five_spots()
    x = mixtures.sample_mixture(mix, 500, rng)
    model = learned.init_model(jax.random.key(0), (2,), width=16, depth=1, sigma_data=float(x.std()))
    settings = Settings(steps=200, every=100, batch=64, rate=1e-2, dropout=0.0, sigma_min=0.05, sigma_max=5.0)
    found = training.train(model, x, key=jax.random.key(1), settings=settings)
    assert matching.gain(found.model, x, key=jax.random.key(2), sigma_min=0.05, sigma_max=5.0).bits > 0.1


def test_bad_input_is_named(pixels, rng):
    X, y = pixels
    model, key = untrained(rng), jax.random.key(0)
    plain = untrained(rng, levels=None)
    for bad, labels, given, changes, words in (
        (np.where(X > 1, np.nan, X), y, model, {}, "NaN"),
        (X / 2, y, model, {}, "whole numbers 0 … 2"),
        (X * 100.0, y, model, {}, "not scaled or dequantised"),
        (X * 100.0, y, plain, {}, "not scaled"),
        (X[:, :1], y, model, {}, "4 numbers per sample"),
        (X, y + 2, model, {}, "whole numbers 0 … 2"),
        (X, y, model, {"steps": 7}, "multiple of every"),
        (X, y, model, {"dropout": 1.0}, "dropout"),
        (X, y, model, {"sigma_min": 3.0, "sigma_max": 1.0}, "sigma_min must be less"),
        (X, y, model, {"batch": 0}, "batch must be a whole number"),
        (X, y, "a model", {}, "made by init_model"),
    ):
        with pytest.raises(ValueError, match=words):
            training.train(given, bad, labels, key=key, settings=TINY._replace(**changes))


def test_the_base_must_fit(rng):
    with pytest.raises(ValueError, match="fit it to the same data"):
        learned.init_model(jax.random.key(0), (3,), classes=2, base=two_classes(rng))
