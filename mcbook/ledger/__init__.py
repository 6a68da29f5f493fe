"""The ledger: every number that the book's prose quotes, with the run that it came from.

One file a chapter, `mcbook/ledger/<chapter>.toml`, holds tables `[[entry]]` with the keys

    id          kebab-case, beginning with the chapter's name; also the anchor on the page book/ledger.md
    what        what the number is, in a sentence's worth of words
    value       the number
    tolerance   how far another run may lie from it, in the unit of the value
    format      how the prose prints it, a format string of one field: "{:.1f} dB"
    seed        the seed of the run (an integer, or words: "none", "0 to 19")
    conditions  data, sizes, machine where it matters
    runs_in     the notebook that calls `quote(id, …)`, or the JSON of a benchmark
    key         for a JSON only: the path to the number, "runs.laplace.ratio"
    command     what repeats it
    beside      optional list of {label, value, source, conditions}: figures of others, by DOI or address

A page links to the ledger with the printed number as the text: `[31.2 dB](../ledger.md#unmixing-voices-sir)`.

The tolerance may be at most one unit of the last printed digit: what a reader's own run gives then differs
from the page in that digit at most. A number that varies more is printed with fewer digits.
"""

import re
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

REQUIRED: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "what": (str,),
    "value": (int, float),
    "tolerance": (int, float),
    "format": (str,),
    "seed": (int, str),
    "conditions": (str,),
    "runs_in": (str,),
    "command": (str,),
}
FIELD = re.compile(r"\{:(,?)\.(\d+)([fe%])\}|\{:(,?)d\}")


class LedgerError(Exception):
    """A ledger that cannot be read, or a run that disagrees with it."""


class Beside(NamedTuple):
    """A figure of somebody else's, beside ours: under which conditions, and where it stands."""

    label: str
    value: str
    source: str
    conditions: str


class Entry(NamedTuple):
    """One quoted number; the module's docstring explains the fields."""

    id: str
    what: str
    value: float
    tolerance: float
    format: str
    seed: int | str
    conditions: str
    runs_in: str
    command: str
    key: str = ""
    beside: tuple[Beside, ...] = ()

    @property
    def chapter(self) -> str:
        return self.id.split("-")[0]

    @property
    def text(self) -> str:
        """The number as the prose prints it."""
        return render(self.format, self.value)

    def agrees(self, value: float) -> bool:
        """Whether another run's value lies within the tolerance; NaN never does."""
        return bool(abs(float(value) - self.value) <= self.tolerance * (1 + 1e-12))


def entries(chapter: str | None = None) -> tuple[Entry, ...]:
    """All entries of one chapter, or of the book. Raises LedgerError for a chapter without a file."""
    loaded = _committed()
    if chapter is None:
        return tuple(entry for book in loaded.values() for entry in book)
    if chapter not in loaded:
        raise LedgerError(f"no ledger for the chapter {chapter!r}; there are {', '.join(loaded)}.")
    return loaded[chapter]


def entry(id: str) -> Entry:
    """The entry of that id. Raises LedgerError when there is none."""
    found = [entry for entry in entries() if entry.id == id]
    if not found:
        raise LedgerError(f"no entry {id!r} in the ledger; add it to mcbook/ledger/{id.split('-')[0]}.toml.")
    return found[0]


def quote(id: str, value: float) -> None:
    """Holds a run's value against the ledger, and prints the ledger's number as the page quotes it.

    What is printed is the committed value, so that it is the same in every run that agrees.
    Raises LedgerError when |value - entry| exceeds the entry's tolerance, or value is NaN.
    """
    print(check(entry(id), value))


def check(entry: Entry, value: float) -> str:
    """ "<what>: <number>" of an entry that agrees with value. Raises LedgerError when it does not."""
    if not entry.agrees(value):
        raise LedgerError(
            f"{entry.id}: this run gives {float(value):.6g}, the ledger says {entry.value:.6g} "
            f"± {entry.tolerance:g} ({entry.what}). If the new number is right, change it in "
            f"mcbook/ledger/{entry.chapter}.toml and in the prose that quotes it; "
            f"it repeats with: {entry.command}"
        )
    return f"{entry.what}: {entry.text}"


def load(folder: Path) -> dict[str, tuple[Entry, ...]]:
    """Reads every <chapter>.toml of a folder. Raises LedgerError naming the file and the entry at fault."""
    loaded = {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}
    ids = [entry.id for book in loaded.values() for entry in book]
    double = sorted({id for id in ids if ids.count(id) > 1})
    if double:
        raise LedgerError(f"ids stand in the ledger more than once: {', '.join(double)}.")
    return loaded


@cache
def _committed() -> dict[str, tuple[Entry, ...]]:
    return load(Path(str(files("mcbook.ledger"))))


def _read(path: Path) -> tuple[Entry, ...]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise LedgerError(f"{path.name} is not valid TOML: {error}.") from error
    if set(document) - {"entry"} or not isinstance(document.get("entry", []), list):
        raise LedgerError(f"{path.name} may hold [[entry]] tables only, got {', '.join(document)}.")
    return tuple(parse(table, path.stem) for table in document.get("entry", []))


def parse(table: dict[str, Any], chapter: str) -> Entry:
    """One validated entry from its TOML table. Raises LedgerError naming what is wrong with it."""
    where = f"{chapter}.toml, entry {table.get('id', '?')!r}"
    unknown = set(table) - set(Entry._fields)
    missing = set(REQUIRED) - set(table)
    if unknown or missing:
        raise LedgerError(f"{where}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}.")
    for key, kinds in REQUIRED.items():
        if not isinstance(table[key], kinds) or isinstance(table[key], bool):
            raise LedgerError(f"{where}: {key} has the wrong type, {type(table[key]).__name__}.")
    try:
        beside = tuple(Beside(**figure) for figure in table.get("beside", []))
    except TypeError as error:
        raise LedgerError(f"{where}: beside needs label, value, source and conditions ({error}).") from error
    numbers = {"value": float(table["value"]), "tolerance": float(table["tolerance"]), "beside": beside}
    return _sound(Entry(**{**table, **numbers}), chapter, where)


def _sound(entry: Entry, chapter: str, where: str) -> Entry:
    """The entry itself. Raises LedgerError where its parts do not fit together."""
    if not re.fullmatch(rf"{re.escape(chapter)}(-[a-z0-9]+)+", entry.id):
        raise LedgerError(f"{where}: an id is kebab-case and begins with the chapter, '{chapter}-…'.")
    if len(FIELD.findall(entry.format)) != 1 or entry.format.count("{") != 1:
        raise LedgerError(f"{where}: format needs one field such as {{:.1f}}, got {entry.format!r}.")
    if not abs(entry.value) < float("inf") or not 0 <= entry.tolerance < float("inf"):
        raise LedgerError(f"{where}: value must be finite and tolerance finite and not negative.")
    if entry.tolerance > last_digit(entry.format, entry.value) * (1 + 1e-9):
        raise LedgerError(
            f"{where}: tolerance {entry.tolerance:g} exceeds a unit of the last digit of {entry.text!r}; "
            "print fewer digits, or make the run reproduce better."
        )
    if not entry.runs_in.endswith((".ipynb", ".json")) or (entry.key == "") == entry.runs_in.endswith(
        ".json"
    ):
        raise LedgerError(f"{where}: runs_in is a notebook (without key) or a benchmark's .json (with key).")
    return entry


def render(format: str, value: float) -> str:
    """The value through a ledger format; a "d" field rounds to a whole number."""
    return format.format(round(value) if FIELD.search(format).group(3) is None else value)  # type: ignore[union-attr]


def last_digit(format: str, value: float) -> float:
    """One unit of the last digit that the format prints of value."""
    found = FIELD.search(format)
    if found is None or found.group(3) is None:
        return 1.0
    digits, kind = int(found.group(2)), found.group(3)
    exponent = int(f"{value:.{digits}e}".split("e")[1]) if kind == "e" else (-2 if kind == "%" else 0)
    return float(10.0 ** (exponent - digits))


def lookup(document: Any, key: str) -> float:
    """The number at a dotted path in a benchmark's JSON. Raises LedgerError naming the missing part."""
    for part in key.split("."):
        try:
            document = document[int(part)] if isinstance(document, list) else document[part]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise LedgerError(f"the benchmark's result has no {key!r}: {part!r} is missing.") from error
    return float(document)
