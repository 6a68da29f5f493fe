r"""Expressions in LaTeX, plain enough for KaTeX, MathJax and Jupyter alike: no macros of the book."""

import re
from collections.abc import Sequence
from typing import ClassVar

from mcbook.calculus.engine.nodes import Expr, Number
from mcbook.calculus.engine.printer import ATOM, CHAIN, Printer, joined

_GREEK = {
    **{g: rf"\{g}" for g in ("alpha", "beta", "gamma", "delta", "eta", "theta", "kappa", "mu", "nu", "xi")},
    **{g: rf"\{g}" for g in ("pi", "rho", "sigma", "tau", "psi", "omega", "Sigma", "Theta")},
    **{
        "ell": r"\ell",
        "epsilon": r"\varepsilon",
        "eps": r"\varepsilon",
        "lam": r"\lambda",
        "Lam": r"\Lambda",
        "phi": r"\varphi",
    },
}


class Latex(Printer):
    r"""The alphabet of LaTeX: W^{\mathsf{T}}, A^{-1}, \langle C, \mathrm{d}E\rangle."""

    space = r"\,"
    minus = "-"
    circle = r" \circ "
    slash = r" \oslash "
    otimes = r" \otimes "
    d = r"\mathrm{d}"
    partial = r"\partial "
    transposed = r"\mathsf{T}"
    words: ClassVar[dict[str, str]] = {
        **{f: rf"\{f}" for f in ("exp", "log", "sin", "cos", "tanh")},
        **{"logdet": r"\log", "det": r"\det", "trace": r"\operatorname{tr}", "logcosh": r"\log\cosh"},
        **{"logistic": r"\operatorname{logistic}", "diagonal": r"\operatorname{diag}"},
        **{
            word: rf"\operatorname{{{word}}}"
            for word in ("softplus", "relu", "abs", "step", "sign", "sum", "diag", "sym", "skew", "vec")
        },
        **{
            word: rf"\operatorname{{{word}}}"
            for word in ("unvec", "lower", "upper", "softmax", "logsumexp", "sqdist")
        },
        **{"kron_left": r"\operatorname{blocks}", "kron_right": r"\operatorname{weighted}"},
    }

    def name(self, name: str) -> str:
        stem, _, index = name.partition("_")
        digits = stem.rstrip("0123456789")
        stem, index = (digits, stem[len(digits) :] + index) if digits else (stem, index)
        written = _GREEK.get(stem, stem if len(stem) == 1 else rf"\mathrm{{{stem}}}")
        if not index:
            return written
        if index == "bar":  # a cotangent
            return rf"\bar{{{written}}}"
        inside = self.name(index) if not index.isdigit() else index
        return f"{written}_{{{inside}}}"

    def stepped(self, stem: str, shift: int) -> str:
        stem, _, index = stem.partition("_")
        step = "t" if shift == 0 else f"t{shift:+d}"
        below = f"{self.name(index)}_{{{step}}}" if index else step
        return f"{self.name(stem)}_{{{below}}}"

    def number(self, value: Number) -> str:
        if value < 0:
            return self.minus + self.number(-value)
        if isinstance(value, float):
            digits = f"{value:g}" if float(f"{value:g}") == value else repr(value)
            mantissa, _, exponent = digits.partition("e")
            return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa
        return str(value) if value.denominator == 1 else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"

    def parens(self, inside: str) -> str:
        return rf"\left({inside}\right)"

    def script(self, base: str, exponent: str) -> str:
        return f"{base}^{{{exponent}}}"

    def exponent(self, p: Number) -> str:
        return str(p)

    def entrywise(self, p: Number) -> str:
        return rf"\circ {p}"

    def fraction(self, above: str, below: str) -> tuple[str, int]:
        return rf"\frac{{{_bare(above)}}}{{{_bare(below)}}}", CHAIN

    def special(self, E: Expr) -> str:
        m, n = E.shape
        match E.op:
            case "identity":
                return f"I_{{{n}}}"
            case "zeros":
                return rf"0_{{{m} \times {n}}}"
            case "commutation":
                return "K_{{{},{}}}".format(*E.data)
            case "selection":
                return f"S_{{{n}}}"
        column, row = rf"\mathbf{{1}}_{{{m}}}", rf"\mathbf{{1}}_{{{n}}}^{{\mathsf{{T}}}}"
        return column if n == 1 else row if m == 1 else rf"{column}\,{row}"

    def bars(self, inside: str, double: bool) -> str:
        return rf"\left\lVert {inside} \right\rVert" if double else rf"\left| {inside} \right|"

    def brackets(self, inside: str) -> str:
        return rf"\left[{inside}\right]"

    def below(self, base: str, places: Sequence[str]) -> str:
        return f"{base}_{{{','.join(places).replace(':', '{:}')}}}"

    def unit(self, k: int) -> str:
        return rf"\mathbf{{e}}_{{{k}}}"

    def indexed(self, base: str, letters: Sequence[str]) -> str:
        return f"{base}_{{{joined(letters)}}}"

    def delta(self, i: str, j: str) -> str:
        return rf"\delta_{{{joined((i, j))}}}"

    def sum_over(self, letter: str, n: int) -> str:
        return rf"\sum_{{{letter}=1}}^{{{n}}} "

    def nabla(self, f: str, x: str) -> str:
        return rf"\nabla_{{{x}}} {f}"

    def vec(self, name: str) -> str:
        return rf"\operatorname{{vec}} {name}"

    def pair(self, left: str, right: str) -> str:
        return rf"\left\langle {left},\ {right} \right\rangle"

    def write_unvec(self, E: Expr) -> tuple[str, int]:
        m, n = E.shape
        return rf"\operatorname{{unvec}}_{{{m} \times {n}}}" + self.parens(self(E.args[0])), ATOM


def _bare(written: str) -> str:
    """Without the parentheses around all of it: above and below a bar there is no need of them."""
    inside = written.removeprefix(r"\left(").removesuffix(r"\right)")
    if len(inside) != len(written) - len(r"\left(\right)"):
        return written
    depth = 0
    for bracket in re.findall(r"\\left\(|\\right\)", inside):
        depth += 1 if bracket == r"\left(" else -1
        if depth < 0:  # the first and the last do not belong together
            return written
    return inside


def latex(E: Expr) -> str:
    """The expression in LaTeX."""
    return Latex()(E)
