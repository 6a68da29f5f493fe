"""The exercises on kernels: their answers are what refitting, JAX and difference quotients say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import exercises, kernels

TRUTH = {name: question.truth for name, question in exercises.kernels.QUESTIONS.items()}


def points(rng, n=6):
    x = np.arange(n) + rng.uniform(-0.3, 0.3, n)
    return np.exp(-((x[:, None] - x) ** 2) / 2), rng.normal(size=n)


def test_weighted_alpha_is_stationary(rng):
    (K, y), w, lam = points(rng), 0.5 + rng.random(6), 0.3

    def J(alpha):
        return jnp.sum(w * (y - K @ alpha) ** 2) + lam * alpha @ K @ alpha

    alpha = TRUTH["kernels-weighted"](K, y, w, lam)
    assert np.abs(jax.grad(J)(alpha)).max() < 1e-12
    assert np.abs(jax.grad(J)(1.001 * alpha)).max() > 1e-5


def test_equal_weights_are_another_lam(rng):
    K, y = points(rng)
    alpha = TRUTH["kernels-weighted"](K, y, np.full(6, 4.0), 0.4)
    np.testing.assert_allclose(alpha, kernels.solve(K, y, lam=0.1).alpha, rtol=1e-12)


def test_the_slope_of_the_evidence_is_jax_s(rng):
    K, y = points(rng)

    def evidence(log_lam):
        C = K + jnp.exp(log_lam) * jnp.eye(6)
        return -0.5 * (y @ jnp.linalg.solve(C, y) + jnp.linalg.slogdet(C)[1])

    ours = TRUTH["kernels-evidence"](K, y, 0.3)
    assert ours == pytest.approx(float(jax.grad(evidence)(np.log(0.3))), rel=1e-11)


def test_the_slope_of_leave_one_out_is_that_of_refitting(rng):
    K, y = points(rng)

    def by_refitting(log_lam):
        left = 0.0
        for i in range(6):
            others = np.delete(np.arange(6), i)
            alpha = np.linalg.solve(K[np.ix_(others, others)] + np.exp(log_lam) * np.eye(5), y[others])
            left += (y[i] - K[i, others] @ alpha) ** 2 / 6
        return left

    h, ours = 1e-5, TRUTH["kernels-loo-slope"](K, y, 0.3)
    central = (by_refitting(np.log(0.3) + h) - by_refitting(np.log(0.3) - h)) / (2 * h)
    assert ours == pytest.approx(central, rel=1e-7)


def test_the_force_block_is_jax_s(rng):
    x, z = rng.normal(size=3), rng.normal(size=2)
    k = jax.grad(jax.grad(lambda a, b: jnp.exp(-((a - b) ** 2) / (2 * 0.7**2)), 0), 1)
    theirs = [[k(a, b) for b in z] for a in x]
    np.testing.assert_allclose(TRUTH["kernels-forces"](x, z, 0.7), theirs, rtol=1e-12)


def test_the_freedom_box_holds_the_trace():
    K = np.diag([3.0, 1.0, 0.0])
    assert exercises.kernels.BOXES["kernels-freedom"]["answer"] == pytest.approx(
        np.trace(K @ np.linalg.inv(K + np.eye(3)))
    )


def test_the_left_out_box_holds_the_residual():
    K, y = np.array([[1, 0.5], [0.5, 1]]), np.ones(2)
    box = exercises.kernels.BOXES["kernels-left-out"]
    assert box["answer"] == pytest.approx(y[0] - K[0, 1] * y[1] / (K[1, 1] + 0.5))
    assert box["answer"] == pytest.approx(kernels.leave_one_out(K, y, lam=0.5).residuals[0])
    alpha, B = np.linalg.solve(K + 0.5 * np.eye(2), y), np.linalg.inv(K + 0.5 * np.eye(2))
    of = {1 / 3: y[0] - box["answer"], 0.25: y[0] - K[0] @ alpha, 0.5: alpha[0], 0.375: alpha[0] * B[0, 0]}
    assert sorted(of) == sorted(box["mistakes"].values())
    assert all(number == pytest.approx(value) for number, value in of.items())
