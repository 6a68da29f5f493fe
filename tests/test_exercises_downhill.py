"""The exercises on going downhill: their answers are what JAX, the package and plain walks say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import downhill as dh
from mcbook import exercises

QUESTIONS, BOXES = exercises.downhill.QUESTIONS, exercises.downhill.BOXES
TRUTH = {name: question.truth for name, question in QUESTIONS.items()}
THREE = pytest.mark.parametrize("seed", range(3))


def drawn(name, seed):
    return QUESTIONS[name].inputs(np.random.default_rng(seed))


@THREE
def test_the_weighted_gradient_is_jax_s(seed):
    args = drawn("downhill-weighted", seed)
    theirs = jax.grad(lambda w, X, y, m: jnp.sum(m * (X @ w - y) ** 2) / 2)(*map(jnp.asarray, args))
    np.testing.assert_allclose(TRUTH["downhill-weighted"](*args), theirs, rtol=1e-11)


@THREE
def test_the_gradient_in_a_metric_is_steepest_in_it(seed):
    """Of all steps of length 1 in the metric, the one along G raises f most."""
    g, M = drawn("downhill-metric", seed)
    G = TRUTH["downhill-metric"](g, M)
    steps = np.random.default_rng(seed).normal(size=(2000, 3))
    steps /= np.sqrt(np.einsum("ki,ij,kj->k", steps, M, steps))[:, None]
    assert (steps @ g).max() <= g @ G / np.sqrt(G @ M @ G) + 1e-12
    dw = steps[0]
    assert G @ M @ dw == pytest.approx(g @ dw, rel=1e-10)


@THREE
def test_the_factors_are_the_package_s_and_both_kinds_occur(seed):
    h, eta, beta = drawn("downhill-contraction", seed)
    found = TRUTH["downhill-contraction"](h, eta, beta)
    np.testing.assert_allclose(found, [dh.contraction(k, eta, beta) for k in h], rtol=1e-10)
    pairs = [np.iscomplexobj(np.linalg.eigvals(dh.iteration_matrix(k, eta, beta))) for k in h]
    assert pairs == [False, True]


@THREE
def test_the_half_is_made_of_jax_s_jacobian(seed):
    a, b, t = drawn("downhill-half", seed)
    J = jax.jacobian(lambda p: p[0] * jnp.exp(-p[1] * t))(jnp.array([a, b]))
    np.testing.assert_allclose(TRUTH["downhill-half"](a, b, t), J.T @ J, rtol=1e-11)


@THREE
def test_stopping_early_is_the_ridge_that_it_says(seed):
    h, eta, k = drawn("downhill-stopping", seed)
    path = dh.descend(lambda w: h * (w - 1.0), [0.0], eta=eta, steps=k)
    lam = TRUTH["downhill-stopping"](h, eta, k)
    assert path.end[0] == pytest.approx(h / (h + lam), rel=1e-10)


@THREE
def test_the_floor_is_the_package_s(seed):
    h, c, eta = drawn("downhill-floor", seed)
    excess = dh.stationary_excess([[h]], [[c]], eta)
    assert h * TRUTH["downhill-floor"](h, c, eta) / 2 == pytest.approx(excess, rel=1e-12)


def test_the_boxes_are_what_the_package_says():
    border = BOXES["downhill-border"]["answer"]
    assert dh.contraction([2.0, 50.0], border * 0.999) < 1 < dh.contraction([2.0, 50.0], border * 1.001)
    steps = dh.steps_to(dh.best_step(1.0, 100.0).rate, 1e-3)
    assert BOXES["downhill-steps"]["answer"] == pytest.approx(steps, rel=0.005)
