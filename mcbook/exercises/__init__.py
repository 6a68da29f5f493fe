"""The exercises' questions: kept here, so that a page can ask without showing the answer.

    from mcbook import exercises
    exercises.check("unmixing-quartic", answer)   # an answer in Python: right, a mistake by name, or not yet
    exercises.box("unmixing-scale")               # a number to be typed on the page itself, without a kernel
    exercises.choice("unmixing-loss")             # which is the gradient? also on the page itself

Each chapter has a module of its name with `QUESTIONS` (for `check`), `BOXES` (for `box`) and `CHOICES` (for
`choice`).
"""

from typing import Any

from mcbook.exercises import (
    correction,
    diffusion,
    kernels,
    ridge,
    schedules,
    sensitivity,
    splice,
    symmetry,
    thread,
    unmixing,
)
from mcbook.exercises.choices import shown
from mcbook.notebook import Question, Verdict
from mcbook.widgets import AnswerBox, MultipleChoice

__all__ = ["box", "check", "choice", "question"]

CHAPTERS = (unmixing, splice, kernels, sensitivity, ridge, symmetry, correction, diffusion, schedules, thread)


def question(name: str) -> Question:
    """The question of that name. Raises ValueError, naming the ones there are, if there is none."""
    return _find(name, {k: q for chapter in CHAPTERS for k, q in chapter.QUESTIONS.items()})


def check(name: str, answer: Any) -> Verdict:
    """Judge an answer in Python; `None` is "not answered yet", and no answer raises.

    Raises ValueError for an unknown name. Source: `mcbook.notebook.Question`.
    """
    return question(name).check(answer)


def box(name: str) -> AnswerBox:
    """A field for a number that answers back on the static page. Raises ValueError for an unknown name."""
    return AnswerBox(**_find(name, {k: b for chapter in CHAPTERS for k, b in chapter.BOXES.items()}))


def choice(name: str) -> MultipleChoice:
    """A question "which is the gradient?" whose wrong answers are the derivation's own, with one slip each.

    Raises ValueError for an unknown name. Source: `mcbook.exercises.choices`.
    """
    return shown(name, _find(name, {k: c for chapter in CHAPTERS for k, c in chapter.CHOICES.items()}))


def _find(name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise ValueError(f"no exercise is called {name!r}; there are {', '.join(sorted(known))}.")
    return known[name]
