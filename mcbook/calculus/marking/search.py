"""Which slips reproduce an answer: every single one, and every two together, tried at the first draw.

With one slip made, the gradient is known along every further one (see `graph`), so that all pairs cost little
more than all singles.  What fits at the first draw must fit at the others.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mcbook.calculus.inputs import Reals
from mcbook.calculus.marking.graph import Graph
from mcbook.calculus.marking.linear import Draw
from mcbook.calculus.marking.slips import Slip

TOLERANCE = 1e-8
SECOND = 0.3  # what a second slip costs beyond itself


class Explanation(NamedTuple):
    """The slips that, made together, give the answer at every draw."""

    slips: tuple[Slip, ...]

    @property
    def cost(self) -> float:
        return sum(s.cost for s in self.slips) + SECOND * (len(self.slips) - 1)

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
        self._collect(slips)

    def _collect(self, slips: Sequence[Slip]) -> None:
        """Keep the slips that change the gradient, one for each class and value."""
        seen: dict[tuple[str, bytes], int] = {}
        for slip in sorted(slips, key=lambda s: s.cost):
            changed = self.matrices(slip, 0)
            if changed is None:
                continue
            value = self.with_changes(changed)
            if not np.isfinite(value).all() or np.linalg.norm(value - self.G) <= 1e-10 * self.size(value):
                continue
            scalar = all(isinstance(new, float) for _, new in slip.changes)
            key = (slip.label, _rounded(value, self.size(value)) + (b"" if scalar else slip.what.encode()))
            if key not in seen:
                seen[key] = len(self.slips)
                self.slips.append(slip)
                self.changes.append(changed)
                self.values.append(value)

    def size(self, value: Reals) -> float:
        return float(max(np.linalg.norm(value), np.linalg.norm(self.G), 1e-300))

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

    def swept(self, changed: Matrices, d: int) -> Reals:
        matrices = list(self.base[d])
        for n, M in changed.items():
            matrices[n] = M
        return np.asarray(self.graph.sweep(matrices)[1][0][:, 0])

    def singles(self, answer: Reals) -> Iterator[tuple[int, ...]]:
        for i, value in enumerate(self.values):
            if near(value, answer):
                yield (i,)

    def pairs(self, answer: Reals) -> Iterator[tuple[int, ...]]:
        """All pairs of slips on different edges that give the answer at the first draw."""
        single: dict[int, list[int]] = {}
        for j, changed in enumerate(self.changes):
            if len(changed) == 1:
                single.setdefault(next(iter(changed)), []).append(j)
        stacks = {n: np.stack([self.changes[j][n] - self.base[0][n] for j in js]) for n, js in single.items()}
        size, found = np.linalg.norm(answer), set()
        for i, changed in enumerate(self.changes):
            matrices = list(self.base[0])
            for n, M in changed.items():
                matrices[n] = M
            c, L = self.graph.sweep(matrices)
            gap = answer - L[0][:, 0]
            for n, js in single.items():
                edge = self.graph.edges[n]
                if n in changed or c[edge.start] is None:
                    continue
                steps = (stacks[n] @ c[edge.start]) @ L[edge.end].T - gap
                for k in np.flatnonzero((steps * steps).sum(1) <= (TOLERANCE * size) ** 2):
                    found.add((min(i, js[k]), max(i, js[k])))
        yield from sorted(found)

    def holds(self, chosen: tuple[int, ...], answers: Sequence[Reals]) -> bool:
        """Whether the slips give the answer at every further draw."""
        for d in range(1, len(self.draws)):
            changed: Matrices = {}
            for i in chosen:
                more = self.matrices(self.slips[i], d)
                if more is None:
                    return False
                changed.update(more)
            if not near(self.swept(changed, d), answers[d]):
                return False
        return True

    def explain(self, answers: Sequence[Reals]) -> list[Explanation]:
        """All explanations by one slip, or if there are none by two, the cheapest first."""
        flat = [np.asarray(A, dtype=float).ravel() for A in answers]
        for candidates in (self.singles, self.pairs):
            found = [
                Explanation(tuple(self.slips[i] for i in chosen))
                for chosen in candidates(flat[0])
                if self.holds(chosen, flat)
            ]
            if found:
                return sorted(found, key=lambda x: x.cost)
        return []


def near(A: Reals, B: Reals) -> bool:
    """Whether two arrays of one shape agree to 1e-8 of the larger."""
    return bool(np.linalg.norm(A - B) <= TOLERANCE * max(np.linalg.norm(A), np.linalg.norm(B)))


def _rounded(value: Reals, size: float) -> bytes:
    return (np.round(value / size, 9) + 0.0).tobytes()
