"""Forwards through a training: k tangents travel with the weights.

Problem    the derivatives of held_out(w_T) along k directions of the schedule: ⟨∇held_out(w_T), ẇ_T⟩
Cost       k Hessian-vector products a step and k (or 2k) vectors of memory, however long the run: for a
           schedule of few parameters
Reference  franceschi2017
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from mcbook.schedules.run import Loss, Schedule, at, first_state, jvp_step, rows_of


@partial(jax.jit, static_argnums=0)
def forward(
    loss: Loss, w: Any, data: Any, batches: Any, held_out: Any, schedule: Schedule, directions: Schedule
) -> tuple[Any, Any, Any]:
    """held_out(w_T), its derivatives along the k directions, each field (k, T), and w_T."""
    k, T = directions.rates.shape
    state = first_state(w, schedule)
    dots = jax.tree.map(lambda s: jnp.zeros((k, *s.shape), s.dtype), state)
    along = jax.vmap(
        lambda state, rows, hyper, dot, hyper_dot: jvp_step(loss, state, rows, hyper, dot, hyper_dot),
        in_axes=(None, None, None, 0, 0),
        out_axes=(None, 0),
    )

    def body(t, carry):
        state, dots = carry
        hyper_dots = jax.tree.map(lambda a: a[:, t], directions)
        return along(state, rows_of(data, batches, t), at(schedule, t), dots, hyper_dots)

    (w_T, _), (w_dots, _) = jax.lax.fori_loop(0, T, body, (state, dots))
    value, slope = jax.value_and_grad(loss)(w_T, *held_out)
    return value, w_dots @ slope, w_T
