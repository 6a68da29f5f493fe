"""Ridge: the penalty is a spring. Finite elements for -∇·(a∇u) + kappa u = f, ridge regression beside them.

Problem    min over w of ½ wᵀKw + ½ kappa wᵀMw - bᵀw, solved by (K + kappa M)w = b
Modules    elements (closed-form element matrices), mesh, assembly, energy, solve (and the adjoint),
           multigrid; manufactured (errors, orders), green (point loads, decay), spectra, regression
           (ridge), fields (a field through data); the runs: bar, images
Page       book/understanding/ridge
"""

from mcbook.ridge.assembly import (
    load,
    lumped_mass,
    mass,
    operator,
    stiffness,
)
from mcbook.ridge.bar import (
    Bar,
    BarState,
    decay_length,
    solve_bar,
)
from mcbook.ridge.energy import (
    energy,
    grad_energy_w,
    hvp_energy_w,
)
from mcbook.ridge.fields import (
    FieldFit,
    FieldPath,
    field_loss,
    field_path,
    fit_field,
    grad_field_loss_w,
    penalty_matrix,
)
from mcbook.ridge.green import (
    Decay,
    decay_rate_consistent,
    decay_rate_lumped,
    green_columns,
    green_interval,
    green_line,
    green_plane,
    matern,
    measured_decay,
    springs_at_ends,
)
from mcbook.ridge.images import (
    Denoised,
    denoise,
    gcv,
    grad_gcv_log_length,
    modes_of_grid,
    power_of_modes,
    psnr,
)
from mcbook.ridge.manufactured import (
    Errors,
    Manufactured,
    cosines,
    errors,
    orders,
    sines,
)
from mcbook.ridge.mesh import (
    Mesh,
    gradient,
    interpolation,
    mesh_interval,
    mesh_points,
    mesh_rectangle,
    mesh_size,
    mesh_square,
    mesh_triangles,
)
from mcbook.ridge.regression import (
    RidgePath,
    fit_ridge,
    grad_ridge_loss_w,
    hvp_ridge_loss_w,
    ridge_loss,
    ridge_path,
)
from mcbook.ridge.solve import (
    Solution,
    SolveVjp,
    solve,
    vjp_solve,
)
from mcbook.ridge.spectra import (
    Modes,
    effective_dof,
    shrinkage,
    spectrum,
)

__all__ = [
    "Bar",
    "BarState",
    "Decay",
    "Denoised",
    "Errors",
    "FieldFit",
    "FieldPath",
    "Manufactured",
    "Mesh",
    "Modes",
    "RidgePath",
    "Solution",
    "SolveVjp",
    "cosines",
    "decay_length",
    "decay_rate_consistent",
    "decay_rate_lumped",
    "denoise",
    "effective_dof",
    "energy",
    "errors",
    "field_loss",
    "field_path",
    "fit_field",
    "fit_ridge",
    "gcv",
    "grad_energy_w",
    "grad_field_loss_w",
    "grad_gcv_log_length",
    "grad_ridge_loss_w",
    "gradient",
    "green_columns",
    "green_interval",
    "green_line",
    "green_plane",
    "hvp_energy_w",
    "hvp_ridge_loss_w",
    "interpolation",
    "load",
    "lumped_mass",
    "mass",
    "matern",
    "measured_decay",
    "mesh_interval",
    "mesh_points",
    "mesh_rectangle",
    "mesh_size",
    "mesh_square",
    "mesh_triangles",
    "modes_of_grid",
    "operator",
    "orders",
    "penalty_matrix",
    "power_of_modes",
    "psnr",
    "ridge_loss",
    "ridge_path",
    "shrinkage",
    "sines",
    "solve",
    "solve_bar",
    "spectrum",
    "springs_at_ends",
    "stiffness",
    "vjp_solve",
]
