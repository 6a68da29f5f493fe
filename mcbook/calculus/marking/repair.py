"""Explanations that start from the learner's own text: one edit that makes it right, alone or with one slip."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mcbook.calculus.engine.nodes import Expr, definitions
from mcbook.calculus.engine.text import text
from mcbook.calculus.inputs import Reals, norm
from mcbook.calculus.marking.edits import Edit, edits
from mcbook.calculus.marking.given import read_text
from mcbook.calculus.marking.linear import Draw
from mcbook.calculus.marking.scaling import counts
from mcbook.calculus.marking.search import LIMIT, TOLERANCE, Explanation, Search, near
from mcbook.calculus.marking.slips import Slip


class Repaired(NamedTuple):
    """An answer after one edit, as an expression, and its value at the first draw."""

    edit: Edit
    E: Expr
    value: Reals

    @property
    def slip(self) -> Slip:
        return Slip(self.edit.label, self.edit.cost, self.edit.what, ())


def repaired(answer: str, search: Search) -> list[Repaired]:
    """The answers one edit away that have the variable's shape and a value, one for each class and value."""
    f = search.graph.derivation.f
    E = _read(answer, f)
    known = list(dict.fromkeys(n.name for n in (*f.free, *definitions(f), *definitions(E or f))))
    averaged = [text(m) for m in counts(search.graph)]
    found: dict[tuple[str, Expr], Repaired] = {}
    for edit in edits(answer, known, averaged):
        E = _read(edit.of(answer), f)
        if E is None or E.shape != search.graph.X.shape or (edit.label, E) in found:
            continue
        value = value_of(E, search.draws[0])
        if value is not None:
            found[edit.label, E] = Repaired(edit, E, value)
    return list(found.values())


def _read(answer: str, f: Expr) -> Expr | None:
    try:
        return read_text(answer, f)
    except ValueError:
        return None


def value_of(E: Expr, draw: Draw) -> Reals | None:
    """The value as a vector, None where it has none."""
    with np.errstate(all="ignore"):
        try:
            value = draw.value(E)
        except (np.linalg.LinAlgError, ValueError):
            return None
    return value.ravel() if np.isfinite(value).all() else None


def alone(search: Search, answers: Sequence[Repaired], truths: Sequence[Reals]) -> Iterator[Explanation]:
    """The edits that make the answer right."""
    for r in answers:
        if near(r.value, search.G) and _gives(r.E, search, [G.ravel() for G in truths]):
            yield Explanation((r.slip,))


def with_a_slip(search: Search, answers: Sequence[Repaired]) -> Iterator[Explanation]:
    """The edits that make of the answer what one slip makes of the gradient."""
    if not search.values:
        return
    values = np.stack(search.values)
    for r in answers:
        gaps = ((values - r.value) ** 2).sum(1)
        for j in np.flatnonzero(gaps <= (TOLERANCE * norm(r.value)) ** 2):
            found = Explanation((r.slip, search.slips[j]))
            if found.cost <= LIMIT and _same(r.E, search, search.slips[j]):
                yield found


def _gives(E: Expr, search: Search, wanted: Sequence[Reals]) -> bool:
    for draw, A in zip(search.draws[1:], wanted[1:], strict=True):
        value = value_of(E, draw)
        if value is None or not near(value, A):
            return False
    return True


def _same(E: Expr, search: Search, slip: Slip) -> bool:
    """Whether the slip gives E at the further draws too."""
    changed: list[Mapping[int, Reals] | None] = [
        search.matrices(slip, d) for d in range(1, len(search.draws))
    ]
    if any(m is None for m in changed):
        return False
    wanted = [search.swept(dict(m), d) for d, m in enumerate(changed, start=1) if m is not None]
    return _gives(E, search, [search.G, *wanted])
