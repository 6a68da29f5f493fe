"""The ledger: what may stand in it, that runs and pages agree with it, and that its page can be linked to."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcbook import ledger

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[([^\]\[]+)\]\([^)\s]*ledger\.md#([^)\s]+)\)")
QUOTE = re.compile(r"""\bquote\(\s*["']([^"']+)["']""")
SAMPLE = """
[[entry]]
id = "toy-ratio"
what = "Time of ours over time of the peer"
value = 0.374
tolerance = 0.05
format = "{:.1f} ×"
seed = "0 to 4"
conditions = "40 sources × 100 000 samples"
runs_in = "benchmarks/results/toy.json"
key = "runs.0.ratio"
command = "make bench CHAPTER=toy"
beside = [{label = "Peer", value = "1.2 s", source = "10.1000/182", conditions = "same machine"}]

[[entry]]
id = "toy-sir"
what = "Signal over interference, mean of three voices"
value = 31.24
tolerance = 0.05
format = "{:.1f} dB"
seed = 0
conditions = "embedded voices"
runs_in = "book/toy.ipynb"
command = "make test"
"""


@pytest.fixture
def house(tmp_path):
    """A small book whose ledger, notebook, page and benchmark agree."""
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger/toy.toml").write_text(SAMPLE, encoding="utf-8")
    (tmp_path / "book").mkdir()
    (tmp_path / "book/page.md").write_text("It is [0.4 ×](ledger.md#toy-ratio) of it.\n", encoding="utf-8")
    cells = [
        {"cell_type": "markdown", "source": ["We reach [31.2 dB](ledger.md#toy-sir).\n"]},
        {"cell_type": "code", "source": ['quote("toy-sir", sir)']},
    ]
    (tmp_path / "book/toy.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    (tmp_path / "benchmarks/results/toy.json").write_text('{"runs": [{"ratio": 0.36}]}', encoding="utf-8")
    return tmp_path


def sources(root: Path) -> dict[str, tuple[str, str]]:
    """Of every page of the book, its prose and its code."""
    found = {}
    for path in sorted((root / "book").rglob("*")):
        if "_build" in path.parts or path.suffix not in (".md", ".ipynb"):
            continue
        text = path.read_text(encoding="utf-8")
        cells = json.loads(text)["cells"] if path.suffix == ".ipynb" else []
        of = {
            kind: "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == kind)
            for kind in ("markdown", "code")
        }
        found[path.relative_to(root).as_posix()] = (of["markdown"], of["code"]) if cells else (text, "")
    return found


def disagreements(root: Path, entries: tuple[ledger.Entry, ...]) -> list[str]:
    """Everything in which the pages and the benchmarks of a book disagree with its ledger."""
    pages, by_id = sources(root), {entry.id: entry for entry in entries}
    faults, quoted = [], set()
    for page, (prose, code) in pages.items():
        for text, id in LINK.findall(prose):
            quoted.add(id)
            if id not in by_id:
                faults.append(f"{page} links to {id}, which is not in the ledger")
            elif text != by_id[id].text:
                faults.append(f"{page} says {text!r} for {id}, the ledger {by_id[id].text!r}")
        quoted |= set(QUOTE.findall(code))
    for entry in entries:
        faults += [f"{entry.id} is quoted nowhere"] if entry.id not in quoted else []
        faults += _run_faults(root, entry, pages)
    return faults


def _run_faults(root: Path, entry: ledger.Entry, pages: dict[str, tuple[str, str]]) -> list[str]:
    if entry.runs_in.endswith(".ipynb"):
        called = entry.id in QUOTE.findall(pages.get(entry.runs_in, ("", ""))[1])
        return [] if called else [f"{entry.runs_in} does not call quote({entry.id!r}, …)"]
    if not (root / entry.runs_in).is_file():
        return [f"{entry.id} names {entry.runs_in}, which does not exist"]
    value = ledger.lookup(json.loads((root / entry.runs_in).read_text(encoding="utf-8")), entry.key)
    return (
        []
        if entry.agrees(value)
        else [f"{entry.runs_in} has {value} for {entry.id}, the ledger {entry.value}"]
    )


def test_the_book_agrees_with_its_ledger():
    assert disagreements(ROOT, ledger.entries()) == []


def test_a_sound_book_has_no_disagreement(house):
    assert disagreements(house, ledger.load(house / "ledger")["toy"]) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("book/page.md", "0.4 ×", "0.5 ×", "says '0.5 ×'"),
        ("book/page.md", "#toy-ratio", "#toy-ration", "not in the ledger"),
        ("book/page.md", "(ledger.md#toy-ratio)", "", "toy-ratio is quoted nowhere"),
        ("book/toy.ipynb", "31.2 dB", "31.4 dB", "says '31.4 dB'"),
        ("book/toy.ipynb", 'quote(\\"toy-sir\\", sir)', "pass", "does not call"),
        ("benchmarks/results/toy.json", "0.36", "0.43", "has 0.43"),
        ("benchmarks/results/toy.json", "0.36", "NaN", "has nan"),
        ("ledger/toy.toml", "results/toy.json", "results/lost.json", "does not exist"),
        ("ledger/toy.toml", "value = 31.24", "value = 31.44", "says '31.2 dB'"),
    ],
)
def test_planted_disagreements_are_found(house, file, old, new, fault):
    text = (house / file).read_text(encoding="utf-8")
    assert old in text
    (house / file).write_text(text.replace(old, new), encoding="utf-8")
    faults = disagreements(house, ledger.load(house / "ledger")["toy"])
    assert len(faults) >= 1
    assert any(fault in found for found in faults), faults


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('what = "Signal', 'wat = "x"\nwhat = "Signal', "unknown keys"),
        ("seed = 0\n", "", "missing keys .*seed"),
        ("seed = 0\n", "seed = 0.5\n", "seed has the wrong type"),
        ('id = "toy-sir"', 'id = "toy-ratio"', "more than once: toy-ratio"),
        ('id = "toy-sir"', 'id = "other-sir"', "begins with the chapter"),
        ('id = "toy-sir"', 'id = "toy-SIR"', "kebab-case"),
        ('"{:.1f} dB"', '"{:.2f} dB"', "print fewer digits"),
        ('"{:.1f} dB"', '"dB"', "format needs one field"),
        ('"{:.1f} dB"', '"{:.1f} {} dB"', "format needs one field"),
        ("value = 31.24", "value = nan", "must be finite"),
        ('tolerance = 0.05\nformat = "{:.1f} dB"', 'tolerance = -1\nformat = "{:.1f} dB"', "not negative"),
        ('key = "runs.0.ratio"\n', "", "runs_in"),
        ('source = "10.1000/182", ', "", "beside needs"),
        ("[[entry]]", "[[entries]]", "may hold"),
        ("[[entry]]", "[[entry]", "not valid TOML"),
    ],
)
def test_an_unsound_ledger_is_refused(tmp_path, old, new, message):
    assert old in SAMPLE
    (tmp_path / "toy.toml").write_text(SAMPLE.replace(old, new), encoding="utf-8")
    with pytest.raises(ledger.LedgerError, match=message):
        ledger.load(tmp_path)


@pytest.fixture
def sir(house):
    return ledger.load(house / "ledger")["toy"][1]


@pytest.mark.parametrize("value", [31.24, 31.19, 31.29])
def test_a_run_that_agrees_prints_the_ledger_s_number(sir, value):
    assert ledger.check(sir, value) == "Signal over interference, mean of three voices: 31.2 dB"


@pytest.mark.parametrize("value", [31.18, 31.30, float("nan"), float("inf"), -31.24])
def test_a_run_that_disagrees_raises(sir, value):
    with pytest.raises(ledger.LedgerError, match=r"the ledger says 31\.24 ± 0\.05.*toy\.toml.*make test"):
        ledger.check(sir, value)


def test_quote_reads_the_committed_ledger(sir, monkeypatch, capsys):
    monkeypatch.setattr(ledger, "_committed", lambda: {"toy": (sir,)})
    ledger.quote("toy-sir", 31.21)
    assert capsys.readouterr().out == "Signal over interference, mean of three voices: 31.2 dB\n"
    with pytest.raises(ledger.LedgerError, match="no entry 'toy-sdr'"):
        ledger.quote("toy-sdr", 31.21)
    with pytest.raises(ledger.LedgerError, match="no ledger for the chapter 'tay'"):
        ledger.entries("tay")


@pytest.mark.parametrize(
    ("format", "value", "text", "unit"),
    [
        ("{:.1f} dB", 31.24, "31.2 dB", 0.1),
        ("{:d} beats a minute", 131.6, "132 beats a minute", 1.0),
        ("{:,d} samples", 100000.0, "100,000 samples", 1.0),
        ("{:.0f}", 42.4, "42", 1.0),
        ("{:.1e}", 3.14e-7, "3.1e-07", 1e-8),
        ("{:.1%}", 0.1234, "12.3%", 1e-3),
    ],
)
def test_formats(format, value, text, unit):
    assert ledger.render(format, value) == text
    assert ledger.last_digit(format, value) == pytest.approx(unit)


def build(house: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "book", "out"]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'book/_ext'}"}
    return subprocess.run(command, cwd=house, env=env, capture_output=True, text=True, timeout=120)


def test_the_page_can_be_linked_to(house):
    """Under -W -n: links to the rows resolve, also after an incremental build; an unknown id fails."""
    (house / "book/conf.py").write_text(
        "extensions = ['myst_parser', 'ledger_page']\n"
        "ledger_folder = '../ledger'\nexclude_patterns = ['*.ipynb']\n"
    )
    ledger_md = "# Ledger\n\n```{ledger}\n```\n\n```{toctree}\npage\n```\n"
    (house / "book/index.md").write_text("# Book\n\n```{toctree}\nledger\n```\n")
    (house / "book/ledger.md").write_text(ledger_md)
    (house / "book/page.md").write_text(
        "# Page\n\nIt is [0.4 ×](ledger.md#toy-ratio) of it.\n", encoding="utf-8"
    )
    first = build(house)
    assert first.returncode == 0, first.stderr
    page, table = ((house / f"out/{name}.html").read_text(encoding="utf-8") for name in ("page", "ledger"))
    assert 'href="ledger.html#toy-ratio"' in page
    assert re.search(r'<tr[^>]* id="toy-ratio"', table)
    assert table.count("<thead>") == 1
    assert "https://doi.org/10.1000/182" in table
    (house / "book/page.md").write_text("# Page\n\nIt is [31.2 dB](ledger.md#toy-sir).\n", encoding="utf-8")
    assert build(house).returncode == 0, "an incremental build knows the rows that it did not read again"
    (house / "book/page.md").write_text("# Page\n\nIt is [31.2 dB](ledger.md#toy-lost).\n", encoding="utf-8")
    broken = build(house)
    assert broken.returncode == 1
    assert "toy-lost" in broken.stderr
