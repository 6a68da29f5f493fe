"""Symmetry: energies that do not care how a molecule is turned, and forces that turn with it.

Problem    E(X Rᵀ) = E(X); differentiated, F(X Rᵀ) = F(X) Rᵀ
Modules    laws (symmetry errors, the condition on a layer), geometry (pairs, cutoff), network (equivariant
           message passing), dense (a plain network, on raw coordinates and on distances), potential
           (`predict`), training, dynamics (velocity Verlet, drift), calculator (ASE)
Page       book/understanding/symmetry
"""

from mcbook.symmetry import dense, geometry, network
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
from mcbook.symmetry.geometry import align
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
from mcbook.symmetry.training import Training, train

__all__ = [
    "Drift",
    "EnergiesForces",
    "Potential",
    "SymmetryErrors",
    "Training",
    "Trajectory",
    "align",
    "angular_momentum",
    "ase_calculator",
    "dense",
    "drift",
    "equivariance_error",
    "force_field",
    "generator_error",
    "geometry",
    "kinetic",
    "masses_of",
    "momentum",
    "net_force",
    "network",
    "predict",
    "random_permutation",
    "random_rotation",
    "simulate",
    "skew",
    "symmetry_errors",
    "thermal_velocities",
    "torque",
    "torque_error",
    "train",
    "verlet_step",
]
