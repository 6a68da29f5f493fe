"""A derivation to be made: a function in text, the shapes of its symbols, and values to try it with."""

from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.engine.derive import Derivation, derive
from mcbook.calculus.engine.nodes import Expr, symbol
from mcbook.calculus.engine.parser import parse

STRUCTURES = ("symmetric", "diagonal", "lower", "upper")


class Entry(NamedTuple):
    """A derivation by name: `symbols` reads "W:3,3 X:5,3 n: S:3,3:spd", `wrt` is the variable.

    After a second colon stands a structure (symmetric, diagonal, lower, upper) or what the values are:
    positive, spd (symmetric positive definite), invertible, onehot (rows), far (from zero and from one
    another), small.  `textbook` derivations are held to twelve lines and forty nodes; `letter` is what the
    function is called.
    """

    name: str
    area: str
    text: str
    symbols: str
    wrt: str
    textbook: bool = True
    letter: str = "f"

    @property
    def declared(self) -> dict[str, Expr]:
        """The symbols, by name."""
        found = {}
        for piece in self.symbols.split():
            name, shape, kind = (*piece.split(":"), "", "")[:3]
            sizes = tuple(int(k) for k in shape.split(",") if k)
            structure = kind if kind in STRUCTURES else "symmetric" if kind == "spd" else ""
            found[name] = symbol(name, sizes, structure)
        return found

    @property
    def f(self) -> Expr:
        return parse(self.text, *self.declared.values())

    def derive(self) -> Derivation:
        return derive(self.f, self.declared[self.wrt])

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        """Values for the symbols, of the kinds that they declare."""
        values = {}
        for piece in self.symbols.split():
            name, shape, kind = (*piece.split(":"), "", "")[:3]
            values[name] = draw(tuple(int(k) for k in shape.split(",") if k), kind, rng)
        return values


def draw(shape: tuple[int, ...], kind: str, rng: np.random.Generator) -> Any:
    """A random array of the kind asked for."""
    A = np.asarray(rng.standard_normal(shape))
    match kind:
        case "positive":
            return 0.5 + np.abs(A)
        case "spd":
            return A @ A.T + np.eye(shape[0])
        case "invertible":
            return A + 2 * np.eye(shape[0])
        case "symmetric":
            return (A + A.T) / 2
        case "diagonal":
            return np.diag(1.5 + rng.random(shape[0]))
        case "lower" | "upper":
            L = np.tril(A, -1) + np.diag(1.5 + rng.random(shape[0]))
            return L if kind == "lower" else L.T
        case "onehot":
            return np.eye(shape[1])[rng.integers(shape[1], size=shape[0])]
        case "small":
            return A / 10
        case "far":
            return np.sign(A) * (0.3 + np.abs(A))
    return A
