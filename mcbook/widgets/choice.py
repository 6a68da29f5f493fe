"""Multiple choice on the static page: one click, and the page says why, without a kernel."""

from __future__ import annotations

from collections.abc import Sequence

import anywidget
import traitlets

from mcbook.widgets.answer import lock
from mcbook.widgets.front import read_together


class MultipleChoice(anywidget.AnyWidget):
    """Which of these is it? Each answer is a formula; choosing one says at once what is wrong with it.

    Parameters
        prompt   the question, as plain text
        formulas the answers, each a <math> element
        verdicts for each answer, whether it is right, and what to say of it
        given    what the question is about: a <math> element, may be empty
        notes    sentences below it, each a list of plain texts and <math> elements in turn

    The verdicts are in the page, reversed and in base64: out of sight, not out of reach. It is a self-check.
    Raises ValueError unless there are two answers or more, all different, and exactly one of them is right.
    """

    _esm = read_together("choice.js")
    _css = read_together("choice.css")
    prompt = traitlets.Unicode().tag(sync=True)
    given = traitlets.Unicode().tag(sync=True)
    notes = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    formulas = traitlets.List(traitlets.Unicode()).tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        prompt: str,
        formulas: Sequence[str],
        verdicts: Sequence[tuple[bool, str]],
        *,
        given: str = "",
        notes: Sequence[Sequence[str]] = (),
    ) -> None:
        rights = sum(right for right, _ in verdicts)
        if len(formulas) != len(verdicts) or len(set(formulas)) < max(2, len(formulas)) or rights != 1:
            raise ValueError(
                "MultipleChoice expects two or more different formulas, a verdict for each and exactly one "
                f"right one, got {len(formulas)} formulas ({len(set(formulas))} different), {len(verdicts)} "
                f"verdicts, {rights} right."
            )
        rows = [[bool(right), words] for right, words in verdicts]
        super().__init__(
            prompt=prompt,
            given=given,
            notes=[list(note) for note in notes],
            formulas=list(formulas),
            key=lock(rows),
        )

    def __repr__(self) -> str:
        return f"Multiple choice, {len(self.formulas)} answers: {self.prompt}"
