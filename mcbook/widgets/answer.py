"""A question on the static page that answers back without a kernel."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping

import anywidget
import traitlets

from mcbook.widgets.front import read_together


class AnswerBox(anywidget.AnyWidget):
    """A number is asked for; the page says right, names the mistake, or says not yet.

    Parameters
        prompt    the question, as plain text
        answer    the right number; rtol is the relative distance that still counts as right
        mistakes  what went wrong, as the end of "It looks as if …" -> the number which one gets that way
        hint      what to try when the number is neither

    Readers may type 2.5, 2,5, 5/2, -1e-3; other expressions are declined politely.
    The answer is in the page, reversed and in base64: out of sight, not out of reach. This is a self-check.

    Raises ValueError where a mistake cannot be told from the answer, or from another mistake.
    """

    _esm = read_together("answer.js")
    _css = read_together("answer.css")
    prompt = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        prompt: str,
        answer: int | float,
        *,
        mistakes: Mapping[str, int | float] | None = None,
        rtol: float = 0.01,
        hint: str = "Write the differential first, then read the gradient off.",
    ) -> None:
        named = {name: float(value) for name, value in (mistakes or {}).items()}
        told_apart(float(answer), named, rtol)
        secret = {"answer": float(answer), "rtol": rtol, "mistakes": [[v, name] for name, v in named.items()]}
        super().__init__(prompt=prompt, hint=hint, key=lock(secret))

    def __repr__(self) -> str:
        return f"Self-check: {self.prompt}"


def lock(secret: object) -> str:
    """The answer as base64 of its reversed JSON text."""
    return base64.b64encode(json.dumps(secret, ensure_ascii=True)[::-1].encode()).decode()


def told_apart(answer: float, mistakes: Mapping[str, float], rtol: float) -> None:
    """Refuse numbers that one answer could match twice."""
    numbers = {"the answer": answer, **mistakes}
    if not all(map(math.isfinite, numbers.values())) or not 0 < rtol < 0.5:
        raise ValueError(f"AnswerBox expects finite numbers and 0 < rtol < 0.5, got {numbers}, rtol={rtol}.")
    names = list(numbers)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if abs(numbers[a] - numbers[b]) <= rtol * (abs(numbers[a]) + abs(numbers[b])):
                raise ValueError(
                    f"AnswerBox expects numbers that differ by more than rtol={rtol}, but {a!r} and {b!r} "
                    f"give {numbers[a]:g} and {numbers[b]:g}; change the question's numbers."
                )
