"""Undoing a training: to the last bit, over thousands of steps, and what happens without the bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcbook import schedules
from mcbook.schedules import reversible as public
from mcbook.schedules.reversible import SHIFT, numerators, whole
from tests.schedule_problems import T, distance, flat, full_schedule, plain_schedule, small_run

LONG = 3000


def long_schedule(rng, steps=LONG):
    return schedules.Schedule(rng.uniform(0.05, 0.3, steps), rng.uniform(0.5, 0.95, steps))


@settings(max_examples=60, deadline=None)
@given(st.integers(-(2**60), 2**60), st.integers(1, 2**SHIFT - 1), st.integers(0, 2**50 - 1))
def test_multiply_and_divide_are_inverse(V, n, info):
    V, info = np.array([V]), np.array([info])
    W, more = schedules.multiply(V, n, info)
    assert abs(int(W[0]) * 2**SHIFT - int(V[0]) * n) <= n * 2**SHIFT  # V n/2^SHIFT, within n units
    again, less = schedules.divide(W, n, more)
    assert again == V
    assert less == info
    assert more >= 0


def test_thousands_of_steps_come_back_to_the_last_bit(rng):
    run = small_run(rng, LONG)
    undone = public(run, long_schedule(rng))
    assert undone.exact
    assert undone.words < LONG * len(run.w) / 20  # instead of 2 LONG · p
    assert np.isfinite(flat(undone.grad)).all()


def test_it_is_reverse_mode_through_the_same_quantised_run(rng):
    """Equal, not close: the same states, the same arithmetic."""
    run, schedule = small_run(rng), full_schedule(rng)
    undone, kept = public(run, schedule), schedules.stored(run, schedule)
    assert undone.exact
    assert undone.loss == kept.loss
    for a, b in zip((*undone.grad, undone.w, undone.w_bar), (*kept.grad, kept.w, kept.w_bar), strict=True):
        np.testing.assert_array_equal(a, b)
    assert kept.words == 2 * T * len(run.w)


def test_quantised_and_exact_dynamics_have_the_same_derivative(rng):
    run, schedule = small_run(rng), full_schedule(rng)
    exact = schedules.hypergradient(run, schedule, mode="reverse")
    undone = schedules.hypergradient(run, schedule, mode="reversible")
    assert distance(flat(undone.grad), flat(exact.grad)) < 1e-9
    assert distance(undone.w, exact.w) < 1e-10


def test_a_lost_bit_is_noticed(rng, monkeypatch):
    """One unit in one entry of one step's push, on the way back only: the run does not come back."""
    run, schedule = small_run(rng), full_schedule(rng)
    from mcbook.schedules.reversible import _Machine

    push, calls = _Machine.push, []

    def slipped(self, t, W):
        calls.append(t)
        found = push(self, t, W)
        if len(calls) == T + 3:
            found[0] += 1
        return found

    monkeypatch.setattr(_Machine, "push", slipped)
    assert not public(run, schedule).exact


def test_floats_do_not_come_back(rng):
    """Rounding errors grow by 1/beta a step; the pitfall that the stored bits are there for."""
    steps = 400
    schedule = schedules.Schedule(np.full(steps, 0.2), np.full(steps, 0.8))
    off = schedules.return_without_bits(small_run(rng, steps), schedule)
    assert off[-1] == 0
    assert off[-2] < 1e-14
    assert not off[0] < 1  # NaN, or far away


@pytest.mark.parametrize("momenta", [None, np.zeros(T), np.r_[np.full(T - 1, 0.9), 1e-5]])
def test_no_momentum_is_refused(momenta, rng):
    schedule = plain_schedule(rng)._replace(momenta=momenta)
    with pytest.raises(ValueError, match=r"reversible mode needs momentum.*checkpoint"):
        public(small_run(rng), schedule)


def test_numerators_are_the_nearest():
    np.testing.assert_array_equal(numerators(np.array([0.5, 0.9, 0.99999])), [2048, 3686, 4095])


@pytest.mark.parametrize("x", [np.nan, np.inf, 1e5])
def test_what_leaves_the_range_has_diverged(x):
    with pytest.raises(ValueError, match=r"diverged at step 7.*fixed point"):
        whole(np.array([0.0, x]), 7)
