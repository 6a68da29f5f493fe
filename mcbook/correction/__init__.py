"""Correction: learning only what the cheap theory gets wrong.

Problem    E_comp = E_base + f̂, where f̂ learns target minus base from few geometries
Modules    compose (the sum, any base and any regressor), process (a Gaussian process on the pairs of a
           molecule: energies, gradients, Hessians, doubt), search (its widths by evidence), evidence, kernel,
           features, slips (units and signs in the training data), vibrations (minima, frequencies), units
Page       book/understanding/correction
"""

from mcbook.correction.compose import (
    Surface,
    compose,
    correction,
    forces,
    from_hartree,
    offset_of_atoms,
    surface_from_hartree,
    tabulated,
)
from mcbook.correction.evidence import (
    Evidence,
    Observations,
    evidence_loss,
    grad_evidence_loss_C,
    judge,
)
from mcbook.correction.features import (
    FEATURES,
    Feature,
    like_atoms,
    pull_gradient,
    pull_hessian,
)
from mcbook.correction.kernel import (
    Blocks,
    Points,
    blocks,
    vjp_matrix_log_sigma,
)
from mcbook.correction.process import (
    Doubt,
    Model,
    doubt,
    energy,
    fit,
    gradient,
    hessian,
    observe,
)
from mcbook.correction.search import (
    Learnt,
    Mode,
    learn,
    tune,
)
from mcbook.correction.slips import slope_ratio
from mcbook.correction.units import (
    BOHR_ANGSTROM,
    GRADIENT_KCAL,
    HARTREE_KCAL,
    HESSIAN_KCAL,
    MASSES,
    WAVENUMBER,
)
from mcbook.correction.vibrations import (
    Harmonic,
    Minimum,
    harmonic,
    masses_of,
    minimise,
)

__all__ = [
    "BOHR_ANGSTROM",
    "FEATURES",
    "GRADIENT_KCAL",
    "HARTREE_KCAL",
    "HESSIAN_KCAL",
    "MASSES",
    "WAVENUMBER",
    "Blocks",
    "Doubt",
    "Evidence",
    "Feature",
    "Harmonic",
    "Learnt",
    "Minimum",
    "Mode",
    "Model",
    "Observations",
    "Points",
    "Surface",
    "blocks",
    "compose",
    "correction",
    "doubt",
    "energy",
    "evidence_loss",
    "fit",
    "forces",
    "from_hartree",
    "grad_evidence_loss_C",
    "gradient",
    "harmonic",
    "hessian",
    "judge",
    "learn",
    "like_atoms",
    "masses_of",
    "minimise",
    "observe",
    "offset_of_atoms",
    "pull_gradient",
    "pull_hessian",
    "slope_ratio",
    "surface_from_hartree",
    "tabulated",
    "tune",
    "vjp_matrix_log_sigma",
]
