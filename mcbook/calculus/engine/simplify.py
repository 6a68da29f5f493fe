"""Common factors folded: AX + AᵀX = (A + Aᵀ)X, A/n + B/n = (A + B)/n."""

from collections.abc import Callable, Sequence
from typing import Any

from mcbook.calculus.engine.algebra import add, hadamard, identity, matmul, number, ones, power, split, times
from mcbook.calculus.engine.nodes import Expr, Number, walk
from mcbook.calculus.engine.rebuild import rebuild

Factors = Callable[[Expr], list[Expr]]  # the factors that a term offers to be taken out
Join = Callable[[Expr, Expr], Expr]  # (factor, rest) ↦ their product; (factor, term) ↦ the rest


def fold(expr: Expr) -> Expr:
    """The expression with the common factors of its sums taken out; inside named intermediates none."""
    done: dict[Expr, Expr] = {}
    for node in walk(expr, behind_names=False):
        args = node.args if node.op == "let" else tuple(done[a] for a in node.args)
        fresh = node if args == node.args else rebuild(node, args)
        done[node] = _fold_sum(fresh) if fresh.op == "add" else fresh
    return done[expr]


def _fold_sum(E: Expr) -> Expr:
    E = _common_scalars(E)
    scalars, core = (E.args[:-1], E.args[-1]) if E.op == "times" else ((), E)
    if core.op != "add":
        return E
    for factors, join, unit in _WAYS:
        core = _common_matrices(core, factors, join, unit)
        if core.op != "add":
            break
    return times(*scalars, core)


def _common_scalars(E: Expr) -> Expr:
    """c s A ± c s B = c s (A ± B): numbers equal up to sign, scalars in the power that all terms have."""
    parts = [split(t) for t in E.args]
    sizes: set[Any] = {abs(c) for c, _ in parts}
    c: Number = sizes.pop() if len(sizes) == 1 else 1
    c = -c if all(k < 0 for k, _ in parts) else c
    powers = [_powers(rest) for _, rest in parts]
    shared = []
    for s in powers[0]:
        found = [p.get(s, 0) for p in powers]
        if all(k > 0 for k in found) or all(k < 0 for k in found):
            shared.append(power(s, min(found, key=lambda p: abs(float(p)))))
    if c == 1 and not shared:
        return E
    divide = [power(s, -1) for s in shared]
    inside = add(*(times(number(k), number(c) ** -1, *divide, rest) for k, rest in parts))
    return times(number(c), *shared, inside)


def _powers(E: Expr) -> dict[Expr, Number]:
    """The scalars of a product with their powers."""
    parts = E.args if E.op == "times" else (E,)
    scalars = [p for p in parts if p.is_scalar and p.op != "number"]
    return dict((s.args[0], s.data) if s.op == "power" else (s, 1) for s in scalars)


def _common_matrices(E: Expr, factors: Factors, join: Join, unit: Join) -> Expr:
    """Take the factor that most terms share out of them, where at least two do."""
    if E.is_scalar:
        return E
    groups: dict[Expr, list[Expr]] = {}
    for term in E.args:
        for factor in dict.fromkeys(factors(_core(term))):
            groups.setdefault(factor, []).append(term)
    best = max(groups, key=lambda g: len(groups[g]), default=None)
    if best is None or len(groups[best]) < 2:
        return E
    taken = groups[best]
    if all(_core(t) is best for t in taken):  # s A + A = (s + 1) A
        folded = times(add(*(times(*_outside(t)) for t in taken)), best)
    else:
        inside = add(*(times(*_outside(t), unit(best, _core(t))) for t in taken))
        folded = join(best, _fold_sum(inside) if inside.op == "add" else inside)
    terms: Sequence[Expr] = [
        folded if t is taken[0] else t for t in E.args if t is taken[0] or t not in taken
    ]
    return add(*terms)


def _core(term: Expr) -> Expr:
    return term.args[-1] if term.op == "times" else term


def _outside(term: Expr) -> tuple[Expr, ...]:
    return term.args[:-1] if term.op == "times" else ()


def _chain(E: Expr) -> tuple[Expr, ...]:
    return E.args if E.op == "matmul" else (E,)


def _without_first(factor: Expr, E: Expr) -> Expr:
    return matmul(*_chain(E)[1:]) if len(_chain(E)) > 1 else identity(E.shape[1])


def _without_last(factor: Expr, E: Expr) -> Expr:
    return matmul(*_chain(E)[:-1]) if len(_chain(E)) > 1 else identity(E.shape[0])


def _entrywise(E: Expr) -> tuple[Expr, ...]:
    return E.args if E.op == "hadamard" else (E,)


def _without(factor: Expr, E: Expr) -> Expr:
    rest = [a for a in _entrywise(E) if a is not factor]
    return hadamard(*rest) if rest else ones(*E.shape)


def _square_or_product(E: Expr, k: int) -> list[Expr]:
    """The factor at one end of a product; a lone matrix counts where an identity can stay in its place."""
    return [_chain(E)[k]] if E.op == "matmul" or E.shape[0] == E.shape[1] else []


_WAYS = (
    (lambda E: _square_or_product(E, 0), lambda f, s: matmul(f, s), _without_first),
    (lambda E: _square_or_product(E, -1), lambda f, s: matmul(s, f), _without_last),
    (lambda E: list(_entrywise(E)) if E.op == "hadamard" else [], lambda f, s: hadamard(f, s), _without),
)


def repeats(*roots: Expr) -> list[Expr]:
    """Subexpressions that are written more than once, the largest first; names count as written once."""
    counts: dict[Expr, int] = {}
    for node in roots:
        _count(node, counts)
    return [node for node, k in counts.items() if k > 1]


def _count(node: Expr, counts: dict[Expr, int]) -> None:
    counts[node] = counts.get(node, 0) + 1
    if node.op != "let" and counts[node] == 1:
        for a in node.args:
            _count(a, counts)
