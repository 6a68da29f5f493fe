"""The schedules chapter's exercises: their truths are the derivatives that they claim to be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import exercises
from mcbook.exercises.schedules import BOXES


def close(ours, theirs, tol=1e-11):
    return np.linalg.norm(ours - theirs) <= tol * np.linalg.norm(theirs)


def quadratics(rng, T, p):
    """A training loss for every step, ½ wᵀH_t w - b_tᵀw, with H (T, p, p) and b (T, p)."""
    A = rng.normal(size=(T, p, p))
    return A @ A.transpose(0, 2, 1) / p, rng.normal(size=(T, p))


def test_the_way_back_through_training_is_jax_s(rng):
    T, p = 6, 4
    (H, b), eta, w_0 = quadratics(rng, T, p), rng.uniform(0.1, 0.4, T), rng.normal(size=p)

    def weights(eta):
        w = [jnp.array(w_0)]
        for t in range(T):
            w.append(w[-1] - eta[t] * (H[t] @ w[-1] - b[t]))
        return jnp.stack(w)

    theirs = jax.grad(lambda eta: jnp.sum(jnp.sin(weights(eta)[-1])))(jnp.array(eta))
    w = np.asarray(weights(jnp.array(eta)))
    G = np.einsum("tij,tj->ti", H, w[:-1]) - b
    ours = exercises.question("schedules-reverse").truth(G, H, eta, np.cos(w[-1]))
    assert close(ours, theirs)


def test_the_way_back_through_momentum_is_jax_s(rng):
    p = 4
    (H, b), w, v, w_bar, v_bar = quadratics(rng, 1, p), *rng.normal(size=(4, p))

    def step(w, v):
        v = 0.8 * v + H[0] @ w - b[0] + 0.15 * w
        return w - 0.3 * v, v

    theirs = jax.vjp(step, jnp.array(w), jnp.array(v))[1]((jnp.array(w_bar), jnp.array(v_bar)))
    ours = exercises.question("schedules-momentum").truth(w_bar, v_bar, H[0], 0.3, 0.8, 0.15)
    assert close(ours, np.stack(theirs))


def test_the_pieces_are_jax_s(rng):
    piece, eta_bar, theta = np.array([0, 0, 1, 1, 1, 2]), rng.normal(size=6), rng.normal(size=3)
    theirs = jax.grad(lambda theta: jnp.sum(eta_bar * jnp.exp(theta)[piece]))(jnp.array(theta))
    assert close(exercises.question("schedules-pieces").truth(eta_bar, np.exp(theta)[piece], piece), theirs)


def test_the_greedy_rate_leaves_no_slope(rng):
    h, A, sigma = rng.uniform(0.1, 2, (3, 4))

    def after(eta):
        return 0.5 * jnp.sum(h * ((1 - eta * h) ** 2 * A + eta**2 * h**2 * sigma**2))

    eta = exercises.question("schedules-greedy").truth(h, A, sigma)
    assert abs(jax.grad(after)(eta)) <= 1e-12 * abs(jax.grad(after)(0.0))
    assert jax.grad(jax.grad(after))(eta) > 0


def test_the_implicit_gradient_is_that_of_the_solution(rng):
    p = 4
    (H, b), w_valid = quadratics(rng, 1, p), rng.normal(size=p)

    def F(lam):
        w = jnp.linalg.solve(H[0] + lam * jnp.eye(p), b[0])
        return 0.5 * jnp.sum((w - w_valid) ** 2)

    w_star = np.linalg.solve(H[0] + 0.4 * np.eye(p), b[0])
    ours = exercises.question("schedules-implicit").truth(H[0], 0.4, w_star, w_star - w_valid)
    assert ours == pytest.approx(float(jax.grad(F)(0.4)), rel=1e-10)


def test_the_box_by_hand_holds_the_derivative():
    def F(eta):
        w = 1.0
        for rate in (eta, 0.5):
            w -= rate * w
        return w**2

    slope = (F(0.4 + 1e-6) - F(0.4 - 1e-6)) / 2e-6
    assert BOXES["schedules-by-hand"]["answer"] == pytest.approx(slope, abs=1e-8)


def test_the_box_of_bits_counts_what_a_momentum_forgets():
    assert BOXES["schedules-bits"]["answer"] == pytest.approx(10_000 * np.log2(10 / 9), rel=1e-3)
