"""Kernels: kernel ridge regression, from the representer theorem to molecules.

Problem    min over f of Σ (y_i - f(x_i))² + lam ‖f‖²_H, solved by alpha = (K + lam I)⁻¹y
Modules    functions (kernels and their matrices), solve (`fit`, `predict`), leave_out (closed forms)
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
from mcbook.kernels.leave_out import LeaveOneOut, cross_validate, leave_one_out, weights_and_inverse
from mcbook.kernels.solve import KernelRidge, Solution, fit, predict, ridge_dual, ridge_primal, solve
from mcbook.kernels.tune import Step, Tuning, tune

__all__ = [
    "GAUSSIAN",
    "KERNELS",
    "LAPLACIAN",
    "MATERN12",
    "MATERN32",
    "MATERN52",
    "Judgement",
    "Kernel",
    "KernelRidge",
    "LeaveOneOut",
    "Solution",
    "Step",
    "Tuning",
    "cross_validate",
    "evidence_loss",
    "fit",
    "grad_evidence_loss_C",
    "grad_loo_loss_C",
    "judge_evidence",
    "judge_loo",
    "kernel_matrix",
    "leave_one_out",
    "loo_loss",
    "median_width",
    "predict",
    "ridge_dual",
    "ridge_primal",
    "signal_variance",
    "solve",
    "tune",
    "vjp_kernel_matrix_log_sigma",
    "weights_and_inverse",
]
