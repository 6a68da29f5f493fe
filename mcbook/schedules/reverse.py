"""Backwards through a training: the recurrence of `vjp_step`, and how to have the states that it wants.

Problem    d held_out(w_T) / d (eta_t, beta_t, lam_t) for every t, in one sweep from T to 0
Memory     step t needs w_t (and v_t).  One level keeps all T of them.  Two levels keep √T states, and run
           each segment of √T steps again when the sweep comes to it: 2√T states, one more training.  `levels`
           of them: levels · T^(1/levels) states, levels trainings; with 2 to a level, 2 log₂ T states.
Truncated  only the last K steps: w̄ is not carried further back
References maclaurin2015, griewank1992, griewank2000
Symbols    plan: how many steps a segment has, level by level, the last one 1
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mcbook.schedules.run import Loss, Schedule, advance, at, first_state, rows_of, vjp_step


def plan_of(T: int, levels: int) -> tuple[int, ...]:
    """Steps in a segment, level by level: about T^(1-1/levels), …, T^(1/levels), 1."""
    lengths, left = [], T
    for level in range(levels, 1, -1):
        left = max(1, -(-left // max(1, round(left ** (1 / level)))))
        if left > 1:
            lengths.append(left)
    return (*lengths, 1)


@partial(jax.jit, static_argnames=("loss", "plan", "last"))
def reverse(
    loss: Loss, w: Any, data: Any, batches: Any, held_out: Any, schedule: Schedule, *, plan: Any, last: int
) -> tuple[Any, Schedule, Any, Any, Any]:
    """held_out(w_T), its derivatives by the schedule, w_T, w̄ at T - last, and ‖w̄_t‖ (T + 1,)."""
    T = len(batches)
    work, start = _Work(loss, data, batches, schedule), T - last
    state = _advance(work, first_state(w, schedule), 0, start)
    kept, state, at_step = _keep(work, plan, state, start, T, last)
    w_T, _ = _advance(work, state, at_step, T)
    value, w_bar = jax.value_and_grad(loss)(w_T, *held_out)
    bar = w_bar, None if schedule.momenta is None else jnp.zeros_like(w_bar)
    norms = jnp.zeros(T + 1, w.dtype).at[T].set(jnp.linalg.norm(w_bar))
    carry = bar, jax.tree.map(jnp.zeros_like, schedule), norms
    (w_bar, _), schedule_bar, norms = _sweep(work, plan, kept, start, T, carry)
    return value, schedule_bar, w_T, w_bar, norms


class _Work(NamedTuple):
    loss: Loss
    data: Any
    batches: Any
    schedule: Schedule


def _advance(work: _Work, state: Any, start: Any, stop: Any) -> Any:
    return advance(work.loss, work.data, work.batches, work.schedule, state, start, stop)


def _keep(work: _Work, plan: Any, state: Any, start: Any, stop: Any, most: int) -> tuple[Any, Any, Any]:
    """The states in front of the segments of start … stop (≤ `most` steps); the last one, and its step."""
    length = plan[0]
    room = -(-most // length)
    kept = jax.tree.map(lambda s: jnp.zeros((room, *s.shape), s.dtype).at[0].set(s), state)

    def body(k, carry):
        kept, state = carry
        state = _advance(work, state, start + (k - 1) * length, start + k * length)
        return jax.tree.map(lambda a, s: a.at[k].set(s), kept, state), state

    segments = (stop - start + length - 1) // length
    kept, state = jax.lax.fori_loop(1, segments, body, (kept, state))
    return kept, state, start + (segments - 1) * length


def _sweep(work: _Work, plan: Any, kept: Any, start: Any, stop: Any, carry: Any) -> Any:
    """The cotangents at `start` from those at `stop`: segments in turn, the last one first."""
    length, *finer = plan
    segments = (stop - start + length - 1) // length

    def body(j, carry):
        low = start + (segments - 1 - j) * length
        state = at(kept, segments - 1 - j)
        if not finer:
            return _back_one(work, state, low, carry)
        high = jnp.minimum(low + length, stop)
        inner, _, _ = _keep(work, finer, state, low, high, length)
        return _sweep(work, finer, inner, low, high, carry)

    return jax.lax.fori_loop(0, segments, body, carry)


def _back_one(work: _Work, state: Any, t: Any, carry: Any) -> Any:
    """`vjp_step` at step t, and its results put where they belong."""
    bar, schedule_bar, norms = carry
    rows, hyper = rows_of(work.data, work.batches, t), at(work.schedule, t)
    bar, hyper_bar = vjp_step(work.loss, state, rows, hyper, bar)
    schedule_bar = jax.tree.map(lambda a, x: a.at[t].set(x), schedule_bar, hyper_bar)
    return bar, schedule_bar, norms.at[t].set(jnp.linalg.norm(bar[0]))
