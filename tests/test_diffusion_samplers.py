"""The ways back from noise: orders, exact cases, published formulas, seeds, and laws of the random ones."""

import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import diffusion
from mcbook.diffusion import samplers
from mcbook.diffusion.angle import adams_weights, angle, slope, total_scale
from tests.diffusion_problems import gaussian_endpoint, lone

ODE = ("euler", "heun", "multistep2", "multistep3", "multistep4")
RANDOM = ("ancestral", "euler_maruyama")
LATENTS = 80 * np.random.default_rng(0).normal(size=(64, 2))


@pytest.fixture(scope="module")
def fine():
    """Where the flow of five_spots takes the latents: order 8, to 1e-12, then the last denoising."""
    denoise = diffusion.denoiser(diffusion.five_spots())
    end = diffusion.flow(denoise, LATENTS, sigma_from=80.0, sigma_to=0.002, rtol=1e-12, atol=1e-12)
    return np.asarray(denoise(end.x, 0.002))


def errors(method, fine, levels, grid=diffusion.logistic_sigmas):
    denoise = diffusion.denoiser(diffusion.five_spots())
    ends = [diffusion.sample(denoise, LATENTS, grid(n), method=method).x for n in levels]
    return np.array([np.median(np.linalg.norm(x - fine, axis=1)) for x in ends])


# Accuracy


@pytest.mark.parametrize(
    ("method", "order"),
    [("euler", 0.9), ("heun", 1.9), ("multistep2", 1.9), ("multistep3", 2.95), ("multistep4", 3.8)],
)
def test_orders(method, order, fine):
    e = errors(method, fine, (36, 144))
    assert np.log(e[0] / e[1]) / np.log(4) > order


def test_a_planted_error_in_the_weights_costs_the_order(fine, monkeypatch):
    monkeypatch.setattr(samplers, "adams_weights", lambda *a: 1.001 * adams_weights(*a))
    e = errors("multistep3", fine, (36, 144))
    assert np.log(e[0] / e[1]) / np.log(4) < 1.5


def test_fewer_errors_than_the_second_order_method(fine):
    """At 18 and 36 evaluations, on the usual grid for theirs and on ours for both."""
    ours = errors("multistep3", fine, (18, 36))
    for grid in (diffusion.karras_sigmas, diffusion.logistic_sigmas):
        assert (ours < errors("multistep2", fine, (18, 36), grid) / 2).all()


@pytest.mark.parametrize("method", ["multistep3", "multistep4"])
def test_a_gaussian_of_the_right_scale_is_followed_exactly(method, rng):
    """Its z does not move: three levels are as good as a thousand, for Adams and not for Euler."""
    a = 0.6
    mix, x = lone((a**2,) * 3, (0.0,) * 3), 40 * rng.normal(size=(5, 3))
    sigmas = [40.0, 1.0, 0.01]
    end = gaussian_endpoint(x, 40.0, 0.01, (a**2,) * 3, (0.0,) * 3)
    known = diffusion.denoise_mixture(end, 0.01, mix)
    found = diffusion.sample(diffusion.denoiser(mix), x, sigmas, method=method, data_scale=a).x
    np.testing.assert_allclose(found, known, rtol=1e-12)
    plain = diffusion.sample(diffusion.denoiser(mix), x, sigmas, method="euler").x
    assert np.abs(plain - known).max() > 1e-2


def test_the_angle_is_the_same_flow(rng):
    """dz/dtheta from the chain rule: d(x/c)/dsigma · dsigma/dtheta with dx/dsigma = (x - D)/sigma."""
    x, D, sigma, a = rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), 0.7, 1.3
    c = total_scale(sigma, a)
    by_sigma = (x - D) / sigma / c - x * sigma / c**3
    np.testing.assert_allclose(slope(x / c, D, sigma, a), by_sigma * c**2 / a, rtol=1e-12)
    eps = 1e-6
    speed = (angle(sigma + eps, a) - angle(sigma - eps, a)) / (2 * eps)
    assert speed == pytest.approx(a / c**2, rel=1e-9)


def test_adams_weights_are_exact_for_polynomials(rng):
    nodes = np.cumsum(0.1 + rng.random(4))
    start, end = nodes[-2], nodes[-1]
    for m in range(4):
        integral = (end ** (m + 1) - start ** (m + 1)) / (m + 1)
        assert adams_weights(nodes, start, end) @ nodes**m == pytest.approx(integral, rel=1e-10)
    assert adams_weights(nodes, start, end) @ nodes**5 != pytest.approx((end**6 - start**6) / 6, rel=1e-3)
    equal = adams_weights([-2.0, -1.0, 0.0], 0.0, 1.0)
    np.testing.assert_allclose(12 * equal, [5, -16, 23], rtol=1e-12)  # Adams-Bashforth
    np.testing.assert_allclose(12 * adams_weights([-1.0, 0.0, 1.0], 0.0, 1.0), [-1, 8, 5], rtol=1e-12)


# The published formulas, in their own coordinates


def in_vp(sigmas):
    """alpha = s and the noise's size s sigma of the variance-preserving frame."""
    alpha = 1 / np.sqrt(1 + sigmas**2)
    return alpha, alpha * sigmas


def ddim(denoise, x, sigmas):
    """Song et al. 2021: x_b = alpha_b D + noise_b eps, eps = (x - alpha_a D)/noise_a."""
    alpha, noise = in_vp(sigmas)
    y = alpha[0] * x
    for i in range(len(sigmas) - 1):
        D = denoise(y / alpha[i], sigmas[i])
        y = alpha[i + 1] * D + noise[i + 1] / noise[i] * (y - alpha[i] * D)
    return denoise(y / alpha[-1], sigmas[-1])


def dpm_solver_2m(denoise, x, sigmas):
    """Lu et al. 2022, algorithm 2, in VP: x_b = (noise_b/noise_a) x - alpha_b (e^(-h) - 1) D_ahead."""
    alpha, noise = in_vp(sigmas)
    lam, y, D_old = np.log(alpha / noise), alpha[0] * x, None
    for i in range(len(sigmas) - 1):
        D, h = denoise(y / alpha[i], sigmas[i]), lam[i + 1] - lam[i]
        ahead = D
        if D_old is not None:
            r = (lam[i] - lam[i - 1]) / h
            ahead = (1 + 1 / (2 * r)) * D - D_old / (2 * r)
        y, D_old = noise[i + 1] / noise[i] * y - alpha[i + 1] * np.expm1(-h) * ahead, D
    return denoise(y / alpha[-1], sigmas[-1])


@pytest.mark.parametrize(("method", "published"), [("euler", ddim), ("multistep2", dpm_solver_2m)])
def test_the_published_formulas_in_vp_are_the_same_steps(method, published):
    denoise, sigmas = diffusion.denoiser(diffusion.five_spots()), diffusion.karras_sigmas(12)
    found = diffusion.sample(denoise, LATENTS, sigmas, method=method).x
    np.testing.assert_allclose(found, published(denoise, LATENTS, sigmas), rtol=0, atol=1e-11)


def test_ancestral_steps_are_the_posterior_of_ddpm(rng):
    """Ho et al. 2020: mean and variance of x_{t-1} given x_t and x_0 = D, in VP coordinates."""
    denoise, (a, b) = diffusion.denoiser(diffusion.five_spots()), (3.0, 2.0)
    x, noise = a * rng.normal(size=(64, 2)), rng.normal(size=(64, 2))
    step = samplers.Step(denoise, x, a, b, None, lambda: noise, 1.0, 1.0)
    found = samplers.ancestral(step)[0]
    bar_a, bar_b = 1 / (1 + a**2), 1 / (1 + b**2)  # the products of alphas
    alpha, beta = bar_a / bar_b, 1 - bar_a / bar_b
    D, x_t = np.asarray(denoise(x, a)), np.sqrt(bar_a) * x
    mean = (np.sqrt(bar_b) * beta * D + np.sqrt(alpha) * (1 - bar_b) * x_t) / (1 - bar_a)
    y = mean + np.sqrt(beta * (1 - bar_b) / (1 - bar_a)) * noise
    np.testing.assert_allclose(found, y / np.sqrt(bar_b), rtol=1e-12)


def test_euler_maruyama_steps_follow_the_reverse_sde(rng):
    """Anderson 1982, in sigma², where g = 1: ½ (1 + eta²) of the exact score, eta of the noise."""
    mix, (a, b), eta = diffusion.five_spots(), (3.0, 2.0), 0.7
    x, noise = a * rng.normal(size=(64, 2)), rng.normal(size=(64, 2))
    step = samplers.Step(diffusion.denoiser(mix), x, a, b, None, lambda: noise, 1.0, eta)
    grad = np.asarray(diffusion.score(x, diffusion.noised(mix, a)))
    known = x + (1 + eta**2) / 2 * (a**2 - b**2) * grad + eta * np.sqrt(a**2 - b**2) * noise
    np.testing.assert_allclose(samplers.euler_maruyama(step)[0], known, rtol=1e-10)


# The random ones


def moments_are_right(x, mix):
    """Whether mean and covariance are those of `lone`, within 5 standard errors."""
    n, mean, variance = len(x), np.asarray(mix.means[0]), np.asarray(mix.variances[0])
    far = np.abs(x.mean(0) - mean) / np.sqrt(variance / n)
    wide = np.abs(x.var(0) / variance - 1) / np.sqrt(2 / n)
    return bool((far < 5).all() and (wide < 5).all())


@pytest.mark.parametrize("method", RANDOM)
def test_the_random_methods_end_in_the_right_law(method, rng):
    mix, sigmas = lone(), diffusion.logistic_sigmas(300, sigma_max=30.0)
    x = diffusion.sample_mixture(diffusion.noised(mix, 30.0), 4000, rng)
    found = diffusion.sample(diffusion.denoiser(mix), x, sigmas, method=method, rng=rng)
    assert moments_are_right(found.x, mix)
    assert found.evaluations == 300


@pytest.mark.parametrize("wrong", ["the ODE's score", "no noise", "too much noise"])
def test_planted_errors_in_the_reverse_sde_are_caught(wrong, rng, monkeypatch):
    def rule(step):
        D, fall = step.denoise(step.x, step.a), step.a**2 - step.b**2
        if step.b == 0:
            return D, None
        score, noise = {
            "the ODE's score": (0.5, 1.0),
            "no noise": (1.0, 0.0),
            "too much noise": (1.0, 2**0.5),
        }[wrong]
        return step.x + score * fall * (D - step.x) / step.a**2 + noise * fall**0.5 * step.noise(), None

    monkeypatch.setitem(samplers.METHODS, "euler_maruyama", rule)
    mix = lone()
    x = diffusion.sample_mixture(diffusion.noised(mix, 30.0), 4000, rng)
    sigmas = diffusion.logistic_sigmas(300, sigma_max=30.0)
    found = diffusion.sample(diffusion.denoiser(mix), x, sigmas, method="euler_maruyama", rng=rng)
    assert not moments_are_right(found.x, mix)


def test_without_noise_the_sde_becomes_the_flow(rng):
    """eta = 0: Euler in sigma², whatever the generator."""
    denoise, sigmas = diffusion.denoiser(diffusion.five_spots()), diffusion.logistic_sigmas(40)
    first, second = (
        diffusion.sample(
            denoise, LATENTS, sigmas, method="euler_maruyama", eta=0.0, rng=np.random.default_rng(k)
        ).x
        for k in (0, 1)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("method", RANDOM)
def test_the_same_seed_gives_the_same_samples(method):
    denoise, sigmas = diffusion.denoiser(diffusion.five_spots()), diffusion.karras_sigmas(10)
    first, again, other = (
        diffusion.sample(denoise, LATENTS, sigmas, method=method, rng=np.random.default_rng(seed)).x
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


# The driver


@pytest.mark.parametrize("method", samplers.METHODS)
def test_evaluations_are_counted_and_the_path_is_kept(method, rng):
    calls = 0

    def denoise(x, sigma):
        nonlocal calls
        calls += 1
        assert isinstance(sigma, float)
        return 0.5 * x

    x = 2 * rng.normal(size=(3, 4, 4))  # images, not points
    out = diffusion.sample(denoise, x, [2.0, 1.0, 0.5], method=method, rng=rng, keep=True)
    assert out.evaluations == calls == (5 if method == "heun" else 3)
    assert out.path.shape == (4, 3, 4, 4)
    np.testing.assert_array_equal(out.path[0], x)
    np.testing.assert_array_equal(out.path[-1], out.x)
    plain = diffusion.sample(denoise, x, [2.0, 1.0, 0.5], method="euler")
    assert plain.path is None


@pytest.mark.parametrize("method", samplers.METHODS)
def test_float32_stays_float32(method, rng):
    x = (2 * rng.normal(size=(3, 4))).astype(np.float32)
    out = diffusion.sample(lambda x, sigma: x / 2, x, [2.0, 1.0], method=method, rng=rng)
    assert out.x.dtype == np.float32


@pytest.mark.parametrize("method", ODE)
def test_jax_starts_give_the_same_samples(method):
    denoise, sigmas = diffusion.denoiser(diffusion.five_spots()), diffusion.logistic_sigmas(8)
    known = diffusion.sample(denoise, LATENTS, sigmas, method=method).x
    found = diffusion.sample(denoise, jnp.asarray(LATENTS), sigmas, method=method).x
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-12)


def test_the_flow_there_and_back(rng):
    denoise = diffusion.denoiser(diffusion.five_spots())
    x = diffusion.sample_mixture(diffusion.five_spots(), 8, rng)
    out = diffusion.flow(denoise, x, sigma_from=0.01, sigma_to=5.0, rtol=1e-10, atol=1e-10, points=4)
    assert out.path.shape == (4, 8, 2)
    assert out.sigmas[[0, -1]].tolist() == [0.01, 5.0]
    np.testing.assert_array_equal(out.path[0], x)
    back = diffusion.flow(denoise, out.x, sigma_from=5.0, sigma_to=0.01, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(back.x, x, atol=1e-7)
    middle = diffusion.flow(denoise, x, sigma_from=0.01, sigma_to=out.sigmas[2], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(middle.x, out.path[2], atol=1e-7)


# Grids and bad input


@pytest.mark.parametrize("grid", [diffusion.karras_sigmas, diffusion.log_sigmas, diffusion.logistic_sigmas])
def test_grids_decrease_between_their_ends(grid):
    for n in (2, 18, 400):
        sigmas = diffusion.check_sigmas(grid(n, sigma_min=0.01, sigma_max=50.0))
        assert (len(sigmas), sigmas[0], sigmas[-1]) == (n, 50.0, 0.01)


def test_the_grids_are_equal_steps_of_what_they_say():
    np.testing.assert_allclose(np.diff(diffusion.karras_sigmas(9) ** (1 / 7), 2), 0, atol=1e-12)
    np.testing.assert_allclose(np.diff(np.log(diffusion.log_sigmas(9)), 2), 0, atol=1e-12)
    odds = (diffusion.logistic_sigmas(9) / 0.3) ** (1 / 1.2)
    np.testing.assert_allclose(np.diff(odds / (1 + odds), 2), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("sigmas", "says"),
    [
        ([1.0, 2.0], "must decrease"),
        ([2.0, 1.0, 1.0], "must decrease"),
        ([2.0, 1.0, 0.0], "leave the 0 away"),
        ([2.0, -1.0], "positive"),
        ([2.0, np.nan], "NaN"),
        ([2.0], "at least two"),
        ([[2.0, 1.0]], "at least two"),
    ],
)
def test_schedules_out_of_order_are_refused(sigmas, says):
    with pytest.raises(ValueError, match=says):
        diffusion.sample(lambda x, s: x, np.full((2, 2), 2.0), sigmas)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method": "rk4"}, "method must be one of"),
        ({"x": np.array([[np.nan, 0.0]])}, "NaN"),
        ({"x": np.zeros(3)}, "rows are samples"),
        ({"x": np.zeros((3, 2), dtype=int)}, "floating-point"),
        ({"x": np.random.default_rng(0).normal(size=(64, 2))}, "multiply standard normal"),
        ({"denoise": lambda x, s: x[:, :1]}, "shape of x"),
        ({"denoise": diffusion.five_spots()}, "must be a function"),
        ({"method": "ancestral"}, "rng must be"),
        ({"data_scale": 0.0}, "data_scale"),
        ({"eta": -1.0}, "eta"),
        ({"denoise": lambda x, s: x * np.nan}, "NaN or infinity at sigma = 80"),
        ({"denoise": lambda x, s: x / 2 if s > 1 else x * np.inf}, "NaN or infinity at sigma = 1"),
    ],
)
def test_bad_input_is_named(change, says):
    given = {"denoise": lambda x, s: x, "x": np.full((2, 2), 50.0), "sigmas": [80.0, 1.0]} | change
    with pytest.raises(ValueError, match=says):
        diffusion.sample(**given)


def test_bad_grids_and_flows_are_named():
    with pytest.raises(ValueError, match="whole number"):
        diffusion.karras_sigmas(1)
    with pytest.raises(ValueError, match="less than"):
        diffusion.log_sigmas(5, sigma_min=2.0, sigma_max=1.0)
    with pytest.raises(ValueError, match="centre"):
        diffusion.logistic_sigmas(5, centre=-1.0)
    with pytest.raises(ValueError, match="sigma_to"):
        diffusion.flow(lambda x, s: x, np.ones((2, 2)), sigma_from=1.0, sigma_to=0.0)
    with pytest.raises(ValueError, match="NaN"):
        diffusion.flow(lambda x, s: x, np.full((2, 2), np.nan), sigma_from=1.0, sigma_to=0.1)
    with pytest.raises(ValueError, match="answered with NaN"):
        diffusion.flow(lambda x, s: x * np.nan, np.ones((2, 2)), sigma_from=1.0, sigma_to=0.1)
