"""A derivation as a careful lecturer writes it down: the lines, the rule beside each, names at the end."""

from mcbook.calculus.engine.layouts import line_form, statement
from mcbook.calculus.engine.records import Derivation
from mcbook.calculus.engine.recurrence import Group, grouped, repeated_sum
from mcbook.calculus.engine.text import Text


def derivation_text(derivation: Derivation, letter: str = "f", layout: str = "gradient") -> str:
    """All lines in plain text, the rule that made each at its right; `letter` is the name of the function.

    Raises ValueError for a layout that is none of `mcbook.calculus.engine.layouts.LAYOUTS`.
    """
    write, rows = Text(), []
    result = statement(derivation, layout, letter).text
    start = f"d{write.name(letter)} = "
    for k, line in enumerate(derivation.lines):
        written = line_form(line, layout, Text)
        rows.append(((start if k == 0 else "= ".rjust(len(start))) + written, line.rule))
        rows += [(f"        with {write(d)} = {write(d.args[0])}", "") for d in line.names]
    width = max(len(left) for left, _ in rows)
    body = [f"{left.ljust(width)}   {rule}".rstrip() for left, rule in rows]
    if layout in ("gradient", "denominator") and (total := repeated_sum(derivation.gradient, Text)):
        rest = "".join(f" + {write(term)}" for term in total.rest)
        result += f" = Σₜ {total.term}{rest},  t = {total.steps[0]} … {total.steps[-1]}"
    body.append(result)
    introduced = {d for line in derivation.lines for d in line.names}
    groups = grouped(derivation.definitions, Text)
    back = grouped([d for d in derivation.definitions if d in introduced], Text)
    body += [f"where {_stated(g)}" for g in groups if g not in back]
    body += [f"where {_stated(g)}" for g in back if len(g.steps) > 1]
    if derivation.conditions:
        body.append("for " + ", ".join(derivation.conditions))
    return "\n".join(body)


def _stated(group: Group) -> str:
    between = " … " if len(group.steps) > 2 else ", "
    steps = f"  for t = {group.steps[0]}{between}{group.steps[-1]}" if group.steps else ""
    return f"{group.left} = {group.right}{steps}"
