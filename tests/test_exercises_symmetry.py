"""The right answers of the chapter on symmetry: held against JAX and against the laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from symmetry_problems import NUMBERS, geometry, model, net

from mcbook import symmetry
from mcbook.exercises import symmetry as questions


def test_the_turning_gradient_is_the_automatic_one(rng):
    X, Y, A = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), symmetry.skew(rng.normal(size=3))

    def misfit(t):
        return 0.5 * ((X @ jax.scipy.linalg.expm(t * A).T - Y) ** 2).sum()

    assert np.sum(questions.turning_gradient(X, Y) * A) == pytest.approx(
        float(jax.grad(misfit)(0.0)), rel=1e-12
    )
    R = symmetry.align(X, Y - Y.mean(axis=0) + X.mean(axis=0))
    best = questions.turning_gradient((X - X.mean(axis=0)) @ R.T, Y - Y.mean(axis=0))
    np.testing.assert_allclose(best, 0, atol=1e-13)  # stationary where `align` says


def test_the_gated_pull_back_is_the_automatic_one_and_keeps_the_torque(rng):
    V, y_bar = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    y, back = jax.vjp(lambda V: V / (1 + (V**2).sum(axis=1, keepdims=True)), jnp.asarray(V))
    V_bar = questions.vjp_gated(V, y_bar)
    np.testing.assert_allclose(V_bar, back(jnp.asarray(y_bar))[0], atol=1e-14)
    np.testing.assert_allclose(symmetry.torque(V_bar, V), symmetry.torque(y_bar, np.asarray(y)), atol=1e-14)


def test_the_verlet_matrix_is_a_step(rng):
    h, omega, (x, v) = 0.7, 1.3, rng.normal(size=2)
    one = np.ones(1) * symmetry.dynamics.ACCELERATION
    X, V = np.array([[x, 0, 0]]), np.array([[v, 0, 0]])
    X, V, _, _ = symmetry.verlet_step(lambda X: (None, -(omega**2) * X), X, V, -(omega**2) * X, one, h)
    np.testing.assert_allclose(questions.verlet_matrix(h, omega) @ [x, v], [X[0, 0], V[0, 0]], rtol=1e-13)
    assert np.linalg.det(questions.verlet_matrix(h, omega)) == pytest.approx(1)
    inside, outside = (np.abs(np.linalg.eigvals(questions.verlet_matrix(h, 1.0))).max() for h in (1.99, 2.01))
    assert inside == pytest.approx(1)
    assert outside > 1.1


def test_the_turned_hessian_is_that_of_the_network(rng):
    X, R, p = (
        jnp.asarray(geometry(rng)),
        symmetry.random_rotation(rng, reflect=True),
        net(features=3, rounds=1),
    )
    hessian = jax.jit(jax.jacobian(lambda X: -model(p, X)[1]))
    H, moved = hessian(X), hessian(X @ R.T)
    np.testing.assert_allclose(
        moved, questions.turned_hessian(np.asarray(H), R), atol=1e-11 * float(abs(H).max())
    )
    flat = [np.linalg.eigvalsh(np.asarray(h).reshape(27, 27)) for h in (H, moved)]
    np.testing.assert_allclose(*flat, atol=1e-10 * np.abs(flat[0]).max())


def test_boxes_hold_what_the_laws_say(rng):
    R = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert (np.array([1, 2, 3]) @ R.T)[0] == questions.BOXES["symmetry-quarter"]["answer"]
    X = geometry(rng)
    i, j = np.triu_indices(len(NUMBERS), 1)
    D = X[j] - X[i]
    pulls = np.zeros((len(i), 9, 3))
    pulls[np.arange(len(i)), i], pulls[np.arange(len(i)), j] = -D, D
    assert np.linalg.matrix_rank(pulls.reshape(len(i), -1)) == questions.BOXES["symmetry-free"]["answer"]
