"""The map of the book: its chapters, the recurrence that runs through five, and what else they share."""

from __future__ import annotations

from typing import Any, NamedTuple

import anywidget
import traitlets

from mcbook.plots.chapters import ACTS, CHAPTERS
from mcbook.plots.miniatures import miniature
from mcbook.plots.svg import figure
from mcbook.widgets.front import read_together


class Tie(NamedTuple):
    """What two chapters share, in half a sentence."""

    one: str
    other: str
    words: str


class Stop(NamedTuple):
    """A chapter on the thread: what moves, what the cotangent is called there, what drops out."""

    chapter: str
    state: str
    cotangent: str
    gradient: str


THREAD = (
    Stop(
        "splice",
        "the memory of a network",
        "the error that is sent back through time",
        "the gradient for all weights",
    ),
    Stop(
        "ridge", "the field in a material", "the adjoint field", "the gradient for the material and the load"
    ),
    Stop(
        "symmetry", "what the atoms know of each other", "the pull of the energy", "the force on every atom"
    ),
    Stop("diffusion", "a point on its way through noise", "the score", "the slope of the likelihood"),
    Stop(
        "schedules",
        "the weights while they are trained",
        "what the end wants of step t",
        "the gradient for every learning rate",
    ),
)

ASIDE = {
    "differentials": "One step before the thread: what a single small change does.",
    "chain_rule": "Where the thread is spun: a cotangent, sent back through one step after another.",
    "downhill": "What all the gradients are for. A whole descent, followed back, is on the thread as well.",
}  # what the map says of a chapter off the thread, other than that its gradient is one step long

TIES = (
    Tie("differentials", "kernels", "the differential of an inverse: the gradient of a leave-one-out error"),
    Tie(
        "differentials", "unmixing", "d log|det W| = ⟨W⁻ᵀ, dW⟩: the volume of the colours, and of the voices"
    ),
    Tie("differentials", "ridge", "d A⁻¹ = −A⁻¹ dA A⁻¹: read from its other end, it is the adjoint field"),
    Tie("differentials", "chain_rule", "differentials composed: the same line, read forwards or backwards"),
    Tie("chain_rule", "splice", "reverse mode, by hand, through sixty letters and one shared matrix"),
    Tie("chain_rule", "sensitivity", "one sweep back gives the slope at every input at once"),
    Tie("chain_rule", "ridge", "the adjoint: where a step is a solve, the way back is the transposed solve"),
    Tie("downhill", "unmixing", "a gradient in another metric: the relative gradient, and Newton in blocks"),
    Tie("downhill", "ridge", "stiff springs: conditioning, and what a preconditioner does about it"),
    Tie("downhill", "schedules", "the step size: a rule of thumb in the one, a variable in the other"),
    Tie(
        "unmixing", "diffusion", "log|det|: how much a map stretches space; along a flow its rate is a trace"
    ),
    Tie("unmixing", "symmetry", "equivariance: mix the data or turn the molecule, and the answer goes along"),
    Tie("splice", "sensitivity", "the gradient at the input: which letters made the network say so"),
    Tie(
        "splice",
        "schedules",
        "one recurrence: its state is a memory in the one, all the weights in the other",
    ),
    Tie("kernels", "ridge", "the exponential kernel is the answer of a string on springs to one push"),
    Tie("kernels", "symmetry", "differentiated twice, a kernel of energies is a kernel of forces"),
    Tie(
        "kernels",
        "correction",
        "the kernel's norm says whether a difference is easier to learn than the truth",
    ),
    Tie("sensitivity", "diffusion", "an integral along a path, of a gradient or of a divergence"),
    Tie(
        "ridge", "schedules", "descend on the springs' energy: the hypergradient's limit is the adjoint field"
    ),
    Tie("ridge", "diffusion", "the Laplacian: springs between neighbours, or noise that spreads to them"),
    Tie("symmetry", "correction", "a force is minus the gradient of an energy, also of a sum of two"),
    Tie(
        "symmetry",
        "diffusion",
        "at a temperature the force is the score of the molecule's shapes: ∇log p = F/kT",
    ),
)


class ChapterMap(anywidget.AnyWidget):
    """Choose a chapter: what it shares with which others; its title leads to it.

    Parameters
        root    leads from the page that shows the map to `book/`
        chosen  the chapter that is chosen first, by the name of its module

    Raises ValueError for a chapter that the book does not have.
    """

    _esm = read_together("draw.js", "chapters.js")
    _css = read_together("shared.css", "chapters.css")
    acts: Any = traitlets.List().tag(sync=True)
    chapters: Any = traitlets.List().tag(sync=True)
    thread: Any = traitlets.List().tag(sync=True)
    ties: Any = traitlets.List().tag(sync=True)
    aside: Any = traitlets.Dict().tag(sync=True)
    root = traitlets.Unicode("").tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)

    def __init__(self, *, root: str = "", chosen: str = "splice") -> None:
        names = [chapter.name for chapter in CHAPTERS]
        if chosen not in names:
            raise ValueError(f"ChapterMap expects a chapter among {', '.join(names)}; got {chosen!r}.")
        super().__init__(
            acts=list(ACTS),
            chapters=[
                {
                    **chapter._asdict(),
                    "picture": figure(miniature(chapter.name), alt=chapter.alt).svg,
                }
                for chapter in CHAPTERS
            ],
            thread=[stop._asdict() for stop in THREAD],
            ties=[tie._asdict() for tie in TIES],
            aside=ASIDE,
            root=root,
            chosen=chosen,
        )

    def __repr__(self) -> str:
        return f"ChapterMap: {len(CHAPTERS)} chapters, {len(THREAD)} on the thread, {len(TIES)} ties"
