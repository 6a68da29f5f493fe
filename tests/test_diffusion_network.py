"""Networks and what they start from: preconditioning, grey levels, labelled mixtures, the denoiser."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusion_networks import shaken, two_classes, untrained
from scipy import integrate, stats

from mcbook import calculus
from mcbook.diffusion import convolution, labelled, levels, mixtures, network, preconditioning
from mcbook.diffusion import model as learned

SIGMAS = np.array([0.01, 0.3, 2.0, 50.0])


# Preconditioning


@pytest.mark.parametrize("sigma_data", [0.5, 1.7])
def test_inputs_and_targets_have_variance_one(sigma_data):
    """For any x_0 of that variance, by the variances alone; and c_skip makes c_out least."""
    c = preconditioning.coefficients(SIGMAS, sigma_data=sigma_data)
    s2 = sigma_data**2
    np.testing.assert_allclose(c.inp**2 * (s2 + SIGMAS**2), 1, rtol=1e-14)
    target = ((1 - c.skip) ** 2 * s2 + c.skip**2 * SIGMAS**2) / c.out**2
    np.testing.assert_allclose(target, 1, rtol=1e-12)
    slope = -2 * (1 - c.skip) * s2 + 2 * c.skip * SIGMAS**2
    np.testing.assert_allclose(slope / s2, 0, atol=1e-13)
    np.testing.assert_allclose(preconditioning.loss_weight(SIGMAS, sigma_data=sigma_data) * c.out**2, 1)
    planted = ((1 - c.skip) ** 2 * s2 + c.skip**2 * SIGMAS**2) / (1.001 * c.out) ** 2
    assert np.abs(planted - 1).min() > 1e-3


def test_c_skip_is_the_denoiser_of_a_round_gaussian(rng):
    x, s = rng.normal(size=(5, 3)), 0.8
    round_one = mixtures.mixture([1.0], np.zeros((1, 3)), s**2)
    for sigma in SIGMAS:
        skip = preconditioning.coefficients(sigma, sigma_data=s).skip
        np.testing.assert_allclose(skip * x, mixtures.denoise_mixture(x, sigma, round_one), rtol=1e-12)


# Grey levels


@pytest.fixture
def three_levels():
    return levels.grey_levels(np.array([0, 0, 0, 0, 1, 2, 2]), [-1.0, -0.2, 0.6, 1.4])


def test_shares_count_every_level_once_more_than_it_occurs(three_levels):
    np.testing.assert_allclose(three_levels.shares, np.array([5, 2, 3]) / 10)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 3.0])
def test_the_levels_density_is_the_blurred_histogram(three_levels, sigma):
    """Against the convolution by quadrature; and it integrates to 1."""
    edges, h = three_levels.edges, three_levels.shares

    def blurred(x):
        parts = [
            h[k] / 0.8 * integrate.quad(lambda t: stats.norm.pdf(x - t, scale=sigma), *edges[k : k + 2])[0]
            for k in range(3)
        ]
        return sum(parts)

    x = np.array([-1.3, -0.9, 0.1, 0.7])
    p = np.exp(levels.log_density(x, sigma, three_levels))
    np.testing.assert_allclose(p, [blurred(t) for t in x], rtol=1e-9)
    t = np.linspace(-25, 25, 20_001)  # a smooth function that dies out: the trapezoidal rule is exact
    total = np.trapezoid(np.exp(levels.log_density(t, sigma, three_levels)), t)
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 3.0])
def test_the_pull_is_sigma_times_the_slope_of_the_log_density(three_levels, sigma, rng):
    x = rng.uniform(-1, 1.4, size=(2, 3))
    wanted = sigma * jax.grad(lambda x: levels.log_density(x, sigma, three_levels).sum())(x)
    found = np.asarray(levels.pull(x, sigma, three_levels))
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-12)  # FLOOR is 1e-6 of a probability
    assert np.abs(1.001 * found - wanted).max() > 2e-4 * np.abs(wanted).max()
    assert np.abs(-found - wanted).max() > np.abs(wanted).max()


def test_the_pull_is_tweedies_posterior_mean(three_levels):
    """(E[x_0 | x] - x)/sigma, E by quadrature over the cells."""
    sigma, x = 0.3, -0.1

    def weight(t):
        share = three_levels.shares[np.searchsorted(three_levels.edges, t) - 1]
        return share * np.exp(-((x - t) ** 2) / (2 * sigma**2))

    inner = [-0.2, 0.6]
    mean = integrate.quad(lambda t: t * weight(t), -1, 1.4, points=inner)[0]
    mean /= integrate.quad(weight, -1, 1.4, points=inner)[0]
    assert float(levels.pull(x, sigma, three_levels)) == pytest.approx((mean - x) / sigma, rel=1e-4)


def test_far_from_all_cells_the_pull_fades(three_levels):
    assert abs(float(levels.pull(np.float64(9.0), 0.1, three_levels))) < 1e-12
    assert float(levels.pull(np.float64(1.5), 0.1, three_levels)) < -0.5


@pytest.mark.parametrize("bad", [[0.5], [-1], [3], [np.nan], []])
def test_what_are_no_grey_levels_is_refused(bad):
    with pytest.raises(ValueError, match="whole grey levels 0 … 2"):
        levels.grey_levels(np.array(bad), [-1.0, 0.0, 1.0, 2.0])


# Labelled mixtures


def test_without_labels_it_is_the_mixture(rng):
    base, x = two_classes(rng), rng.normal(size=(6, 4))
    for sigma in (0.2, np.linspace(0.1, 3, 6)):
        D = labelled.denoise_labelled(x, sigma, base)
        np.testing.assert_allclose(
            D, mixtures.denoise_mixture(x, sigma, base.mixture), rtol=1e-11, atol=1e-13
        )
    np.testing.assert_allclose(
        labelled.log_density_labelled(x, base), mixtures.log_density(x, base.mixture), rtol=1e-12
    )


def test_a_label_leaves_the_other_classes_components_out(rng):
    base, x = two_classes(rng), rng.normal(size=(6, 4))
    mix = base.mixture
    first = mix._replace(
        weights=mix.weights[:2] / 0.7, means=mix.means[:2], variances=mix.variances[:2], axes=mix.axes[:2]
    )
    D = labelled.denoise_labelled(x, 0.4, base, 0)
    np.testing.assert_allclose(D, mixtures.denoise_mixture(x, 0.4, first), rtol=1e-11, atol=1e-13)
    log_p = labelled.log_density_labelled(x, base, np.zeros(6, int))
    np.testing.assert_allclose(log_p, mixtures.log_density(x, first), rtol=1e-11)


def test_the_denoiser_is_tweedies_formula_for_every_class(rng):
    base, x, y = two_classes(rng), rng.normal(size=(5, 4)), np.array([0, 1, 2, 1, 0])
    sigma = 0.6
    slope = jax.grad(lambda x: labelled.log_density_labelled(x, base, y, sigma=sigma).sum())(x)
    D = labelled.denoise_labelled(x, sigma, base, y)
    np.testing.assert_allclose(D, x + sigma**2 * slope, rtol=1e-11, atol=1e-12)


def test_class_probabilities_are_bayes(rng):
    base, x, sigma = two_classes(rng), rng.normal(size=(5, 4)), 0.5
    log_p = np.asarray(labelled.class_log_probability(x, sigma, base))
    np.testing.assert_allclose(np.exp(log_p).sum(1), 1, rtol=1e-12)
    prior = np.log([0.7, 0.3])
    for y in (0, 1):
        joint = labelled.log_density_labelled(x, base, y, sigma=sigma) + prior[y]
        bayes = joint - labelled.log_density_labelled(x, base, sigma=sigma)
        np.testing.assert_allclose(log_p[:, y], bayes, rtol=1e-10)


def test_gaussians_by_class_are_the_classes_moments(rng):
    x, y = rng.normal(size=(40, 3)), np.repeat([0, 1], 20)
    base = labelled.gaussians_by_class(x, y, shrink=0.25, extra=0.01)
    mix = base.mixture
    C = [np.cov(x[y == k].T, bias=True) for k in (0, 1)]
    common = (C[0] + C[1]) / 2
    for k in (0, 1):
        np.testing.assert_allclose(mix.means[k], x[y == k].mean(0), rtol=1e-12)
        found = mix.axes[k] @ np.diag(mix.variances[k]) @ mix.axes[k].T
        np.testing.assert_allclose(
            found, 0.75 * C[k] + 0.25 * common + 0.01 * np.eye(3), rtol=1e-10, atol=1e-12
        )


def test_bad_labels_are_refused(rng):
    base, x = two_classes(rng), rng.normal(size=(3, 4))
    for bad in (3, -1, [0, 1], 0.5):
        with pytest.raises(ValueError, match="whole numbers 0 … 2"):
            labelled.denoise_labelled(x, 0.1, base, bad)
    with pytest.raises(ValueError, match="class 1 has 1 sample"):
        labelled.gaussians_by_class(x, np.array([0, 0, 1]))
    with pytest.raises(ValueError, match="class 1 has no component"):
        labelled.labelled(base.mixture, [0, 0, 2])


# Networks


def test_waves_blocks_and_output_as_written(rng):
    """The perceptron against the formulas of its docstring, spelled out in NumPy."""
    params = network.init_mlp(jax.random.key(0), 3, 2, width=5, depth=2, classes=2)
    params = jax.tree.map(lambda p: np.asarray(p, float) + 0.3 * rng.normal(size=p.shape), params)
    x, t, y = rng.normal(size=(4, 3)), rng.normal(size=4), np.array([0, 1, 2, 1])
    silu = lambda a: a / (1 + np.exp(-a))  # noqa: E731
    angle = t[:, None] * np.geomspace(0.8, 16, network.WAVES)
    c = params.condition
    e = silu(np.hstack([np.sin(angle), np.cos(angle)]) @ c.W + c.b + c.labels[y])
    h = x @ params.W_in + params.b_in
    for block in params.blocks:
        h_hat = h / np.sqrt((h**2).mean(1, keepdims=True) + 1e-6)
        h = h + silu((h_hat @ block.W) * (1 + e @ block.G) + e @ block.S + block.b) @ block.U
    wanted = silu(h) @ params.W_out + params.b_out
    np.testing.assert_allclose(network.apply_mlp(params, x, t, y), wanted, rtol=1e-11, atol=1e-12)


def test_convolution_is_the_sum_over_neighbours(rng):
    x, W = rng.normal(size=(2, 4, 6, 3)), rng.normal(size=(3, 3, 3, 2))
    wanted = np.zeros((2, 4, 6, 2))
    for i in range(4):
        for j in range(6):
            for a in (-1, 0, 1):
                for b in (-1, 0, 1):
                    if 0 <= i + a < 4 and 0 <= j + b < 6:
                        wanted[:, i, j] += x[:, i + a, j + b] @ W[a + 1, b + 1]
    np.testing.assert_allclose(convolution.convolve(x, W), wanted, rtol=1e-11, atol=1e-12)


def test_convolution_differentiates_as_the_sum_it_is(rng):
    """Our rule (windows and matrix products) against JAX's own derivative of the convolution, both ways."""
    x, W = rng.normal(size=(2, 4, 6, 3)), rng.normal(size=(3, 3, 3, 2))
    x_dot, W_dot, y_bar = rng.normal(size=x.shape), rng.normal(size=W.shape), rng.normal(size=(2, 4, 6, 2))
    plain = convolution.convolve.__wrapped__
    y, pulled = jax.vjp(convolution.convolve, x, W)
    y_dot = jax.jvp(convolution.convolve, (x, W), (x_dot, W_dot))[1]
    np.testing.assert_allclose(y, plain(x, W), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(y_dot, jax.jvp(plain, (x, W), (x_dot, W_dot))[1], rtol=1e-11, atol=1e-12)
    x_bar, W_bar = pulled(y_bar)
    for ours, wanted in zip((x_bar, W_bar), jax.vjp(plain, x, W)[1](y_bar), strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-11, atol=1e-12)
    adjoint = (x_bar * x_dot).sum() + (W_bar * W_dot).sum()
    np.testing.assert_allclose((y_bar * y_dot).sum(), adjoint, rtol=1e-12)
    turned = jax.vjp(plain, x, np.swapaxes(W, 0, 1))[1](y_bar)
    assert np.abs(np.asarray(turned[0]) - x_bar).max() > 0.1  # rows and columns exchanged is another


def test_dropout_of_nothing_leaves_all(rng):
    """A share of 0 draws no dice, and says what dice with that share would."""
    u, key = jnp.asarray(rng.normal(size=(3, 4))), jax.random.key(2)
    np.testing.assert_array_equal(network.dropped(u, key, 0.0, 1), u)
    np.testing.assert_array_equal(network.dropped(u, key, jnp.float64(0.0), 1), u)
    assert (np.asarray(network.dropped(u, key, 0.5, 1)) == 0).any()


@pytest.mark.parametrize("shape", [(3, 3, 2, 8), (260, 130)])
def test_start_is_what_the_key_says(shape):
    """Drawn by the chunk (the second shape takes two), the numbers are those of a draw of that shape."""
    key = jax.random.key(4)
    wanted = jax.random.normal(key, shape, jnp.float32) / np.sqrt(7)
    np.testing.assert_allclose(network.normal(key, shape, 7), wanted, rtol=1e-6, atol=1e-7)


def test_halving_and_doubling(rng):
    h = rng.normal(size=(2, 4, 6, 3))
    np.testing.assert_allclose(convolution.halve(convolution.double(h)), h, rtol=1e-14)
    np.testing.assert_allclose(convolution.halve(h)[0, 1, 2], h[0, 2:4, 4:6].mean((0, 1)), rtol=1e-13)


def test_a_convolutional_network_moves_with_the_image(rng):
    """Shifted by its stride, away from the edges, the output shifts too."""
    params = convolution.init_conv(jax.random.key(1), 1, 1, width=4, levels=1)
    params = jax.tree.map(lambda p: np.asarray(p, float) + 0.3 * rng.normal(size=p.shape), params)
    x, t, y = np.zeros((1, 32, 32, 1)), np.zeros(1), np.zeros(1, int)
    x[0, 12:14, 12:14] = rng.normal(size=(2, 2, 1))
    F = np.asarray(convolution.apply_conv(params, x, t, y))
    moved = np.asarray(convolution.apply_conv(params, np.roll(x, (2, 4), (1, 2)), t, y))
    inner = (0, slice(12, 20), slice(12, 20))
    np.testing.assert_allclose(np.roll(F, (2, 4), (1, 2))[inner], moved[inner], rtol=1e-10, atol=1e-12)
    odd = np.asarray(convolution.apply_conv(params, np.roll(x, 1, 1), t, y))
    assert np.abs(np.roll(F, 1, 1) - odd)[inner].max() > 1e-3


@pytest.mark.parametrize("shape", [(28, 26), (7, 8), (8,)])
def test_images_that_the_stride_does_not_divide_are_refused(shape):
    with pytest.raises(ValueError, match="divisible by 4"):
        learned.init_model(jax.random.key(0), shape, kind="conv", width=4, depth=2)


# The learned denoiser


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_untrained_it_is_its_base(kind, rng):
    model = untrained(rng, kind)
    x, sigma = rng.normal(size=(5, 2, 2)), np.linspace(0.1, 2, 5)
    for y in (None, 1, np.array([0, 1, 2, 2, 0])):
        flat = labelled.denoise_labelled(x.reshape(5, 4), sigma, learned.precise(model).base, y)
        D = learned.denoise(model, x, sigma, y)
        np.testing.assert_allclose(np.reshape(D, (5, 4)), flat, rtol=1e-12, atol=1e-14)


def test_without_a_base_it_is_edms_form(rng):
    model = shaken(untrained(rng, base=None, levels=None, classes=0))
    model = learned.precise(model)
    x, sigma = rng.normal(size=(3, 2, 2)), np.array([0.1, 1.0, 9.0])
    c = preconditioning.coefficients(sigma, sigma_data=float(model.sigma_data))
    inputs = (c.inp[:, None, None] * x).reshape(3, 4)
    F = network.apply_mlp(model.params, inputs, c.noise, np.zeros(3, int))
    wanted = c.skip[:, None] * x.reshape(3, 4) + c.out[:, None] * np.asarray(F)
    np.testing.assert_allclose(np.reshape(learned.denoise(model, x, sigma), (3, 4)), wanted, rtol=1e-11)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_rows_do_not_hear_each_other_and_labels_matter(kind, rng):
    model = learned.precise(shaken(untrained(rng, kind)))
    x, sigma, y = rng.normal(size=(4, 2, 2)), np.array([0.1, 0.5, 2.0, 0.1]), np.array([0, 1, 2, 1])
    D = np.asarray(learned.denoise(model, x, sigma, y))
    for i in range(4):
        one = learned.denoise(model, x[i : i + 1], float(sigma[i]), int(y[i]))
        np.testing.assert_allclose(D[i], one[0], rtol=1e-10, atol=1e-12)
    assert np.abs(D - np.asarray(learned.denoise(model, x, sigma, y[::-1]))).max() > 1e-3


def test_it_works_in_the_precision_of_x(rng):
    model = shaken(untrained(rng))
    x = rng.normal(size=(4, 2, 2))
    double, single = learned.denoise(model, x, 0.5), learned.denoise(model, x.astype(np.float32), 0.5)
    assert (double.dtype, single.dtype) == (jnp.float64, jnp.float32)
    np.testing.assert_allclose(double, single, atol=2e-6)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(model))


def test_its_jacobian_is_that_of_central_differences(rng):
    model = learned.precise(shaken(untrained(rng)))
    denoise, x = learned.learned_denoiser(model, 1), rng.normal(size=(3, 2, 2))
    calculus.check_vjp(
        lambda x: np.asarray(denoise(x, 0.7)),
        lambda x, y_bar: np.asarray(jax.vjp(lambda x: denoise(x, 0.7), x)[1](y_bar)[0]),
        x,
        rng=rng,
    )


def test_bad_input_is_named(rng):
    model = untrained(rng)
    x = rng.normal(size=(3, 2, 2))
    for bad, sigma, y, words in (
        (np.where(x > 9, 0, np.nan), 0.1, None, "NaN"),
        (x[:, :1], 0.1, None, "4 numbers per sample"),
        (x, 0.0, None, "sigma must be positive"),
        (x, np.nan, None, "sigma must be positive"),
        (x, 0.1, 3, "whole numbers 0 … 2"),
        (x.astype(int), 0.1, None, "floating-point"),
    ):
        with pytest.raises(ValueError, match=words):
            learned.denoise(model, bad, sigma, y)
    with pytest.raises(ValueError, match="kind must be"):
        untrained(rng, "transformer")
    with pytest.raises(ValueError, match="fit it to the same data"):
        untrained(rng, classes=3)
