"""The objective of kernel ridge regression: its gradients, and that they vanish at the solver's answer."""

import jax
import numpy as np
import pytest

from mcbook import calculus, kernels

LAM = 0.3


def problem(rng, n=7, q=2):
    X, P = rng.normal(size=(n, 2)), rng.normal(size=(n, q))
    K = kernels.kernel_matrix(X, sigma=1.1)
    return K, rng.normal(size=n), P, rng.normal(size=n), rng.normal(size=q)


@pytest.mark.parametrize("q", [0, 2])
def test_gradients_are_right(q, rng):
    K, y, P, alpha, beta = problem(rng, q=q)

    def in_alpha(a):
        return kernels.loss(a, beta, K, y, P, LAM)

    G = kernels.grad_loss_alpha(alpha, beta, K, y, P, LAM)
    assert calculus.check_grad(in_alpha, G, alpha, reference=jax.grad(in_alpha), rng=rng)
    if q:

        def in_beta(b):
            return kernels.loss(alpha, b, K, y, P, LAM)

        H = kernels.grad_loss_beta(alpha, beta, K, y, P)
        assert calculus.check_grad(in_beta, H, beta, reference=jax.grad(in_beta), rng=rng)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda K, r, alpha: -2 * (r - LAM * alpha),  # K lost
        lambda K, r, alpha: -2 * K @ r + LAM * K @ alpha,  # the penalty's factor 2
        lambda K, r, alpha: 2 * K @ (r - LAM * alpha),
        lambda K, r, alpha: -2 * K @ r + 2 * LAM * alpha,  # K lost in the penalty alone
        lambda K, r, alpha: -2.002 * K @ (r - LAM * alpha),
    ],
)
def test_wrong_gradients_are_caught(wrong, rng):
    K, y, P, alpha, beta = problem(rng)
    with pytest.raises(AssertionError):
        calculus.check_grad(
            lambda a: kernels.loss(a, beta, K, y, P, LAM),
            wrong(K, y - K @ alpha - P @ beta, alpha),
            alpha,
            rng=rng,
        )


def test_the_solution_is_stationary_and_a_minimum(rng):
    K, y, P, _, _ = problem(rng)
    alpha, beta = kernels.solve(K, y, lam=LAM, P=P)
    assert np.abs(kernels.grad_loss_alpha(alpha, beta, K, y, P, LAM)).max() < 1e-12
    assert np.abs(kernels.grad_loss_beta(alpha, beta, K, y, P)).max() < 1e-12
    assert np.abs(P.T @ alpha).max() < 1e-12
    least = kernels.loss(alpha, beta, K, y, P, LAM)
    for _ in range(5):
        away = kernels.loss(alpha + 0.1 * rng.normal(size=7), beta + 0.1 * rng.normal(size=2), K, y, P, LAM)
        assert away > least


def test_residual_is_lam_alpha(rng):
    K, y, P, _, _ = problem(rng)
    alpha, beta = kernels.solve(K, y, lam=LAM, P=P)
    np.testing.assert_allclose(y - K @ alpha - P @ beta, LAM * alpha, atol=1e-13)
