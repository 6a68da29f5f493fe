"""The directive `{ledger}`: all entries of `mcbook.ledger`, one table a chapter, each row a target.

A page quotes a number by a link to its row, `[31.2 dB](../ledger.md#unmixing-voices-sir-out)`; a link to
a row that does not exist is a warning, and so fails a strict build.
"""

from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

HEADS = ("Number", "What it is", "How it was got", "Beside it")


def _lines(*texts: str) -> list[nodes.paragraph]:
    return [nodes.paragraph("", "", *_code(text)) for text in texts if text]


def _code(text: str) -> list[nodes.Node]:
    """Text with `code` in backticks."""
    parts = text.split("`")
    return [nodes.literal("", p) if k % 2 else nodes.Text(p) for k, p in enumerate(parts) if p]


def _row(e) -> nodes.row:
    cells = (
        _lines(f"{e.rendered}", f"± {e.tolerance:g}"),
        _lines(e.what, f"`{e.id}`"),
        _lines(e.conditions, f"Seed: {e.seed}.", f"Repeat: `{e.repeat}`"),
        _lines(*(f"{b.what}: {b.value} ({b.source})" for b in e.beside)) or _lines("—"),
    )
    row = nodes.row("", *(nodes.entry("", *cell) for cell in cells), ids=[e.id])
    row[0].insert(0, nodes.target("", "", ids=[f"{e.id}"]))
    row["ids"] = []
    return row


def _table(chapter: str, rows) -> nodes.container:
    head = nodes.thead("", nodes.row("", *(nodes.entry("", nodes.paragraph("", h)) for h in HEADS)))
    group = nodes.tgroup("", *(nodes.colspec(colwidth=w) for w in (12, 26, 36, 26)), cols=len(HEADS))
    group += [head, nodes.tbody("", *map(_row, rows))]
    table = nodes.table("", nodes.title("", f"Chapter {chapter}"), group, classes=["ledger"])
    return nodes.container("", table, classes=["scrolls"])


class Ledger(SphinxDirective):
    """`{ledger}`, without argument or content."""

    def run(self) -> list[nodes.Node]:
        from mcbook.ledger import entries

        for source in (Path(self.env.srcdir) / "mcbook" / "ledger").glob("*"):
            self.env.note_dependency(str(source))
        chapters: dict[str, list] = {}
        for e in entries():
            chapters.setdefault(e.id.split("-")[0], []).append(e)
        return [_table(name, rows) for name, rows in chapters.items()]


def _targets(app, doctree: nodes.document) -> None:
    """Tell MyST that the rows can be linked to as `ledger.md#id`."""
    rows = [
        t["ids"][0]
        for t in doctree.findall(nodes.target)
        if t.parent.parent and isinstance(t.parent, nodes.entry)
    ]
    if rows:
        slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
        slugs.update({id: (0, id, id) for id in rows})


def setup(app):
    """Register the directive."""
    app.add_directive("ledger", Ledger)
    app.connect("doctree-read", _targets)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
