r"""The engine's LaTeX as a page writes it: in the book's letters, in spans that the page's typesetter reads.

Formulas stand as \(TeX\) in `<span class="mc-tex">`: Jupyter typesets them when they are shown, the book
while it is built (book/_ext/katex_static.py).
"""

import html
import re
from collections.abc import Mapping, Sequence

SIZED = re.compile(r"(\\mathbf\{1\}|\bI)_\{\d+\}")
COTANGENT = re.compile(
    r"\\delta_\{([A-Za-z]\b|[A-Za-z](?=_)|\\[a-z]+|\\mathrm\{\w+\})((?:_\{(?:[^{}]|\{[^{}]*\})*\})?)\}"
)
BRACKETED_BAR = re.compile(r"\\left\[(\\bar\{[^{}_]*\})\\right\](?=_)")
SUM = re.compile(r"(?:\\sum_\{[a-su-z]=1\}\^\{\d+\} )+")
WORDS = (
    (r"\circ ", r"\(\circ\) multiplies entry by entry, \(\oslash\) divides, and \(a^{\circ p}\) is a power"),
    (r"\operatorname{sum}", r"\(\operatorname{sum}\) adds up all entries"),
    (r"\operatorname{logsumexp}", r"\(\operatorname{logsumexp}(u) = \log\sum_i e^{u_i}\), row by row"),
    (r"\operatorname{softmax}", r"\(\operatorname{softmax}(u)_i = e^{u_i}/\sum_j e^{u_j}\), row by row"),
    (
        r"\operatorname{logistic}",
        r"\(\operatorname{logistic}(a) = \sigma(a) = 1/(1 + e^{-a})\)",
    ),
    (
        r"\operatorname{sqdist}",
        r"\(\operatorname{sqdist}\) holds the squared distances between rows",
    ),
    (
        r"\operatorname{diag}",
        r"\(\operatorname{diag}\) makes a diagonal matrix of a vector, and of a matrix takes the diagonal",
    ),
    (r"\operatorname{sym}", r"\(\operatorname{sym}(G) = \frac12(G + G^{\mathsf{T}})\)"),
    (r"\mathbf{1}", r"\(\mathbf{1}\) is a column of ones"),
)


def tex(formula: str, style: str = r"\displaystyle ") -> str:
    """A formula of the engine for the typesetter, whichever it is."""
    formula = html.escape(for_the_page(formula), quote=False)
    return rf'<span class="mc-tex">\({style}{formula}\)</span>'


def prose(text: str) -> str:
    """Words with formulas in \\( \\)."""
    pieces = re.split(r"\\\((.*?)\\\)", text)
    return "".join(tex(p, style="") if k % 2 else html.escape(p, quote=False) for k, p in enumerate(pieces))


def for_the_page(formula: str) -> str:
    r"""The engine's LaTeX in the book's letters: sizes, which are those of the check, go, and δ_H is H̄."""
    formula = SUM.sub(_shorter, formula)
    return BRACKETED_BAR.sub(r"\1", COTANGENT.sub(r"\\bar{\1}\2", SIZED.sub(r"\1", formula)))


def _shorter(found: re.Match[str]) -> str:
    r"""\sum_{i=1}^{5} \sum_{j=1}^{3} as \sum_{i,j}, where what follows shows what the letters run over."""
    letters = re.findall(r"\\sum_\{(\w)=1\}", found[0])
    used = all(re.search(rf"_\{{\w*{a}\w*\}}", found.string[found.end() :]) for a in letters)
    return rf"\sum_{{{','.join(letters)}}} " if used else found[0]


def in_layouts(variants: Mapping[str, str]) -> str:
    """A formula as each layout has it; what several share stands there once."""
    shared: dict[str, list[str]] = {}
    for layout, formula in variants.items():
        shared.setdefault(formula, []).append(layout)
    if len(shared) == 1:
        return f'<span class="formula">{tex(next(iter(shared)))}</span>'
    return "".join(
        f'<span class="formula" data-in="{" ".join(k)}">{tex(t)}</span>' for t, k in shared.items()
    )


def glossed(formulas: Sequence[str]) -> str:
    """What the words and signs in these formulas mean that a first course has not used."""
    text = " ".join(formulas)
    said = [meaning for word, meaning in WORDS if word in text]
    return prose(f"{'; '.join(said)}.") if said else ""
