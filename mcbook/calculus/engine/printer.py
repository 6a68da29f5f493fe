"""How an expression is written: one walk over the tree, for plain text and for LaTeX alike.

`Printer` knows precedence, signs, fractions and transposes; `text` and `latex` give it their alphabets.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, ClassVar

from mcbook.calculus.engine.algebra import split
from mcbook.calculus.engine.nodes import Expr, Number
from mcbook.calculus.engine.picking import is_unit, numbered

SUM, SCALED, CHAIN, POSTFIX, ATOM = range(5)  # how tightly a piece of writing holds together


class Printer:
    """The walk; the subclasses supply the alphabet."""

    space = " "
    minus = "−"
    circle = " ∘ "
    slash = " ⊘ "
    otimes = " ⊗ "
    words: ClassVar[dict[str, str]] = {}

    def __init__(self, names: Callable[[str], str] | None = None):
        self.named = names or self.name

    # The alphabet

    def name(self, name: str) -> str:
        raise NotImplementedError

    def stepped(self, stem: str, shift: int) -> str:
        """The name at step t + shift of something that has one for every step."""
        raise NotImplementedError

    def number(self, value: Number) -> str:
        raise NotImplementedError

    def parens(self, inside: str) -> str:
        raise NotImplementedError

    def script(self, base: str, exponent: str) -> str:
        raise NotImplementedError

    def fraction(self, above: str, below: str) -> tuple[str, int]:
        raise NotImplementedError

    def special(self, E: Expr) -> str:
        """identity, ones, zeros, commutation: the constant matrices."""
        raise NotImplementedError

    def bars(self, inside: str, double: bool) -> str:
        raise NotImplementedError

    def brackets(self, inside: str) -> str:
        raise NotImplementedError

    def below(self, base: str, places: Sequence[str]) -> str:
        """What stands in these rows, or rows and columns, of something, counted from 1; ":" for all."""
        raise NotImplementedError

    def unit(self, k: int) -> str:
        """Column k of the identity."""
        raise NotImplementedError

    # The alphabet of the index form

    def indexed(self, base: str, letters: Sequence[str]) -> str:
        """An entry by the letters, or places, of its row and column."""
        raise NotImplementedError

    def delta(self, i: str, j: str) -> str:
        """1 where the letters agree, else 0."""
        raise NotImplementedError

    def sum_over(self, letter: str, n: int) -> str:
        """The sum over a letter from 1 to n, to stand in front of what is summed."""
        raise NotImplementedError

    # The alphabet of statements

    d = "d"
    partial = "∂"

    def nabla(self, f: str, x: str) -> str:
        raise NotImplementedError

    def vec(self, name: str) -> str:
        """The columns of something stacked, by its name alone."""
        raise NotImplementedError

    # The walk

    def __call__(self, E: Expr) -> str:
        return self.write(E)[0]

    def write(self, E: Expr) -> tuple[str, int]:
        """The writing of a node, and how tightly it holds together."""
        if E.op in ("symbol", "let"):
            return self.named(E.name), ATOM
        special: Any = getattr(self, f"write_{E.op}", None)
        return special(E) if special else (self.call(E.op, E.args), ATOM)

    def at(self, E: Expr, level: int) -> str:
        """The writing of E where something as tight as `level` is due."""
        written, tightness = self.write(E)
        return written if tightness >= level else self.parens(written)

    def call(self, op: str, args: tuple[Expr, ...]) -> str:
        return self.words.get(op, op) + self.parens(f",{self.space}".join(self(a) for a in args))

    def write_number(self, E: Expr) -> tuple[str, int]:
        plain = E.data >= 0 and (isinstance(E.data, float) or E.data.denominator == 1)
        written = self.number(E.data)
        return written, ATOM if plain or len(written) == 1 else SCALED if E.data >= 0 else SUM

    def write_identity(self, E: Expr) -> tuple[str, int]:
        return self.special(E), ATOM

    def write_zeros(self, E: Expr) -> tuple[str, int]:
        return self.special(E), ATOM

    def write_commutation(self, E: Expr) -> tuple[str, int]:
        return self.special(E), ATOM

    def write_selection(self, E: Expr) -> tuple[str, int]:
        return self.special(E), ATOM

    def write_ones(self, E: Expr) -> tuple[str, int]:
        return self.special(E), ATOM if 1 in E.shape and E.is_column else POSTFIX if 1 in E.shape else CHAIN

    def write_add(self, E: Expr) -> tuple[str, int]:
        terms = sorted(E.args, key=lambda t: split(t)[0] < 0)  # a leading minus only where all are negative
        written = self.at(terms[0], SUM)
        for term in terms[1:]:
            if split(term)[0] < 0:
                written += f" {self.minus} {self.at(-term, SCALED)}"
            else:
                written += f" + {self.at(term, SCALED)}"
        return written, SUM

    def write_times(self, E: Expr) -> tuple[str, int]:
        c, rest = split(E)
        if c < 0:
            return self.minus + self.at(-E, SCALED), SUM
        parts = rest.args if rest.op == "times" else (rest,)
        core = None if parts[-1].is_scalar else parts[-1]
        factor, tightness = self._factor(c, parts if core is None else parts[:-1], core is None)
        if core is None:
            return factor, tightness
        factor = factor if tightness > SCALED or not self.inline else self.parens(factor)
        return self.space.join(filter(None, [factor, self.at(core, CHAIN)])), SCALED

    inline = False  # whether a fraction is written in a line, a/b

    def _factor(self, c: Number, scalars: tuple[Expr, ...], alone: bool) -> tuple[str, int]:
        """The numbers and scalars of a product, as one fraction where something stands below."""
        over, under = self._fraction_parts(c, scalars)
        level = CHAIN if len(over) == 1 and (alone or under) else POSTFIX  # (aᵀb) c, not aᵀb c
        above = [self.at(s, level) for s in over]
        if isinstance(c, float):
            above.insert(0, self.number(c))
        elif c.numerator != 1:
            above.insert(0, self.number(Fraction(c.numerator)))
        if not under:
            return self.space.join(above), CHAIN if len(above) == 1 else SCALED
        below = self.space.join(under)
        if self.inline and len(under) > 1:
            below = self.parens(below)
        return self.fraction(self.space.join(above) or self.number(Fraction(1)), below)

    def _fraction_parts(self, c: Number, scalars: tuple[Expr, ...]) -> tuple[list[Expr], list[str]]:
        below = [s for s in scalars if s.op == "power" and s.data < 0]
        over = [s for s in scalars if s not in below]
        under = [self.at(1 / s, POSTFIX if self.inline else CHAIN) for s in below]
        if not isinstance(c, float) and c.denominator != 1:
            under.insert(0, self.number(Fraction(c.denominator)))
        return over, under

    def write_hadamard(self, E: Expr) -> tuple[str, int]:
        below = [a for a in E.args if a.op == "power" and a.data == -1]
        over = [a for a in E.args if a not in below]
        if not over:
            over, below = below[:1], below[1:]
        written = self.circle.join(self.at(a, CHAIN + 1) for a in over)
        return written + "".join(self.slash + self.at(a.args[0], CHAIN + 1) for a in below), SCALED

    def write_matmul(self, E: Expr) -> tuple[str, int]:
        return self.space.join(self.at(a, CHAIN) for a in E.args), CHAIN

    def write_transpose(self, E: Expr) -> tuple[str, int]:
        if E.args[0].op == "inverse":
            return self.script(self.at(E.args[0].args[0], ATOM), self.minus_script + self.transposed), POSTFIX
        return self.script(self.at(E.args[0], ATOM), self.transposed), POSTFIX

    transposed = "T"
    minus_script = "-"

    def write_inverse(self, E: Expr) -> tuple[str, int]:
        return self.script(self.at(E.args[0], ATOM), self.exponent(Fraction(-1))), POSTFIX

    def write_solve(self, E: Expr) -> tuple[str, int]:
        A, B = E.args
        inverse = self.script(self.at(A, ATOM), self.exponent(Fraction(-1)))
        if A.op == "transpose":
            inverse = self.script(self.at(A.args[0], ATOM), self.minus_script + self.transposed)
        return f"{inverse}{self.space}{self.at(B, CHAIN)}", CHAIN

    def exponent(self, p: Number) -> str:
        raise NotImplementedError

    def entrywise(self, p: Number) -> str:
        """The exponent of an entry-by-entry power."""
        raise NotImplementedError

    def write_power(self, E: Expr) -> tuple[str, int]:
        base = E.args[0]
        if not base.is_scalar:
            return self.script(self.at(base, ATOM), self.entrywise(E.data)), POSTFIX
        if E.data < 0:
            return self.fraction(self.number(Fraction(1)), self.at(1 / E, POSTFIX if self.inline else CHAIN))
        if base.op == "sqnorm":  # ‖x‖⁴ for (‖x‖²)²
            return self.script(self.bars(self(base.args[0]), True), self.exponent(2 * E.data)), POSTFIX
        return self.script(self.at(base, ATOM), self.exponent(E.data)), POSTFIX

    def write_apply(self, E: Expr) -> tuple[str, int]:
        return self.call(E.data, E.args), ATOM

    def write_pick(self, E: Expr) -> tuple[str, int]:
        if is_unit(E):
            return self.unit(E.data[1][0] + 1), ATOM
        return self.below(self.brackets(self(E.args[0])), numbered(E)), ATOM

    def write_norm(self, E: Expr) -> tuple[str, int]:
        return self.bars(self(E.args[0]), True), ATOM

    def write_sqnorm(self, E: Expr) -> tuple[str, int]:
        return self.script(self.bars(self(E.args[0]), True), self.exponent(Fraction(2))), POSTFIX

    def write_logdet(self, E: Expr) -> tuple[str, int]:
        return self.words["logdet"] + self.bars(
            self.words["det"] + self.space + self.at(E.args[0], CHAIN), False
        ), POSTFIX

    def write_inner(self, E: Expr) -> tuple[str, int]:
        return self.pair(self(E.args[0]), self(E.args[1])), ATOM

    def pair(self, left: str, right: str) -> str:
        """⟨left, right⟩."""
        raise NotImplementedError

    def write_kron(self, E: Expr) -> tuple[str, int]:
        return self.otimes.join(self.at(a, CHAIN + 1) for a in E.args), SCALED

    def write_sqdist(self, E: Expr) -> tuple[str, int]:
        return self.call("sqdist", E.args[:1] if E.args[0] is E.args[1] else E.args), ATOM

    # Differentials

    def differential(self, E: Expr) -> str:
        """dE."""
        written, tightness = self.write(E)
        if E.op in ("symbol", "let", "norm", "sqnorm", "pick"):
            return self.d + written
        call = (tightness == ATOM and E.op not in ("number", "inner")) or E.op == "logdet"
        return self.d + self.space + written if call else self.d + self.parens(written)

    def term(self, C: Expr, E: Expr) -> str:
        """⟨C, dE⟩; for numbers, c dE."""
        if not E.is_scalar:
            return self.pair(self(C), self.differential(E))
        if C.op == "number" and C.data == 1:
            return self.differential(E)
        factor, tightness = self.write(C)
        loose = tightness < SCALED or (self.inline and tightness == SCALED)
        return (self.parens(factor) if loose else factor) + self.space + self.differential(E)

    def terms(self, pairs: Sequence[Any], form: Callable[[Expr, Expr], str] | None = None) -> str:
        """The sum of several ⟨C, dE⟩, each written by `form`; minus signs stand in front."""
        form = form or self.term
        written = ""
        for C, E in pairs:
            minus = split(C)[0] < 0
            sign = (f" {self.minus} " if minus else " + ") if written else self.minus if minus else ""
            written += sign + form(-C if minus else C, E)
        return written or "0"


def joined(letters: Sequence[str]) -> str:
    """The letters of an entry: ij, but i,3 and i+1,j."""
    return ("" if all(len(a) == 1 and a.isalpha() for a in letters) else ",").join(letters)
