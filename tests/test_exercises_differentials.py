"""The exercises on differentials: their answers are what JAX, the engine and plain arithmetic say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import differentials as dl
from mcbook import exercises

QUESTIONS, BOXES = exercises.differentials.QUESTIONS, exercises.differentials.BOXES
TRUTH = {name: question.truth for name, question in QUESTIONS.items()}

# What each question differentiates, written with JAX.
FUNCTIONS = {
    "differentials-grey": lambda W, lam: lam / 2 * jnp.sum((W.sum(axis=1) - 1) ** 2),
    "differentials-upright": lambda X: jnp.sum((X.T @ X - jnp.eye(X.shape[1])) ** 2) / 2,
    "differentials-undo": lambda M, P, Q: jnp.sum((P @ jnp.linalg.inv(M).T - Q) ** 2) / 2,
    "differentials-volume": lambda X: jnp.linalg.slogdet(X.T @ X)[1],
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_the_answers_are_jax_s(name, seed):
    args = QUESTIONS[name].inputs(np.random.default_rng(seed))
    theirs = jax.grad(FUNCTIONS[name])(*map(jnp.asarray, args))
    assert np.linalg.norm(TRUTH[name](*args) - theirs) <= 1e-11 * np.linalg.norm(theirs)


def test_the_symmetric_gradient_is_jax_s_made_symmetric(rng):
    S, a, b = QUESTIONS["differentials-symmetric"].inputs(rng)
    free = jax.grad(lambda S: a @ jnp.linalg.solve(S, b))(S)
    ours = TRUTH["differentials-symmetric"](S, a, b)
    np.testing.assert_allclose(ours, dl.sym(free), rtol=1e-11, atol=1e-13)


def test_the_second_differential_is_jax_s(rng):
    X, V = QUESTIONS["differentials-curvature"].inputs(rng)
    slope = jax.grad(jax.grad(lambda t: jnp.linalg.slogdet(X + t * V)[1]))
    assert TRUTH["differentials-curvature"](X, V) == pytest.approx(float(slope(0.0)), rel=1e-10)


def test_the_numbers_in_the_boxes():
    X, dX = np.array([[3.0, 1.0], [2.0, 4.0]]), np.array([[0.01, 0.01], [0.0, 0.02]])
    box = BOXES["differentials-determinant"]
    first = np.linalg.det(X) * np.trace(np.linalg.solve(X, dX))
    assert box["answer"] == pytest.approx(first)
    named = sorted(box["mistakes"].values())
    G, true = dl.grad_det_X(X), np.linalg.det(X + dX) - np.linalg.det(X)
    wrong = [np.sum(G.T * dX), first / np.linalg.det(X), np.linalg.det(X) * np.trace(dX), true]
    np.testing.assert_allclose(named, sorted(wrong), rtol=1e-9)
    assert BOXES["differentials-layout"]["answer"] == 3
