"""Expressions in MathML, which browsers set by themselves: no script, no network, readable aloud."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import ClassVar

from mcbook.calculus.engine.nodes import Expr, Number
from mcbook.calculus.engine.printer import CHAIN, Printer
from mcbook.calculus.engine.text import Text

_BARE = re.compile(r"(?<=>)\s*([+,])\s*(?=<)")  # what the walk writes between two pieces


def _upright(word: str) -> str:
    return f'<mi mathvariant="normal">{word}</mi>' if len(word) == 1 else f"<mi>{word}</mi>"


def _row(inside: str) -> str:
    return f"<mrow>{inside}</mrow>"


class MathML(Printer):
    """The alphabet of MathML Core: <msup>, <mfrac>, <mrow>."""

    space = '<mspace width="0.17em"></mspace>'
    minus = "<mo>−</mo>"
    circle = "<mo>∘</mo>"
    slash = "<mo>⊘</mo>"
    otimes = "<mo>⊗</mo>"
    d = _upright("d")
    transposed = _upright("T")
    minus_script = '<mo lspace="0" rspace="0">−</mo>'
    words: ClassVar[dict[str, str]] = {
        **{"logdet": "<mi>log</mi>", "det": "<mi>det</mi>"},
        **{"trace": "<mi>tr</mi>", "diagonal": "<mi>diag</mi>"},
        **{"logcosh": f"<mi>log</mi>{space}<mi>cosh</mi>"},
        **{"kron_left": "<mi>blocks</mi>", "kron_right": "<mi>weighted</mi>"},
    }

    def call(self, op: str, args: tuple[Expr, ...]) -> str:
        inside = f"<mo>,</mo>{self.space}".join(self(a) for a in args)
        return self.words.get(op, f"<mi>{op}</mi>") + self.parens(inside)

    def name(self, name: str) -> str:
        stem, _, index = Text().name(name).partition("_")  # Greek letters, and small digits below
        letters = stem.rstrip("₀₁₂₃₄₅₆₇₈₉")
        digits = stem[len(letters) :].translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))
        below = f"<mn>{digits}</mn>" if digits else ""
        below += self.name(index) if index else ""
        written = f"<mi>{letters}</mi>"
        return f"<msub>{written}{_row(below)}</msub>" if below else written

    def stepped(self, stem: str, shift: int) -> str:
        after = f"<mo>{'+' if shift > 0 else '−'}</mo><mn>{abs(shift)}</mn>" if shift else ""
        return f"<msub>{_row(self.name(stem))}{_row('<mi>t</mi>' + after)}</msub>"

    def number(self, value: Number) -> str:
        if value < 0:
            return self.minus + self.number(-value)
        if isinstance(value, float) or Fraction(value).denominator == 1:
            return f"<mn>{value:g}</mn>" if isinstance(value, float) else f"<mn>{value}</mn>"
        return f"<mfrac><mn>{value.numerator}</mn><mn>{value.denominator}</mn></mfrac>"

    def parens(self, inside: str) -> str:
        return _row(f"<mo>(</mo>{inside}<mo>)</mo>")

    def script(self, base: str, exponent: str) -> str:
        return f"<msup>{_row(base)}{_row(exponent)}</msup>"

    def exponent(self, p: Number) -> str:
        return self.number(p)

    def entrywise(self, p: Number) -> str:
        return f'<mo lspace="0" rspace="0">∘</mo>{self.number(p)}'

    def fraction(self, above: str, below: str) -> tuple[str, int]:
        return f"<mfrac>{_row(above)}{_row(below)}</mfrac>", CHAIN

    def special(self, E: Expr) -> str:
        m, n = E.shape
        match E.op:
            case "identity":
                return f"<msub><mi>I</mi><mn>{n}</mn></msub>"
            case "zeros":
                return f"<msub><mn>0</mn>{_row(f'<mn>{m}</mn><mo>×</mo><mn>{n}</mn>')}</msub>"
            case "commutation":
                k, l = E.data  # noqa: E741
                return f"<msub><mi>K</mi>{_row(f'<mn>{k}</mn><mo>,</mo><mn>{l}</mn>')}</msub>"
            case "selection":
                return f"<msub><mi>S</mi><mn>{n}</mn></msub>"
        column = f"<msub><mn>𝟏</mn><mn>{m}</mn></msub>"
        row = f"<msubsup><mn>𝟏</mn><mn>{n}</mn>{self.transposed}</msubsup>"
        return column if n == 1 else row if m == 1 else column + row

    def bars(self, inside: str, double: bool) -> str:
        bar = f"<mo>{'‖' if double else '|'}</mo>"
        return _row(bar + inside + bar)

    def brackets(self, inside: str) -> str:
        return _row(f"<mo>[</mo>{inside}<mo>]</mo>")

    def below(self, base: str, places: Sequence[str]) -> str:
        marks = {":": '<mo lspace="0" rspace="0">:</mo>', ",": "<mo>,</mo>"}
        pieces = re.findall(r"\d+|.", ",".join(places))
        return f"<msub>{base}{_row(''.join(marks.get(p, f'<mn>{p}</mn>') for p in pieces))}</msub>"

    def unit(self, k: int) -> str:
        return f"<msub><mi>𝐞</mi><mn>{k}</mn></msub>"

    def pair(self, left: str, right: str) -> str:
        return _row(f"<mo>⟨</mo>{left}<mo>,</mo>{self.space}{right}<mo>⟩</mo>")


def _closed(inside: str) -> str:
    inside = _BARE.sub(r"<mo>\1</mo>", inside)
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true">{_row(inside)}</math>'


def mathml(E: Expr) -> str:
    """The expression as a <math> element."""
    return _closed(MathML()(E))


def mathml_definition(E: Expr) -> str:
    """name = value, for a named intermediate."""
    write = MathML()
    return _closed(f"{write(E)}<mo>=</mo>{write(E.args[0])}")
