"""The exercises on diffusion: their answers are what JAX, quadrature and long runs say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import exercises

TRUTH = {name: question.truth for name, question in exercises.diffusion.QUESTIONS.items()}
BOX = exercises.diffusion.BOXES


def log_density(x, m, s2):
    """½N(-m, s2) + ½N(m, s2), up to a constant; x (d,), m (d,)."""
    squares = jnp.stack([jnp.sum((x - m) ** 2), jnp.sum((x + m) ** 2)])
    return jax.nn.logsumexp(-squares / (2 * s2)) - len(m) / 2 * jnp.log(s2)


@pytest.mark.parametrize("eta", [0.0, 0.7, 1.3])
def test_the_way_back_keeps_the_same_densities(eta, rng):
    """The Fokker-Planck equation of the answer is the forward one read backwards: for any eta.

    Forward, in one dimension: p_t = -(f p)' + ½ g² p''.  Backwards: p_tau = -(b p)' + ½ eta² p'' = -p_t.
    """
    g, x = 1.3, rng.normal(size=5)

    def p(x):
        return jnp.exp(-0.5 * x**2) + 0.5 * jnp.exp(-((x - 1.5) ** 2))

    def f(x):
        return jnp.sin(x)

    def b(x):
        score = jax.grad(lambda y: jnp.log(p(y)))(x)
        return TRUTH["diffusion-back"](f(x), score, g, eta)

    second = jax.vmap(jax.grad(jax.grad(p)))
    forward = -jax.vmap(jax.grad(lambda y: f(y) * p(y)))(x) + 0.5 * g**2 * second(x)
    back = -jax.vmap(jax.grad(lambda y: b(y) * p(y)))(x) + 0.5 * eta**2 * second(x)
    np.testing.assert_allclose(back, -forward, atol=1e-12)


def test_the_scaled_score_is_jax_s(rng):
    m, s, sigma = rng.normal(size=3), 0.6, 1.7
    x = rng.normal(size=3)

    def density(x):  # of s (x_0 + sigma eps), with x_0 from two hills of variance 0.3
        return log_density(x / s, m, 0.3 + sigma**2)

    pull = jax.grad(lambda y: log_density(y, m, 0.3 + sigma**2))(x / s)
    D = np.asarray(x / s + sigma**2 * pull)
    np.testing.assert_allclose(TRUTH["diffusion-scaled"](x, D, s, sigma), jax.grad(density)(x), atol=1e-13)


def test_the_linear_denoiser_s_gradient_is_that_of_the_mean_over_noise(rng):
    X, A, sigma = rng.normal(size=(6, 3)), rng.normal(size=(3, 3)), 0.6
    corners = np.sqrt(18) * np.concatenate([np.eye(18), -np.eye(18)]).reshape(
        36, 6, 3
    )  # mean 0, covariance I

    def loss(A):
        noisy = X + sigma * corners
        return jnp.mean(jnp.sum((noisy @ A - X[None]) ** 2, axis=(1, 2))) / len(X)

    ours, theirs = TRUTH["diffusion-linear"](A, X, sigma), jax.grad(loss)(A)
    assert np.linalg.norm(ours - theirs) <= 1e-12 * np.linalg.norm(theirs)


def test_the_linear_denoiser_at_rest_keeps_the_share_that_the_solution_says(rng):
    X, sigma = rng.normal(size=(9, 3)) * [3.0, 1.0, 0.2], 0.6
    X -= X.mean(axis=0)
    S = X.T @ X / len(X)
    A = np.linalg.solve(S + sigma**2 * np.eye(3), S)
    assert np.abs(TRUTH["diffusion-linear"](A, X, sigma)).max() < 1e-12
    values, V = np.linalg.eigh(S)
    np.testing.assert_allclose(A, V @ np.diag(values / (values + sigma**2)) @ V.T, atol=1e-12)


def test_the_covariance_is_that_of_the_posterior():
    """Two hills in the plane: x_0 given x is again a mixture, with moments in closed form."""
    m, s2, sigma, x = np.array([0.8, -0.3]), 0.2, 0.9, np.array([0.3, 0.5])
    v = s2 + sigma**2

    def D(x):
        return x + sigma**2 * jax.grad(lambda y: log_density(y, m, v))(x)

    logs = np.array([-np.sum((x - k * m) ** 2) / (2 * v) for k in (1, -1)])
    share = np.exp(logs) / np.exp(logs).sum()
    means = np.stack([(s2 * x + sigma**2 * k * m) / v for k in (1, -1)])
    mean = share @ means
    spread = sum(p * np.outer(u - mean, u - mean) for p, u in zip(share, means, strict=True))
    expected = spread + s2 * sigma**2 / v * np.eye(2)
    np.testing.assert_allclose(mean, D(x), atol=1e-13)
    np.testing.assert_allclose(
        TRUTH["diffusion-covariance"](np.asarray(jax.jacobian(D)(x)), sigma), expected, atol=1e-13
    )


@pytest.mark.parametrize("w", [0.0, 1.0, 2.5])
def test_the_guided_score_is_a_sum_of_gradients(w, rng):
    m, x = 1.2, rng.normal(size=6)

    def total(x):
        two = jnp.logaddexp(-0.5 * (x - m) ** 2, -0.5 * (x + m) ** 2)
        return two + w * (-0.5 * (x - m) ** 2 - two)

    theirs = jax.vmap(jax.grad(total))(x)
    np.testing.assert_allclose(TRUTH["diffusion-guided"](x, m, w), theirs, atol=1e-12)


def test_guidance_of_one_is_the_hill_on_the_right(rng):
    x = rng.normal(size=6)
    np.testing.assert_allclose(TRUTH["diffusion-guided"](x, 1.2, 1.0), 1.2 - x, atol=1e-13)


def test_the_step_with_a_memory_is_exact_for_a_denoiser_linear_in_the_logarithm(rng):
    a, b, x = rng.normal(size=(3, 4, 2))
    before, sigma, after = 2.0, 1.1, 0.5

    def D(level):
        return a + b * np.log(level)

    n = 4000  # the flow in lam = -log sigma, x' = D - x, by the midpoint rule of Runge
    lams = np.linspace(-np.log(sigma), -np.log(after), n + 1)
    y, h = x, lams[1] - lams[0]
    for lam in lams[:-1]:
        half = y + h / 2 * (D(np.exp(-lam)) - y)
        y = y + h * (D(np.exp(-lam - h / 2)) - half)
    ours = TRUTH["diffusion-memory"](x, D(sigma), D(before), before, sigma, after)
    np.testing.assert_allclose(ours, y, atol=1e-7)


def test_the_memory_of_a_constant_changes_nothing(rng):
    x, D = rng.normal(size=(2, 4, 2))
    held = 0.5 / 1.1 * x + (1 - 0.5 / 1.1) * D
    np.testing.assert_allclose(TRUTH["diffusion-memory"](x, D, D, 2.0, 1.1, 0.5), held, atol=1e-14)


def test_the_boxes_hold_what_the_formulas_say():
    x, sigma = 5.0, 3.0
    score = float(jax.grad(lambda y: -0.5 * y**2 / (1 + sigma**2))(x))
    assert BOX["diffusion-guess"]["answer"] == pytest.approx(x + sigma**2 * score)
    levels = [*np.geomspace(80, 0.002, 18), 0.0]
    looks = sum(1 if after == 0 else 2 for after in levels[1:])
    assert BOX["diffusion-evaluations"]["answer"] == looks
    s = np.linspace(0, np.sqrt(3), 20_001)
    stretch = np.exp(np.trapezoid(s / (1 + s**2), s))
    assert BOX["diffusion-stretch"]["answer"] == pytest.approx(stretch, abs=1e-6)
