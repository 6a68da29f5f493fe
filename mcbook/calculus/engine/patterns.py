"""Patterns known by name, however they are written, and logarithms that undo what they stand before.

exp Z / Σ exp Z is a softmax, log Σ exp Z a log-sum-exp, 1/(1 + exp(-z)) the logistic function σ, and
log(1 + exp z) its integral softplus.  log softmax z = z - logsumexp z, log σ(z) = z - softplus z,
log(1 - σ(z)) = -softplus z, log exp z = z and log det A = log|det A|: so written a derivation is shorter, and
no probability is divided by.  Each holds wherever what was written is defined.
"""

from collections.abc import Callable
from typing import NamedTuple

from mcbook.calculus.engine.algebra import add, matmul, ones, split, times, transpose
from mcbook.calculus.engine.functions import apply
from mcbook.calculus.engine.nodes import Expr, let, size, unused_name, walk
from mcbook.calculus.engine.picking import pick
from mcbook.calculus.engine.rebuild import rebuild
from mcbook.calculus.engine.vocabulary import logdet, logsumexp, softmax, total


class Recognised(NamedTuple):
    """The expression, what was recognised, and its author's names for values that are not in it any more."""

    expr: Expr
    titles: tuple[str, ...]
    conditions: tuple[str, ...]  # where what was written is defined, if what was made of it is elsewhere too
    names: dict[Expr, Expr]


NARROWER = {"log det = log|det|": "{!r} > 0", "exp log z = z": "{0.args[0]!r} > 0"}
Found = tuple[str, Expr] | None  # the title of a pattern, and what it makes of an expression
TITLES = {  # in words, and in LaTeX
    "log-sum-exp by name": r"\log\sum\exp\text{ by name}",
    "softmax by name": r"\operatorname{softmax}\text{ by name}",
    "logistic by name": r"\operatorname{logistic}\text{ by name}",
    "log cosh by name": r"\log\cosh\text{ by name}",
    "log(1 + exp z) = softplus z": r"\log(1 + \exp z) = \operatorname{softplus}z",
    "log(1 − σ(z)) = −softplus z": r"\log(1 - \sigma(z)) = -\operatorname{softplus}z",
    "log σ(z) = z − softplus z": r"\log\sigma(z) = z - \operatorname{softplus}z",
    "log softmax z = z − logsumexp z": r"\log\operatorname{softmax}z = z - \operatorname{logsumexp}z",
    "exp logsumexp z = Σ exp z": r"\exp\operatorname{logsumexp}z = \textstyle\sum\exp z",
    "exp(z − logsumexp z) = softmax z": r"\exp(z - \operatorname{logsumexp}z) = \operatorname{softmax}z",
    "log det = log|det|": r"\log\det = \log|\det|",
    "log exp z = z": r"\log\exp z = z",
    "exp log z = z": r"\exp\log z = z",
}


def recognise(expr: Expr) -> Recognised:
    """The expression with its patterns called by their names.

    A name that its author gave stays; what is used for its logarithm alone, p = softmax(z) in log(p), is seen
    through, and the name given to the softmax that the derivation will meet.
    """
    reader = _Reader(expr)
    done: dict[Expr, Expr] = {}
    titles: dict[str, None] = {}
    conditions: dict[str, None] = {}
    for node in walk(expr):
        args = tuple(done[a] for a in node.args)
        fresh = node if args == node.args else rebuild(node, args)
        done[node] = fresh
        if found := next((new for known in _PATTERNS if (new := known(reader, fresh))), None):
            titles[found[0]] = None
            done[node] = found[1]
            if found[0] in NARROWER:
                conditions[NARROWER[found[0]].format(fresh.args[0])] = None
    return Recognised(done[expr], tuple(titles), tuple(conditions), reader.given)


class _Reader:
    """What of an expression must be known beforehand: its names, and which of them only a logarithm uses."""

    def __init__(self, expr: Expr):
        self.taken = {node.name for node in walk(expr) if node.name}
        users: dict[Expr, list[Expr]] = {}
        for node in walk(expr):
            for a in node.args:
                users.setdefault(a, []).append(node)

        def only_logged(E: Expr) -> bool:
            """Whether E, or 1 - E, is used for its logarithm alone."""
            ways = (_is_log(u) or ((u is -E or _one_minus(u)) and only_logged(u)) for u in users.get(E, ()))
            return E in users and all(ways)

        self.logged = {node.data for node in walk(expr) if node.op == "let" and only_logged(node)}

        self.given: dict[Expr, Expr] = {}  # the names that are seen through, by their values
        self.known: dict[Expr, Expr] = {}

    def within(self, E: Expr) -> Expr:
        """What stands under a logarithm: behind the name, if the name is used for nothing else.

        The argument of a softmax or a logistic function gets a name where it is long: it will stand twice.
        """
        value = E.args[0] if E.op == "let" and E.data in self.logged else E
        if value.op == "softmax" or _is(value, "logistic"):
            value = rebuild(value, (self.named(value.args[0]),))
        if value is not E and E.op == "let":
            self.given[value] = let(E.data, value)
        return value

    def named(self, Z: Expr) -> Expr:
        if size(Z) <= 4 or Z.op == "let":
            return Z
        if Z not in self.known:
            name = unused_name("z" if 1 in Z.shape else "Z", self.taken)
            self.taken.add(name)
            self.known[Z] = let(name, Z)
        return self.known[Z]


def _bare(E: Expr) -> Expr:
    return E.args[0] if E.op == "let" else E


def _is(E: Expr, function: str) -> bool:
    return E.op == "apply" and E.data == function


def _is_log(E: Expr) -> bool:
    return _is(E, "log")


def _with_one(E: Expr) -> tuple[int, Expr] | None:
    """(1, B) where E is 1 + B, (-1, B) where it is 1 - B, entry by entry."""
    if E.op != "add" or len(E.args) != 2:
        return None
    for one, other in (E.args, E.args[::-1]):
        c, rest = split(other)
        if one is ones(*E.shape) and c in (1, -1):
            return int(c), rest
    return None


def _one_minus(E: Expr) -> Expr | None:
    """B where E is 1 - B."""
    found = _with_one(E)
    return found[1] if found and found[0] == -1 else None


def _one_plus_exp(E: Expr) -> Expr | None:
    """Z where E is 1 + exp Z."""
    found = _with_one(_bare(E))
    if not found or found[0] != 1 or not _is(_bare(found[1]), "exp"):
        return None
    return _bare(found[1]).args[0]


def _row_sums_of_exp(E: Expr) -> Expr | None:
    """Z where E is exp(Z)1, or for a vector sum(exp(z))."""
    E = _bare(E)
    rows = E.op == "matmul" and len(E.args) == 2 and E.args[1].op == "ones" and E.args[1].is_column
    if not rows and not (E.op == "sum" and _bare(E.args[0]).is_column):
        return None
    inside = _bare(E.args[0])
    return inside.args[0] if _is(inside, "exp") else None


def _spread(lse: Expr, Z: Expr) -> Expr:
    """log Σ exp in every column of Z, or in every entry of a vector."""
    return times(lse, ones(*Z.shape)) if Z.is_column else matmul(lse, ones(1, Z.shape[1]))


# --- the patterns: each is handed an expression whose parts are recognised already -------------------------


def _logarithm(reader: _Reader, E: Expr) -> Found:
    if not _is_log(E):
        return None
    A = reader.within(E.args[0])
    if (Z := _row_sums_of_exp(A)) is not None:
        return "log-sum-exp by name", logsumexp(Z)
    if (Z := _one_plus_exp(A)) is not None:
        return "log(1 + exp z) = softplus z", apply("softplus", Z)
    P = _one_minus(A)
    if P is not None and _is(P := reader.within(P), "logistic"):
        return "log(1 − σ(z)) = −softplus z", times(-1, apply("softplus", P.args[0]))
    if A.op == "det":
        return "log det = log|det|", logdet(A.args[0])
    if A.op == "softmax":
        Z = A.args[0]
        return "log softmax z = z − logsumexp z", add(Z, times(-1, _spread(logsumexp(Z), Z)))
    if _is(A, "logistic"):
        Z = A.args[0]
        return "log σ(z) = z − softplus z", add(Z, times(-1, apply("softplus", Z)))
    return ("log exp z = z", A.args[0]) if _is(A, "exp") else _log_cosh(A)


def _log_cosh(A: Expr) -> Found:
    """log((exp z + exp(-z))/2)."""
    c, both = split(A)
    if float(c) != 0.5 or both.op != "add" or len(both.args) != 2:
        return None
    if not all(_is(_bare(e), "exp") for e in both.args):
        return None
    up, down = (_bare(e).args[0] for e in both.args)
    if up is not times(-1, down):
        return None
    return "log cosh by name", apply("logcosh", down if split(up)[0] < 0 else up)


def _exponential(reader: _Reader, E: Expr) -> Found:
    if not _is(E, "exp"):
        return None
    A = E.args[0]
    if _is_log(A):
        return "exp log z = z", A.args[0]
    if A.op == "logsumexp":
        exps = apply("exp", A.args[0])
        sums = total(exps) if exps.is_column else matmul(exps, ones(exps.shape[1]))
        return "exp logsumexp z = Σ exp z", sums
    for term in A.args if A.op == "add" else ():
        Z = add(A, times(-1, term))
        if term is times(-1, _spread(logsumexp(Z), Z)) and not Z.is_scalar:
            return "exp(z − logsumexp z) = softmax z", softmax(Z)
    return None


def _logistic(reader: _Reader, E: Expr) -> Found:
    """1/(1 + exp(-z)), and exp z times it at -z."""
    if E.op == "power" and E.data == -1 and (Z := _one_plus_exp(E.args[0])) is not None:
        return "logistic by name", apply("logistic", times(-1, Z))
    dot = E.op == "matmul" and E.is_scalar and len(E.args) == 2  # aᵀb is the sum of a ∘ b
    factors = (transpose(E.args[0]), E.args[1]) if dot else E.args
    for e in factors if dot or E.op in ("hadamard", "times") else ():
        if _is(_bare(e), "exp"):
            P = apply("logistic", Z := _bare(e).args[0])
            partner = apply("logistic", times(-1, Z))
            if partner in factors:
                return "logistic by name", total(P) if dot else _in_place_of((e, partner), E, P)
    return None


def _in_place_of(factors: tuple[Expr, ...], E: Expr, new: Expr) -> Expr:
    """The product E with `new` for some of its factors."""
    rest = tuple(a for a in E.args if a not in factors)
    return rebuild(E, (*rest, new)) if rest else new


def _normaliser(E: Expr) -> Expr | None:
    """Z where E is 1/(exp(Z)1), repeated over the columns of a matrix."""
    E = _bare(E)
    if E.op == "matmul" and len(E.args) == 2 and E.args[1].op == "ones" and E.args[1].shape[0] == 1:
        E = _bare(E.args[0])
    return _row_sums_of_exp(E.args[0]) if E.op == "power" and E.data == -1 else None


def _softmax(reader: _Reader, E: Expr) -> Found:
    for part in E.args if E.op in ("hadamard", "times") else ():
        Z = _normaliser(part)
        for other in E.args if Z is not None else ():
            bare = _bare(other)
            if other is not part and _is(bare, "exp") and bare.args[0] is Z:
                return "softmax by name", _in_place_of((part, other), E, softmax(Z))
    return None


def _picked(reader: _Reader, E: Expr) -> Found:
    """An entry of z - log Σ exp z: each is picked by itself."""
    if E.op != "pick" or E.args[0].op != "add":
        return None
    parts = [pick(term, *E.data) for term in E.args[0].args]
    done = any(p.op != "pick" for p in parts)
    return ("log softmax z = z − logsumexp z", add(*parts)) if done else None


_PATTERNS: tuple[Callable[[_Reader, Expr], Found], ...] = (
    _logarithm,
    _exponential,
    _logistic,
    _softmax,
    _picked,
)
