"""The ledger: every number that the book's prose quotes, with what it takes to get it again.

Problem    prose says "31.2 dB"; the run behind it changes, and the sentence is wrong unnoticed.
Method     one TOML file a chapter (beside this file) holds value, tolerance, seed, conditions and source.
           A notebook calls `quote(id, value)` with what the run gave: it prints the entry as the page quotes
           it, or raises. Prose links to it, `[31.2 dB](../ledger.md#unmixing-voices-sir-out)`; the tests
           compare the link's text with the entry, and benchmark entries with the benchmark's result file.
"""

import math
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

__all__ = ["Beside", "Entry", "LedgerError", "entries", "entry", "parse", "quote"]


class LedgerError(AssertionError):
    """A run and the ledger disagree, or an entry is not in order."""


class Beside(NamedTuple):
    """A figure to compare with: another tool's, or a published one."""

    what: str
    value: str
    source: str


class Entry(NamedTuple):
    """One quoted number."""

    id: str
    what: str
    value: float
    tolerance: float  # absolute, in the value's own unit
    format: str  # how the page prints it, such as "{:.1f} dB"
    seed: str
    conditions: str
    runs_in: str  # a notebook, or a benchmark's result file
    repeat: str  # the command that gives the number again
    key: str = ""  # where the number stands in the result file, such as "speed.laplace.ratio"
    beside: tuple[Beside, ...] = ()

    @property
    def rendered(self) -> str:
        """The number as the page quotes it."""
        return self.format.format(self.value)


REQUIRED = ("id", "what", "value", "tolerance", "format", "seed", "conditions", "runs_in", "repeat")


def parse(text: str, chapter: str) -> tuple[Entry, ...]:
    """The entries of one chapter's TOML `text`.

    Raises LedgerError for missing or unknown fields, a tolerance that is not positive, an id that does not
    begin with the chapter's name or stands twice, a benchmark entry without a key.
    """
    found = [_entry(row, chapter) for row in tomllib.loads(text).get("entry", [])]
    ids = [e.id for e in found]
    for twice in {i for i in ids if ids.count(i) > 1}:
        raise LedgerError(f"{twice} stands twice in the ledger of {chapter}; give one of them another id.")
    return tuple(found)


def _entry(row: dict[str, Any], chapter: str) -> Entry:
    name = row.get("id", f"an entry of {chapter} without id")
    missing = [k for k in REQUIRED if k not in row]
    unknown = [k for k in row if k not in Entry._fields]
    if missing or unknown:
        raise LedgerError(f"{name}: missing fields {missing}, unknown fields {unknown}; see CONTRIBUTING.md.")
    row = row | {"beside": tuple(Beside(**b) for b in row.get("beside", []))}
    e = Entry(**row)._replace(value=float(row["value"]), tolerance=float(row["tolerance"]))
    if not e.id.startswith(f"{chapter}-"):
        raise LedgerError(f"{e.id}: an id begins with its chapter's name, {chapter}-.")
    if not (math.isfinite(e.value) and e.tolerance > 0):
        raise LedgerError(
            f"{e.id}: expects a finite value and a tolerance > 0, got {e.value}, {e.tolerance}."
        )
    if e.runs_in.endswith(".json") != bool(e.key):
        raise LedgerError(f"{e.id}: a number from a result file needs a key, any other has none.")
    return e


@cache
def entries(chapter: str | None = None) -> tuple[Entry, ...]:
    """All entries, or those of one chapter, in the order of the file.

    Raises LedgerError if the chapter has no ledger, or an entry is not in order.
    """
    tables = {
        f.name.removesuffix(".toml"): f for f in files(__package__).iterdir() if f.name.endswith(".toml")
    }
    if chapter is None:
        return tuple(e for name in sorted(tables) for e in entries(name))
    if chapter not in tables:
        raise LedgerError(f"no ledger for {chapter!r}; there are {sorted(tables)}.")
    return parse(tables[chapter].read_text(encoding="utf8"), chapter)


def entry(id: str) -> Entry:
    """The entry of that id. Raises LedgerError if there is none."""
    for e in entries():
        if e.id == id:
            return e
    raise LedgerError(f"{id!r} is not in the ledger; add it to mcbook/ledger/{id.split('-')[0]}.toml.")


def agrees(e: Entry, value: float) -> bool:
    """Whether a run's value lies within the entry's tolerance (NaN never does)."""
    return abs(float(value) - e.value) <= e.tolerance


def quote(id: str, value: float) -> None:
    """Check a run's `value` against the ledger, and print it as the page quotes it.

    What is printed is the *entry*, so that it is the same in every run that agrees.
    Raises LedgerError when they disagree, or there is no such entry.
    """
    e = entry(id)
    if not agrees(e, value):
        raise LedgerError(
            f"{id}: this run gave {float(value):.6g}, the page says {e.rendered} (± {e.tolerance:g}). "
            f"Either the run is wrong, or mcbook/ledger/{id.split('-')[0]}.toml and the page are out of date."
        )
    print(f"{e.what}: {e.rendered}")
