"""Deriving a gradient with differentials, one named rule a line.

Problem    f(X) is a number; the gradient G, of the shape of X, with df = ⟨G, dX⟩
Method     df = ⟨1, df⟩ is a sum of terms ⟨C, dE⟩.  The outermost E is opened by its rule, which moves its
           factors to the other side of the bracket; terms with the same E are added; what does not depend on
           X has no differential.  When every E is X, what stands beside dX is G.
Record     every line keeps its sum of terms, the rules that made it and what they were applied to, so that
           each can be printed in any layout, checked by sampling dX, and altered to see what an error does
Reference  magnus2019 for the method; the order of the rewriting is that of reverse accumulation
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.engine.algebra import add, is_zero, number, transpose
from mcbook.calculus.engine.evaluate import evaluate_all
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
from mcbook.calculus.engine.rules import condition_of, rule_of, title_of
from mcbook.calculus.engine.simplify import fold
from mcbook.calculus.engine.vocabulary import diag, diagonal, lower, softmax, sym, upper

BOOKKEEPING = {"add", "times"}  # opened together, in one line: "linearity"
PROJECTIONS = {
    "symmetric": ("symmetric steps", sym),
    "diagonal": ("diagonal steps", lambda G: diag(diagonal(G))),
    "lower": ("lower triangular steps", lower),
    "upper": ("upper triangular steps", upper),
}


class Term(NamedTuple):
    """⟨C, dE⟩; C has the shape of E."""

    C: Expr
    E: Expr


class Application(NamedTuple):
    """One rule at work: ⟨C, dE⟩ became the sum of `terms` by the rule for `E.op`."""

    op: str
    rules: tuple[str, ...]
    C: Expr
    E: Expr
    terms: tuple[Term, ...]


class Line(NamedTuple):
    """df = Σ ⟨C, dE⟩, by these rules from the line before; `names` are the intermediates it introduces."""

    rules: tuple[str, ...]
    terms: tuple[Term, ...]
    steps: tuple[Application, ...]
    names: tuple[Expr, ...] = ()
    conditions: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """The rules in words."""
        return ", ".join(self.rules)

    def jvp(self, values: Mapping[str, Any], X: Expr, X_dot: Any) -> float:
        """The sum of the line for the step dX = X_dot: what must equal the derivative of f along it."""
        from mcbook.calculus.engine.forward import pushforward

        return pushforward(self.terms, values, X, X_dot)


class Derivation(NamedTuple):
    """f, the variable X, the lines from df = d(f) to df = ⟨G, dX⟩, and the gradient G."""

    f: Expr
    X: Expr
    lines: tuple[Line, ...]
    gradient: Expr

    @property
    def definitions(self) -> list[Expr]:
        """The named intermediates of the gradient, in an order in which they can be computed."""
        return definitions(self.gradient)

    @property
    def conditions(self) -> list[str]:
        """Where the derivation holds."""
        return list(dict.fromkeys(c for line in self.lines for c in line.conditions))

    @property
    def size(self) -> int:
        """Nodes of the gradient with its definitions, as a reader counts them."""
        return size(self.gradient) + sum(size(d.args[0]) + 1 for d in self.definitions)

    def __call__(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> Any:
        """The gradient at given values, an array of the declared shape of X."""
        G = evaluate_all([self.gradient], {**(values or {}), **named})[0]
        return np.reshape(G, self.X.data.shape)

    def __str__(self) -> str:
        from mcbook.calculus.engine.render import derivation_text

        return derivation_text(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def latex(self, layout: str = "gradient", letter: str = "f") -> str:
        """The whole derivation in LaTeX, in one of the layouts of `mcbook.calculus.engine.layouts`."""
        from mcbook.calculus.engine.layouts import derivation_latex

        return derivation_latex(self, layout, letter)


def derive(f: Any, X: Any) -> Derivation:
    """The gradient of the number f with respect to the symbol X, with every line on the way.

    Raises ValueError where f is not a number, X is not a symbol or does not occur in f (its gradient would
    be zero: the engine says so rather than returning one), or f contains what no rule covers.
    """
    _require_derivable(f, X)
    named = name_intermediates(recognise(f), X)
    work = _Work(named, X)
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
    if X not in f.free:
        names = ", ".join(sorted(s.name for s in f.free)) or "no symbols"
        raise ValueError(f"f does not contain {X.name} (it contains {names}), so df = 0 whatever d{X.name}.")


class _Work:
    """The sum of terms on its way from ⟨1, df⟩ to ⟨G, dX⟩."""

    def __init__(self, f: Expr, X: Expr):
        self.X = X
        self.order = {node: k for k, node in enumerate(walk(f)) if X in node.free}
        self.owners: dict[Expr, int] = {}  # in how many places, yet unopened, a node stands
        reached, unseen = {f}, [f]
        while unseen:
            for A in _arguments(unseen.pop()):
                self.owners[A] = self.owners.get(A, 0) + 1
                if A not in reached:
                    reached.add(A)
                    unseen.append(A)
        self.taken = {s.name for s in f.free} | {d.name for d in definitions(f)}
        self.pending: dict[Expr, Expr] = {f: number(1)}
        self.lines = [Line((), (Term(number(1), f),), ())]
        self.named_one = False

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
                C_k = fold(replace(rule_of(E).reverse(E, k, C, node), named))
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
        """p for the softmax that a log-sum-exp leaves behind, where it is long."""
        if E.op != "logsumexp" or size(P := softmax(E.args[0])) <= 5:
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
        if self.X.data.structure:
            title, project = PROJECTIONS[self.X.data.structure]
            projected = fold(project(G))
            if projected is not G:
                self.lines.append(Line((title,), (Term(projected, self.X),), ()))
            G = projected
        elif G is not raw:
            self.lines.append(Line(("common factors",), (Term(G, self.X),), ()))
        return G


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
    if first == "add" and all(s.op == "matmul" for s in steps[1:]) and not following.is_scalar:
        alone = len(steps) == 1 and len(steps[0].terms) == 1  # the other terms of the sum are constant
        return alone or following.op == "matmul"
    return last in ("sum", "trace", "inner") and len(steps) == 1 and following.op != "let"


def _occurrences(E: Expr, X: Expr) -> int:
    """In how many places X stands below E."""
    counts: dict[Expr, int] = {}
    for node in walk(E):
        counts[node] = 1 if node is X else sum(counts[a] for a in node.args)
    return counts[E]
