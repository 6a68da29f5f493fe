"""Patterns known by name: exp Z / Σ exp Z is a softmax, log Σ exp Z a log-sum-exp, however written."""

from mcbook.calculus.engine.nodes import Expr, walk
from mcbook.calculus.engine.rebuild import rebuild
from mcbook.calculus.engine.vocabulary import logsumexp, softmax


def recognise(expr: Expr) -> Expr:
    """The expression with its softmaxes and log-sum-exps called by their names."""
    done: dict[Expr, Expr] = {}
    for node in walk(expr):
        args = tuple(done[a] for a in node.args)
        fresh = node if args == node.args else rebuild(node, args)
        done[node] = _logsumexp(fresh) or _softmax(fresh) or fresh
    return done[expr]


def _bare(E: Expr) -> Expr:
    return E.args[0] if E.op == "let" else E


def _row_sums_of_exp(E: Expr) -> Expr | None:
    """Z where E is exp(Z)1, or for a vector sum(exp(z))."""
    E = _bare(E)
    rows = E.op == "matmul" and len(E.args) == 2 and E.args[1].op == "ones" and E.args[1].is_column
    if not rows and not (E.op == "sum" and _bare(E.args[0]).is_column):
        return None
    inside = _bare(E.args[0])
    return inside.args[0] if inside.op == "apply" and inside.data == "exp" else None


def _logsumexp(E: Expr) -> Expr | None:
    if E.op != "apply" or E.data != "log":
        return None
    Z = _row_sums_of_exp(E.args[0])
    return None if Z is None else logsumexp(Z)


def _normaliser(E: Expr) -> Expr | None:
    """Z where E is 1/(exp(Z)1), repeated over the columns of a matrix."""
    E = _bare(E)
    if E.op == "matmul" and len(E.args) == 2 and E.args[1].op == "ones" and E.args[1].shape[0] == 1:
        E = _bare(E.args[0])
    return _row_sums_of_exp(E.args[0]) if E.op == "power" and E.data == -1 else None


def _softmax(E: Expr) -> Expr | None:
    if E.op not in ("hadamard", "times"):
        return None
    for k, part in enumerate(E.args):
        Z = _normaliser(part)
        if Z is None:
            continue
        for m, other in enumerate(E.args):
            bare = _bare(other)
            if m != k and bare.op == "apply" and bare.data == "exp" and bare.args[0] is Z:
                rest = [a for j, a in enumerate(E.args) if j not in (k, m)]
                P = softmax(Z)
                return rebuild(E, (*rest, P)) if rest else P
    return None
