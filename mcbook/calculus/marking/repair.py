"""Explanations by the learner's own text: one edit that makes it right, alone or with one slip."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mcbook.calculus.engine.algebra import number, power, times, transpose
from mcbook.calculus.engine.code import expression_code
from mcbook.calculus.engine.nodes import Expr, definitions
from mcbook.calculus.engine.text import text
from mcbook.calculus.inputs import Reals, norm
from mcbook.calculus.marking.edits import Edit, edits, rewritings
from mcbook.calculus.marking.given import read_text
from mcbook.calculus.marking.linear import Draw
from mcbook.calculus.marking.scaling import counts
from mcbook.calculus.marking.search import COMMON, LIMIT, TOLERANCE, Explanation, Search, near
from mcbook.calculus.marking.slips import Slip
from mcbook.calculus.marking.steps import in_steps

BESIDE = {"sign", "hadamard"}  # the edits that are believed beside a slip


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
    nodes = [*f.free, *definitions(f), *definitions(E or f)]
    known, scalars = list(dict.fromkeys(n.name for n in nodes)), {n.name for n in nodes if n.is_scalar}
    averaged = [text(m) for m in counts(search.graph)]
    found: dict[tuple[str, Expr], Repaired] = {}
    timed = in_steps(f)
    sizes = {str(k) for s in f.free for k in s.shape if k > 4}  # a 4 may be a number like others
    softmaxes = {n.name for n in nodes if n.op == "let" and n.args[0].op == "softmax"}
    for edit in edits(answer, known, averaged, scalars, sizes, softmaxes):
        if edit.label == "time" and not timed:
            edit = edit._replace(label="point")
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
    """The edits that make of the answer what one slip makes of the gradient: those of a sign, and * for @."""
    if not search.values:
        return
    values = np.stack(search.values)
    for r in (r for r in answers if r.edit.label in BESIDE and r.edit.cost <= 1.05):
        gaps = ((values - r.value) ** 2).sum(1)
        for j in np.flatnonzero(gaps <= (TOLERANCE * norm(r.value)) ** 2):
            found = Explanation((r.slip, search.slips[j]))
            if found.cost <= LIMIT and _believed(found) and _same(r.E, search, search.slips[j]):
                yield found


def _believed(found: Explanation) -> bool:
    """Not where a changed sign makes something vanish, A − Aᵀ, that was never forgotten."""
    edit, slip = found.slips
    vanishes = any(new == 0.0 for _, new in slip.changes if isinstance(new, float))
    return not vanishes and slip.label != edit.label and bool(found.labels & COMMON)


def miswritten(search: Search, answers: Sequence[Reals]) -> Iterator[Explanation]:
    """The gradient with one product or sum written otherwise, scaled or not, where that is the answer."""
    derivation = search.graph.derivation
    written = as_text(derivation.gradient, derivation.f)
    for edit in rewritings(written) if written else ():
        E = _read(edit.of(written), derivation.f)
        if E is None or E is derivation.gradient or answers[0].shape not in (E.shape, E.shape[::-1]):
            continue
        what = f"{edit.what} of {written}"
        for V in dict.fromkeys((E, transpose(E))):
            for scale in (None, *scales(search)):
                c = number(1) if scale is None else scale[3]
                if V.shape == answers[0].shape and _is(times(c, V), search.draws, answers):
                    more = [Slip(*scale[:3], ())] if scale else []
                    if V is not E and V.shape[0] == V.shape[1]:
                        more.append(Slip("layout", 1.0, "the whole transposed", ()))
                    yield Explanation((Slip(edit.label, edit.cost, what, ()), *more))
                    break


def scales(search: Search) -> Iterator[tuple[str, float, str, Expr]]:
    """The numbers that come on top of another mistake."""
    yield "sign", 1.0, "the sign of the whole", number(-1)
    for c, words in ((2, "twice too large"), (Fraction(1, 2), "half of what it should be")):
        yield "factor", 1.0, f"the whole {words}", number(c)
    for m in counts(search.graph):
        yield "mean", 1.05, f"divided by {text(m)}", power(m, -1)
        yield "mean", 1.05, f"1/{text(m)} forgotten", m


def _is(E: Expr, draws: Sequence[Draw], answers: Sequence[Reals]) -> bool:
    for draw, A in zip(draws, answers, strict=True):
        value = value_of(E, draw)
        if value is None or not near(value, A.ravel()):
            return False
    return True


def as_text(E: Expr, f: Expr) -> str:
    """The expression in the notation that `parse` reads; "" where it has no such form."""
    names = [node for node in definitions(E) if node not in definitions(f)]
    if any(name.name in {d.name for d in definitions(f)} for name in names):
        return ""
    lines = [f"{d.name} = {expression_code(d.args[0])}" for d in names]
    written = "; ".join([*lines, expression_code(E)])
    read = _read(written, f)
    return written if read is not None and read.shape == E.shape else ""


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
