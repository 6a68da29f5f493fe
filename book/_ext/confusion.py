"""The directive `{confusion}`: which class of wrong answers the checker calls what, from the benchmark's result.

    ```{confusion} dev
    ```

The numbers are those of benchmarks/results/diagnose.json; a missing file or set is an error of the build, but for
the sets that nobody has read, `blind` and `unseen`: they are measured once, and until then the page says that they
have not been.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from wide_table import wide_table

RESULTS = "benchmarks/results/diagnose.json"
LAST = ("double", "not explained")
BLIND = ("blind", "unseen")
NOT_YET = "It has not been measured yet."


class Confusion(SphinxDirective):
    """A sentence of figures and the table of one set of answers."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        path = Path(self.config.confusion_results or Path(self.env.srcdir, RESULTS))
        self.env.note_dependency(str(path))
        name = self.arguments[0]
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if name in BLIND and name not in document:
                return [nodes.paragraph("", NOT_YET)]
            result = (document if name in BLIND else document["answers"])[name]
        except (OSError, KeyError) as problem:
            raise ExtensionError(
                f"no figures for {name!r} in {path}; run python -m benchmarks.diagnose --only answers."
            ) from problem
        return [
            nodes.paragraph("", summary(result)),
            wide_table(table(result), f"Confusion table, {name}"),
        ]


def summary(result: dict[str, Any]) -> str:
    """Recall and precision in a sentence."""
    counts = {
        edge: result.get(edge, 0) for edge in ("right", "false", "missed", "passed")
    }
    return (
        f"{result['wrong_answers']} wrong answers: {counts['right']} judged rightly, "
        f"{counts['false']} given a wrong name, {counts['missed']} not explained though they should have "
        f"been, {counts['passed']} not explained where that is as good. "
        f"Recall {result['recall']:.1%}, precision {result['precision']:.1%}."
        + parts(result)
    )


PARTS = {
    "not_in_the_others": "Without what also stands in a development set ({wrong_answers} are left)",
    "as_functions": "Handed in as NumPy functions",
}


def parts(result: dict[str, Any]) -> str:
    """What a set that nobody has read gives in part, or otherwise handed in."""
    told = (
        (words, result[part]) for part, words in PARTS.items() if part in result
    )
    return "".join(
        f" {words.format(**part)}: {part['recall']:.1%} and {part['precision']:.1%}."
        for words, part in told
    )


def columns_of(called: dict[str, dict[str, int]]) -> list[str]:
    """What answers were called: the classes in the order of the rows, then doubles and what has no name."""
    names = {name for row in called.values() for name in row}
    plain = sorted(names - set(LAST))
    return plain + [name for name in LAST if name in names]


def table(result: dict[str, Any]) -> nodes.table:
    """One row for each class of answers, one column for each name; the diagonal in bold."""
    called = result["called"]
    names = columns_of(called)
    labels = [name for name in names if name in called]
    labels += sorted(set(called) - set(names))
    grid = nodes.table("", classes=["confusion"])
    group = nodes.tgroup("", cols=len(names) + 1)
    group += [nodes.colspec("", colwidth=w) for w in (3, *([1] * len(names)))]
    group += nodes.thead("", _row(["the answer is", *names]))
    group += nodes.tbody(
        "", *[_counts(label, called[label], names) for label in labels]
    )
    grid += group
    return grid


def _counts(label: str, row: dict[str, int], names: list[str]) -> nodes.row:
    own = "not explained" if label == "unexplained" else label
    cells: list[nodes.Node] = [nodes.strong("", label)]
    for name in names:
        number = str(row.get(name, "")) or "·"
        cells.append(
            nodes.strong("", number) if name == own else nodes.Text(number)
        )
    return _row(cells)


def _row(cells: list[Any]) -> nodes.row:
    inline = [nodes.Text(c) if isinstance(c, str) else c for c in cells]
    return nodes.row(
        "", *[nodes.entry("", nodes.paragraph("", "", c)) for c in inline]
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("confusion_results", None, "env", types=[str])
    app.add_directive("confusion", Confusion)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
