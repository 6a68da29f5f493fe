"""Interactive parts of the pages: one class each, live in Jupyter and at work on the static page as well.

The JavaScript uses no library and no network; what needs the package's mathematics is computed here, by the
tested functions, and handed over as arrays. (Kernel ridge regression by hand and the string on springs solve
their small systems themselves, the schedule that is bent by hand runs its recurrence forwards and backwards,
and the molecule that is turned by hand evaluates its networks on the page.)
"""

from mcbook.widgets.answer import AnswerBox
from mcbook.widgets.bedding import OnSprings
from mcbook.widgets.bend import BendSchedule
from mcbook.widgets.chapters import ChapterMap
from mcbook.widgets.choice import MultipleChoice
from mcbook.widgets.corrected import CheapTheory, Corrected, SurfaceSweep
from mcbook.widgets.derivation import DeriveIt
from mcbook.widgets.descend import Descend
from mcbook.widgets.digits import DrawMe
from mcbook.widgets.linearise import Linearise
from mcbook.widgets.memory import GradientMemory
from mcbook.widgets.mutate import Mutants, MutateByHand, single_mutants
from mcbook.widgets.noise import ThereAndBack
from mcbook.widgets.protein import MutateProtein, Scan, scan_mutants
from mcbook.widgets.relatives import Relatives, bonds, principal
from mcbook.widgets.ridge import RidgeByHand
from mcbook.widgets.steps import StepsAndMisses
from mcbook.widgets.tape import Tape
from mcbook.widgets.turn import TurnMolecule
from mcbook.widgets.unmix import Sweep, UnmixByHand, rotation, sweep
from mcbook.widgets.walk import GradientWalk

__all__ = [
    "AnswerBox",
    "BendSchedule",
    "ChapterMap",
    "CheapTheory",
    "Corrected",
    "DeriveIt",
    "Descend",
    "DrawMe",
    "GradientMemory",
    "GradientWalk",
    "Linearise",
    "MultipleChoice",
    "Mutants",
    "MutateByHand",
    "MutateProtein",
    "OnSprings",
    "Relatives",
    "RidgeByHand",
    "Scan",
    "StepsAndMisses",
    "SurfaceSweep",
    "Sweep",
    "Tape",
    "ThereAndBack",
    "TurnMolecule",
    "UnmixByHand",
    "bonds",
    "principal",
    "rotation",
    "scan_mutants",
    "single_mutants",
    "sweep",
]
