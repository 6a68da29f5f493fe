"""Names with numbers: h_2 is h at step 2, H2 the second layer's H; and what is made step by step.

A name without its underscore counts steps where the steps have a parameter in common: h2 = tanh(W @ h1) after
h1 = tanh(W @ h0) is a step of time, H2 = tanh(H1 @ W2) after H1 = tanh(X @ W1) a layer.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mcbook.calculus.engine.nodes import Expr, walk

_NUMBERED = re.compile(r"^(.*?[^\d_])(_?)(\d+)$")


def numbered(name: str) -> tuple[str, int] | None:
    """("h", 2) for h_2, ("H", 2) for H2; None for a name without a number."""
    found = _NUMBERED.match(name)
    return (found[1], int(found[3])) if found else None


_stems: ContextVar[frozenset[str]] = ContextVar("stems that count steps without an underscore")


@contextmanager
def steps_of(f: Expr) -> Iterator[None]:
    """Within it, names that count steps of f without an underscore are known to do so."""
    token = _stems.set(_bare_stems(f))
    try:
        yield
    finally:
        _stems.reset(token)


def _bare_stems(f: Expr) -> frozenset[str]:
    made = {node.name: node for node in walk(f) if node.op == "let" and _NUMBERED.match(node.name)}
    common = {name: _parameters(node) for name, node in made.items()}
    found = {name: of for name in made if (of := numbered(name))}
    return frozenset(s for name, (s, t) in found.items() if common[name] & common.get(f"{s}{t + 1}", set()))


def _parameters(node: Expr) -> set[str]:
    """The symbols without a number by which something of the step before is multiplied."""
    stem, t = numbered(node.name) or ("", 0)
    found: set[str] = set()
    for E in walk(node.args[0], behind_names=False):
        if E.op in ("matmul", "times", "hadamard"):
            names = {a.name for A in E.args if (a := _untransposed(A)).op == "symbol"}
            moved = any(inside.name == f"{stem}{t - 1}" for A in E.args for inside in walk(A))
            found |= {name for name in names if moved and not _NUMBERED.match(name)}
    return found


def _untransposed(A: Expr) -> Expr:
    return A.args[0] if A.op == "transpose" else A


def time_of(name: str) -> int | None:
    """2 for h_2, where the underscore says that it counts steps; None for H2, unless that does, and for h."""
    found = _NUMBERED.match(name)
    return int(found[3]) if found and (found[2] or found[1] in _stems.get(frozenset())) else None


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
