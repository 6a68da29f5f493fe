"""Where in a derivation a slip was made: the line, the term, and both in words."""

from collections.abc import Sequence

from mcbook.calculus.engine.derive import Derivation
from mcbook.calculus.engine.text import text
from mcbook.calculus.marking.graph import Edge, Graph
from mcbook.calculus.marking.slips import Slip


def located(graph: Graph, slips: Sequence[Slip]) -> tuple[int | None, str, str]:
    """The line of the derivation at which the first slip was made, its term, and both in words."""
    for slip in slips:
        for n, _ in slip.changes:
            edge = graph.edges[n]
            if edge.k == -2:
                last = len(graph.derivation.lines) - 1
                return last, f"with d{text(graph.X)}", f"line {last}, {graph.derivation.lines[last].rule}"
            if found := _line_of(graph.derivation, edge):
                return found
    return None, "", ""


def _line_of(derivation: Derivation, edge: Edge) -> tuple[int, str, str] | None:
    E = edge.E if edge.k >= 0 or edge.E is not derivation.X else None
    for k, line in enumerate(derivation.lines):
        for step in line.steps:
            opened = step.E.args[0] if step.E.op == "let" else step.E
            if E is not None and (opened is E or step.E is E):
                target = edge.target.args[0] if edge.target.op == "transpose" else edge.target
                terms = [t for t in step.terms if t.E is target] or list(step.terms)
                words = f"⟨{text(terms[0].C)}, d({text(terms[0].E)})⟩" if terms else f"d({text(E)})"
                return k, words, f"line {k}, {line.rule or 'linearity'}"
    last = len(derivation.lines) - 1
    return (last, f"with d{text(derivation.X)}", f"line {last}") if E is None else None
