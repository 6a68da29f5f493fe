"""Symmetry: energies that do not care how a molecule is turned, and forces that turn with it.

Problem    E(X Rᵀ) = E(X); differentiated, F(X Rᵀ) = F(X) Rᵀ
Modules    laws (symmetry errors, the condition on a layer), geometry (pairs, cutoff), network (equivariant
           message passing), dense (a plain network, on raw coordinates and on distances), potential
           (`predict`), training, dynamics (velocity Verlet, drift), calculator (ASE)
Page       book/understanding/symmetry
"""

from mcbook.symmetry import dense, geometry, network
from mcbook.symmetry.blocks import Internal, force_matrix, force_product, internal, vjp_force_matrix
from mcbook.symmetry.calculator import ase_calculator
from mcbook.symmetry.dynamics import (
    Drift,
    Trajectory,
    angular_momentum,
    drift,
    kinetic,
    masses_of,
    momentum,
    simulate,
    thermal_velocities,
    verlet_step,
)
from mcbook.symmetry.evidence import Evidence, Learnt, evidence_loss, judge_evidence, learn_kernel
from mcbook.symmetry.geometry import align
from mcbook.symmetry.gradient_domain import (
    GradientDomain,
    as_potential,
    fit_gradient_domain,
    predict_gradient_domain,
    solve_forces,
)
from mcbook.symmetry.iterative import IterativeFit, fit_iterative
from mcbook.symmetry.laws import (
    SymmetryErrors,
    equivariance_error,
    generator_error,
    net_force,
    random_permutation,
    random_rotation,
    skew,
    symmetry_errors,
    torque,
    torque_error,
)
from mcbook.symmetry.potential import EnergiesForces, Potential, force_field, predict
from mcbook.symmetry.product import (
    ProductKernel,
    factor_slopes,
    factors,
    order_shares,
    product_kernel,
)
from mcbook.symmetry.training import Training, train

__all__ = [
    "Drift",
    "EnergiesForces",
    "Evidence",
    "GradientDomain",
    "Internal",
    "IterativeFit",
    "Learnt",
    "Potential",
    "ProductKernel",
    "SymmetryErrors",
    "Training",
    "Trajectory",
    "align",
    "angular_momentum",
    "as_potential",
    "ase_calculator",
    "dense",
    "drift",
    "equivariance_error",
    "evidence_loss",
    "factor_slopes",
    "factors",
    "fit_gradient_domain",
    "fit_iterative",
    "force_field",
    "force_matrix",
    "force_product",
    "generator_error",
    "geometry",
    "internal",
    "judge_evidence",
    "kinetic",
    "learn_kernel",
    "masses_of",
    "momentum",
    "net_force",
    "network",
    "order_shares",
    "predict",
    "predict_gradient_domain",
    "product_kernel",
    "random_permutation",
    "random_rotation",
    "simulate",
    "skew",
    "solve_forces",
    "symmetry_errors",
    "thermal_velocities",
    "torque",
    "torque_error",
    "train",
    "verlet_step",
    "vjp_force_matrix",
]
