"""A derivation as a careful lecturer writes it down: aligned lines, the rule beside each, names at the end."""

from mcbook.calculus.engine.latex import Latex
from mcbook.calculus.engine.text import Text


def derivation_text(derivation) -> str:  # type: ignore[no-untyped-def]
    """All lines in plain text, the rule that made each at its right."""
    write = Text()
    rows: list[tuple[str, str]] = []
    for k, line in enumerate(derivation.lines):
        rows.append((("df = " if k == 0 else "   = ") + write.terms(list(line.terms)), line.rule))
        rows += [(f"        with {write(d)} = {write(d.args[0])}", "") for d in line.names]
    width = max(len(left) for left, _ in rows)
    body = [f"{left.ljust(width)}   {rule}".rstrip() for left, rule in rows]
    wrt = write(derivation.X)
    body.append(f"∇f({wrt}) = {write(derivation.gradient)}")
    given = [d for d in derivation.definitions if d not in {n for x in derivation.lines for n in x.names}]
    if given:
        body.append("where " + ",  ".join(f"{write(d)} = {write(d.args[0])}" for d in given))
    if derivation.conditions:
        body.append("for " + ", ".join(derivation.conditions))
    return "\n".join(body)


def derivation_latex(derivation) -> str:  # type: ignore[no-untyped-def]
    """An aligned block: the lines, the rule beside each, the boxed gradient."""
    write = Latex()
    rows = []
    for k, line in enumerate(derivation.lines):
        left = r"\mathrm{d}f &= " if k == 0 else "&= "
        note = rf" && \text{{{line.rule}}}" if line.rule else ""
        rows.append(left + write.terms(list(line.terms)) + note)
        rows += [rf"&\qquad {write(d)} = {write(d.args[0])}" for d in line.names]
    rows.append(rf"&\boxed{{\nabla_{{{write(derivation.X)}}} f = {write(derivation.gradient)}}}")
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"
