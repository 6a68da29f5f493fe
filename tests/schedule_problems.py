"""Trainings that the tests of the schedules chapter share: few steps of a small network, in float64."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from mcbook import schedules

T, D, HIDDEN, CLASSES = 11, 3, 4, 3  # one set of shapes: everything compiles once


@lru_cache
def small_loss():
    return schedules.network_loss(HIDDEN, CLASSES)


def small_run(rng, steps=T):
    """A 3-4-3 network on 30 rows with a linear rule, minibatches of 5."""
    X = rng.normal(size=(30, D))
    y = (X @ rng.normal(size=(D, CLASSES))).argmax(1).astype(np.int32)
    w = schedules.first_weights(D, HIDDEN, CLASSES, rng=rng)
    batches = rng.integers(0, 20, (steps, 5))
    return schedules.Run(small_loss(), w, (X[:20], y[:20]), batches, (X[20:], y[20:]))


def full_schedule(rng, steps=T):
    """Rates, momenta (of 12 bits) and decays, different at each step."""
    momenta = np.rint(rng.uniform(0.3, 0.95, steps) * 2**12) / 2**12
    return schedules.Schedule(rng.uniform(0.1, 0.6, steps), momenta, rng.uniform(0, 0.1, steps))


def plain_schedule(rng, steps=T):
    """Rates alone."""
    return schedules.Schedule(rng.uniform(0.1, 0.6, steps))


def unrolled(run, rates, momenta=None, decays=None):
    """held_out(w_T) as anybody would write it, sharing no line with the package."""
    rates = jnp.asarray(rates)
    momenta, decays = (jnp.zeros(len(rates)) if a is None else a for a in (momenta, decays))

    def body(state, now):
        (w, v), (rows, eta, beta, lam) = state, now
        v = beta * v + jax.grad(run.loss)(w, *(jnp.asarray(a)[rows] for a in run.data)) + lam * w
        return (w - eta * v, v), None

    first = jnp.asarray(run.w), jnp.zeros(len(run.w))
    (w, _), _ = jax.lax.scan(body, first, (jnp.asarray(run.batches), rates, momenta, decays))
    return run.loss(w, *run.held_out)


def flat(schedule):
    """All the numbers of a schedule as one vector."""
    return np.concatenate([np.asarray(part) for part in schedule if part is not None])


def distance(a, b):
    """‖a - b‖ relative to ‖b‖."""
    return np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(b)
