"""Kernels: kernel ridge regression, from the representer theorem to molecules.

Problem    min over f of Σ (y_i - f(x_i))² + lam ‖f‖²_H, solved by alpha = (K + lam I)⁻¹y
Modules    functions (kernels and their matrices), solve (`fit`, `predict`), leave_out (closed forms)
           for many rows: features, nystroem, streamed, validation (widths by gradient), iterative, sharded
Page       book/learning/kernels
"""

from mcbook.kernels.criteria import (
    Judgement,
    evidence_loss,
    grad_evidence_loss_C,
    grad_loo_loss_C,
    judge_evidence,
    judge_loo,
    loo_loss,
    signal_variance,
)
from mcbook.kernels.features import Fourier, draw_fourier
from mcbook.kernels.functions import (
    GAUSSIAN,
    KERNELS,
    LAPLACIAN,
    MATERN12,
    MATERN32,
    MATERN52,
    Kernel,
    kernel_matrix,
    median_width,
    vjp_kernel_matrix_log_sigma,
)
from mcbook.kernels.iterative import (
    Conjugate,
    IterativeRidge,
    conjugate_gradients,
    fit_iterative,
    kernel_product,
    low_rank_preconditioner,
)
from mcbook.kernels.leave_out import LeaveOneOut, cross_validate, leave_one_out, weights_and_inverse
from mcbook.kernels.nystroem import (
    Nystroem,
    PivotedCholesky,
    choose_inducing,
    nystroem_basis,
    pivoted_cholesky,
)
from mcbook.kernels.sharded import (
    Shards,
    add_up_sharded,
    device_mesh,
    fit_sharded,
    shard_rows,
    sharded_product,
)
from mcbook.kernels.solve import KernelRidge, Solution, fit, predict, ridge_dual, ridge_primal, solve
from mcbook.kernels.streamed import (
    FeatureRidge,
    Sums,
    add_up,
    choose_lam,
    fit_streamed,
    mse_from_sums,
    predict_streamed,
    ridge_from_sums,
    stream_rows,
)
from mcbook.kernels.tune import Step, Tuning, tune
from mcbook.kernels.validation import (
    Split,
    TunedWidths,
    ValidationGradient,
    split_rows,
    tune_widths,
    validation_gradient,
)

__all__ = [
    "GAUSSIAN",
    "KERNELS",
    "LAPLACIAN",
    "MATERN12",
    "MATERN32",
    "MATERN52",
    "Conjugate",
    "FeatureRidge",
    "Fourier",
    "IterativeRidge",
    "Judgement",
    "Kernel",
    "KernelRidge",
    "LeaveOneOut",
    "Nystroem",
    "PivotedCholesky",
    "Shards",
    "Solution",
    "Split",
    "Step",
    "Sums",
    "TunedWidths",
    "Tuning",
    "ValidationGradient",
    "add_up",
    "add_up_sharded",
    "choose_inducing",
    "choose_lam",
    "conjugate_gradients",
    "cross_validate",
    "device_mesh",
    "draw_fourier",
    "evidence_loss",
    "fit",
    "fit_iterative",
    "fit_sharded",
    "fit_streamed",
    "grad_evidence_loss_C",
    "grad_loo_loss_C",
    "judge_evidence",
    "judge_loo",
    "kernel_matrix",
    "kernel_product",
    "leave_one_out",
    "loo_loss",
    "low_rank_preconditioner",
    "median_width",
    "mse_from_sums",
    "nystroem_basis",
    "pivoted_cholesky",
    "predict",
    "predict_streamed",
    "ridge_dual",
    "ridge_from_sums",
    "ridge_primal",
    "shard_rows",
    "sharded_product",
    "signal_variance",
    "solve",
    "split_rows",
    "stream_rows",
    "tune",
    "tune_widths",
    "validation_gradient",
    "vjp_kernel_matrix_log_sigma",
    "weights_and_inverse",
]
