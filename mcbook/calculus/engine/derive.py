"""Deriving a gradient with differentials, one named rule a line.

Problem    f(X) is a number; the gradient G, of the shape of X, with df = ⟨G, dX⟩
Method     df = ⟨1, df⟩ is a sum of terms ⟨C, dE⟩.  The outermost E is opened by its rule, which moves its
           factors to the other side of the bracket; terms with the same E are added; what does not depend on
           X has no differential.  When every E is X, what stands beside dX is G.
Record     every line keeps its sum of terms, the rules that made it and what they were applied to, so that
           each can be printed in any layout, checked by sampling dX, and altered to see what an error does
Reference  magnus2019 for the method; the order of the rewriting is that of reverse accumulation
"""

from typing import Any

from mcbook.calculus.engine.algebra import add, is_zero, number, transpose
from mcbook.calculus.engine.naming import name_intermediates, name_repeats, replace
from mcbook.calculus.engine.nodes import (
    Expr,
    definitions,
    let,
    require_distinct_names,
    size,
    unused_name,
    walk,
)
from mcbook.calculus.engine.patterns import recognise
from mcbook.calculus.engine.records import Application, Derivation, Line, Term
from mcbook.calculus.engine.rules import condition_of, rule_of, title_of
from mcbook.calculus.engine.simplify import fold
from mcbook.calculus.engine.vocabulary import diag, diagonal, lower, softmax, sym, upper

BOOKKEEPING = {"add", "times"}  # opened together, in one line: "linearity"
PRODUCTS = {"matmul", "hadamard"}  # the terms of a sum are opened in one line where they are products
PROJECTIONS = {
    "symmetric": ("symmetric steps", sym),
    "diagonal": ("diagonal steps", lambda G: diag(diagonal(G))),
    "lower": ("lower triangular steps", lower),
    "upper": ("upper triangular steps", upper),
}


def derive(f: Any, X: Any) -> Derivation:
    """The gradient of the number f with respect to the symbol X, with every line on the way.

    Raises ValueError where f is not a number, X is not a symbol or does not occur in f (its gradient would
    be zero: the engine says so rather than returning one), or f contains what no rule covers.
    """
    _require_derivable(f, X)
    found = recognise(f)
    _require_in(found.expr, X)
    named, given = name_intermediates(found.expr, X, found.names)
    work = _Work(named, X, given)
    if found.titles:
        start = Line((), (Term(number(1), f),), ())
        work.lines = [start, work.lines[0]._replace(rules=found.titles, conditions=found.conditions)]
    while work.unfinished():
        work.open_next()
    G = work.collect()
    return Derivation(named, X, tuple(work.lines), G)


def _require_derivable(f: Any, X: Any) -> None:
    if isinstance(X, tuple | list):
        raise ValueError("derive takes one variable at a time: {X: derive(f, X) for X in (…)}.")
    if not isinstance(f, Expr) or not isinstance(X, Expr):
        raise ValueError("derive(f, X) takes an expression and a symbol in it; parse text with parse(…).")
    if X.op != "symbol":
        raise ValueError(f"derive differentiates with respect to a symbol, got {X!r}; name it with symbol().")
    if not f.is_scalar:
        raise ValueError(
            f"derive needs a number-valued f, got shape {f.shape}; take sum(f), or jacobian(f, {X.name})."
        )
    require_distinct_names(f, X)
    _require_in(f, X)


def _require_in(f: Expr, X: Expr) -> None:
    if X not in f.free:
        names = ", ".join(sorted(s.name for s in f.free)) or "no symbols"
        raise ValueError(
            f"f = {f!r}, as simplified, does not contain {X.name} (it contains {names}), "
            f"so df = 0 whatever d{X.name}."
        )


class _Work:
    """The sum of terms on its way from ⟨1, df⟩ to ⟨G, dX⟩."""

    def __init__(self, f: Expr, X: Expr, given: dict[Expr, Expr]):
        self.X, self.given = X, given
        self.order = {node: k for k, node in enumerate(walk(f)) if X in node.free}
        self.owners: dict[Expr, int] = {}  # in how many places, yet unopened, a node stands
        reached, unseen = {f}, [f]
        while unseen:
            for A in _arguments(unseen.pop()):
                self.owners[A] = self.owners.get(A, 0) + 1
                if A not in reached:
                    reached.add(A)
                    unseen.append(A)
        self.taken = {s.name for s in f.free} | {d.name for d in (*definitions(f), *given.values())}
        self.pending: dict[Expr, Expr] = {f: number(1)}
        self.lines = [Line((), (Term(number(1), f),), ())]
        own = [d for d in definitions(f) if not d.is_scalar]
        self.named_one = len(own) > 3  # who names many steps wants to read of each what comes back

    def unfinished(self) -> bool:
        return any(E is not self.X for E in self.pending)

    def ready(self) -> list[Expr]:
        """What can be opened: nothing unopened contains it, so all that will stand beside it stands there."""
        waiting = [E for E in self.pending if E is not self.X and not self.owners.get(E)]
        return sorted(waiting, key=self.order.__getitem__, reverse=True)

    def open_next(self) -> None:
        """Write one line: the rule for the outermost E, and those that a reader takes in the same breath."""
        steps: list[Application] = []
        names: list[Expr] = []
        node: Expr | None = self.ready()[0]
        while node is not None:
            step, introduced = self.open(node)
            steps.append(step)
            names += introduced
            node = next((E for E in self.ready() if _same_breath(steps, E)), None)
        rules = tuple(dict.fromkeys(t for s in steps for t in _quoted(s, steps)))
        conditions = tuple(dict.fromkeys(c for s in steps if (c := condition_of(s.E))))
        terms = tuple(Term(C, E) for E, C in self.pending.items() if not is_zero(C))
        self.lines.append(Line(rules, terms, tuple(steps), tuple(names), conditions))

    def open(self, node: Expr) -> tuple[Application, list[Expr]]:
        """Replace ⟨C, dE⟩ by what its rule makes of it, in its place in the sum."""
        C, name = self.name_cotangent(node, self.pending[node])
        E = _opened(node)
        for A in _arguments(node):
            self.owners[A] -= 1
        named = self.name_value(E)
        fresh: dict[Expr, Expr] = {}
        for k, A in enumerate(E.args):
            if self.X in A.free:
                C_k = fold(replace(rule_of(E).reverse(E, k, C, node), self.given | named))
                if A.op == "transpose":
                    A, C_k = A.args[0], transpose(C_k)
                fresh[A] = self.merge(A, fresh[A], C_k) if A in fresh else C_k
        made = tuple(Term(C_k, A) for A, C_k in fresh.items())
        pending: dict[Expr, Expr] = {}
        for F, D in self.pending.items():
            for A, C_k in fresh.items() if F is node else ((F, D),):
                pending[A] = self.merge(A, pending[A], C_k) if A in pending else C_k
        self.pending = pending
        turned = any(A.op == "transpose" and self.X in A.free for A in E.args)
        rules = (title_of(E), "transpose") if turned and E.op != "transpose" else (title_of(E),)
        return Application(E.op, rules, C, node, made), [*([name] if name else []), *named.values()]

    def merge(self, E: Expr, C: Expr, D: Expr) -> Expr:
        """⟨C, dE⟩ + ⟨D, dE⟩ = ⟨C + D, dE⟩; the factors common to the terms of G itself come last."""
        return add(C, D) if E is self.X else fold(add(C, D))

    def name_value(self, E: Expr) -> dict[Expr, Expr]:
        """p for the softmax that a log-sum-exp leaves behind, where it is long and has no name of its own."""
        if E.op != "logsumexp" or size(P := softmax(E.args[0])) <= 5 or P in self.given:
            return {}
        name = unused_name("p" if 1 in P.shape else "P", self.taken)
        self.taken.add(name)
        return {P: let(name, P)}

    def name_cotangent(self, node: Expr, C: Expr) -> tuple[Expr, Expr | None]:
        """δ for the matrix beside the differential of a named intermediate that is used more than once."""
        if node.op != "let" or C.op == "let" or size(C) <= 4:
            return C, None
        inner = node.args[0]
        if not self.named_one and _occurrences(inner, self.X) < 2 and size(C) <= 12:
            return C, None
        self.named_one = True
        name = unused_name(f"delta_{node.name}", self.taken)
        self.taken.add(name)
        named = let(name, C)
        return named, named

    def collect(self) -> Expr:
        """The last line: common factors folded, and the structure of X respected."""
        raw = self.pending[self.X]
        G = name_repeats(fold(raw), self.taken)
        projected = G
        if self.X.data.structure:
            title, project = PROJECTIONS[self.X.data.structure]
            projected = fold(project(G))
        if projected is not G:
            self.lines.append(Line((title,), (Term(projected, self.X),), ()))
        elif G is not raw:
            self.lines.append(Line(("common factors",), (Term(G, self.X),), ()))
        return projected


def _arguments(node: Expr) -> set[Expr]:
    """What the rule for a node leads to; a transpose is taken in the same step as what it stands in."""
    return {A.args[0] if A.op == "transpose" else A for A in _opened(node).args}


def _opened(node: Expr) -> Expr:
    """What a rule looks at: behind the name, if there is one."""
    return node.args[0] if node.op == "let" else node


def _quoted(step: Application, steps: list[Application]) -> tuple[str, ...]:
    """How the line quotes a rule; what goes without saying beside the others is not quoted."""
    if step.op not in BOOKKEEPING:
        return step.rules
    return ("linearity",) if all(s.op in BOOKKEEPING for s in steps) else ()


def _same_breath(steps: list[Application], following: Expr) -> bool:
    """Whether the next rule belongs to the line: it opens what the line made, and the two read as one."""
    if not any(following is term.E for step in steps for term in step.terms):
        return False
    first, last = steps[0].op, steps[-1].op
    if following.op in BOOKKEEPING:  # a constant factor is moved across in passing
        return last in BOOKKEEPING or (following.op == "times" and len(steps[-1].terms) == 1)
    if first == "add" and all(s.op in PRODUCTS for s in steps[1:]) and not following.is_scalar:
        alone = len(steps) == 1 and len(steps[0].terms) == 1  # the other terms of the sum are constant
        return alone or following.op in PRODUCTS
    return last in ("sum", "trace", "inner") and len(steps) == 1 and following.op != "let"


def _occurrences(E: Expr, X: Expr) -> int:
    """In how many places X stands below E."""
    counts: dict[Expr, int] = {}
    for node in walk(E):
        counts[node] = 1 if node is X else sum(counts[a] for a in node.args)
    return counts[E]
