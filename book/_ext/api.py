"""The API reference: ``{api}`` lists public names of modules with their signatures and docstrings.

    ```{api} mcbook.calculus mcbook.ledger
    ```

A module that does not exist is left out; one that exists and cannot be imported is a warning.
Docstrings are plain text: blank lines separate paragraphs; a line that ends in a colon, or is
underlined, heads the lines below it; lines indented or aligned with runs of spaces (formulas,
tables) keep their shape; `words` in backquotes are code.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

log = logging.getLogger(__name__)

CODE = re.compile(r"(?<!`)(`{1,2})([^`\n]+)\1(?!`)")
HEADING = re.compile(r"[A-Z][\w ]{0,40}:")
ENTRY = re.compile(
    r"(?P<term>[\w*.,\[\] ()`|-]{1,60}?)\s*(?::\s+|\s{2,}|\s+--\s+)(?P<text>\S.*)"
)


def inline(text: str) -> list[nodes.Node]:
    """Text nodes, with what stands in backquotes as code."""
    parts: list[nodes.Node] = []
    last = 0
    for m in CODE.finditer(text):
        parts += [nodes.Text(text[last : m.start()]), nodes.literal(m[2], m[2])]
        last = m.end()
    return [*parts, nodes.Text(text[last:])]


def paragraph(text: str) -> nodes.paragraph:
    """One paragraph."""
    return nodes.paragraph(
        "", "", *inline(" ".join(text.split())), support_smartquotes=False
    )


def is_shaped(lines: list[str]) -> bool:
    """Whether the lines are laid out by hand: indented, or aligned by runs of spaces."""
    return any(
        line.startswith(" ") or re.search(r"\S {3,}\S", line) for line in lines
    )


def shaped(lines: list[str]) -> nodes.literal_block:
    """Lines that keep their shape."""
    text = inspect.cleandoc("\n".join(lines))
    return nodes.literal_block(text, text, language="none", classes=["api-shaped"])


def columns(lines: list[str]) -> list[tuple[str, list[str]]] | None:
    """Two columns aligned by spaces, ``Problem    what is asked``, as (term, lines of text) pairs."""
    for c in range(3, 24):
        heads = [line for line in lines if line[:c].strip()]
        rows = all(
            line[c - 1 : c] == " " and line[c : c + 1].strip() for line in lines
        )
        if (
            rows
            and heads
            and heads[0] is lines[0]
            and any(line[c - 2 : c] == "  " for line in heads)
        ):
            items: list[tuple[str, list[str]]] = []
            for line in lines:
                if line[:c].strip():
                    items.append((line[:c].strip(), [line[c:]]))
                else:
                    items[-1][1].append(line[c:])
            return items if len(heads) > 1 or len(lines) > 1 else None
    return None


def entries(lines: list[str]) -> nodes.definition_list | None:
    """``name: what it is`` lines as a definition list, or None where they are something else."""
    lines = inspect.cleandoc("\n".join(lines)).splitlines()
    items = columns(lines) or []
    for line in lines if not items else []:
        m = ENTRY.fullmatch(line)
        if m and not line.startswith(" "):
            items.append((m["term"], [m["text"]]))
        elif line.startswith(" ") and items:
            items[-1][1].append(line)
        else:
            return None
    rows = [
        nodes.definition_list_item(
            "",
            nodes.term("", "", *inline(term)),
            nodes.definition("", paragraph("\n".join(text))),
        )
        for term, text in items
    ]
    return nodes.definition_list("", *rows, classes=["api-entries"])


def blocks(doc: str) -> Iterator[list[str]]:
    """The docstring's lines, parted at blank lines; indented parts after a heading stay with it."""
    block: list[str] = []
    for line in [*inspect.cleandoc(doc).splitlines(), ""]:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            yield block
            block = []


def docstring_nodes(doc: str) -> list[nodes.Node]:
    """A docstring as document nodes; anything that is not understood stands as it is written."""
    out: list[nodes.Node] = []
    for block in blocks(doc):
        if block[0].rstrip(":") + ":" in ("Example:", "Examples:") or block[
            0
        ].startswith(">>>"):
            body = block if block[0].startswith(">>>") else block[1:]
            text = inspect.cleandoc("\n".join(body)) if body else block[0]
            out.append(nodes.literal_block(text, text, language="python"))
        elif len(block) > 1 and re.fullmatch(
            r"-{3,}", block[1]
        ):  # NumPy's way to head a block
            out.append(nodes.rubric("", block[0], classes=["api-heading"]))
            out += [(entries(block[2:]) or shaped(block[2:]))] if block[2:] else []
        elif HEADING.fullmatch(block[0]) and all(
            line.startswith(" ") for line in block[1:]
        ):
            out.append(
                nodes.rubric("", block[0].rstrip(":"), classes=["api-heading"])
            )
            if block[1:]:
                out.append(entries(block[1:]) or shaped(block[1:]))
        elif is_shaped(block):
            out.append(
                (entries(block) if not block[0].startswith(" ") else None)
                or shaped(block)
            )
        else:
            out.append(paragraph("\n".join(block)))
    return out


def shown(annotation: Any) -> str:
    """An annotation as its author would write it: ``Float[Array, "n d"]`` and not its repr."""
    if isinstance(annotation, str):
        return annotation
    text = inspect.formatannotation(annotation).replace("'", '"')
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=\w)", "", text).replace("NoneType", "None")


def signature(name: str, thing: Any) -> str:
    """``name(arguments)``, or the bare name where Python knows no arguments."""
    try:
        sig = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    params = []
    for p in sig.parameters.values():
        text = p.name
        if p.default is not p.empty:
            default = repr(p.default)
            text += "=" + (
                default if len(default) < 40 and " at 0x" not in default else "…"
            )
        params.append((p.kind, text))
    out: list[str] = []
    for i, (kind, text) in enumerate(params):
        if kind is inspect.Parameter.VAR_POSITIONAL:
            text = "*" + text
        elif kind is inspect.Parameter.VAR_KEYWORD:
            text = "**" + text
        elif kind is inspect.Parameter.KEYWORD_ONLY and not any(
            k in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)
            for k, _ in params[:i]
        ):
            out.append("*")
        out.append(text)
    return f"{name}({', '.join(out)})"


def annotations(thing: Any) -> list[tuple[str, str]]:
    """``(argument, type)`` for what the signature annotates, the result last."""
    try:
        sig = inspect.signature(thing)
    except (TypeError, ValueError):
        return []
    rows = [
        (p.name, shown(p.annotation))
        for p in sig.parameters.values()
        if p.annotation is not p.empty
    ]
    if sig.return_annotation is not sig.empty and not inspect.isclass(thing):
        rows.append(("→", shown(sig.return_annotation)))
    return rows


def public_names(module: ModuleType) -> list[str]:
    """``__all__``, or what the module itself defines without a leading underscore."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    own = [
        n
        for n, v in vars(module).items()
        if getattr(v, "__module__", None) == module.__name__
    ]
    return [n for n in own if not n.startswith("_")]


def own_doc(thing: Any) -> str:
    """The docstring that was written for this very thing, not one that it inherits from its type."""
    doc = getattr(thing, "__doc__", None)
    its_types = not callable(thing) and "__doc__" not in getattr(
        thing, "__dict__", {}
    )
    if not isinstance(doc, str) or its_types:
        return ""
    generated = inspect.isclass(thing) and re.match(
        rf"{re.escape(thing.__name__)}\(", doc
    )
    return "" if generated else doc


class Api(SphinxDirective):
    """``{api} module …``: one section for each module that can be imported."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """The modules' sections."""
        sections = []
        for name in self.arguments[0].split():
            try:
                module = importlib.import_module(name)
            except ImportError as fault:
                if fault.name in (name, name.rpartition(".")[0]):
                    log.info("api: %s is left out: %s", name, fault)
                else:
                    log.warning(
                        "api: %s cannot be imported: %s",
                        name,
                        fault,
                        location=self.get_location(),
                    )
                continue
            sections.append(self.section(name, module))
        return sections

    def section(self, name: str, module: ModuleType) -> nodes.section:
        """The module's docstring and its public names."""
        section = nodes.section(
            "",
            nodes.title("", "", nodes.literal(name, name)),
            ids=[f"module-{name}"],
        )
        section["names"] = [name]
        self.state.document.note_explicit_target(section)
        if getattr(module, "__file__", None):
            self.env.note_dependency(module.__file__)
        self.env.get_domain("py").note_module(name, f"module-{name}", "", "", False)  # type: ignore[attr-defined]
        section += docstring_nodes(module.__doc__ or "")
        for public in public_names(module):
            section += self.entry(name, public, getattr(module, public, None))
        return section

    def entry(self, module: str, name: str, thing: Any) -> nodes.Node:
        """One public name: signature, types, docstring."""
        anchor = f"{module}.{name}"
        kind = (
            "class"
            if inspect.isclass(thing)
            else "function"
            if callable(thing)
            else "data"
        )
        line = addnodes.desc_signature(
            "", "", ids=[anchor], classes=["sig", "sig-object"]
        )
        text = signature(name, thing)
        if kind == "class":
            line += addnodes.desc_annotation("class ", "class ")
        line += addnodes.desc_name(name, name)
        line += addnodes.desc_addname(text[len(name) :], text[len(name) :])
        self.env.get_domain("py").note_object(anchor, kind, anchor, location=line)  # type: ignore[attr-defined]
        line["_toc_name"], line["_toc_parts"] = name, (module, name)
        content = addnodes.desc_content()
        rows = annotations(thing)
        if rows:
            listing = "\n".join(
                f"{a}: {t}" if a != "→" else f"→ {t}" for a, t in rows
            )
            content += nodes.literal_block(
                listing, listing, language="none", classes=["api-types"]
            )
        content += docstring_nodes(own_doc(thing))
        if (
            kind == "data"
            and isinstance(thing, int | float | str | tuple)
            and len(repr(thing)) < 80
        ):
            content += paragraph(f"Value: `{thing!r}`")
        return addnodes.desc(
            "",
            line,
            content,
            domain="py",
            objtype=kind,
            noindex=True,
            classes=["api", kind],
        )


def make_importable(app: Sphinx) -> None:
    """Let the book describe the package beside it, installed or not."""
    root = str(Path(app.srcdir))
    if root not in sys.path:
        sys.path.insert(0, root)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("api", Api)
    app.connect("builder-inited", make_importable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
