"""Expressions in plain text, with the letters that a terminal has."""

from collections.abc import Sequence
from fractions import Fraction
from typing import ClassVar

from mcbook.calculus.engine.nodes import Expr, Number
from mcbook.calculus.engine.printer import ATOM, SCALED, Printer, joined

_RAISED = str.maketrans("0123456789-/T", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᐟᵀ")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_GREEK = {
    **{"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ"},
    **{"kappa": "κ", "lam": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ"},
    **{
        "ell": "ℓ",
        "tau": "τ",
        "phi": "φ",
        "psi": "ψ",
        "omega": "ω",
        "Lam": "Λ",
        "Sigma": "Σ",
        "Theta": "Θ",
        "eps": "ε",
    },
}


class Text(Printer):
    """The plain alphabet: Wᵀ, A⁻¹, ⟨C, dE⟩."""

    words: ClassVar[dict[str, str]] = {
        "logdet": "log",
        "det": "det",
        "trace": "tr",
        "apply": "",
        "logcosh": "log cosh",
        "logistic": "σ",
    }
    transposed = "T"

    def name(self, name: str) -> str:
        stem, _, index = name.partition("_")
        digits = stem.rstrip("0123456789")
        stem, index = (digits, stem[len(digits) :] + index) if digits else (stem, index)
        stem = _GREEK.get(stem, stem)
        if not index:
            return stem
        return stem + (index.translate(_LOWERED) if index.isdigit() else "_" + self.name(index))

    def stepped(self, stem: str, shift: int) -> str:
        return (
            self.name(stem)
            + "ₜ"
            + ("" if shift == 0 else "₊" if shift > 0 else "₋")
            + (str(abs(shift)).translate(_LOWERED) if shift else "")
        )

    def number(self, value: Number) -> str:
        if value < 0:
            return self.minus + self.number(-value)
        if isinstance(value, float):
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)
        return {Fraction(1, 2): "½", Fraction(1, 4): "¼"}.get(Fraction(value), str(value))

    def parens(self, inside: str) -> str:
        return f"({inside})"

    def script(self, base: str, exponent: str) -> str:
        return base + exponent.translate(_RAISED)

    def exponent(self, p: Number) -> str:
        return str(p)

    def entrywise(self, p: Number) -> str:
        return f"∘{p}"

    inline = True

    def fraction(self, above: str, below: str) -> tuple[str, int]:
        if above == "1" and below in ("2", "4"):
            return {"2": "½", "4": "¼"}[below], ATOM
        return f"{above}/{below}", SCALED

    def special(self, E: Expr) -> str:
        n = E.shape[1]
        match E.op:
            case "identity":
                return "I"
            case "zeros":
                return "0"
            case "commutation":
                return "K" + "{}{}".format(*E.data).translate(_LOWERED)
            case "selection":
                return "S" + str(n).translate(_LOWERED)
        return "1" if E.is_column else "1ᵀ" if E.shape[0] == 1 else "11ᵀ"

    def bars(self, inside: str, double: bool) -> str:
        return f"‖{inside}‖" if double else f"|{inside}|"

    def brackets(self, inside: str) -> str:
        return f"[{inside}]"

    def below(self, base: str, places: Sequence[str]) -> str:
        return base + ",".join(places).translate(_LOWERED)

    def unit(self, k: int) -> str:
        return "e" + str(k).translate(_LOWERED)

    def indexed(self, base: str, letters: Sequence[str]) -> str:
        below = joined(letters)
        return f"{base}_({below})" if "+" in below else f"{base}_{below}"

    def delta(self, i: str, j: str) -> str:
        return f"δ_{joined((i, j))}"

    def sum_over(self, letter: str, n: int) -> str:
        return f"Σ_{letter} "

    def nabla(self, f: str, x: str) -> str:
        return f"∇{f}({x})"

    def vec(self, name: str) -> str:
        return f"vec {name}"

    def pair(self, left: str, right: str) -> str:
        return f"⟨{left}, {right}⟩"


def text(E: Expr) -> str:
    """The expression in plain text."""
    return Text()(E)
