"""The set of wrong and right answers that the diagnosis of gradients is judged on: `tests/answers`, loaded.

Its README says who wrote it, when, how, and how it is to be used.  `load("blind")` reads one folder without
opening the others; `load()` the two halves of the first set.  A folder that is not there has no problems.
"""

import tomllib
import zlib
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.engine.nodes import matrix_shape
from mcbook.calculus.engine.parser import parse
from mcbook.calculus.entries import Entry

FOLDER = Path(__file__).parent / "answers"
HALVES = ("dev", "held-out")  # of the first set
DEVELOPMENT = (*HALVES, "fresh")  # by folder; all three have been read by whoever wrote the checker
BLIND = ("blind", "unseen")  # read by nobody who did, and measured once
SETS = (*DEVELOPMENT, *BLIND)
MISTAKES = {  # the fifteen, in the order of how often they are met
    "layout": "transposed, or in another layout, as a whole or in one factor",
    "factor": "a number too much or too little: a 2, a ½, a power's exponent",
    "mean": "1/n missing, doubled, or where it does not belong",
    "one-sided": "A where A + Aᵀ belongs: a variable that stands twice was moved once",
    "penalty": "the penalty's term, or another whole term of the loss, missing",
    "batch": "no sum over samples or time where the variable is shared, or a sum over the wrong thing",
    "hadamard": "* for @ or @ for *, entrywise powers for powers of a matrix",
    "sign": "a sign, of the whole or of a term",
    "softmax": "the diagonal of its Jacobian only, or its normaliser held constant, or another slip in it",
    "point": "the activation's derivative, or another factor, taken at the wrong point",
    "activation": "the activation's derivative missing, doubled, wrong; an inner derivative missing",
    "time": "through time or steps: wrong index, wrong order, recursion or carry lost",
    "symmetric": "a structured variable treated as another: not symmetrised, diagonal doubled, not cut off",
    "rule": "a rule for trace, determinant, inverse, norm or quotient misremembered",
    "check": "right but for the way it was checked: difference quotient, softened kink, single precision",
}
OTHERS = {
    "double": "two named mistakes at once, `both`",
    "natural": "the gradient in another metric: natural, relative, a Newton step",
    "convention": "symmetric variable: the derivative by each free entry, G + Gᵀ − diag; no mistake",
    "unexplained": "plausible nonsense that none of the named mistakes explains",
}


class Wrong(NamedTuple):
    """A wrong answer: text in the engine's notation, `label` of MISTAKES or OTHERS, how it came about.

    `both` are the two mistakes of a double; `also` further labels under which a reader would accept it;
    `term` the term it sits in, where there are several; `shape` the shape it has, where that is not the
    variable's; `given` is "float32" for a right formula in single precision; `seen` where one was met.
    """

    text: str
    label: str
    why: str
    both: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    term: str = ""
    shape: tuple[int, ...] | None = None
    given: str = ""
    seen: str = ""

    @property
    def labels(self) -> frozenset[str]:
        """All that counts as the right diagnosis."""
        return frozenset((self.label, *self.also))


class Problem(NamedTuple):
    """A loss, the variable, and answers; names that the loss defines may stand in the answers."""

    entry: Entry
    half: str
    right: tuple[str, ...]
    wrong: tuple[Wrong, ...]

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def definitions(self) -> str:
        """What the loss defines on its way, to be put before an answer."""
        return self.entry.text.rpartition(";")[0]

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the variable as a matrix: a vector is a column, a number 1 × 1."""
        return matrix_shape(self.entry.declared[self.entry.wrt].data.shape)

    def read(self, answer: str):
        """The expression that an answer stands for."""
        text = f"{self.definitions}; {answer}" if self.definitions else answer
        return parse(text, *self.entry.declared.values())

    def values(self, seed: int) -> dict:
        """Values for the symbols, the same in every run."""
        return self.entry.sample(np.random.default_rng([seed, zlib.crc32(self.name.encode())]))

    def as_given(self, answer: Wrong, values):
        """What a learner hands in as an array: of a right formula in single precision, its rounded value."""
        if answer.given != "float32":
            return evaluate_all([self.read(answer.text)], values)[0]
        rounded = {name: np.float32(value) for name, value in values.items()}
        return np.float32(evaluate_all([self.read(answer.text)], rounded)[0]).astype(float)


def judge(wrong: Wrong, named: Collection[str]) -> str:
    """Whether a diagnosis that names these classes (none: "not explained") is right, false, missed or passed.

    A double is right if both of its classes are named, or one that explains it alone.  Where `also` has
    "unexplained", nobody is blamed for not explaining: the answer is passed over.
    """
    names = frozenset(named)
    if not names:
        edge = "passed" if "unexplained" in wrong.also else "missed"
        return "right" if wrong.label == "unexplained" else edge
    one = len(names) == 1 and names <= wrong.labels - {"unexplained", "double"}
    two = names == frozenset(wrong.both) or ("double" in wrong.also and len(names) == 2)
    return "right" if one or two else "false"


def half_of(name: str) -> str:
    """The half to which a problem belongs: by the checksum of its name, so that nobody chooses."""
    return HALVES[zlib.crc32(name.encode()) % 2]


@cache
def load(*halves: str) -> tuple[Problem, ...]:
    """The problems of these folders, or of both halves of the first set."""
    files = [path for half in halves or HALVES for path in sorted((FOLDER / half).glob("*.toml"))]
    return tuple(_problem(row, path) for path in files for row in _rows(path))


def _rows(path: Path) -> list[dict]:
    return tomllib.loads(path.read_text(encoding="utf-8"))["problem"]


def _problem(row: dict, path: Path) -> Problem:
    entry = Entry(row["name"], path.stem, row["loss"], row["symbols"], row["wrt"])
    return Problem(entry, path.parent.name, tuple(row["right"]), tuple(map(_wrong, row["wrong"])))


def _wrong(row: dict) -> Wrong:
    lists = {key: tuple(row[key]) for key in ("both", "also", "shape") if key in row}
    texts = {key: row[key] for key in ("why", "term", "given", "seen") if key in row}
    if unknown := row.keys() - {"answer", "class", *lists, *texts}:
        raise ValueError(f"{row['answer']!r} has unknown keys {sorted(unknown)}.")
    return Wrong(text=row["answer"], label=row["class"], **texts, **lists)
