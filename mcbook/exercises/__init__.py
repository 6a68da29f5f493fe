"""The exercises' questions: kept here, so that a page can ask without showing the answer.

    from mcbook import exercises
    exercises.check("unmixing-quartic", answer)   # an answer in Python: right, a mistake by name, or a hint
    exercises.hint("unmixing-quartic")            # the next hint, without an answer
    exercises.box("unmixing-scale")               # a number to be typed on the page itself, without a kernel
    exercises.choice("unmixing-loss")             # which is the gradient? also on the page itself

Each chapter has a module of its name with `QUESTIONS` (for `check`), `BOXES` (for `box`) and `CHOICES` (for
`choice`).
"""

from typing import Any, NamedTuple

from mcbook.exercises import (
    chain_rule,
    correction,
    differentials,
    diffusion,
    downhill,
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
from mcbook.questions import Question, Verdict
from mcbook.widgets import AnswerBox, MultipleChoice

__all__ = ["box", "check", "choice", "hint", "question"]


class Asked(NamedTuple):
    """How far a reader has come with an exercise: hints opened, the last answer's mark, its hints."""

    opened: int = 0
    mark: str = ""
    hints: tuple[str, ...] = ()


_asked: dict[str, Asked] = {}  # by the name of the exercise, as long as the kernel lives
CHAPTERS = (
    *(
        differentials,
        chain_rule,
        downhill,
        unmixing,
        splice,
        kernels,
        sensitivity,
        ridge,
        symmetry,
        correction,
        diffusion,
    ),
    *(schedules, thread),
)


def question(name: str) -> Question:
    """The question of that name. Raises ValueError, naming the ones there are, if there is none."""
    return _find(name, {k: q for chapter in CHAPTERS for k, q in chapter.QUESTIONS.items()})


def check(name: str, answer: Any) -> Verdict:
    """Judge an answer in Python; `None` is "not answered yet", and no answer raises.

    Every further wrong answer opens one more of its three hints; a right one closes them again.
    Raises ValueError for an unknown name. Source: `mcbook.questions.Question`.
    """
    verdict = question(name).check(answer)
    before = _asked.get(name, Asked())
    if verdict or answer is None:
        if verdict:
            _asked.pop(name, None)
        return verdict
    fresh = verdict.mark != before.mark and verdict.shown > 0
    now = before.opened + 1 if fresh else before.opened
    _asked[name] = Asked(min(now, 3), verdict.mark if verdict.shown else before.mark, verdict.hints)
    return verdict._replace(shown=_asked[name].opened)


def hint(name: str) -> Verdict:
    """The next hint: of the last wrong answer, or for whoever has not begun.

    Raises ValueError for an unknown name.
    """
    asked = question(name)
    before = _asked.get(name, Asked())
    hints = before.hints or asked.ladder()
    _asked[name] = Asked(min(before.opened + 1, 3), before.mark, hints)
    return Verdict(False, f"Hints: {asked.prompt}", hints, _asked[name].opened)


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
