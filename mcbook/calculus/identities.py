"""Identities as data: a function, its differential and its gradient, as text in the engine's notation.

One row is at once what a page prints, what the engine derives and what the tests try: an identity that is
not verified cannot be printed.  For an array-valued F the third column holds the gradient of ⟨C, F⟩, which is
what a cotangent C of F is turned into on its way back.

    >>> FIRST[0].check(np.random.default_rng(0)) < 1e-7
    True
"""

import re
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.differences import slope_along
from mcbook.calculus.engine import Derivation, Expr, evaluate, latex, parse
from mcbook.calculus.engine.forward import step_of
from mcbook.calculus.entries import Entry, draw

COTANGENT = "C"


class Identity(NamedTuple):
    """F(X), dF and the gradient, by name; `symbols` and `wrt` as in `mcbook.calculus.entries.Entry`.

    `differential` speaks of the step as dX (dx for a variable x); `gradient` of C where F is an array, whose
    shape C must then be declared with.  `where` says in words what must hold.
    """

    name: str
    function: str
    symbols: str
    wrt: str
    differential: str
    gradient: str
    where: str = ""

    @property
    def entry(self) -> Entry:
        """The derivation of F, or of ⟨C, F⟩ where F is an array."""
        text = self.function if self.F.is_scalar else f"inner({COTANGENT}, {self.function})"
        return Entry(self.name, "identities", text, self.symbols, self.wrt)

    @property
    def declared(self) -> dict[str, Expr]:
        return Entry(self.name, "identities", self.function, self.symbols, self.wrt).declared

    @property
    def F(self) -> Expr:
        return parse(self.function, *self.declared.values())

    @property
    def step(self) -> Expr:
        return step_of(self.declared[self.wrt], self.F)

    @property
    def dF(self) -> Expr:
        return parse(self.differential, *self.declared.values(), self.step)

    @property
    def G(self) -> Expr:
        return parse(self.gradient, *self.declared.values())

    def derive(self) -> Derivation:
        """The engine's own way to the gradient."""
        return self.entry.derive()

    def latex(self) -> tuple[str, str, str]:
        """F, dF and the gradient, printed by the engine; without a bare |, which would end a table's cell."""
        return printed(self.F), printed(self.dF), printed(self.G)

    def check(self, rng: np.random.Generator) -> float:
        """The largest mismatch, relative to ‖G‖, of ⟨G, V⟩ and of ⟨C, dF⟩ with the slope of ⟨C, F⟩ along V.

        At one random point, in one random direction V of the variable's structure; by central differences.
        """
        values = self.entry.sample(rng)
        X, F = self.declared[self.wrt], self.F
        C = np.ones((1, 1)) if F.is_scalar else values[COTANGENT]
        V = draw(X.data.shape, X.data.structure, rng)
        V = V / np.linalg.norm(V)

        def paired(E: Expr, at: dict[str, Any]) -> float:
            return float(np.vdot(C, np.reshape(evaluate(E, at), np.shape(C))))

        G = np.reshape(evaluate(self.G, values), X.data.shape)
        slope = slope_along(lambda Z: paired(F, values | {self.wrt: Z}), values[self.wrt], V).value
        forward = paired(self.dF, values | {self.step.name: V})
        return max(abs(np.vdot(G, V) - slope), abs(forward - slope)) / float(np.linalg.norm(G))


def printed(E: Expr) -> str:
    """The engine's LaTeX, with a step as d X rather than as the name dX."""
    tex = re.sub(r"\\mathrm\{d(\w)\}", r"\\mathrm{d}\1", latex(E))
    return tex.replace(r"\left|", r"\left\lvert").replace(r"\right|", r"\right\rvert")


_SQUARE = "X:3,3:invertible"

FIRST: tuple[Identity, ...] = (
    Identity("linear form", "a @ x", "a:3 x:3", "x", "a @ dx", "a"),
    Identity("quadratic form", "x @ A @ x", "A:3,3 x:3", "x", "dx @ A @ x + x @ A @ dx", "(A + A.T) @ x"),
    Identity(
        "sum of squares",
        "sqnorm(A @ x - b)",
        "A:5,3 b:5 x:3",
        "x",
        "2 * (A @ x - b) @ A @ dx",
        "2 * A.T @ (A @ x - b)",
    ),
    Identity(
        "nine knobs",
        "sqnorm(P @ W.T - Q) / 2",
        "P:5,3 W:2,3 Q:5,2",
        "W",
        "inner(P @ W.T - Q, P @ dW.T)",
        "(P @ W.T - Q).T @ P",
    ),
    Identity(
        "trace of a sandwich", "trace(A @ X @ B)", "A:2,3 X:3,4 B:4,2", "X", "trace(A @ dX @ B)", "A.T @ B.T"
    ),
    Identity("squared norm", "sqnorm(X)", "X:3,4", "X", "2 * inner(X, dX)", "2 * X"),
    Identity(
        "determinant",
        "det(X)",
        _SQUARE,
        "X",
        "det(X) * trace(inv(X) @ dX)",
        "det(X) * inv(X).T",
        "X invertible",
    ),
    Identity("log determinant", "logdet(X)", _SQUARE, "X", "trace(inv(X) @ dX)", "inv(X).T", "X invertible"),
    Identity("linear map", "A @ X @ B", "A:2,3 X:3,4 B:4,5 C:2,5", "X", "A @ dX @ B", "A.T @ C @ B.T"),
    Identity("transpose", "X.T", "X:3,4 C:4,3", "X", "dX.T", "C.T"),
    Identity("square", "X @ X", "X:3,3 C:3,3", "X", "dX @ X + X @ dX", "C @ X.T + X.T @ C"),
    Identity("Gram matrix", "X.T @ X", "X:4,3 C:3,3", "X", "dX.T @ X + X.T @ dX", "X @ (C + C.T)"),
    Identity(
        "inverse",
        "inv(X)",
        f"{_SQUARE} C:3,3",
        "X",
        "-inv(X) @ dX @ inv(X)",
        "-inv(X).T @ C @ inv(X).T",
        "X invertible",
    ),
    Identity("entry by entry", "exp(X)", "X:3,4 C:3,4", "X", "exp(X) * dX", "exp(X) * C"),
)
