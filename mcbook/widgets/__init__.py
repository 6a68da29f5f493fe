"""Interactive parts of the pages: one class each, live in Jupyter and at work on the static page as well.

The JavaScript uses no library and no network; what needs the package's mathematics is computed here, by the
tested functions, and handed over as arrays. (Kernel ridge regression by hand solves its few points itself.)
"""

from mcbook.widgets.answer import AnswerBox
from mcbook.widgets.corrected import CheapTheory, Corrected, SurfaceSweep
from mcbook.widgets.memory import GradientMemory
from mcbook.widgets.mutate import Mutants, MutateByHand, single_mutants
from mcbook.widgets.relatives import Relatives, bonds, principal
from mcbook.widgets.ridge import RidgeByHand
from mcbook.widgets.unmix import Sweep, UnmixByHand, rotation, sweep
from mcbook.widgets.walk import GradientWalk

__all__ = [
    "AnswerBox",
    "CheapTheory",
    "Corrected",
    "GradientMemory",
    "GradientWalk",
    "Mutants",
    "MutateByHand",
    "Relatives",
    "RidgeByHand",
    "SurfaceSweep",
    "Sweep",
    "UnmixByHand",
    "bonds",
    "principal",
    "rotation",
    "single_mutants",
    "sweep",
]
