"""Which slips reproduce an answer: every single one, and every two together, tried at the first draw.

With one slip made, the gradient is known along every further one (see `graph`), so that all pairs cost little
more than all singles.  What fits at the first draw must fit at the others.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice, permutations
from typing import NamedTuple

import numpy as np

from mcbook.calculus.inputs import Reals, norm
from mcbook.calculus.marking.graph import Graph
from mcbook.calculus.marking.linear import Draw
from mcbook.calculus.marking.slips import Slip

TOLERANCE = 1e-8
SECOND = 0.3  # what a second slip costs beyond itself
ALIKE = 0.15  # and more where both are of one class: people rarely make the same mistake twice, differently
UNUSUAL = 0.25  # and more where neither is one of those that people make beside another
COMMON = {"sign", "factor", "mean", "penalty", "layout", "one-sided"}
TOGETHER = {"activation", "time"}  # a recursion cut short in both ways, as if it were linear and of one step
HABIT = 0.15
LIMIT = 2.56  # beyond this an explanation is less likely than that there is none


class Explanation(NamedTuple):
    """The slips that, made together, give the answer at every draw.

    `habit` is no slip: a shortcut that is right by itself (2A for A + Aᵀ where A is symmetric), with which
    the slips have to be read.
    """

    slips: tuple[Slip, ...]
    habit: Slip | None = None

    @property
    def cost(self) -> float:
        extra = SECOND * (len(self.slips) - 1) + (HABIT if self.habit else 0)
        extra += ALIKE * (len(self.slips) - len(self.labels))
        usual = self.labels & COMMON or self.labels == TOGETHER
        extra += UNUSUAL * (len(self.labels) > 1 and not usual)
        return sum(s.cost for s in self.slips) + extra

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(s.label for s in self.slips)


Matrices = dict[int, Reals]


class Search:
    """The slips of one derivation, with their matrices at the first draw."""

    def __init__(self, graph: Graph, draws: Sequence[Draw], slips: Sequence[Slip]):
        self.graph, self.draws = graph, draws
        self.base = [graph.matrices(draw) for draw in draws]
        self.c, self.L = graph.sweep(self.base[0])
        self.G = self.L[0][:, 0]
        self.slips: list[Slip] = []
        self.changes: list[Matrices] = []
        self.values: list[Reals] = []
        self.habits: list[Slip] = []
        self._collect(slips)

    def _collect(self, slips: Sequence[Slip]) -> None:
        """Keep the slips that change the gradient, one for each class and value."""
        seen: dict[tuple[str, bytes], int] = {}
        told: set[tuple[str, bytes]] = set()
        for slip in sorted(slips, key=lambda s: s.cost):
            changed = self.matrices(slip, 0)
            if changed is None:
                continue
            value = self.with_changes(changed)
            if not np.isfinite(value).all():
                continue
            if norm(value - self.G) <= 1e-10 * norm(self.G):
                self._note_habit(slip)
                continue
            numbers = _rounded(value / norm(self.G))
            if slip.label == "layout" and ("one-sided", numbers) in told:
                continue  # a place of the variable counted for both, told before a matrix turned round
            told.add((slip.label, numbers))
            scalar = all(isinstance(new, float) for _, new in slip.changes)
            key = (
                slip.label,
                numbers + (b"" if scalar else slip.what.encode()),
            )
            if key not in seen:
                seen[key] = len(self.slips)
                self.slips.append(slip)
                self.changes.append(changed)
                self.values.append(value)

    def _note_habit(self, slip: Slip) -> None:
        if not isinstance(slip.changes[0][1], float) or slip.label == "one-sided":
            self.habits.append(slip)

    def matrices(self, slip: Slip, d: int) -> Matrices | None:
        """What the slip puts in the place of which matrices at draw d; None where it has no value there."""
        found = {}
        for n, new in slip.changes:
            M = self.base[d][n]
            if isinstance(new, float):
                found[n] = new * M
            else:
                with np.errstate(all="ignore"):
                    try:
                        found[n] = self.draws[d].matrix(new, self.graph.edges[n].C)
                    except np.linalg.LinAlgError:
                        return None
            if found[n].shape != M.shape or not np.isfinite(found[n]).all():
                return None
        return found

    def with_changes(self, changed: Matrices) -> Reals:
        """The gradient at the first draw with these matrices changed."""
        if len(changed) == 1:
            ((n, M),) = changed.items()
            edge = self.graph.edges[n]
            return np.asarray(self.G + self.L[edge.end] @ ((M - self.base[0][n]) @ self.c[edge.start]))
        return self.swept(changed, 0)

    def value_of(self, slip: Slip) -> Reals | None:
        """The gradient at the first draw with one of the slips made; None for what is no slip of these."""
        return next((v for s, v in zip(self.slips, self.values, strict=True) if s is slip), None)

    def swept(self, changed: Matrices, d: int) -> Reals:
        matrices = list(self.base[d])
        for n, M in changed.items():
            matrices[n] = M
        return np.asarray(self.graph.sweep(matrices)[1][0][:, 0])

    @cached_property
    def stacks(self) -> dict[int, tuple[list[int], Reals]]:
        """For each edge, the slips that change it alone and by how much."""
        single: dict[int, list[int]] = {}
        for j, changed in enumerate(self.changes):
            if len(changed) == 1:
                single.setdefault(next(iter(changed)), []).append(j)
        return {
            n: (js, np.stack([self.changes[j][n] - self.base[0][n] for j in js])) for n, js in single.items()
        }

    def along(self, made: Matrices, answer: Reals) -> Iterator[int]:
        """The slips that, with those made already, give the answer at the first draw."""
        matrices = list(self.base[0])
        for n, M in made.items():
            matrices[n] = M
        c, L = self.graph.sweep(matrices)
        gap, size = answer - L[0][:, 0], TOLERANCE * norm(answer)
        for n, (js, steps) in self.stacks.items():
            edge = self.graph.edges[n]
            if n not in made and c[edge.start] is not None:
                off = (steps @ c[edge.start]) @ L[edge.end].T - gap
                for k in np.flatnonzero((off * off).sum(1) <= size * size):
                    yield js[k]

    def chosen(self, answer: Reals) -> Iterator[list[tuple[Slip, ...]]]:
        """What fits at the first draw, in rounds of rising effort; a habit, if there is one, stands last."""
        habits = {s: m for s in self.habits if (m := self.matrices(s, 0)) is not None}
        yield [(self.slips[i],) for i, value in enumerate(self.values) if near(value, answer)]
        yield [(self.slips[j], habit) for habit, made in habits.items() for j in self.along(made, answer)]
        yield [
            (one, other)
            for one, other in permutations(habits, 2)
            if self.meet(habits[one], habits[other], answer)
        ]
        yield self.pairs(answer, {})
        for habit, made in habits.items():
            if habit.label in ("one-sided", "symmetric"):
                yield [(*pair, habit) for pair in self.pairs(answer, made)]

    def meet(self, one: Matrices, other: Matrices, answer: Reals) -> bool:
        """Whether two changes, each right by itself, give the answer together."""
        return not one.keys() & other.keys() and near(self.swept({**one, **other}, 0), answer)

    def pairs(self, answer: Reals, made: Matrices) -> list[tuple[Slip, ...]]:
        """All pairs of slips on different edges that, with those made already, give the answer."""
        found = set()
        for i, changed in enumerate(self.changes):
            if not changed.keys() & made.keys():
                found |= {(min(i, j), max(i, j)) for j in self.along({**made, **changed}, answer)}
        return [(self.slips[i], self.slips[j]) for i, j in sorted(found)]

    def holds(self, slips: tuple[Slip, ...], answers: Sequence[Reals]) -> bool:
        """Whether the slips give the answer at every further draw."""
        for d in range(1, len(self.draws)):
            changed: Matrices = {}
            for slip in slips:
                more = self.matrices(slip, d)
                if more is None:
                    return False
                changed.update(more)
            if not near(self.swept(changed, d), answers[d]):
                return False
        return True

    def explain(self, answers: Sequence[Reals], first: int = 0, last: int | None = None) -> list[Explanation]:
        """The explanations of the first round, of these, that has any, the cheapest first."""
        flat = [np.asarray(A, dtype=float).ravel() for A in answers]
        found: list[Explanation] = []
        for chosen in islice(self.chosen(flat[0]), first, last):
            for slips in chosen:
                if self.holds(slips, flat):
                    habit = slips[-1] if slips[-1] in self.habits else None
                    found.append(Explanation(slips[:-1] if habit else slips, habit))
            found = sorted((x for x in found if x.cost <= LIMIT), key=lambda x: x.cost)
            if found:
                return found
        return []


def near(A: Reals, B: Reals) -> bool:
    """Whether two arrays of one shape agree to 1e-8 of the larger."""
    return bool(norm(A - B) <= TOLERANCE * max(norm(A), norm(B)))


def _rounded(value: Reals) -> bytes:
    return (np.round(value, 9) + 0.0).tobytes()
