"""The derivative of a training by its schedule, in every mode, behind one function.

Problem    d held_out(w_T) / d (eta_t, beta_t, lam_t), t = 0 … T - 1
Modes      reverse     by hand, all T states kept
           checkpoint  by hand, nested checkpoints: 2√T states, or fewer with more levels
           truncated   by hand, the last K steps alone; exact for their entries, zero for the others
           forward     by hand, a tangent for each number (of few: `hypergradient_theta`)
           reversible  by hand, no states: the run is undone step by step, in whole numbers
           automatic   `jax.grad` of the loop, which keeps what every operation of every step needs
References maclaurin2015, franceschi2017, griewank2000
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from mcbook.schedules import _checks
from mcbook.schedules.forward import forward
from mcbook.schedules.reverse import plan_of, reverse
from mcbook.schedules.reversible import reversible
from mcbook.schedules.run import Array, Loss, Run, Schedule, at, first_state, rows_of, step, train

MODES = ("reverse", "checkpoint", "truncated", "forward", "reversible", "automatic")


class Hypergradient(NamedTuple):
    """The held-out loss of w (w_T), its derivatives by the schedule (a `Schedule`, or (k,) by theta).

    w_bar is w̄_0, the derivative by the initial weights (truncated: w̄ where the sweep stopped), and
    adjoint_norms holds ‖w̄_t‖, t = 0 … T (truncated: the last K + 1); both are empty in forward mode.
    """

    loss: float
    grad: Any
    w: Float[Array, " p"]
    w_bar: Float[Array, " ..."]
    adjoint_norms: Float[Array, " ..."]


def hypergradient(
    run: Run, schedule: Schedule, *, mode: str = "checkpoint", levels: int = 2, last: int | None = None
) -> Hypergradient:
    """Differentiate a training by its schedule.

    Parameters
    ----------
    mode : one of `MODES`.
    levels : of checkpoints; 2 keeps about 2√T states and runs the training once more, and so on.
    last : K, the steps of the truncated mode; more than T are T.

    Raises
    ------
    ValueError : a run or a schedule that makes no sense; an unknown mode; a mode that the schedule lacks
        something for; a training that diverged (with its step), or a gradient that overflowed.
    """
    run, schedule = _checks.prepared(run, schedule)
    _checks.single(run)
    levels, last = settings(mode, levels, last)
    return finite(_MODES[mode](run, schedule, levels, last), run, schedule)


def hypergradient_theta(
    run: Run, make: Any, theta: Any, *, mode: str = "checkpoint", levels: int = 2, last: int | None = None
) -> Hypergradient:
    """The derivative by theta (k,) of the training with schedule make(theta).

    Forward mode carries k tangents; the others find the derivative by every step's numbers and hand it to
    make's own vjp.  Raises ValueError as `hypergradient` does.
    """
    run = _checks.run_arrays(run)
    theta = _checks.vector(theta, "theta", run.w.dtype)
    if mode == "forward":
        _checks.single(run)
        run, schedule = _checks.prepared(run, make(theta))
        directions = jax.tree.map(lambda J: J.T, jax.jacfwd(make)(theta))
        return finite(_forward(run, schedule, directions), run, schedule)
    schedule, vjp_make = jax.vjp(make, theta)
    found = hypergradient(run, schedule, mode=mode, levels=levels, last=last)
    return found._replace(grad=vjp_make(found.grad)[0])


def temp_bytes(run: Run, schedule: Schedule, *, mode: str = "checkpoint", levels: int = 2) -> int:
    """Temporary memory of a mode by the compiler's own account; arguments and results are not in it.

    Modes reverse, checkpoint and automatic.  Raises ValueError for others, and as `hypergradient` does.
    """
    run, schedule = _checks.prepared(run, schedule)
    if mode not in ("reverse", "checkpoint", "automatic"):
        raise ValueError(f"temp_bytes knows reverse, checkpoint and automatic, got {mode!r}.")
    parts, T = (*run, schedule), len(run.batches)
    if mode == "automatic":
        lowered = automatic.lower(*parts)
    else:
        lowered = reverse.lower(*parts, plan=plan_of(T, settings(mode, levels, None)[0]), last=T)
    account: Any = lowered.compile().memory_analysis()
    return int(account.temp_size_in_bytes)


@partial(jax.jit, static_argnums=0)
def automatic(loss: Loss, w: Any, data: Any, batches: Any, held_out: Any, schedule: Schedule) -> Any:
    """(held_out(w_T), w_T), and the derivatives by w_0 and the schedule as JAX finds them."""

    def judged(w, schedule):
        def body(state, t):
            return step(loss, state, rows_of(data, batches, t), at(schedule, t)), None

        (w_T, _), _ = jax.lax.scan(body, first_state(w, schedule), jnp.arange(len(batches)))
        return loss(w_T, *held_out), w_T

    return jax.value_and_grad(judged, argnums=(0, 1), has_aux=True)(w, schedule)


def _backwards(run, schedule, levels, last):
    T = len(run.batches)
    K = T if last is None else min(T, last)
    value, grad, w, w_bar, norms = reverse(*run, schedule, plan=plan_of(K, levels), last=K)
    return Hypergradient(value, grad, w, w_bar, norms[T - K :])


def _automatic(run, schedule, levels, last):
    (value, w), (w_bar, grad) = automatic(*run, schedule)
    return Hypergradient(value, grad, w, w_bar, jnp.zeros(0, w.dtype))


def _forward(run, schedule, directions):
    value, grad, w = forward(*run, schedule, directions)
    none = jnp.zeros(0, w.dtype)
    return Hypergradient(value, grad, w, none, none)


def _forward_each(run, schedule, levels, last):
    """A tangent for each number of the schedule."""
    flat, tree = ravel_pytree(schedule)
    directions = jax.vmap(tree)(jnp.eye(len(flat), dtype=flat.dtype))
    found = _forward(run, schedule, directions)
    return found._replace(grad=tree(found.grad))


def _reversible(run, schedule, levels, last):
    undone = reversible(run, schedule)
    return Hypergradient(undone.loss, undone.grad, undone.w, undone.w_bar, undone.adjoint_norms)


_MODES = {
    "reverse": _backwards,
    "checkpoint": _backwards,
    "truncated": _backwards,
    "forward": _forward_each,
    "reversible": _reversible,
    "automatic": _automatic,
}


def settings(mode: str, levels: Any, last: Any) -> tuple[int, int | None]:
    """(levels, last) as a mode wants them.  Raises ValueError for what it cannot use."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}.")
    if (mode == "truncated") != (last is not None):
        raise ValueError(
            f"last, the number of steps to go back, belongs to the truncated mode and to no other; got "
            f"mode {mode!r}, last {last!r}."
        )
    levels = 1 if mode == "reverse" else _checks.whole(levels, "levels")
    return levels, None if last is None else _checks.whole(last, "last")


def finite(found: Hypergradient, run: Run, schedule: Schedule) -> Hypergradient:
    """found with its loss as a number, if all of it is finite; else what went wrong, and where."""
    if all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found)):
        return found._replace(loss=float(found.loss))
    raise diverged(run, schedule)


def diverged(run: Run, schedule: Schedule) -> ValueError:
    """What to say of a run whose hypergradient is not finite: where the training diverged, or that w̄ did."""
    t = train(run, schedule).diverged_at
    if t is not None:
        return ValueError(
            f"the training diverged at step {t} of {len(run.batches)}: its loss or its weights are no longer "
            f"finite there; lower the rates up to step {t} (`train` shows the losses on the way)."
        )
    return ValueError(
        "the training is finite, its hypergradient is not: w̄ grew without bound on the way back. Such a "
        "gradient says nothing about a longer step; lower the rates (`sensitivity_growth` shows how far)."
    )
