"""The directive `{ledger}`: every number that the book quotes, one table a chapter, each row a link target.

A MyST link from another page, `[31.2 dB](../ledger.md#unmixing-voices-sir)`, looks its anchor up in the slugs
of the document; the rows are entered there, so that an unknown id is a warning like any other broken link.
"""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from wide_table import wide_table

from mcbook import ledger

HEADER = ("Number", "What it is, and how it was got", "How to repeat it")


class LedgerTables(SphinxDirective):
    """Renders mcbook/ledger/*.toml."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["ledger_rows"] = {}
        folder = Path(
            self.env.srcdir,
            self.config.ledger_folder or Path(ledger.__file__).parent,
        )
        for path in (folder, *folder.glob("*.toml")):
            self.env.note_dependency(str(path))
        chapters = {
            name: book for name, book in ledger.load(folder).items() if book
        }
        if not chapters:
            return [nodes.paragraph("", "No chapter has entered a number yet.")]
        return [self._table(name, book) for name, book in chapters.items()]

    def _table(self, chapter: str, book: tuple[ledger.Entry, ...]) -> nodes.Node:
        table = nodes.table("", nodes.title("", chapter), classes=["ledger"])
        group = nodes.tgroup("", cols=len(HEADER))
        group += [nodes.colspec("", colwidth=w) for w in (14, 52, 34)]
        group += nodes.thead(
            "", _row([[nodes.paragraph("", text)] for text in HEADER])
        )
        group += nodes.tbody("", *[self._entry(entry) for entry in book])
        table += group
        return wide_table(table, f"Ledger of {chapter}")

    def _entry(self, entry: ledger.Entry) -> nodes.Node:
        rows = self.env.metadata[self.env.docname]["ledger_rows"]
        rows[entry.id] = (self.lineno, entry.id, entry.what)
        number = nodes.paragraph("", "", nodes.strong("", entry.text))
        spread = nodes.paragraph("", f"± {entry.tolerance:g}")
        what = nodes.paragraph("", "", nodes.strong("", f"{entry.what}."))
        how = nodes.paragraph("", f"{entry.conditions}. Seed: {entry.seed}.")
        beside = [_figure(figure) for figure in entry.beside]
        where = nodes.paragraph(
            "", entry.runs_in + (f": {entry.key}" if entry.key else "")
        )
        command = nodes.paragraph("", "", nodes.literal("", entry.command))
        row = _row([[number, spread], [what, how, *beside], [command, where]])
        row["ids"].append(entry.id)
        row["classes"].append("ledger-entry")
        return row


def _row(cells: list[list[nodes.Node]]) -> nodes.row:
    return nodes.row("", *[nodes.entry("", *cell) for cell in cells])


def _figure(figure: ledger.Beside) -> nodes.paragraph:
    """A figure of somebody else's with its source, a link where the source is an address or a DOI."""
    paragraph = nodes.paragraph(
        "",
        f"Beside it, {figure.label}: {figure.value} ({figure.conditions}). Source: ",
    )
    source = figure.source
    address = f"https://doi.org/{source}" if source.startswith("10.") else source
    if address.startswith("https://"):
        paragraph += nodes.reference("", source, refuri=address)
    else:
        paragraph += nodes.Text(source)
    return paragraph


def enter_slugs(app: Sphinx, doctree: nodes.document) -> None:
    """Adds the rows to the anchors that MyST links may name, once the page is read."""
    metadata = app.env.metadata[app.env.docname]
    rows = metadata.pop("ledger_rows", None)
    if rows:
        metadata["myst_slugs"] = {**metadata.get("myst_slugs", {}), **rows}


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("ledger_folder", None, "env", types=[str])
    app.add_directive("ledger", LedgerTables)
    app.connect("doctree-read", enter_slugs, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
