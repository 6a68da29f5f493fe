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

from mcbook.schedules.hypergradient import hypergradient
from mcbook.schedules.run import Array, Run, Schedule


class Growth(NamedTuple):
    """‖w̄_t‖/‖w̄_T‖ for t = 0 … T; the largest of them; and r, its growth per step backwards."""

    factors: Float[Array, " steps"]
    largest: float
    exponent: float


def sensitivity_growth(run: Run, schedule: Schedule, *, levels: int = 2) -> Growth:
    """How w̄ grows from the end of a training to its beginning.  Raises ValueError as `hypergradient` does."""
    norms = np.asarray(hypergradient(run, schedule, levels=levels).adjoint_norms, float)
    factors = norms / norms[-1]
    back = np.arange(len(norms))[::-1]
    exponent = np.polyfit(back, np.log(np.maximum(factors, np.finfo(float).tiny)), 1)[0]
    return Growth(factors, float(factors.max()), float(exponent))
