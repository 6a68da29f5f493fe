"""Making the same expression from other arguments: what substitution and the rules are built on."""

from typing import Any

from mcbook.calculus.engine import algebra, picking, vocabulary
from mcbook.calculus.engine.algebra import number, power
from mcbook.calculus.engine.functions import apply
from mcbook.calculus.engine.nodes import Expr, let, walk

BUILD: dict[str, Any] = {
    **{name: getattr(algebra, name) for name in ("add", "times", "matmul", "hadamard", "transpose")},
    **{
        name: getattr(vocabulary, name)
        for name in (
            *("trace", "inner", "norm", "sqnorm", "det", "logdet", "inverse", "solve", "diag", "diagonal"),
            *("sym", "skew", "lower", "upper", "vec", "kron", "kron_left", "kron_right"),
            *("softmax", "logsumexp", "sqdist"),
        )
    },
    "sum": vocabulary.total,
}


def rebuild(node: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same operation on other arguments."""
    match node.op:
        case "power":
            return power(args[0], node.data if isinstance(node.data, float) else number(node.data))
        case "apply":
            return apply(node.data, args[0])
        case "let":
            return let(node.data, args[0])
        case "pick":
            return picking.pick(args[0], *node.data)
        case "unvec":
            return vocabulary.unvec(args[0], *node.shape)
    return BUILD[node.op](*args)


def substitute(expr: Expr, new: dict[Expr, Expr]) -> Expr:
    """The expression with nodes replaced, rebuilt (and simplified) from there up."""
    done = dict(new)
    for node in walk(expr):
        if node not in done:
            args = tuple(done[a] for a in node.args)
            done[node] = node if args == node.args else rebuild(node, args)
    return done[expr]
