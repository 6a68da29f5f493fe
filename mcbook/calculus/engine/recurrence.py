"""Definitions that repeat from step to step, stated once: δ_a_t = (Uᵀ δ_a_{t+1}) ∘ (1 − h_t²).

Nothing is guessed: definitions are put together only where, with every index written relative to its own,
they read the same to the letter.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.printer import Printer

_INDEXED = re.compile(r"^(.+?)_?(\d+)$")


class Group(NamedTuple):
    """left = right for every step in `steps` (empty: the definition stands alone)."""

    left: str
    right: str
    steps: tuple[int, ...]


class Sum(NamedTuple):
    """A sum over `steps` of one term, written for a general step; `rest` are the terms outside it."""

    term: str
    steps: tuple[int, ...]
    rest: tuple[Expr, ...]


def index_of(name: str) -> int | None:
    """The step that a name belongs to: 3 for h_3 and for delta_a_3."""
    found = _INDEXED.match(name)
    return int(found[2]) if found else None


def relative(t: int, write: type[Printer]) -> Callable[[str], str]:
    """Names as seen from step t: h_{t-1} for h_2 at t = 3."""
    plain = write()

    def named(name: str) -> str:
        found = _INDEXED.match(name)
        if found is None:
            return plain.name(name)
        return plain.stepped(found[1], int(found[2]) - t)

    return named


def grouped(definitions: Sequence[Expr], write: type[Printer]) -> list[Group]:
    """The definitions in order, those that repeat put together where the first of them stands."""
    groups: list[Group] = []
    for d in definitions:
        t = index_of(d.name)
        if t is None:
            groups.append(Group(write().name(d.name), write()(d.args[0]), ()))
            continue
        general = write(relative(t, write))
        left, right = general(d), general(d.args[0])
        for k, g in enumerate(groups):
            if (g.left, g.right) == (left, right):
                groups[k] = Group(left, right, (*g.steps, t))
                break
        else:
            groups.append(Group(left, right, (t,)))
    alone = {}
    for d in definitions:
        t = index_of(d.name)
        if t is not None:
            general = write(relative(t, write))
            alone[general(d), general(d.args[0])] = Group(write().name(d.name), write()(d.args[0]), ())
    return [alone[g.left, g.right] if len(g.steps) == 1 else g for g in groups]


def repeated_sum(G: Expr, write: type[Printer]) -> Sum | None:
    """The terms of a sum that repeat from step to step; None if fewer than two do."""
    found: dict[str, list[tuple[int, Expr]]] = {}
    for term in G.args if G.op == "add" else ():
        steps = [t for node in _names(term) if (t := index_of(node.name)) is not None]
        if steps:
            t = max(steps)
            found.setdefault(write(relative(t, write))(term), []).append((t, term))
    best = max(found, key=lambda key: len(found[key]), default=None)
    if best is None or len(found[best]) < 2:
        return None
    taken = {term for _, term in found[best]}
    return Sum(best, tuple(sorted(t for t, _ in found[best])), tuple(a for a in G.args if a not in taken))


def _names(E: Expr) -> list[Expr]:
    if E.op in ("symbol", "let"):
        return [E]
    return [n for a in E.args for n in _names(a)]
