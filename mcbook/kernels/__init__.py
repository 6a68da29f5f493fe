"""Kernels: kernel ridge regression, from the representer theorem to molecules.

Problem    min over f of Σ (y_i - f(x_i))² + lam ‖f‖²_H, solved by alpha = (K + lam I)⁻¹y
Modules    functions (kernels and their matrices), solve (`fit`, `predict`), leave_out (closed forms)
Page       book/learning/kernels
"""

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
)
from mcbook.kernels.leave_out import LeaveOneOut, cross_validate, leave_one_out
from mcbook.kernels.objective import grad_loss_alpha, grad_loss_beta, loss
from mcbook.kernels.solve import KernelRidge, Solution, fit, predict, ridge_dual, ridge_primal, solve

__all__ = [
    "GAUSSIAN",
    "KERNELS",
    "LAPLACIAN",
    "MATERN12",
    "MATERN32",
    "MATERN52",
    "Kernel",
    "KernelRidge",
    "LeaveOneOut",
    "Solution",
    "cross_validate",
    "fit",
    "grad_loss_alpha",
    "grad_loss_beta",
    "kernel_matrix",
    "leave_one_out",
    "loss",
    "median_width",
    "predict",
    "ridge_dual",
    "ridge_primal",
    "solve",
]
