"""A derivation as a careful lecturer writes it down: the lines, the rule beside each, names at the end."""

from mcbook.calculus.engine.derive import Derivation
from mcbook.calculus.engine.recurrence import Group, grouped, repeated_sum
from mcbook.calculus.engine.text import Text


def derivation_text(derivation: Derivation, letter: str = "f") -> str:
    """All lines in plain text, the rule that made each at its right; `letter` is the name of the function."""
    write, rows = Text(), []
    start = f"d{write.name(letter)} = "
    for k, line in enumerate(derivation.lines):
        rows.append(((start if k == 0 else "= ".rjust(len(start))) + write.terms(line.terms), line.rule))
        rows += [(f"        with {write(d)} = {write(d.args[0])}", "") for d in line.names]
    width = max(len(left) for left, _ in rows)
    body = [f"{left.ljust(width)}   {rule}".rstrip() for left, rule in rows]
    result = f"∇{write.name(letter)}({write(derivation.X)}) = {write(derivation.gradient)}"
    if total := repeated_sum(derivation.gradient, Text):
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
