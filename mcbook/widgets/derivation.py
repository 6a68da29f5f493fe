r"""A derivation under a boxed gradient: every line with its rule, in five layouts, checked as it is made.

The panel is plain HTML: a folded box and radio buttons that its style sheet reads; there is no script.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mcbook.calculus import Derivation, evaluate, slope_along
from mcbook.calculus.catalogue import entry
from mcbook.calculus.engine import LAYOUTS
from mcbook.calculus.engine.code import function_code
from mcbook.calculus.engine.latex import Latex
from mcbook.calculus.engine.layouts import LaidOut, laid_out, statement
from mcbook.calculus.engine.render import derivation_text
from mcbook.calculus.engine.rules import condition_of, title_latex
from mcbook.calculus.entries import Entry, draw
from mcbook.widgets.formulas import COTANGENT, glossed, in_layouts, prose, tex
from mcbook.widgets.front import read_together

Draws = Callable[[np.random.Generator], dict[str, Any]]
POINTS, DIRECTIONS, ALLOWED = 3, 2, 1e-7
GLOSS = {
    "differential": r"what the step does: \(\mathrm{d}@ = \operatorname{tr}(G^{\mathsf{T}}\,\mathrm{d}#)\)",
    "gradient": r"what stands beside \(\mathrm{d}#\), in the shape of \(#\): this book's layout, and that of "
    "automatic differentiation",
    "numerator": r"the derivative multiplies \(\mathrm{d}#\) from the left: by a column it is a row, and "
    r"\(\partial @/\partial # = G^{\mathsf{T}}\)",
    "denominator": r"the derivative by a column is a column: \(\partial @/\partial # = G\)",
    "index": "entry by entry, with every sum written out; a letter under a sum takes all its values",
}
_count = itertools.count(1)


class DeriveIt:
    """A folded panel that shows how the engine comes to a gradient.

    Parameters
        source   the name of a row of `mcbook.calculus.catalogue`, an `Entry`, or a `Derivation`
        letter   what the page calls the function, dL and ∇L for "L"; by default what the catalogue calls it
        layout   the layout that is shown first, one of the five of `mcbook.calculus.engine.LAYOUTS`
        title    the words on the folded panel, before ∇L
        also     names of rows for other variables of the same function: what the engine comes to, and the
                 names that it uses besides, without the lines
        values   for a derivation whose symbols must be positive, say: a function of a random generator that
                 returns a value for each symbol; by default they are drawn as the catalogue, or their
                 declared structure, says
        seed     of the points and directions of the check

    Every line is checked when the panel is made: its sum ⟨C, dE⟩ against central differences of the function,
    at random points in random directions, those of `also` too. `disagreement` is the largest difference,
    relative to ‖G‖.
    In text, and where there is no screen, it is the derivation in plain characters.
    Raises ValueError for an unknown name or layout, and where a line does not hold.
    """

    def __init__(
        self,
        source: Any,
        *,
        letter: str | None = None,
        layout: str = "gradient",
        title: str = "derive it",
        also: Sequence[str] = (),
        values: Draws | None = None,
        seed: int = 0,
    ) -> None:
        if layout not in LAYOUTS:
            raise ValueError(f"a layout is one of {', '.join(LAYOUTS)}, got {layout!r}.")
        self.derivation, draws, called = _read(source)
        self.letter, self.layout, self.title = letter or called, layout, title
        rng = np.random.default_rng(seed)
        self.disagreement = checked(self.derivation, values or draws, rng)
        self.also = [_read(name)[0] for name in also]
        for name, other in zip(also, self.also, strict=True):
            self.disagreement = max(self.disagreement, checked(other, entry(name).sample, rng))
        self.pages, self.refused = _in_all(self.derivation, self.letter)
        if layout in self.refused:
            raise ValueError(f"the {layout} layout cannot be written: {self.refused[layout]}")
        self._name = f"mc-derive-{next(_count)}"

    def __repr__(self) -> str:
        text = derivation_text(self.derivation, self.letter, self.layout)
        more = [
            f"also {line}"
            for D in self.also
            for line in derivation_text(D, self.letter, self.layout).splitlines()[len(D.lines) :]
            if line.startswith(statement(D, self.layout, self.letter).text)
        ]
        checked = f"every line agrees with central differences in {POINTS * DIRECTIONS} random directions"
        return "\n".join([text, *more, checked])

    def _repr_html_(self) -> str:
        pages = self.pages
        parts = [
            f'<style>{read_together("derivation.css")}</style><details class="mc-derive">',
            f"<summary>{html.escape(self.title)}: {tex(self.pages['gradient'].statement.left)}</summary>",
            self._switch(),
            _lines(pages, self.letter),
            f'<div class="result">{in_layouts({k: str(page.statement) for k, page in pages.items()})}</div>',
            _totals(pages),
            _where(pages["gradient"], _conditions(self.derivation)),
            _others(self.also, pages["gradient"], self.letter),
            f'<p class="check">{self._verdict()}</p>',
            self._code(),
            "</details>",
        ]
        return "\n".join(filter(None, parts))

    def _switch(self) -> str:
        X, f = Latex()(self.derivation.X), Latex().name(self.letter)
        buttons = "".join(
            f'<label><input type="radio" name="{self._name}" value="{k}"{" checked" * (k == self.layout)}>{k}'
            "</label>"
            for k in self.pages
        )
        glosses = "".join(
            f'<span data-in="{k}">{prose(GLOSS[k].replace("@", f).replace("#", X))}</span>'
            for k in self.pages
        )
        refused = "".join(
            f"<small>No {k} layout: {html.escape(why)}</small>" for k, why in self.refused.items()
        )
        return f"<fieldset><legend>Layout</legend>{buttons}</fieldset><p>{glosses}{refused}</p>"

    def _verdict(self) -> str:
        lines = len(self.derivation.lines)
        others = " here, and of those not shown," if self.also else ""
        return (
            f"Checked while this page was made: each of the {lines} lines{others} against central "
            f"differences of {tex(Latex().name(self.letter))} in {POINTS * DIRECTIONS} random directions. "
            f"The largest disagreement is {_power(self.disagreement)} of the gradient's norm."
        )

    def _code(self) -> str:
        D = self.derivation
        arguments = sorted(D.gradient.free, key=lambda s: (s is not D.X, s.name))
        name, shape = f"grad_{self.letter}_{D.X.name}", D.X.data.shape
        blocks = "".join(
            f"<pre><code>{html.escape(function_code(D.gradient, name, arguments, shape=shape, target=t))}"
            "</code></pre>"
            for t in ("numpy", "jax")
        )
        return f"<details><summary>the gradient as NumPy and JAX code</summary>{blocks}</details>"


def _read(source: Any) -> tuple[Derivation, Draws, str]:
    """The derivation, how values for its symbols are drawn, and the letter of the function."""
    if isinstance(source, Derivation):
        symbols = sorted(source.f.free, key=lambda s: s.name)
        return source, lambda rng: {s.name: draw(s.data.shape, s.data.structure, rng) for s in symbols}, "f"
    if not isinstance(source, str | Entry):
        raise ValueError(f"DeriveIt expects a name of the catalogue or a derivation, got {source!r}.")
    row = entry(source) if isinstance(source, str) else source
    return row.derive(), row.sample, row.letter


def _in_all(derivation: Derivation, letter: str) -> tuple[dict[str, LaidOut], dict[str, str]]:
    """The derivation in every layout that can be written, and why the others cannot."""
    pages, refused = {}, {}
    for layout in LAYOUTS:
        try:
            pages[layout] = laid_out(derivation, layout, letter)
        except ValueError as error:  # an index form with too many indices
            refused[layout] = str(error)
    return pages, refused


def checked(derivation: Derivation, draws: Draws, rng: np.random.Generator) -> float:
    """The largest |Σ⟨C, dE⟩ − slope of f| over all lines, points and directions, relative to ‖G‖.

    Raises ValueError, naming the line, where it exceeds what central differences leave open.
    """
    worst, X = 0.0, derivation.X
    for _ in range(POINTS):
        values = draws(rng)
        size = float(np.linalg.norm(derivation(values)))
        start = np.asarray(values[X.name], dtype=float)
        for _ in range(DIRECTIONS):
            V = draw(start.shape, X.data.structure, rng)
            V = np.asarray(V / np.linalg.norm(V))
            truth = slope_along(lambda Z: evaluate(derivation.f, values | {X.name: Z}), start, V).value  # noqa: B023
            for k, line in enumerate(derivation.lines, 1):
                off = abs(line.jvp(values, X, V) - truth) / size
                if not off <= ALLOWED:
                    raise ValueError(
                        f"line {k} of the derivation is off by {off:.1e} of ‖G‖ against central differences; "
                        "if symbols must be positive or far from a kink, say so with values=."
                    )
                worst = max(worst, off)
    return worst


def _power(size: float) -> str:
    """4·10⁻¹³ for 4e-13."""
    digit, exponent = f"{size:.0e}".split("e")
    return f"{digit}·10<sup>{int(exponent)}</sup>".replace("-", "−") if size else "0"


def _lines(pages: Mapping[str, LaidOut], letter: str) -> str:
    items = []
    for k, row in enumerate(next(iter(pages.values())).rows):
        start = rf"\mathrm{{d}}{Latex().name(letter)} = " if k == 0 else "{} = "
        variants = {layout: start + page.rows[k].latex for layout, page in pages.items()}
        notes = [", ".join(map(_title, row.rules))] if row.rules else []
        notes += [f"with {tex(name)}" for name in row.names]
        said = f"<small>{'; '.join(notes)}</small>" if notes else ""
        items.append(f"<li>{in_layouts(variants)}{said}</li>")
    return f"<ol>{''.join(items)}</ol>"


def _title(title: str) -> str:
    formula = title_latex(title)
    return html.escape(title) if formula.startswith(r"\text") else tex(formula)


def _totals(pages: Mapping[str, LaidOut]) -> str:
    written = {layout: "{} = " + page.total for layout, page in pages.items() if page.total}
    if not written:
        return ""
    first = next(iter(written.values()))
    return f'<div class="where"><span class="formula" data-in="{" ".join(written)}">{tex(first)}</span></div>'


def _where(page: LaidOut, conditions: Sequence[str]) -> str:
    names = "".join(f'<span class="formula">where {tex(stated)}</span>' for stated in page.where)
    barred = any(COTANGENT.match(name) for row in page.rows for name in row.names)
    says = ["A bar marks a cotangent: what stands beside that letter's differential."] if barred else []
    says += [glossed([*(row.latex for row in page.rows), *page.where])]
    says += [prose(f"It holds for {', '.join(conditions)}.")] if conditions else []
    return f'<div class="where">{names}{" ".join(filter(None, says))}</div>' if names or any(says) else ""


def _conditions(derivation: Derivation) -> list[str]:
    """Where the rules hold, with what they are about as a formula."""
    found = {}
    for step in (step for line in derivation.lines for step in line.steps):
        if said := condition_of(step.E):
            about = (step.E.args[0] if step.E.op == "let" else step.E).args[0]
            found[said] = said.replace(repr(about), rf"\({Latex()(about)}\)")
    return list(found.values())


def _others(others: Sequence[Derivation], page: LaidOut, letter: str) -> str:
    """What the same way leads to for other variables, and the names that this page has not given."""
    said, results = {_name(stated) for stated in _given(page)}, []
    for pages in (_in_all(D, letter)[0] for D in others):
        written = {k: str(p.statement) + (f" = {p.total}" if p.total else "") for k, p in pages.items()}
        fresh = [stated for stated in _given(pages["gradient"]) if _name(stated) not in said]
        results.append(in_layouts(written))
        results += [f'<span class="formula">where {tex(stated)}</span>' for stated in fresh]
        said.update(map(_name, fresh))
    return f'<div class="where">On the same way back:{"".join(results)}</div>' if results else ""


def _given(page: LaidOut) -> tuple[str, ...]:
    """The named intermediates, stated."""
    return (*(name for row in page.rows for name in row.names), *page.where)


def _name(stated: str) -> str:
    return stated.split(" = ")[0]
