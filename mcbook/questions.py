"""Questions that answer back: right, a mistake by its name, or a hint that opens a little further each time.

    question = Question(
        "the gradient of log|det W|",
        lambda W: np.linalg.inv(W).T,
        mistakes={"the inverse is not transposed": np.linalg.inv},
        inputs=lambda rng: (rng.normal(size=(3, 3)),),
        loss=Loss("logdet(W)", "W", "W"),
    )
    question.check(answer)

No answer raises: what goes wrong in the reader's code is part of the answer, and comes back in words.
"""

from __future__ import annotations

import copy
import hashlib
import html
import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus import Derivation, Diagnosis, Expr, derive, diagnose, parse, symbol
from mcbook.calculus.engine.text import Text

DRAWS = 3
LONG = 160  # characters beyond which a formula is no hint
COARSE = {"float32": 1e-4, "float16": 3e-2}  # how far off an answer in fewer digits may be


class Verdict(NamedTuple):
    """What came of an answer; prints as its message and counts as true when the answer is right.

    hints  all that there are, each more open than the one before; `shown` of them are printed
    mark   the same for equal answers, so that a hint is not used up by running a cell again
    """

    correct: bool
    message: str
    hints: tuple[str, ...] = ()
    shown: int = 1
    mark: str = ""

    def __bool__(self) -> bool:
        return self.correct

    @property
    def open(self) -> tuple[str, ...]:
        """The hints that are printed."""
        return self.hints[: self.shown]

    def __repr__(self) -> str:
        count = len(self.hints)
        lines = [f"Hint {k} of {count}: {hint}" for k, hint in enumerate(self.open, start=1)]
        return "\n".join([self.message, *lines])

    def _repr_html_(self) -> str | None:
        """The message, and each hint folded; nothing beyond the text where there are no hints."""
        if not self.hints:
            return None
        folds = [
            f"<details><summary>Hint {k} of {len(self.hints)}</summary><p>{html.escape(hint)}</p></details>"
            for k, hint in enumerate(self.open, start=1)
        ]
        return f"<p>{html.escape(self.message)}</p>{''.join(folds)}"


class Loss(NamedTuple):
    """The function whose gradient is asked for, in the notation of `mcbook.calculus.parse`.

    text       "sum((X @ W.T)**4) / (4 * X.shape[0]) - logdet(W)"
    wrt        the name of the variable
    of         the names of the question's arguments, in order, "W X"; or a function of the arguments that
               returns the value of every symbol
    symmetric  the names of the symbols that are symmetric matrices
    """

    text: str
    wrt: str
    of: str | Callable[..., Mapping[str, Any]]
    symmetric: str = ""

    def values(self, args: Sequence[Any]) -> dict[str, Any]:
        """What the symbols are worth where the question's function has these arguments."""
        found = self.of(*args) if callable(self.of) else dict(zip(self.of.split(), args, strict=True))
        return {name: np.asarray(value, dtype=float) for name, value in found.items()}

    def read(self, args: Sequence[Any]) -> tuple[Expr, Expr]:
        """The function and its variable, with the shapes of these arguments."""
        symmetric = self.symmetric.split()
        known = {
            name: symbol(name, value.shape, "symmetric" if name in symmetric else "")
            for name, value in self.values(args).items()
        }
        return parse(self.text, *known.values()), known[self.wrt]

    def derive(self, args: Sequence[Any]) -> Derivation:
        """The derivation, for arguments of these shapes."""
        return derive(*self.read(args))

    def diagnose(self, draws: Sequence[Sequence[Any]], answers: Sequence[Any]) -> Diagnosis:
        """What is wrong with the answers, given at each of these draws of the arguments."""
        f, X = self.read(draws[0])
        one_by_one = iter(answers)
        return diagnose(f, lambda **_: next(one_by_one), X, values=[self.values(args) for args in draws])


class Trouble(Exception):
    """What keeps an answer from being judged, in words for whoever wrote it."""


class Question(NamedTuple):
    """A question that answers back.

    `truth` is the right answer (a number, an array, or a function), `mistakes` maps what went wrong, as the
    end of a sentence, to the answer which one gets that way. For functions, `inputs(rng)` draws a tuple of
    arguments, and an answer is right when it agrees with `truth` on three draws. `wrong = None` is an
    unanswered question; no answer raises.

    With `loss`, the function whose gradient `truth` is, a wrong answer is looked for in the lines of its
    derivation.  `hints` are three, from what depends on what to which rule; with a loss they may be left out.
    """

    prompt: str
    truth: Any
    mistakes: Mapping[str, Any] = {}
    inputs: Callable[[np.random.Generator], tuple[Any, ...]] | None = None
    rtol: float = 1e-6
    loss: Loss | None = None
    hints: tuple[str, ...] = ()

    def check(self, answer: Any) -> Verdict:
        """Judge an answer: right, a mistake with a name, or not yet right, with hints."""
        if answer is None:
            return Verdict(False, f"Not answered yet: {self.prompt}")
        truth = self._values(self.truth)
        try:
            found = self._given(answer, truth)
        except Trouble as trouble:
            return Verdict(False, f"Not yet: {trouble}", self.ladder(), 0, str(trouble))
        if self._agree(found, truth):
            return Verdict(True, "Right.")
        return self._wrong(found, truth)._replace(mark=_mark(found))

    def ladder(self) -> tuple[str, ...]:
        """Three hints for whoever has not begun: those written for the question, or its derivation's."""
        if self.hints or self.loss is None or self.inputs is None:
            return self.hints
        return opening(self.loss.derive(self.inputs(np.random.default_rng(20))))

    def _wrong(self, found: list[Any], truth: list[Any]) -> Verdict:
        named = next((n for n, m in self.mistakes.items() if self._agree(found, self._values(m))), None)
        diagnosis = self.loss.diagnose(self._draws(), found) if self.loss and callable(self.truth) else None
        line = _line(diagnosis) if diagnosis else ""
        if named is not None:
            where = f" In the derivation: {line}." if line else ""
            return Verdict(False, f"Not yet: it looks as if {named}.{where}", self.ladder())
        if diagnosis and diagnosis.classes and len(set(diagnosis.hints)) == len(diagnosis.hints):
            return Verdict(False, "Not yet, and the checker sees why.", diagnosis.hints)
        words = (
            diagnosis.evidence[:1].upper() + diagnosis.evidence[1:] if diagnosis else _evidence(found, truth)
        )
        return Verdict(False, f"Not yet. {words}.", self.ladder())

    def _draws(self) -> list[tuple[Any, ...]]:
        if self.inputs is None:
            raise ValueError(
                "Question expects inputs=lambda rng: (argument, …) when the truth is a function."
            )
        rng = np.random.default_rng(20)
        return [self.inputs(rng) for _ in range(DRAWS)]

    def _values(self, answer: Any) -> list[Any]:
        """The answers that the book knows, at every draw."""
        if not callable(self.truth):
            return [np.asarray(answer, dtype=float)]
        return [np.asarray(answer(*args), dtype=float) for args in self._draws()]

    def _given(self, answer: Any, truth: list[Any]) -> list[Any]:
        """The reader's answer at every draw. Raises Trouble where it cannot be compared with the truth."""
        if callable(self.truth) != callable(answer):
            wanted = "a function" if callable(self.truth) else "a value"
            raise Trouble(f"{wanted} is asked for, got {type(answer).__name__}.")
        if not callable(answer):
            return [as_numbers(answer, truth[0], "the answer", self.rtol)]
        return [
            as_numbers(called(answer, args), right, "what it returns", self.rtol)
            for args, right in zip(self._draws(), truth, strict=True)
        ]

    def _agree(self, found: list[Any], truth: list[Any]) -> bool:
        return all(
            f.shape == t.shape and np.linalg.norm(f - t) <= self.rtol * max(float(np.linalg.norm(t)), 1e-12)
            for f, t in zip(found, truth, strict=True)
        )


# --- the reader's code -----------------------------------------------------------------------------------


def called(answer: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """What the answer returns, given copies. Raises Trouble where it stops or writes into them."""
    given = copy.deepcopy(args)
    try:
        inspect.signature(answer).bind(*given)
    except TypeError as problem:
        raise Trouble(
            f"the question hands it {len(given)} argument{'s' * (len(given) != 1)}, "
            f"and it takes others: {problem}."
        ) from None
    except ValueError:  # a function written in C may not say what it takes
        pass
    try:
        with np.errstate(all="ignore"):
            value = answer(*given)
    except Exception as problem:  # whatever a reader's function raises is part of the answer
        raise Trouble(f"your code stops with {type(problem).__name__}: {problem}{_place(problem)}.") from None
    if not _same(args, given):
        raise Trouble("it changes its input; copy an array before you write into it: A = A.copy().")
    if value is None:
        raise Trouble("it returns nothing; is a `return` missing?")
    return value


def as_numbers(value: Any, truth: Any, what: str, rtol: float) -> Any:
    """The answer as float64. Raises Trouble for a wrong kind or shape, NaN, and too few digits."""
    try:
        A = np.asarray(value)
    except ValueError:
        raise Trouble(f"{what} is no array: its rows have different lengths.") from None
    if A.dtype.kind == "c":
        raise Trouble(f"{what} is complex, and real numbers are asked for.")
    if A.dtype.kind not in "fiub":
        raise Trouble(f"{what} must be numbers, got {type(value).__name__}.")
    if A.shape != truth.shape:
        turned = "; is it transposed?" if A.ndim == 2 and A.shape == truth.shape[::-1] else "."
        raise Trouble(f"the shape should be {truth.shape}, got {A.shape}{turned}")
    bad = int(np.count_nonzero(~np.isfinite(A)))
    if bad:
        raise Trouble(f"{bad} of {A.size} entries of {what} are NaN or infinite.")
    off = float(np.linalg.norm(A.astype(float) - truth))
    size = float(np.linalg.norm(truth))
    if rtol * size < off <= COARSE.get(A.dtype.name, 0) * size:
        raise Trouble(f"{what} is right to the few digits of {A.dtype}; compute in float64.")
    if A.dtype.kind in "iub" and A.ndim and off > 0 and np.array_equal(A, np.trunc(truth)):
        raise Trouble(f"{what} has whole numbers: an array of {A.dtype} cuts off the decimals.")
    return A.astype(float)


def _place(problem: Exception) -> str:
    """Where in the reader's code it stopped."""
    frames = traceback.extract_tb(problem.__traceback__)[1:]
    return f" (line {frames[0].lineno}: {frames[0].line})" if frames and frames[0].line else ""


def _same(A: Any, B: Any) -> bool:
    if isinstance(A, tuple | list):
        return len(A) == len(B) and all(map(_same, A, B))
    return not isinstance(A, np.ndarray) or np.array_equal(A, B, equal_nan=True)


# --- hints -----------------------------------------------------------------------------------------------


def opening(derivation: Derivation) -> tuple[str, ...]:
    """Three hints from a derivation: its rules, its first line, and the last before the gradient."""
    write, lines = Text(), derivation.lines
    rules = dict.fromkeys(rule for line in lines for rule in line.rules)
    f, X = write(derivation.f), write(derivation.X)
    about = f"of f = {f} by {X}" if len(f) <= LONG else f"by {X}"
    at = max(1, len(lines) - 2)
    return (
        f"It is the gradient {about}. The rules on the way: {', '.join(rules)}.",
        f"The first line, by {lines[1].rule or 'the outermost rule'}: df = {write.terms(lines[1].terms)}"
        if len(lines) > 2
        else f"df is linear in d{X}: it is one product or sum, whose factors change places.",
        f"The line before the last: df = {write.terms(lines[at].terms)}"
        if at > 1
        else f"The last line: df = {write.terms(lines[-1].terms)}",
    )


def _line(found: Diagnosis) -> str:
    """The line of the derivation and its rule, as the checker's last hint begins."""
    return found.hints[-1].split(":")[0] if found.line is not None and found.hints else ""


def _evidence(found: list[Any], truth: list[Any]) -> str:
    """How many entries are wrong, where nothing more is known."""
    off = ~np.isclose(found[0], truth[0], rtol=1e-6, atol=1e-9 * float(np.abs(truth[0]).max() or 1))
    if truth[0].size == 1:
        return "The shape is right, the number is not"
    return f"The shape is right, {np.count_nonzero(off)} of {off.size} entries are not"


def _mark(found: list[Any]) -> str:
    return hashlib.sha1(b"".join(np.round(A, 9).tobytes() for A in found)).hexdigest()
