"""Names for what would be written twice: p = softmax(…), r for a residual, δ for what comes back.

A derivation reads well when its parts have names.  Those that the author gave stay; where a function's
derivative is best said by its value (tanh′ = 1 - tanh²), or a part occurs twice, the engine gives one.
"""

from mcbook.calculus.engine.nodes import Expr, definitions, let, size, unused_name, walk
from mcbook.calculus.engine.rebuild import rebuild
from mcbook.calculus.engine.simplify import repeats

BY_VALUE = {"tanh": "h", "logistic": "p", "exp": "k"}  # functions whose derivative uses their value
LETTERS = {"softmax": "p", "add": "r", "matmul": "z", "solve": "u", "inverse": "v", "sqdist": "q"}


def name_intermediates(f: Expr, X: Expr, given: dict[Expr, Expr]) -> tuple[Expr, dict[Expr, Expr]]:
    """f with names for the parts of it that its derivative will speak of more than once.

    Of the given names, values that f does not contain but its derivative may, the values are renamed too.
    """
    taken = {s.name for s in f.free} | {d.name for d in (*definitions(f), *given.values())}
    owners: dict[Expr, list[Expr]] = {}
    for node in walk(f):
        for a in set(node.args):
            owners.setdefault(a, []).append(node)
    done: dict[Expr, Expr] = {}
    for node in walk(f):
        args = tuple(done[a] for a in node.args)
        fresh = node if args == node.args else rebuild(node, args)
        if X in node.free and _deserves_a_name(node, owners.get(node, [])):
            fresh = let(unused_name(_letter(node), taken), fresh)
            taken.add(fresh.name)
        done[node] = fresh
    renamed = [rebuild(value, tuple(done.get(a, a) for a in value.args)) for value in given]
    return done[f], {v: let(d.name, v) for v, d in zip(renamed, given.values(), strict=True)}


def _deserves_a_name(node: Expr, owners: list[Expr]) -> bool:
    if node.op in ("symbol", "let", "transpose") or node.is_scalar or not owners:
        return False
    if any(o.op == "let" for o in owners):
        return False
    if node.op == "apply" and node.data in BY_VALUE:
        return size(node) > 3
    if node.op in ("softmax", "solve"):
        return True
    if any(o.op in ("det", "logdet", "inverse") for o in owners):
        return size(node) > 4
    return len(owners) > 1 and size(node) > 4


def name_repeats(G: Expr, taken: set[str]) -> Expr:
    """G with names for the subexpressions that are written in it more than once."""
    while True:
        candidates = [e for e in repeats(G) if size(e) > 5 and e.op not in ("let", "transpose")]
        if not candidates:
            return G
        best = max(candidates, key=size)
        name = unused_name(_letter(best), taken)
        taken.add(name)
        G = replace(G, {best: let(name, best)})


def replace(G: Expr, new: dict[Expr, Expr]) -> Expr:
    """G with nodes replaced, except inside its named intermediates."""
    if not new:
        return G
    done = dict(new)
    for node in walk(G, behind_names=False):
        if node not in done:
            args = node.args if node.op == "let" else tuple(done[a] for a in node.args)
            done[node] = node if args == node.args else rebuild(node, args)
    return done[G]


def _letter(node: Expr) -> str:
    """A letter by custom: small for vectors and numbers, capital for matrices."""
    letter = BY_VALUE.get(node.data, "a") if node.op == "apply" else LETTERS.get(node.op, "a")
    if node.op == "add" and node.shape[0] == node.shape[1]:
        letter = "s"
    return letter if 1 in node.shape else letter.upper()
