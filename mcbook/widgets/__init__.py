"""Interactive parts of the pages: one class each, live in Jupyter and at work on the static page as well.

The JavaScript uses no library and no network; what needs the package's mathematics is computed here, by the
tested functions, and handed over as arrays. (Kernel ridge regression by hand solves its few points itself.)
"""

from mcbook.widgets.answer import AnswerBox
from mcbook.widgets.relatives import Relatives, bonds, principal
from mcbook.widgets.ridge import RidgeByHand
from mcbook.widgets.unmix import Sweep, UnmixByHand, rotation, sweep
from mcbook.widgets.walk import GradientWalk

__all__ = [
    "AnswerBox",
    "GradientWalk",
    "Relatives",
    "RidgeByHand",
    "Sweep",
    "UnmixByHand",
    "bonds",
    "principal",
    "rotation",
    "sweep",
]
