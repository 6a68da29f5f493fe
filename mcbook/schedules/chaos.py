"""When a hypergradient is useless: how fast w̄ grows on the way back.

Problem    ‖w̄_t‖ ≤ Π_{s ≥ t} ‖I - eta_s H_s‖ ‖w̄_T‖: bounded while every eta_s H_s lies in (0, 2).  Where
           curvatures exceed 2/eta, or are negative, it can grow like e^{r (T - t)}: then two trainings that
           begin 1e-8 apart end far apart, and the derivative, though exact, holds over no step worth taking
Measured   r, the slope of log ‖w̄_t‖ against T - t by least squares: of random initial cotangents the largest
           Lyapunov exponent of the training, per step
References metz2019
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.schedules import _checks
from mcbook.schedules.hypergradient import diverged
from mcbook.schedules.reverse import plan_of, reverse
from mcbook.schedules.run import Array, Run, Schedule


class Growth(NamedTuple):
    """‖w̄_t‖/‖w̄_T‖, t = 0 … T, infinite where it overflowed; the largest; and r, its growth per step back."""

    factors: Float[Array, " steps"]
    largest: float
    exponent: float


def sensitivity_growth(run: Run, schedule: Schedule, *, levels: int = 2) -> Growth:
    """How w̄ grows from the end of a training to its beginning; also where the hypergradient overflows.

    Raises ValueError as `hypergradient` does for its input, and for a training that diverged.
    """
    run, schedule = _checks.prepared(run, schedule)
    _checks.single(run)
    T = len(run.batches)
    plan = plan_of(T, _checks.whole(levels, "levels"))
    _, _, w, _, norms = reverse(*run, schedule, plan=plan, last=T)
    if not np.isfinite(w).all():
        raise diverged(run, schedule)
    factors = np.asarray(norms, float)[::-1] / float(norms[-1])  # from the end back
    fine = np.logical_and.accumulate(np.isfinite(factors) & (factors > 0))
    exponent = np.polyfit(np.flatnonzero(fine), np.log(factors[fine]), 1)[0]
    factors = np.where(np.isfinite(factors), factors, np.inf)[::-1]
    return Growth(factors, float(factors.max()), float(exponent))
