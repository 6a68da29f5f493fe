"""The exercises on corrections: their answers are what JAX, brute force and differences say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import exercises

TRUTH = {name: question.truth for name, question in exercises.correction.QUESTIONS.items()}


def test_the_hessian_of_a_pair_is_jax_s(rng):
    u = 0.8 + rng.random(3)

    def f(u):
        return jnp.sin(jnp.log(jnp.sqrt((u**2).sum())))

    t = np.log(np.linalg.norm(u))
    ours = TRUTH["correction-pair"](u, np.cos(t), -np.sin(t))
    np.testing.assert_allclose(ours, jax.hessian(f)(u), rtol=1e-11, atol=1e-12)


def test_the_swapped_kernel_does_not_see_the_swap(rng):
    Z, other = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
    swap = [1, 0, 2]
    K = TRUTH["correction-swap"](Z, other)
    np.testing.assert_allclose(TRUTH["correction-swap"](Z[:, swap], other), K, rtol=1e-14)
    np.testing.assert_allclose(TRUTH["correction-swap"](Z, other[:, swap]), K, rtol=1e-14)
    assert np.linalg.eigvalsh(TRUTH["correction-swap"](Z, Z))[0] > 0


def test_the_ratio_of_norms_is_that_of_the_bounds(rng):
    """Of functions made of kernels, whose norms are known without solving."""
    x = np.arange(6.0)
    K = np.exp(-((x[:, None] - x) ** 2) / 2)
    a, b = rng.normal(size=(2, 6))
    ratio = np.sqrt(a @ K @ a / (b @ K @ b))
    assert TRUTH["correction-norms"](K, K @ a, K @ b) == pytest.approx(ratio, rel=1e-9)


def test_the_best_scale_is_stationary(rng):
    x = np.arange(6.0)
    K, y, b = np.exp(-((x[:, None] - x) ** 2) / 2), rng.normal(size=6), rng.normal(size=6)
    rho = TRUTH["correction-scale"](K, y, b)

    def norm2(rho, beta):
        left = y - rho * b - beta
        return left @ jnp.linalg.solve(K, left)

    ones = np.linalg.solve(K, np.ones(6))
    beta = float(ones @ (y - rho * b) / ones.sum())
    slopes = jax.grad(norm2, (0, 1))(rho, beta)
    assert np.abs(slopes).max() < 1e-9
    assert abs(jax.grad(norm2)(1.01 * rho, beta)) > 1e-4
    assert TRUTH["correction-scale"](K, 3 * b + 2, b) == pytest.approx(3.0, rel=1e-9)


def test_the_boxes_hold_differences(rng):
    h = 1e-6
    slope = (3 * np.log(1.5 + h) - 3 * np.log(1.5 - h)) / (2 * h)
    assert exercises.correction.BOXES["correction-force"]["answer"] == pytest.approx(12 - slope, abs=1e-8)
    rise = exercises.correction.BOXES["correction-frequency"]["answer"]
    assert (3650 + rise) ** 2 / 3650**2 == pytest.approx(1.04, rel=1e-12)
