"""The splice chapter's exercises: their truths are the derivatives that they claim to be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import exercises
from mcbook.exercises.splice import BOXES


def close(ours, theirs):
    return np.linalg.norm(ours - theirs) <= 1e-11 * np.linalg.norm(theirs)


def test_the_weighted_gradient_is_jax_s(rng):
    U, y, w = rng.normal(size=(12, 3)), rng.integers(0, 3, 12), 0.5 + rng.random(3)

    def loss(U):
        picked = jnp.take_along_axis(jax.nn.log_softmax(U), y[:, None], axis=1)[:, 0]
        return -jnp.sum(w[y] * picked) / w[y].sum()

    assert close(exercises.question("splice-weights").truth(U, y, w), jax.grad(loss)(jnp.array(U)))


def test_the_leaky_step_is_jax_s(rng):
    h, drive, W_h, h_bar = (rng.normal(size=s) for s in ((6, 4), (6, 4), (4, 4), (6, 4)))

    def step(h):
        return 0.7 * h + 0.3 * jnp.tanh(drive + h @ W_h.T)

    u = np.tanh(drive + h @ W_h.T)
    (theirs,) = jax.vjp(step, jnp.array(h))[1](jnp.array(h_bar))
    assert close(exercises.question("splice-leaky").truth(h_bar, u, W_h, 0.3), theirs)


def test_backpropagation_through_time_is_jax_s(rng):
    W_h, drive, h_0 = rng.normal(size=(4, 4)), rng.normal(size=(5, 6, 4)), rng.normal(size=(6, 4))
    h_bar = rng.normal(size=(6, 4))

    def states(W_h):
        H = [jnp.array(h_0)]
        for a in drive:
            H.append(jnp.tanh(a + H[-1] @ W_h.T))
        return jnp.stack(H)

    theirs = jax.grad(lambda W_h: jnp.sum(states(W_h)[-1] * h_bar))(jnp.array(W_h))
    ours = exercises.question("splice-bptt").truth(h_bar, np.asarray(states(W_h)), W_h)
    assert close(ours, theirs)


def test_the_gate_s_cotangent_is_jax_s(rng):
    a_z, h, m, h_bar = rng.normal(size=(4, 5, 4))

    def mix(a_z):
        z = jax.nn.sigmoid(a_z)
        return z * h + (1 - z) * m

    (theirs,) = jax.vjp(mix, jnp.array(a_z))[1](jnp.array(h_bar))
    z = 1 / (1 + np.exp(-a_z))
    assert close(exercises.question("splice-gate").truth(h_bar, h, m, z), theirs)


def test_the_box_by_hand_holds_the_derivative():
    def h_3(w):
        h = 0.0
        for _ in range(3):
            h = w * h + 1.0
        return h

    slope = (h_3(0.5 + 1e-6) - h_3(0.5 - 1e-6)) / 2e-6
    assert BOXES["splice-by-hand"]["answer"] == pytest.approx(slope, abs=1e-8)


def test_the_box_of_checkpoints_holds_the_least_memory():
    T = 10_000
    held = [s + -(-T // s) for s in range(1, T + 1)]
    assert BOXES["splice-checkpoints"]["answer"] == min(held)
    assert held[-1] == T + 1  # one segment: nothing is saved
