"""The exercises on the one recurrence: their answers are what JAX says of the steps themselves."""

import jax
import jax.numpy as jnp
import numpy as np

from mcbook import exercises, schedules

TRUTH = {name: question.truth for name, question in exercises.thread.QUESTIONS.items()}
BOX = exercises.thread.BOXES


def close(ours, theirs, rtol=1e-11):
    return np.linalg.norm(ours - theirs) <= rtol * np.linalg.norm(theirs)


def test_the_box_holds_the_slope():
    slope = jax.grad(lambda theta: 5.0 * (theta * 2.0) ** 2)(3.0)
    assert BOX["thread-steps"]["answer"] == float(slope)


def test_the_implicit_step_is_jax_s(rng):
    x, x_bar, K = rng.normal(size=5), rng.normal(size=5), rng.normal(size=(5, 5))

    def end(K):
        return x_bar @ jnp.linalg.solve(jnp.eye(5) + 0.2 * K, x)

    assert close(TRUTH["thread-implicit"](x, x_bar, K, 0.2), jax.grad(end)(K))


def test_the_linear_flow_is_jax_s(rng):
    x, A, h, T = rng.normal(size=3), rng.normal(size=(3, 3)), 0.1, 7

    def likelihood(A):
        z, volume = x, 0.0
        for _ in range(T):
            z, volume = z + h * A @ z, volume + h * jnp.trace(A)
        return -0.5 * z @ z + volume

    assert close(TRUTH["thread-flow"](x, A, h, T), jax.grad(likelihood)(A))


def test_small_steps_find_the_gaussian_s_best_fit(rng):
    """The volume is what keeps it honest: at the most likely A the pull and the volume balance."""
    x, h, T = rng.normal(size=(400, 2)) * [0.5, 2.0], 0.01, 100
    best = np.diag(-np.log([0.5, 2.0]) / (h * T))  # carries the data to a unit normal, in the limit h -> 0
    mean = np.mean([TRUTH["thread-flow"](row, best, h, T) for row in x], axis=0)
    assert np.abs(mean).max() < 0.2
    pull = mean - h * T * np.eye(2)
    assert np.abs(np.diag(pull)).min() > 0.8


def test_momentum_is_the_package_s_step(rng):
    B = rng.normal(size=(4, 4))
    A, b, (w, v, w_bar, v_bar) = B @ B.T, rng.normal(size=4), rng.normal(size=(4, 4))

    def loss(w):
        return 0.5 * w @ jnp.asarray(A) @ w - b @ w

    hyper = schedules.Schedule(jnp.asarray(0.3), jnp.asarray(0.8))
    theirs, _ = schedules.vjp_step(loss, (w, v), (), hyper, (w_bar, v_bar))
    assert close(TRUTH["thread-momentum"](w_bar, v_bar, A, 0.3, 0.8), np.stack(theirs))
