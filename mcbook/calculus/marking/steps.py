"""Names with numbers: h_2 is h at step 2, H2 the second layer's H; and what is made step by step."""

import re

from mcbook.calculus.engine.nodes import Expr, walk

_NUMBERED = re.compile(r"^(.*?[^\d_])(_?)(\d+)$")


def numbered(name: str) -> tuple[str, int] | None:
    """("h", 2) for h_2, ("H", 2) for H2; None for a name without a number."""
    found = _NUMBERED.match(name)
    return (found[1], int(found[3])) if found else None


def time_of(name: str) -> int | None:
    """2 for h_2, where the underscore says that it counts steps; None for H2 and for h."""
    found = _NUMBERED.match(name)
    return int(found[3]) if found and found[2] else None


def is_recurrent(E: Expr) -> bool:
    """Whether something in E is made in steps, as h_2 is from h_1; R_1 and R_2 side by side are not."""
    return any(_is_a_step(node) for node in walk(E) if node.op == "let")


def _is_a_step(node: Expr) -> bool:
    t = time_of(node.name)
    before = f"{node.name.removesuffix(str(t))}{(t or 0) - 1}"
    return t is not None and any(inside.name == before for inside in walk(node.args[0]))


def is_series(E: Expr) -> bool:
    """Whether a series is looked at in steps: r_2 made of y_2 and y_1 as r_1 is of y_1 and y_0."""
    named = {node.name: steps for node in walk(E) if node.op == "let" and len(steps := _steps_in(node)) > 1}
    later = {name: frozenset((of, t + 1) for of, t in steps) for name, steps in named.items()}
    return any(
        own and later[name] == named.get(f"{own[0]}_{own[1] + 1}")
        for name in named
        if (own := numbered(name))
    )


def _steps_in(node: Expr) -> frozenset[tuple[str, int]]:
    """The names with a step in what is called node, where one of them has two steps there."""
    inside = {s.name for s in node.args[0].free if time_of(s.name) is not None}
    found = frozenset(of for name in inside if (of := numbered(name)))
    return found if len({of for of, _ in found}) < len(found) else frozenset()


def in_steps(E: Expr) -> bool:
    """Whether what is numbered counts steps of time, of a recursion or of a series."""
    return is_recurrent(E) or is_series(E)
