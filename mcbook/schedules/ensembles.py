"""Many seeds of one training: the mean of what they come to, and its hypergradient.

Problem    the mean over seeds of held_out(w_T): one seed's hypergradient is one seed's opinion
Ensemble   a `Run` whose seeds share loss and data; `w` (s, p) and `batches` (s, T, b) differ
Margin     of s seeds, the rates of the first are e^-margin times the schedule's, of the last e^margin times:
           what is learned must hold a little further out too (a mean over the parameter, as in metz2019)
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.schedules import _checks
from mcbook.schedules.reverse import plan_of, reverse
from mcbook.schedules.run import Array, Run, Schedule, advance, first_state


def ensemble(runs: Sequence[Run]) -> Run:
    """Runs that differ in w and batches alone as one `Run` with w (s, p), batches (s, T, b).

    Raises ValueError where they differ in loss or data, or where nothing is given.
    """
    if not runs:
        raise ValueError("ensemble needs at least one run.")
    first = _checks.run_arrays(runs[0])
    for run in runs[1:]:
        same = run.loss is first.loss and all(
            len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
            for a, b in ((run.data, first.data), (run.held_out, first.held_out))
        )
        if not same or np.shape(run.batches) != first.batches.shape or np.shape(run.w) != first.w.shape:
            raise ValueError(
                "the runs of an ensemble share loss, data, held_out and shapes, and differ in w and batches."
            )
    w, batches = (np.stack([np.asarray(getattr(r, name)) for r in runs]) for name in ("w", "batches"))
    return _checks.run_arrays(first._replace(w=w, batches=batches))


def evaluate(runs: Run, schedule: Schedule, *, margin: float | int = 0) -> Float[np.ndarray, " s"]:
    """Held-out losses of the trainings of an ensemble; not finite where a training diverged."""
    runs, schedule = many(runs, schedule)
    return np.asarray(evaluate_core(*runs, schedule, factors(runs, margin)))


def mean_hypergradient(
    runs: Run, schedule: Schedule, *, levels: int = 1, margin: float | int = 0
) -> tuple[float, Schedule]:
    """Mean of the held-out losses over an ensemble, and its derivatives by the schedule."""
    runs, schedule = many(runs, schedule)
    plan = plan_of(runs.batches.shape[1], _checks.whole(levels, "levels"))
    values, grads = each_core(*runs, schedule, factors(runs, margin), plan)
    return float(values.mean()), jax.tree.map(lambda a: a.mean(0), grads)


def factors(runs: Run, margin: float | int) -> Float[Array, " s"]:
    """What each seed's rates are multiplied by: e^-margin to e^margin in equal ratios; a lone seed's by 1."""
    if not 0 <= margin < np.inf:
        raise ValueError(f"margin must be finite and not negative, got {margin}.")
    places = np.linspace(-1, 1, len(runs.w)) if len(runs.w) > 1 else np.zeros(1)
    return jnp.exp(jnp.asarray(margin * places, runs.w.dtype))


def many(runs: Run, schedule: Any) -> tuple[Run, Schedule]:
    """Ensemble and schedule as JAX arrays.  Raises ValueError where one of them is none."""
    runs = _checks.run_arrays(runs)
    if runs.w.ndim != 2 or runs.batches.ndim != 3 or len(runs.w) != len(runs.batches):
        raise ValueError(
            f"an ensemble has w (s, p) and batches (s, T, b), got {runs.w.shape} and {runs.batches.shape}; "
            "`ensemble([run, …])` makes one."
        )
    return runs, _checks.schedule_arrays(schedule, runs.batches.shape[1], runs.w.dtype)


@partial(jax.jit, static_argnums=0)
def evaluate_core(loss, w, data, batches, held_out, schedule, factors):
    def one(seed):
        w, batches, factor = seed
        own = schedule._replace(rates=factor * schedule.rates)
        w_T, _ = advance(loss, data, batches, own, first_state(w, own), 0, batches.shape[0])
        return loss(w_T, *held_out)

    return _over_seeds(one, w, batches, factors)


def _over_seeds(one: Any, w: Any, batches: Any, factors: Any) -> Any:
    """Networks one after the other, for nothing is gained by handling their matrices together; small problems
    many at a time."""
    together = max(1, 2000 // w.shape[1])
    return jax.lax.map(
        one, (w, batches, factors), batch_size=None if together == 1 else min(together, len(w))
    )


@partial(jax.jit, static_argnums=(0, 7))
def each_core(loss, w, data, batches, held_out, schedule, factors, plan):
    def one(seed):
        w, batches, factor = seed
        own = schedule._replace(rates=factor * schedule.rates)
        value, bar = reverse(loss, w, data, batches, held_out, own, plan=plan, last=len(batches))[:2]
        return value, bar._replace(rates=factor * bar.rates)

    return _over_seeds(one, w, batches, factors)
