"""Identities as a table: the rows' own formulas, printed by the engine that checked them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mcbook.calculus.engine import LAYOUTS, Derivation, Statement, statement, text
from mcbook.calculus.identities import Identity

HEADS = ("function", "differential", "gradient", "holds for")


class IdentityTable(NamedTuple):
    """function | differential | gradient, a row an identity: markdown on a screen, text elsewhere."""

    rows: tuple[Identity, ...]

    def __repr__(self) -> str:
        """Plain characters; a step X is written dX."""
        lines = [(text(r.F), text(r.dF), text(r.G)) for r in self.rows]
        first, second = (max(len(line[k]) for line in lines) for k in (0, 1))
        return "\n".join(f"{F:{first}}   {dF:{second}}   {G}" for F, dF, G in lines)

    def _repr_markdown_(self) -> str:
        rows = [(*(f"${tex}$" for tex in r.latex()), r.where) for r in self.rows]
        kept = len(HEADS) if any(r.where for r in self.rows) else 3
        head = [HEADS[:kept], ("---",) * kept]
        return "\n".join("| " + " | ".join(row[:kept]) + " |" for row in [*head, *rows])


def identities(rows: Sequence[Identity]) -> IdentityTable:
    """A table of identities. Raises ValueError for none, or for two of one name."""
    names = [row.name for row in rows]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"identities expects one or more rows of different names, got {names}.")
    return IdentityTable(tuple(rows))


class LayoutTable(NamedTuple):
    """One result in every layout: its statement, and the shape of what stands on the right."""

    derivation: Derivation

    def statements(self) -> list[Statement]:
        return [statement(self.derivation, layout) for layout in LAYOUTS]

    def shape(self, s: Statement) -> str:
        """In words; the differential and an entry are numbers."""
        return "a number" if s.layout in ("differential", "index") else " × ".join(map(str, s.value.shape))

    def __repr__(self) -> str:
        return "\n".join(f"{s.layout:13} {s}   {self.shape(s)}" for s in self.statements())

    def _repr_markdown_(self) -> str:
        rows = [(s.layout, f"${s}$", self.shape(s)) for s in self.statements()]
        return "\n".join(
            "| " + " | ".join(r) + " |" for r in [("layout", "statement", "shape"), ("---",) * 3, *rows]
        )


def layouts(derivation: Derivation) -> LayoutTable:
    """A derivation's result in the five layouts, one to a row."""
    return LayoutTable(derivation)
