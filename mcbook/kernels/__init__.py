"""Kernels: kernel ridge regression, from the representer theorem to molecules.

Problem    min over f of Σ (y_i - f(x_i))² + lam ‖f‖²_H, solved by alpha = (K + lam I)⁻¹y
Modules    functions (kernels and their matrices), solve (`fit`, `predict`), leave_out (closed forms),
           spectrum (what lam means), criteria (LOO error, evidence, gradients), tune, forces
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
from mcbook.kernels.forces import (
    EnergyForces,
    block_energy_energy,
    block_energy_force,
    block_force_force,
    energy_force_matrix,
    fit_energy_forces,
    predict_energy_forces,
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
from mcbook.kernels.spectrum import (
    LamPath,
    Spectrum,
    effective_dof,
    lam_from_noise,
    lam_path,
    shrinkage,
    smoother_matrix,
    spectrum,
)
from mcbook.kernels.tune import Step, Tuning, tune

__all__ = [
    "GAUSSIAN",
    "KERNELS",
    "LAPLACIAN",
    "MATERN12",
    "MATERN32",
    "MATERN52",
    "EnergyForces",
    "Judgement",
    "Kernel",
    "KernelRidge",
    "LamPath",
    "LeaveOneOut",
    "Solution",
    "Spectrum",
    "Step",
    "Tuning",
    "block_energy_energy",
    "block_energy_force",
    "block_force_force",
    "cross_validate",
    "effective_dof",
    "energy_force_matrix",
    "evidence_loss",
    "fit",
    "fit_energy_forces",
    "grad_evidence_loss_C",
    "grad_loo_loss_C",
    "judge_evidence",
    "judge_loo",
    "kernel_matrix",
    "lam_from_noise",
    "lam_path",
    "leave_one_out",
    "loo_loss",
    "median_width",
    "predict",
    "predict_energy_forces",
    "ridge_dual",
    "ridge_primal",
    "shrinkage",
    "signal_variance",
    "smoother_matrix",
    "solve",
    "spectrum",
    "tune",
    "vjp_kernel_matrix_log_sigma",
    "weights_and_inverse",
]
