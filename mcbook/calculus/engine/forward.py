"""The differential dF itself: each operation's forward rule, from the variable outward."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcbook.calculus.engine.algebra import add, is_zero, zeros
from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.engine.nodes import Expr, definitions, symbol, unused_name, walk
from mcbook.calculus.engine.rules import rule_of


def step_of(X: Expr, *exprs: Expr) -> Expr:
    """The symbol dX: a step of X, of its shape and structure, under a name not used in the expressions."""
    taken = {s.name for E in exprs for s in E.free} | {d.name for d in definitions(*exprs)}
    return symbol(unused_name(f"d{X.name}", taken), X.data.shape, X.data.structure)


def differential(F: Expr, X: Expr, D: Expr | None = None) -> Expr:
    """dF for a step dX = D, linear in D (the symbol dX, if none is given)."""
    return differentials([F], X, D)[0]


def differentials(exprs: Sequence[Expr], X: Expr, D: Expr | None = None) -> list[Expr]:
    """The differentials of several expressions for one step dX = D; what they share is derived once."""
    moved: dict[Expr, Expr] = {X: step_of(X, *exprs) if D is None else D}
    names = {node.args[0]: node for node in walk(*exprs) if node.op == "let"}
    for node in walk(*exprs):
        if node in moved or X not in node.free:
            continue
        if node.op == "let":
            moved[node] = moved[node.args[0]]
        else:
            moved[node] = _moved(node, names.get(node, node), moved)
    return [moved.get(E, zeros(E.shape)) for E in exprs]


def _moved(node: Expr, value: Expr, moved: dict[Expr, Expr]) -> Expr:
    """The differential of a node from those of its arguments; `value` is its name, if it has one."""
    rule = rule_of(node)
    parts = [
        rule.forward(node, k, moved[A], value)
        for k, A in enumerate(node.args)
        if A in moved and not is_zero(moved[A])
    ]
    return add(*parts) if parts else zeros(node.shape)


def pushforward(terms: Sequence[Any], values: Mapping[str, Any], X: Expr, X_dot: Any) -> float:
    """Σ ⟨C, dE⟩ in numbers, for the step dX = X_dot."""
    D = step_of(X, *(E for term in terms for E in term))
    steps = differentials([term.E for term in terms], X, D)
    arrays = evaluate_all([t.C for t in terms] + steps, {**values, D.name: X_dot})
    return float(sum(np.vdot(C, dE) for C, dE in zip(arrays, arrays[len(terms) :], strict=False)))
