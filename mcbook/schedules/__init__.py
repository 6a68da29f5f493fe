"""Schedules: differentiating through training. Learning rates learned by the gradient of the whole run.

Problem    min over the schedule (eta_t, beta_t, lam_t), t = 0 … T - 1, of held_out(w_T)
Modules    run (T steps of SGD, and the vjp of one), reverse (the sweep back, nested checkpoints), forward,
           reversible (whole numbers and stored bits), implicit (the limit), hypergradient (one interface);
           shapes (schedules of few numbers), ensembles (many seeds), meta (learning a schedule, tuning
           others), quadratic (all of it in closed form),
           chaos (when the gradient is useless), problems (digits, wine, tumours)
Page       book/creation/schedules
"""

from mcbook.schedules.chaos import (
    Growth,
    sensitivity_growth,
)
from mcbook.schedules.ensembles import (
    ensemble,
    evaluate,
    mean_hypergradient,
)
from mcbook.schedules.hypergradient import (
    MODES,
    Hypergradient,
    hypergradient,
    hypergradient_theta,
    temp_bytes,
)
from mcbook.schedules.implicit import (
    Implicit,
    implicit_gradient,
)
from mcbook.schedules.meta import (
    MetaTraining,
    Tuned,
    meta_train,
    tune,
)
from mcbook.schedules.problems import (
    Split,
    accuracy,
    epochs,
    first_weights,
    logits,
    network_loss,
    network_run,
    split,
)
from mcbook.schedules.quadratic import (
    Best,
    NoisyQuadratic,
    expected_excess,
    grad_expected_excess_rates,
    greedy_rates,
    horizon_rates,
    noisy_quadratic,
    optimal_rates,
    quadratic_run,
    quadratic_runs,
    second_moments,
    truncation_bias,
)
from mcbook.schedules.reversible import (
    Kept,
    Undone,
    divide,
    multiply,
    return_without_bits,
    reversible,
    stored,
)
from mcbook.schedules.run import (
    Run,
    Schedule,
    Trajectory,
    flattened,
    jvp_step,
    step,
    train,
    vjp_step,
)
from mcbook.schedules.shapes import (
    Shape,
    below,
    constant,
    cosine,
    drops,
    every_part,
    falling,
    one_cycle,
    per_step,
    piecewise_constant,
    piecewise_linear,
    stretched,
    with_momentum,
)

__all__ = [
    "MODES",
    "Best",
    "Growth",
    "Hypergradient",
    "Implicit",
    "Kept",
    "MetaTraining",
    "NoisyQuadratic",
    "Run",
    "Schedule",
    "Shape",
    "Split",
    "Trajectory",
    "Tuned",
    "Undone",
    "accuracy",
    "below",
    "constant",
    "cosine",
    "divide",
    "drops",
    "ensemble",
    "epochs",
    "evaluate",
    "every_part",
    "expected_excess",
    "falling",
    "first_weights",
    "flattened",
    "grad_expected_excess_rates",
    "greedy_rates",
    "horizon_rates",
    "hypergradient",
    "hypergradient_theta",
    "implicit_gradient",
    "jvp_step",
    "logits",
    "mean_hypergradient",
    "meta_train",
    "multiply",
    "network_loss",
    "network_run",
    "noisy_quadratic",
    "one_cycle",
    "optimal_rates",
    "per_step",
    "piecewise_constant",
    "piecewise_linear",
    "quadratic_run",
    "quadratic_runs",
    "return_without_bits",
    "reversible",
    "second_moments",
    "sensitivity_growth",
    "split",
    "step",
    "stored",
    "stretched",
    "temp_bytes",
    "train",
    "truncation_bias",
    "tune",
    "vjp_step",
    "with_momentum",
]
