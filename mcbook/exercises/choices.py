"""Multiple choice: which of these is the gradient?  The wrong answers are made by the derivation itself.

Problem     a function f in the engine's notation, and a variable X
Right       the gradient that `mcbook.calculus.derive` finds
Wrong       the same derivation with one slip made in it (`mcbook.calculus.marking`): a lost transpose, one
            half of a product rule, a derivative at the wrong point
Explained   by what `mcbook.calculus.diagnose` says of the very formula, and nothing else
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus import Diagnosis, diagnose
from mcbook.calculus.engine import Expr, parse, text
from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.engine.mathml import mathml, mathml_definition
from mcbook.calculus.engine.nodes import definitions, size, walk
from mcbook.calculus.entries import Entry
from mcbook.calculus.marking.mutants import mutant
from mcbook.calculus.marking.report import MISTAKES
from mcbook.calculus.marking.slips import Slip
from mcbook.calculus.marking.strong import prepared
from mcbook.widgets import MultipleChoice

DRAWS = 3
DULL = {"sign": 0.3, "factor": 0.2, "mean": 0.1}  # what a reader guesses without deriving anything
LONGER = 0.02  # what each symbol or operation more, or fewer, than in the right answer costs
PLAIN = {Fraction(1, 2), *map(Fraction, range(-1, 3))}  # numbers that a reader does not stumble over


class Choice(NamedTuple):
    """A question "which is the gradient of f with respect to X?".

    loss     f in the engine's notation
    symbols  the shapes, as in "X:5,3 w:3 y:5 n::positive" (see `mcbook.calculus.entries.Entry`)
    wrt      the variable's name
    also     wrong answers of the author's own, as text; they come first
    wrong    how many wrong answers stand beside the right one
    note     a sentence that says where f comes from, or what the symbols are
    """

    loss: str
    symbols: str
    wrt: str
    also: tuple[str, ...] = ()
    wrong: int = 3
    note: str = ""

    @property
    def entry(self) -> Entry:
        return Entry("", "", self.loss, self.symbols, self.wrt)


class Option(NamedTuple):
    """An answer to choose, and what is said of it."""

    formula: Expr
    correct: bool
    words: str
    classes: tuple[str, ...] = ()


class Candidate(NamedTuple):
    """A wrong formula, its values at the draws, and how surprising it is."""

    cost: float
    label: str
    formula: Expr
    values: tuple[Any, ...]


@lru_cache(maxsize=256)
def options(choice: Choice, seed: int) -> tuple[Option, ...]:
    """The answers in their order, which depends on the seed alone.

    Raises ValueError where fewer than `choice.wrong` wrong answers are found: of the right shape,
    distinct, explained, no two of one class; or where one of the author's own is right or has no name.
    """
    f, X = choice.entry.f, choice.entry.declared[choice.wrt]
    derivation, graph, slips = prepared(f, X)
    right = mutant(graph)
    draws = [choice.entry.sample(np.random.default_rng([seed, k])) for k in range(DRAWS)]
    known = [_values(right, draws)]
    found = [_own(choice, own, f, X, known, draws) for own in choice.also]
    for candidate in _candidates(slips, graph, right, draws):
        if len(found) >= choice.wrong:
            break
        if any(candidate.label in o.classes for o in found) or _met(candidate.values, known):
            continue
        diagnosis = diagnose(f, candidate.formula, X)
        if diagnosis.verdict == "wrong" and diagnosis.classes == (candidate.label,):
            found.append(Option(candidate.formula, False, explained(diagnosis), diagnosis.classes))
            known.append(candidate.values)
    if len(found) < choice.wrong:
        raise ValueError(
            f"choice expects {choice.wrong} wrong answers that can be told apart and explained, found "
            f"{len(found)} for {choice.loss!r}; add some of your own with also=(…), or ask for fewer."
        )
    rules = dict.fromkeys(rule for line in derivation.lines for rule in line.rules)
    every = [Option(right, True, f"Right. On the way: {', '.join(rules)}."), *found]
    order = np.random.default_rng(seed).permutation(len(every))
    return tuple(every[k] for k in order)


def seed_of(name: str) -> int:
    """A seed from an exercise's name."""
    return zlib.crc32(name.encode())


def explained(found: Diagnosis) -> str:
    """What the checker says of a wrong formula: the mistake, its class, and the line of the derivation."""
    kinds = "; ".join(MISTAKES[label] for label in found.classes)
    where = found.hints[-1].split(":")[0] if found.line is not None else ""
    term = f", at the term {found.term}" if 0 < len(found.term) <= 60 else ""
    place = f" Where: {where}{term}." if where else ""
    return f"Not this one: {found.cause}.{place} The kind of mistake: {kinds}."


def _own(choice: Choice, own: str, f: Expr, X: Expr, known: list[Any], draws: Sequence[Any]) -> Option:
    """An author's own wrong answer, explained. Raises ValueError where it is right, double or has no name."""
    formula = parse(own, *choice.entry.declared.values(), **{d.name: d for d in definitions(f)})
    found = diagnose(f, formula, X)
    values = _values(formula, draws)
    if not found.classes or formula.shape != X.shape or _met(values, known):
        raise ValueError(
            f"choice expects wrong answers of the shape {X.shape} that have a name and are not met twice; "
            f"{own!r} has shape {formula.shape} and is {found.verdict}: {found.cause}."
        )
    known.append(values)
    return Option(formula, False, explained(found), found.classes)


def _candidates(slips: Sequence[Slip], graph: Any, right: Expr, draws: Sequence[Any]) -> Iterator[Candidate]:
    """The formulas of all single slips, the most tempting first."""
    ranked = []
    for k, slip in enumerate(slips):
        try:
            formula = mutant(graph, (slip,))
        except ValueError:
            continue
        if formula.shape == right.shape and formula.free:
            longer = abs(_length(formula) - _length(right))
            cost = slip.cost + DULL.get(slip.label, 0) + LONGER * longer + 0.3 * _odd_numbers(formula, right)
            ranked.append((cost, k, slip.label, formula))
    for cost, _, label, formula in sorted(ranked, key=lambda row: row[:2]):
        values = _values(formula, draws)
        if all(np.isfinite(A).all() and A.any() for A in values):
            yield Candidate(cost, label, formula, values)


def _length(E: Expr) -> int:
    return size(E) + sum(size(d.args[0]) + 1 for d in definitions(E))


def _odd_numbers(E: Expr, right: Expr) -> int:
    """How many numbers stand in E that are neither plain nor in the right answer: a size, mostly."""
    numbers = [{n.data for n in walk(F) if n.op == "number"} for F in (E, right)]
    return len(numbers[0] - numbers[1] - PLAIN)


def _values(E: Expr, draws: Sequence[Any]) -> tuple[Any, ...]:
    with np.errstate(all="ignore"):
        return tuple(evaluate_all([E], draw)[0] for draw in draws)


def _met(values: tuple[Any, ...], known: Sequence[tuple[Any, ...]]) -> bool:
    """Whether at any of the draws these values are those of an answer that stands there already."""
    return any(
        np.linalg.norm(A - B) <= 1e-6 * max(np.linalg.norm(A), np.linalg.norm(B))
        for other in known
        for A, B in zip(values, other, strict=True)
    )


# --- on the page -----------------------------------------------------------------------------------------


def shown(name: str, choice: Choice) -> MultipleChoice:
    """The question as a part of the page, with its answers in an order of its own."""
    answers = options(choice, seed_of(name))
    f, declared = choice.entry.f, choice.entry.declared
    named = definitions(f, *(answer.formula for answer in answers))
    notes = [["where ", *_listed([mathml_definition(d) for d in named]), "."]] if named else []
    notes.append(_shapes(f, declared))
    if choice.note:
        notes.append([choice.note])
    return MultipleChoice(
        f"Which is the gradient with respect to {text(declared[choice.wrt])}?",
        [mathml(answer.formula) for answer in answers],
        [(answer.correct, answer.words) for answer in answers],
        given=mathml(f),
        notes=notes,
    )


def _shapes(f: Expr, declared: Mapping[str, Expr]) -> list[str]:
    """X is 5 × 3, w (3) a vector, n a number."""
    return [f"{', '.join(_shape(s) for s in declared.values() if s in f.free)}."]


def _shape(s: Expr) -> str:
    shape, structure = s.data.shape, s.data.structure
    if not shape:
        return f"{text(s)} is a number"
    kind = f" and {structure}" if structure else ""
    return (
        f"{text(s)} is {' × '.join(map(str, shape))}{kind}"
        if len(shape) == 2
        else f"{text(s)} has {shape[0]} entries"
    )


def _listed(pieces: Sequence[str]) -> list[str]:
    return [part for k, piece in enumerate(pieces) for part in ([", "] if k else []) + [piece]]
