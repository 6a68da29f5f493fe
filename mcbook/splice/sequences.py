"""Sequences of letters: in from strings and FASTA, encoded as probability rows, and out again.

Problem    a network reads numbers, a genome is written in letters, some of which say "one of these"
Encoding   letter → row of four probabilities, columns A, C, G, T: A = (1, 0, 0, 0),
           R (A or G) = (½, 0, ½, 0), N (any) = (¼, ¼, ¼, ¼). No letter is dropped:
           a site shifted by one is another site.
Strand     the columns A, C, G, T reversed are T, G, C, A, the complements: the reverse complement of X is
           X[::-1, ::-1].
Reference  cornishbowden1985 (the ambiguity letters)
Symbols    X (T, 4) or (n, T, 4), rows of letters; T letters in a sequence, n sequences

Lower case marks repeats in genomes ("soft-masked"): the same letters, and read as such. RNA's U is read as T.
"""

import gzip
import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

LETTERS = "ACGT"
IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
_BY_BASES = {bases: letter for letter, bases in IUPAC.items()}
_COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVNacgtryswkmbdhvn", "TGCAYRSWMKVHDBNtgcayrswmkvhdbn")
_GZIP = b"\x1f\x8b"
_LONGEST = 1 << 16  # of a line, in one go


class Record(NamedTuple):
    """One sequence of a FASTA file: the first word of its title, the rest of it, and the letters."""

    name: str
    description: str
    sequence: str


class Piece(NamedTuple):
    """A stretch of a record: its letters, the first of which is number `start` (from 0) of record `name`."""

    name: str
    start: int
    letters: str


def _rows() -> np.ndarray:
    """(128, 4): the row of each character, NaN where it is no nucleotide."""
    table = np.full((128, 4), np.nan)
    for letter, bases in {**IUPAC, "U": "T"}.items():
        row = [(base in bases) / len(bases) for base in LETTERS]
        table[ord(letter)] = table[ord(letter.lower())] = row
    return table


_ROWS = _rows()
_VALID = ~np.isnan(_ROWS[:, 0])


def encode(sequence: Any, *, dtype: Any = np.float64) -> Float[np.ndarray, "T 4"]:
    """One sequence as probability rows (T, 4), columns A, C, G, T.

    Lower case and U are read as what they mean; ambiguity letters become fractions.

    Raises
    ------
    ValueError : not a string, empty, or with a letter that is not a nucleotide (named, with its position).
    """
    return _ROWS.astype(dtype)[_codes(sequence, "the sequence")]


def encode_windows(sequences: Any, *, length: int | None = None, dtype: Any = np.float64):
    """Sequences of one length as (n, T, 4).

    Parameters
    ----------
    length : the length T that all must have (None: that of the first).

    Raises
    ------
    ValueError : no sequence, one of another length, one that `encode` refuses; the message says which.
    """
    if isinstance(sequences, str):
        raise ValueError(
            "encode_windows expects a list of sequences, got one; encode(sequence)[None] is (1, T, 4)."
        )
    sequences = list(sequences)
    if not sequences:
        raise ValueError("encode_windows expects at least one sequence, got none.")
    codes = [_codes(sequence, f"sequence {i}") for i, sequence in enumerate(sequences)]
    T = len(codes[0]) if length is None else length
    for i, code in enumerate(codes):
        if len(code) != T:
            raise ValueError(
                f"encode_windows expects sequences of {T} letters, sequence {i} has {len(code)}; "
                "cut windows of one length around the junction (padding adds letters that are not there)."
            )
    return _ROWS.astype(dtype)[np.stack(codes)]


def decode(X: Any) -> str:
    """The letters of rows (T, 4): that of the bases whose probability exceeds half the largest.

    decode(encode(s)) is s, in upper case, with T for U.  Raises ValueError.
    """
    X = np.asarray(X, dtype=float)
    if X.ndim != 2 or X.shape[1] != 4 or not np.isfinite(X).all():
        raise ValueError(f"decode expects finite rows (T, 4), columns A, C, G, T; got shape {X.shape}.")
    if (X < 0).any() or (X.max(axis=1, initial=0) <= 0).any():
        raise ValueError("decode expects rows of probabilities: not negative, and not all zero.")
    present = X.max(axis=1, keepdims=True) / 2 < X
    return "".join(_BY_BASES["".join(b for b, p in zip(LETTERS, row, strict=True) if p)] for row in present)


def reverse_complement(sequence: Any) -> str:
    """The other strand, read in its own direction; case is kept, RNA stays RNA.

    Raises ValueError as `encode` does, and for a sequence with both T and U.
    """
    _codes(sequence, "the sequence")
    rna = "U" in sequence.upper()
    if rna and "T" in sequence.upper():
        raise ValueError("reverse_complement got both T and U: is it DNA or RNA? Replace one by the other.")
    if not rna:
        return sequence[::-1].translate(_COMPLEMENT)
    dna = sequence.replace("U", "T").replace("u", "t")
    return dna[::-1].translate(_COMPLEMENT).replace("T", "U").replace("t", "u")


def read_fasta(source: Any) -> Iterator[Record]:
    """The records of a FASTA file, one after the other; one whole record is held at a time.

    Parameters
    ----------
    source : a path (plain or gzip), an open text file, or any iterable of lines.

    Raises
    ------
    ValueError : letters before the first title, a title without a name, a record without letters, a letter
        that is not a nucleotide (record, line and position named), nothing at all; each when it is met.
    FileNotFoundError : no such path.
    """
    title, lines = Title("", ""), [""]
    for event in _events(source, 1):
        if isinstance(event, Piece):
            lines.append(event.letters)
            continue
        if title.name:
            yield Record(*title, "".join(lines))
        title, lines = event, []
    yield Record(*title, "".join(lines))


def stream_fasta(source: Any, *, chunk: int = 1 << 16) -> Iterator[Piece]:
    """A FASTA file in pieces of at least `chunk` letters (the last of a record may be shorter).

    Of a path, about two chunks are in memory at a time, however long its records and lines are.

    Raises
    ------
    ValueError : as `read_fasta`; chunk < 1.
    """
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1 letter, got {chunk}.")
    return (event for event in _events(source, chunk) if isinstance(event, Piece))


class Title(NamedTuple):
    """What a line '>name description' says."""

    name: str
    description: str


def _events(source: Any, chunk: int) -> Iterator[Title | Piece]:
    """The title of each record, then its letters in pieces of at least `chunk`."""
    held: list[str] = []
    name, start, line_number = "", 0, 1
    for line in _lines(source):
        text = line.strip()
        if text.startswith(">"):
            yield from _rest(name, start, held)
            title = _title(text, line_number)
            yield title
            name, start, held = title.name, 0, []
        elif text and not text.startswith(";"):  # old files have comments
            if not name:
                raise ValueError(f"line {line_number} of the FASTA has letters before a title '>name'.")
            _codes(text, f"FASTA record {name!r}, line {line_number},")
            held.append(text)
            if (size := sum(map(len, held))) >= chunk:
                yield Piece(name, start, "".join(held))
                start, held = start + size, []
        line_number += line.endswith("\n")
    if not name:
        raise ValueError("the FASTA is empty: expected a line '>name' and letters below it.")
    yield from _rest(name, start, held)


def _rest(name: str, start: int, held: Sequence[str]) -> Iterator[Piece]:
    """What is left at the end of a record.  Raises ValueError if it never had a letter."""
    if held:
        yield Piece(name, start, "".join(held))
    elif name and not start:
        raise ValueError(f"FASTA record {name!r} has no letters; remove its title or add its sequence.")


def _title(line: str, number: int) -> Title:
    name, _, description = line[1:].strip().partition(" ")
    if not name:
        raise ValueError(
            f"line {number} of the FASTA is a title without a name; '>name description' is wanted."
        )
    return Title(name, description.strip())


def _lines(source: Any) -> Iterator[str]:
    """Lines of a path (long ones in parts), or of any iterable of lines."""
    if isinstance(source, str) and (source.startswith(">") or "\n" in source):
        raise ValueError("a FASTA's text was given where its path is expected; pass text.splitlines().")
    if not isinstance(source, str | Path):
        yield from (line if line.endswith("\n") else line + "\n" for line in source)
        return
    with Path(source).open("rb") as raw:
        zipped = raw.read(2) == _GZIP
        raw.seek(0)
        plain: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
        with io.TextIOWrapper(plain, encoding="latin-1") as stream:
            yield from iter(partial(stream.readline, _LONGEST), "")


def _codes(sequence: Any, what: str) -> np.ndarray:
    """The characters of a sequence as indices into `_ROWS`.  Raises ValueError naming the first bad one."""
    if not isinstance(sequence, str):
        raise ValueError(f"{what} must be a string of nucleotides, got {type(sequence).__name__}.")
    if not sequence:
        raise ValueError(f"{what} is empty; at least one letter is needed.")
    codes = np.frombuffer(sequence.encode("ascii", "replace"), np.uint8)  # "?" is no nucleotide either
    bad = ~_VALID[codes]
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(
            f"{what} has {sequence[at]!r} at position {at + 1} of {len(sequence)}, which is no nucleotide; "
            f"known are {''.join(IUPAC)} and U, in either case{_remedy(sequence[at])}"
        )
    return codes


def _remedy(letter: str) -> str:
    if letter in "-.":
        return ". A gap belongs to an alignment: remove it (that moves letters), or write N."
    if letter in "?*Xx":
        return ". For a letter that nobody knows, write N."
    if letter.isspace() or letter.isdigit():
        return ". Strip blanks and numbers first, or read the file with read_fasta."
    return ". Is it a protein's?" if letter.upper() in "EFILPQJOZ" else "."
