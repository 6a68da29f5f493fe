"""The ledger keeps its word: prose, runs, result files and entries say the same."""

import json
import math
import re
from functools import reduce
from pathlib import Path

import pytest

from mcbook import ledger

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)*ledger\.md#([a-z0-9-]+)\)")
QUOTE = re.compile(r"""quote\(\s*["']([a-z0-9-]+)["']""")

ROW = """
[[entry]]
id = "demo-ratio"
what = "a ratio"
value = 0.25
tolerance = 0.01
format = "{:.2f} times"
seed = "0"
conditions = "none"
runs_in = "book/demo.ipynb"
repeat = "make book"
"""


def prose() -> dict[Path, str]:
    """The markdown of every page, code cells left out."""
    pages = {
        p: p.read_text(encoding="utf8")
        for p in (ROOT / "book").rglob("*.md")
        if "node_modules" not in p.parts
    }
    for p in (ROOT / "book").rglob("*.ipynb"):
        cells = json.loads(p.read_text(encoding="utf8"))["cells"]
        pages[p] = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return pages


def quoted_in(notebook: Path) -> set[str]:
    cells = json.loads(notebook.read_text(encoding="utf8"))["cells"]
    return {id for c in cells if c["cell_type"] == "code" for id in QUOTE.findall("".join(c["source"]))}


def faults(text: str, entries: dict[str, ledger.Entry]) -> list[str]:
    """Links of the prose that disagree with the ledger."""
    out = []
    for said, id in LINK.findall(text):
        if id not in entries:
            out.append(f"{id} is not in the ledger")
        elif said != entries[id].rendered:
            out.append(f"{id}: the prose says {said}, the ledger {entries[id].rendered}")
    return out


ALL = {e.id: e for e in ledger.entries()}


@pytest.mark.parametrize("page", prose(), ids=lambda p: str(p.relative_to(ROOT)))
def test_prose_says_what_the_ledger_says(page):
    assert faults(prose()[page], ALL) == []


def test_a_wrong_or_unknown_quotation_is_found():
    (e,) = ledger.parse(ROW, "demo")
    said = (
        "[0.25 times](../ledger.md#demo-ratio), [0.24 times](../ledger.md#demo-ratio), [1](ledger.md#demo-no)"
    )
    assert faults(said, {e.id: e}) == [
        "demo-ratio: the prose says 0.24 times, the ledger 0.25 times",
        "demo-no is not in the ledger",
    ]


def test_every_entry_is_quoted_and_checked_where_it_runs():
    said = {id for text in prose().values() for _, id in LINK.findall(text)}
    assert set(ALL) == said, "entries that no sentence quotes, or the other way round"
    for e in ALL.values():
        assert (ROOT / e.runs_in).is_file(), f"{e.id} runs in {e.runs_in}, which does not exist"
        if e.runs_in.endswith(".ipynb"):
            assert e.id in quoted_in(ROOT / e.runs_in), f"{e.runs_in} never calls quote({e.id!r}, ...)"


def in_result_file(e: ledger.Entry) -> float:
    result = json.loads((ROOT / e.runs_in).read_text(encoding="utf8"))
    return reduce(lambda node, k: node[int(k) if isinstance(node, list) else k], e.key.split("."), result)


def test_benchmark_entries_are_what_the_result_files_hold():
    off = {e.id: in_result_file(e) for e in ALL.values() if e.key and not ledger.agrees(e, in_result_file(e))}
    assert off == {}


@pytest.mark.parametrize("value", [0.27, 0.23, math.nan, math.inf])
def test_a_run_that_disagrees_is_refused(value, monkeypatch):
    monkeypatch.setattr(ledger, "entries", lambda: ledger.parse(ROW, "demo"))
    with pytest.raises(ledger.LedgerError, match="demo-ratio: this run gave"):
        ledger.quote("demo-ratio", value)


def test_a_run_that_agrees_prints_the_entry(monkeypatch, capsys):
    monkeypatch.setattr(ledger, "entries", lambda: ledger.parse(ROW, "demo"))
    ledger.quote("demo-ratio", 0.2519)
    assert capsys.readouterr().out == "a ratio: 0.25 times\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("tolerance = 0.01", "", "missing fields"),
        ('seed = "0"', 'seed = "0"\nsead = 1', "unknown fields"),
        ("tolerance = 0.01", "tolerance = 0.0", "tolerance > 0"),
        ("value = 0.25", "value = nan", "finite value"),
        ("demo-ratio", "other-ratio", "begins with its chapter"),
        ("book/demo.ipynb", "benchmarks/results/demo.json", "needs a key"),
    ],
)
def test_entries_out_of_order_are_refused(old, new, says):
    with pytest.raises(ledger.LedgerError, match=says):
        ledger.parse(ROW.replace(old, new), "demo")


def test_an_id_stands_once():
    with pytest.raises(ledger.LedgerError, match="twice"):
        ledger.parse(ROW + ROW, "demo")
