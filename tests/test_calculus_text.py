"""The plain text of every layout says, sign by sign, what the LaTeX says, which is read back elsewhere."""

import re

import pytest

from mcbook.calculus.catalogue import CATALOGUE, entry
from mcbook.calculus.engine.layouts import LAYOUTS, laid_out, line_form, statement
from mcbook.calculus.engine.text import Text

SIGNS = {
    **{r"\mathsf{T}": "T", r"\circ": "∘", r"\oslash": "⊘", r"\otimes": "⊗", r"\lVert": "‖", r"\rVert": "‖"},
    **{r"\langle": "⟨", r"\rangle": "⟩", r"\partial": "∂", r"\lambda": "λ", r"\varepsilon": "ε", "−": "-"},
    **{r"\varphi": "φ", r"\ell": "ℓ", r"\Lambda": "Λ", "logistic": "σ", r"\mathbf": "", r"\times": "×"},
    **{r"\left": "", r"\right": "", r"\,": "", r"\ ": "", r"\log": "log", r"\det": "det", r"\exp": "exp"},
    **{r"\tanh": "tanh", r"\cosh": "cosh", r"\sin": "sin", r"\cos": "cos", r"\frac": ""},
    **{"½": "12", "¼": "14", "diagonal": "diag", "kron_left": "blocks", "kron_right": "weighted"},
}
GREEK = ("alpha", "beta", "gamma", "delta", "eta", "theta", "kappa", "mu", "nu", "xi", "pi", "rho", "sigma")
LETTERS = dict(zip(GREEK, "αβγδηθκμνξπρσ", strict=True))
LETTERS |= {"tau": "τ", "psi": "ψ", "omega": "ω", "Sigma": "Σ"}
SCALARS = re.compile(
    r"\((?:[^() ]|\([^()]*\))+(?: (?:[^() +−]|\([^()]*\))+)+\) \S"
)  # (2 λ) K: numbers in front of a matrix
SMALL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᐟᵀ₀₁₂₃₄₅₆₇₈₉", "0123456789-/T0123456789")


def skeleton(written, brackets):
    """What is left of a formula without spaces, scripts, sizes and fraction bars; brackets only if asked."""
    written = re.sub(r"\\sum_\{(\w)=1\}\^\{\d+\}", r"Σ\1", written)  # in text a letter's range goes unsaid
    written = re.sub(r"(\\mathbf\{1\}|\bI|\b0|unvec\})_\{[^{}]*\}", r"\1", written)  # and so do sizes
    written = re.sub(r"\\(?:operatorname|mathrm)\{(\w+)\}", r"\1", written)
    written = re.sub(r"\\bar\{([^{}]*)\}", r"\1bar", written)
    for name, letter in LETTERS.items():
        written = re.sub(rf"\\{name}(?![a-z])", letter, written)
    for sign in sorted(SIGNS, key=len, reverse=True):
        written = written.replace(sign, SIGNS[sign])
    dropped = r"[{}^_\s/,]" if brackets else r"[{}^_\s/,()]"
    return re.sub(dropped, "", written.translate(SMALL))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_text_and_latex_say_the_same(layout):
    """Brackets too, but where a fraction is written in a line, numbers stand together before a matrix,
    or an entry carries an exponent.
    """
    for row in CATALOGUE:
        derivation = row.derive()
        pairs = [
            (page.latex, line_form(line, layout, Text))
            for page, line in zip(laid_out(derivation, layout).rows, derivation.lines, strict=True)
        ]
        result = statement(derivation, layout)
        pairs.append((result.latex, result.text.split(" = ", 1)[1]))
        for latex, text in pairs:
            brackets = "frac" not in latex and layout != "index" and not SCALARS.search(text)
            assert skeleton(text, brackets) == skeleton(latex, brackets), (row.name, latex, text)
            assert text.count("(") == text.count(")")


@pytest.mark.parametrize("change", [("ᵀ", ""), ("−", "+"), (" X", " Y"), ("(", "")])
def test_a_wrong_text_is_seen(change):
    derivation = entry("least squares").derive()
    latex, text = laid_out(derivation).rows[-1].latex, line_form(derivation.lines[-1], "gradient", Text)
    assert skeleton(text, True) == skeleton(latex, True)
    changed = text.replace(*change) if change[0] in text else text.replace("A", "Y")
    assert skeleton(changed, True) != skeleton(latex, True)


def test_whole_derivations_in_text():
    assert entry("cross-entropy of one class").derive().text("index").splitlines() == [
        "df = d(log(Σ_i exp(z_i)) − [z]_3)",
        "   = d(log(Σ_i exp(z_i))) − d([z]_3)                 linearity",
        "   = Σ_i (exp(z_i)/(Σ_j exp(z_j))) dz_i − d([z]_3)   log-sum-exp",
        "   = Σ_i (exp(z_i)/(Σ_j exp(z_j)) − δ_i,3) dz_i      picking an entry",
        "∂f/∂z_i = exp(z_i)/(Σ_j exp(z_j)) − δ_i,3",
    ]
    assert entry("quadratic form").derive().text("numerator").splitlines() == [
        "df = d(xᵀ A x)",
        "   = (A x + Aᵀ x)ᵀ dx   product, transpose",
        "   = xᵀ (A + Aᵀ) dx     common factors",
        "∂f/∂x = xᵀ (A + Aᵀ)",
    ]
