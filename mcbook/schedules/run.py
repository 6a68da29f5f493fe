"""A training run as one function: T steps of SGD, from a schedule to the loss on held-out data.

Problem    w_T(schedule), and held_out(w_T): what the schedule is judged by
Step       v_{t+1} = beta_t v_t + g_t + lam_t w_t,   w_{t+1} = w_t - eta_t v_{t+1},   g_t = ∇L_t(w_t)
Its vjp    u = v̄_{t+1} - eta_t w̄_{t+1}
           η̄_t = -⟨v_{t+1}, w̄_{t+1}⟩,  β̄_t = ⟨v_t, u⟩,  λ̄_t = ⟨w_t, u⟩
           v̄_t = beta_t u,  w̄_t = w̄_{t+1} + H_t u + lam_t u
           without momentum and decay:  w̄_t = w̄_{t+1} - eta_t H_t w̄_{t+1},  η̄_t = -⟨g_t, w̄_{t+1}⟩
Library    H_t u, a Hessian-vector product, is `jax.jvp` of `jax.grad`, which hands out g_t on the way
Reference  maclaurin2015
Symbols    w (p,) weights, flat; v (p,) velocity; eta rate, beta momentum, lam weight decay; L_t the loss on
           the minibatch of step t, H_t its Hessian; a bar: the derivative of the held-out loss by what is
           under it
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int

from mcbook.schedules import _checks

Array = Any  # NumPy or JAX
Loss = Callable[..., Any]  # (w, *rows of the data) -> number


class Run(NamedTuple):
    """All that a training does besides its schedule: `loss(w, *rows)` on data[batches[t]], from w.

    `held_out` has the form of `data`; the same loss on all of it judges where the training ended.
    """

    loss: Loss
    w: Float[Array, " p"]
    data: tuple[Array, ...]
    batches: Int[Array, "T b"]
    held_out: tuple[Array, ...]


class Schedule(NamedTuple):
    """A number per step; None where a run has no such thing (then w alone is its state)."""

    rates: Float[Array, " T"]
    momenta: Float[Array, " T"] | None = None
    decays: Float[Array, " T"] | None = None


class Trajectory(NamedTuple):
    """Where a training ended, and the loss of each minibatch on the way, before its step.

    `diverged_at`: the first step whose loss, or whose new weights, are not finite; None if there is none.
    """

    w: Float[Array, " p"]
    losses: Float[Array, " T"]
    held_out_loss: float
    diverged_at: int | None


def flattened(loss: Loss, params: Any) -> tuple[Loss, Float[Array, " p"]]:
    """The same loss as a function of one flat vector, and params as that vector.

    The function remembers the tree's shapes and nothing else, so it is compiled once for all seeds if you
    keep it.
    """
    w, tree = ravel_pytree(params)

    def flat(w, *rows):
        return loss(tree(w), *rows)

    return flat, w


def train(run: Run, schedule: Schedule) -> Trajectory:
    """Run the T steps of the schedule.  Raises ValueError for a run or a schedule that makes no sense."""
    run, schedule = _checks.prepared(run, schedule)
    w, losses, finite = _train(run.loss, run.w, run.data, run.batches, schedule)
    judged = float(_judge(run.loss, w, run.held_out))
    return Trajectory(w, losses, judged, None if finite.all() else int(jnp.argmin(finite)))


def step(loss: Loss, state: tuple[Any, Any], rows: tuple[Any, ...], hyper: Schedule) -> tuple[Any, Any]:
    """(w_t, v_t) to (w_{t+1}, v_{t+1}); hyper holds eta_t, beta_t, lam_t, and v is None without momentum."""
    w, v = state
    eta, beta, lam = hyper
    v_next = jax.grad(loss)(w, *rows)
    if lam is not None:
        v_next = v_next + lam * w
    if beta is not None:
        v_next = v_next + beta * v
    return w - eta * v_next, None if beta is None else v_next


def vjp_step(
    loss: Loss, state: tuple[Any, Any], rows: tuple[Any, ...], hyper: Schedule, state_bar: tuple[Any, Any]
) -> tuple[tuple[Any, Any], Schedule]:
    """From (w̄_{t+1}, v̄_{t+1}) to (w̄_t, v̄_t) and to the derivatives by eta_t, beta_t, lam_t."""
    (w, v), (w_bar, v_bar), (eta, beta, lam) = state, state_bar, hyper
    u = -eta * w_bar if beta is None else v_bar - eta * w_bar
    v_next, w_bar_prev = jax.jvp(lambda w: jax.grad(loss)(w, *rows), (w,), (u,))  # g_t and H_t u
    w_bar_prev = w_bar + w_bar_prev
    if lam is not None:
        v_next, w_bar_prev = v_next + lam * w, w_bar_prev + lam * u
    if beta is not None:
        v_next = v_next + beta * v
    hyper_bar = Schedule(
        -jnp.vdot(v_next, w_bar),
        None if beta is None else jnp.vdot(v, u),
        None if lam is None else jnp.vdot(w, u),
    )
    return (w_bar_prev, None if beta is None else beta * u), hyper_bar


def jvp_step(
    loss: Loss,
    state: tuple[Any, Any],
    rows: tuple[Any, ...],
    hyper: Schedule,
    state_dot: tuple[Any, Any],
    hyper_dot: Schedule,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The step, and the tangent that leaves it where (ẇ_t, v̇_t) and the hyperparameters' tangents enter."""
    (w, v), (w_dot, v_dot), (eta, beta, lam) = state, state_dot, hyper
    v_next, v_dot_next = jax.jvp(lambda w: jax.grad(loss)(w, *rows), (w,), (w_dot,))
    if lam is not None:
        v_next, v_dot_next = v_next + lam * w, v_dot_next + lam * w_dot + hyper_dot.decays * w
    if beta is not None:
        v_next, v_dot_next = v_next + beta * v, v_dot_next + beta * v_dot + hyper_dot.momenta * v
    w_dot_next = w_dot - eta * v_dot_next - hyper_dot.rates * v_next
    keep = beta is not None
    return (w - eta * v_next, v_next if keep else None), (w_dot_next, v_dot_next if keep else None)


def first_state(w: Any, schedule: Schedule) -> tuple[Any, Any]:
    """(w_0, 0): the velocity begins at zero."""
    return w, None if schedule.momenta is None else jnp.zeros_like(w)


def at(arrays: Any, t: Any) -> Any:
    """Entry t of every array."""
    return jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, t, keepdims=False), arrays)


def rows_of(data: tuple[Any, ...], batches: Any, t: Any) -> tuple[Any, ...]:
    """The minibatch of step t; its indices were checked."""
    rows = at(batches, t)
    return tuple(a.at[rows].get(mode="promise_in_bounds") for a in data)


def advance(
    loss: Loss, data: Any, batches: Any, schedule: Schedule, state: Any, start: Any, stop: Any
) -> Any:
    """The state after the steps start, …, stop - 1."""

    def body(t, state):
        return step(loss, state, rows_of(data, batches, t), at(schedule, t))

    return jax.lax.fori_loop(start, stop, body, state)


@partial(jax.jit, static_argnums=0)
def _train(loss, w, data, batches, schedule):
    def body(state, t):
        rows = rows_of(data, batches, t)
        value = loss(state[0], *rows)
        state = step(loss, state, rows, at(schedule, t))
        return state, (value, jnp.isfinite(value) & jnp.isfinite(state[0]).all())

    (w, _), (losses, finite) = jax.lax.scan(body, first_state(w, schedule), jnp.arange(len(batches)))
    return w, losses, finite


@partial(jax.jit, static_argnums=0)
def _judge(loss, w, held_out):
    return loss(w, *held_out)
