"""A calculation as a graph: values going forward, cotangents flowing back, and what a nudge does."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from mcbook.chain_rule.graphs import GRAPHS, roads
from mcbook.widgets.front import read_together


class Tape(anywidget.AnyWidget):
    """Walk a small calculation forward and back, one step at a time, and nudge an entry of an input.

    Parameters
        shown  which graph comes first, by its name in `mcbook.chain_rule.graphs.GRAPHS`
        step   how many steps have been walked: those forward first, then one for every edge backward

    The page does the arithmetic itself; tests hold it against the package's tape.
    Raises ValueError for an unknown graph, or a step that it does not have.
    """

    _esm = read_together("draw.js", "knobs.js", "tape.js")
    _css = read_together("shared.css", "knobs.css", "tape.css")
    graphs: Any = traitlets.List().tag(sync=True)
    shown = traitlets.Int(0, min=0).tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    entry = traitlets.Int(0, min=0).tag(sync=True)
    nudge = traitlets.Float(0.0).tag(sync=True)

    def __init__(self, *, shown: str = GRAPHS[0].name, step: int | None = None) -> None:
        names = [graph.name for graph in GRAPHS]
        if shown not in names:
            raise ValueError(f"Tape expects a graph among {', '.join(names)}; got {shown!r}.")
        graph = GRAPHS[names.index(shown)]
        last = sum(bool(v.op) for v in graph.vertices) + len(roads(graph))
        if step is not None and not 0 <= step <= last:
            raise ValueError(f"Tape expects 0 ≤ step ≤ {last} in {shown!r}, got {step}.")
        super().__init__(
            graphs=[
                {"name": g.name, "words": g.words, "vertices": [v._asdict() for v in g.vertices]}
                for g in GRAPHS
            ],
            shown=names.index(shown),
            step=last if step is None else step,
        )

    def __repr__(self) -> str:
        return f"Tape: {', '.join(g['name'] for g in self.graphs)}; {self.graphs[self.shown]['name']} first"
