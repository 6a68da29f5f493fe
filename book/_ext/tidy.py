"""Tidy the built site: drop what costs bytes or errors and gives the reader nothing; mend the theme's faults.

- FontAwesome's scripts (527 kB gzipped) go: the icons come from its fonts, and of those only the glyphs
  that the site uses are kept (a few kB instead of 270).
- Thebe's set-up script is emitted twice (a SyntaxError on every page): one stays.
- Controls that the theme leaves without a name or outside a landmark are mended.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)

FA = "_static/vendor/fontawesome"
THEBE = re.compile(r"\s*<script>const THEBE_JS_URL.*?</script>", re.S)
REPLACE: list[tuple[re.Pattern[str], str]] = [
    # FontAwesome: no scripts, no full fonts; its small style sheet instead of the whole one.
    (re.compile(r"\s*<script[^>]*fontawesome[^>]*\.js[^>]*></script>"), ""),
    (re.compile(r'\s*<link rel="preload"[^>]*fontawesome[^>]*>'), ""),
    (
        re.compile(r"vendor/fontawesome/[\d.]+/css/all\.min\.css\?[^\"]*"),
        "icons/icons.css",
    ),
    # The second title and contents for print (raw TeX in the title): print.css shows the article.
    (
        re.compile(
            r'<div id="jb-print-docs-body".*?(?=<div id="searchbox">)', re.S
        ),
        "",
    ),
    # The search button's name must hold the words on it; the sidebar with the logo is a landmark.
    (
        re.compile(
            r'(<button class="btn search-button-field[^>]*?) aria-label="[^"]*"'
        ),
        r"\1",
    ),
    (
        re.compile(r'<div (class="bd-sidebar-primary bd-sidebar[^"]*")'),
        r'<div \1 role="navigation" aria-label="Book"',
    ),
    # A folded cell says "Show code cell source" itself; another name for it confuses who speaks to it.
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    # A card of `plots.gallery` links to a notebook, as Jupyter wants it; on the site that is a page.
    (
        re.compile(r'(<a class="mc-page" href="[^"]*)\.ipynb"'),
        r'\1.html"',
    ),
    # Roles that docutils gives to bibliographies and that ARIA does not allow there.
    (
        re.compile(r'<div role="list" class="citation-list">'),
        '<div class="citation-list">',
    ),
    (re.compile(r' role="doc-(?:biblioentry|backlink)"'), ""),
]
STYLES = {
    "fas": "solid",
    "fa-solid": "solid",
    "fab": "brands",
    "fa-brands": "brands",
    "far": "regular",
    "fa-regular": "regular",
}
FILES = {
    "solid": "fa-solid-900",
    "brands": "fa-brands-400",
    "regular": "fa-regular-400",
}
FAMILY = {
    "solid": ("Font Awesome 6 Free", 900),
    "brands": ("Font Awesome 6 Brands", 400),
    "regular": ("Font Awesome 6 Free", 400),
}
GLYPH = re.compile(r'((?:\.fa-[\w-]+::?before,?)+)\{content:"\\([0-9a-f]+)"\}')


def keep_first(pattern: re.Pattern[str], page: str) -> str:
    """The page with every match of the pattern but the first removed."""
    seen: list[str] = []
    return pattern.sub(lambda m: "" if seen else seen.append(m[0]) or m[0], page)


def tidy_page(page: str) -> str:
    """One page of HTML, tidied."""
    page = keep_first(THEBE, page)
    for pattern, text in REPLACE:
        page = pattern.sub(text, page)
    return page


def pages(outdir: Path) -> list[Path]:
    """The site's own pages."""
    return [
        p
        for p in sorted(outdir.rglob("*.html"))
        if "_static" not in p.relative_to(outdir).parts
    ]


def used_icons(outdir: Path) -> set[str]:
    """Every ``fa-…`` class named in a page or in one of the theme's scripts."""
    texts = [p.read_text(encoding="utf-8") for p in pages(outdir)]
    texts += [
        p.read_text(encoding="utf-8")
        for p in sorted((outdir / "_static").rglob("*.js"))
        if "fontawesome" not in str(p)
    ]
    return {name for text in texts for name in re.findall(r"\bfa-[a-z0-9-]+", text)}


def icon_rules(css: str, used: set[str]) -> dict[str, int]:
    """``{class: code point}`` of the used icons, read from FontAwesome's own style sheet."""
    return {
        name: int(code, 16)
        for selectors, code in GLYPH.findall(css)
        for name in re.findall(r"\.(fa-[\w-]+)", selectors)
        if name in used
    }


def subset_font(source: Path, target: Path, codes: set[int]) -> bool:
    """Write the font's glyphs for these code points as woff; False where it has none of them."""
    font = TTFont(source, lazy=True)
    codes = codes & set(font.getBestCmap())
    if not codes:
        return False
    options = subset.Options(
        notdef_outline=True, layout_features=[], flavor="woff", hinting=False
    )
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    font.flavor = "woff"
    font.save(target)
    return True


def drawn_by_styles(outdir: Path) -> set[int]:
    """Code points that the theme's style sheets draw themselves: the signs of notes and warnings."""
    sheets = [
        p
        for p in (outdir / "_static").rglob("*.css")
        if "fontawesome" not in str(p)
    ]
    found = (
        re.findall(r'"\\(f[0-9a-f]{3})"', p.read_text(encoding="utf-8"))
        for p in sheets
    )
    return {int(code, 16) for codes in found for code in codes}


def trim_icons(outdir: Path) -> None:
    """Write ``_static/icons``: the used glyphs of FontAwesome and the few rules that show them."""
    (full,) = Path(pydata_sphinx_theme.__file__).parent.rglob(
        "static/vendor/fontawesome/*/css/all.min.css"
    )
    css = full.read_text(encoding="utf-8")
    rules = icon_rules(css, used_icons(outdir))
    out = outdir / "_static" / "icons"
    out.mkdir(exist_ok=True)
    codes = set(rules.values()) | drawn_by_styles(outdir)
    parts = [css[: css.index("*/") + 2]]  # FontAwesome's licence notice
    for style, stem in FILES.items():
        if subset_font(
            full.parent.parent / "webfonts" / f"{stem}.ttf",
            out / f"{style}.woff",
            codes,
        ):
            family, weight = FAMILY[style]
            parts.append(
                f'@font-face{{font-family:"{family}";font-weight:{weight};font-display:block;'
                f'src:url({style}.woff) format("woff")}}'
            )
    for name, style in STYLES.items():
        family, weight = FAMILY[style]
        parts.append(f'.{name}{{font-family:"{family}";font-weight:{weight}}}')
    everyone = ",".join(f".{name}" for name in STYLES) + ",.fa"
    parts.append(
        f"{everyone}{{-webkit-font-smoothing:antialiased;display:inline-block;font-style:normal;"
        "font-variant:normal;line-height:1;text-rendering:auto}"
        '.fa{font-family:"Font Awesome 6 Free";font-weight:900}'
        ".fa-lg{font-size:1.25em;line-height:.05em;vertical-align:-.075em}.fa-fw{text-align:center;width:1.25em}"
    )
    parts += [
        f'.{name}::before{{content:"\\{code:x}"}}'
        for name, code in sorted(rules.items())
    ]
    (out / "icons.css").write_text("\n".join(parts) + "\n", encoding="utf-8")
    copied = outdir / FA
    for unused in [*copied.glob("*/js/*"), *copied.glob("*/webfonts/*")]:
        unused.unlink()


def finish(app: Sphinx, exc: Exception | None) -> None:
    """Tidy the site once all pages are written."""
    if exc or app.builder.format != "html":
        return
    outdir = Path(app.outdir)
    trim_icons(outdir)
    for page in pages(outdir):
        before = page.read_text(encoding="utf-8")
        after = tidy_page(before)
        if after != before:
            page.write_text(after, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Tidy when the build has finished."""
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
