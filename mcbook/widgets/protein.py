"""Mutating a protein: what the model says, what its gradient forecasts, which inputs it is due to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
UNKNOWN = -32768  # stands for "not measured" among the sixteen-bit numbers that travel to the page


class Scan(NamedTuple):
    """All single mutants of one protein: position l (L of them), letter a (A of them).

    letters   the protein, L letters of the alphabet
    effect    what the model predicts for the mutant less what it predicts for the protein, (L, A)
    forecast  ⟨gradient, change of the input⟩: the effect to first order, (L, A)
    parts     the effect as a sum over two blocks of inputs, (L, A, 2)
    measured  the effect in an experiment, NaN where there is none, (L, A); or None
    first     the number of the first residue
    alphabet  the A letters, in the order of the tables' columns
    """

    letters: str
    effect: Any
    forecast: Any
    parts: Any
    measured: Any = None
    first: int = 1
    alphabet: str = AMINO_ACIDS


def scan_mutants(
    letters: str,
    X: Mapping[str, Any],
    *,
    answer: Callable[[Mapping[str, Any]], Any],
    gradient: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    alphabet: str = AMINO_ACIDS,
    measured: Any = None,
    first: int = 1,
) -> Scan:
    """Effects, forecasts and Shapley parts of all single mutants, against the protein as it is.

    Parameters
        X         two blocks of features, each (L A, d): row l A + a has letter a at position l; where a is
                  the protein's own letter, the row describes the protein as it is
        answer    blocks -> (n,); with two blocks Shapley's value is four of its answers
        gradient  blocks -> the gradient of each row's answer, of the blocks' shapes
        measured  (L, A), NaN where there is no measurement; or None

    Raises ValueError for other than two blocks, or rows that are not L A.
    """
    L, A = len(letters), len(alphabet)
    if len(X) != 2 or any(np.ndim(block) != 2 or len(block) != L * A for block in X.values()):
        shapes = {name: np.shape(block) for name, block in X.items()}
        raise ValueError(f"scan_mutants expects two blocks of {L * A} rows, got {shapes}.")
    own = np.arange(L) * A + [alphabet.index(a) for a in letters]
    start = {name: np.repeat(np.asarray(block)[own], A, axis=0) for name, block in X.items()}
    both, only_first, only_second, neither = _corners(answer, X, start)
    together = (both - only_first - only_second + neither) / 2
    parts = np.stack([only_first - neither + together, only_second - neither + together], axis=1)
    G = gradient(start)
    told = sum(((np.asarray(X[name]) - start[name]) * np.asarray(G[name])).sum(axis=1) for name in X)
    tables = ((both - neither).reshape(L, A), np.reshape(told, (L, A)), parts.reshape(L, A, 2))
    return Scan(letters, *tables, measured, first, alphabet)


def _corners(answer: Callable[..., Any], X: Mapping[str, Any], start: Mapping[str, Any]) -> list[np.ndarray]:
    """The answers with both blocks changed, with the first alone, with the second alone, with neither."""
    (one, changed), (two, other) = X.items()
    pairs = [(changed, other), (changed, start[two]), (start[one], other), (start[one], start[two])]
    return [np.asarray(answer({one: first, two: second}), dtype=float) for first, second in pairs]


class MutateProtein(anywidget.AnyWidget):
    """Choose a residue and a letter; see the effect, the gradient's forecast, and two blocks' parts.

    Parameters
        scans     name -> Scan, one to four proteins
        blocks    what the two blocks are called
        label     what is predicted, with its unit
        position  the residue that is shown first, counted from 0; letter the one that it is changed to

    Raises ValueError for no protein, letters outside the alphabet, arrays of other shapes or not finite,
    a present letter with an effect, and parts that do not add up to the effect (a completeness axiom).
    """

    _esm = read_together("draw.js", "protein.js")
    _css = read_together("shared.css", "sensitivity.css")
    position = traitlets.Int(0, min=0).tag(sync=True)
    letter = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    blocks = traitlets.List(traitlets.Unicode()).tag(sync=True)
    scans: Any = traitlets.List().tag(sync=True)  # names, letters, first residues, units of the numbers
    numbers = traitlets.Bytes().tag(sync=True)  # for each scan: effect, forecast, two parts, measured

    def __init__(
        self,
        scans: Mapping[str, Scan],
        *,
        blocks: Sequence[str] = ("sequence", "relatives"),
        label: str = "effect",
        position: int = 0,
        letter: str | None = None,
    ) -> None:
        if not 1 <= len(scans) <= 4 or len(blocks) != 2:
            raise ValueError(
                f"MutateProtein expects 1 to 4 proteins and two blocks, got {len(scans)} and {len(blocks)}."
            )
        tables = [checked_scan(name, scan) for name, scan in scans.items()]
        shown = next(iter(scans.values()))
        own, alphabet = shown.letters, shown.alphabet
        if not 0 <= position < len(own) or (
            letter is not None and (len(letter) != 1 or letter not in alphabet)
        ):
            raise ValueError(
                f"MutateProtein expects a position from 0 to {len(own) - 1} and a letter of {alphabet}, "
                f"got {position} and {letter!r}."
            )
        packed = [packed_numbers(table) for table in tables]
        super().__init__(
            position=int(position),
            letter=letter or next(a for a in alphabet if a != own[position]),
            label=label,
            blocks=list(blocks),
            scans=[
                {
                    "name": name,
                    "letters": s.letters,
                    "alphabet": s.alphabet,
                    "first": int(s.first),
                    "unit": unit,
                }
                for (name, s), (_, unit) in zip(scans.items(), packed, strict=True)
            ],
            numbers=b"".join(raw for raw, _ in packed),
        )

    def __repr__(self) -> str:
        told = [f"{s['name']} ({len(s['letters'])} residues)" for s in self.scans]
        return f"MutateProtein: {', '.join(told)}; every single mutant, parts of {' and '.join(self.blocks)}"


def checked_scan(name: str, scan: Scan) -> np.ndarray:
    """The scan's five tables as one array (5, L, A), NaN where nothing was measured, or a ValueError."""
    alphabet = scan.alphabet
    L, A = len(scan.letters), len(alphabet)
    strange = sorted(set(scan.letters) - set(alphabet))
    if L < 2 or strange:
        raise ValueError(f"MutateProtein expects {name!r} in letters of {alphabet}, got {L} with {strange}.")
    parts = np.moveaxis(np.asarray(scan.parts, dtype=float), -1, 0)
    measured = np.full((L, A), np.nan) if scan.measured is None else np.asarray(scan.measured, dtype=float)
    tables = [np.asarray(scan.effect, dtype=float), np.asarray(scan.forecast, dtype=float), *parts, measured]
    shapes = [table.shape for table in tables]
    if len(tables) != 5 or any(shape != (L, A) for shape in shapes):
        raise ValueError(f"MutateProtein expects tables ({L}, {A}) for {name!r}, two of parts; got {shapes}.")
    whole = np.stack(tables)
    if not np.isfinite(whole[:4]).all() or np.isinf(whole[4]).any():
        raise ValueError(f"MutateProtein expects finite effects, forecasts and parts for {name!r}.")
    size = np.abs(whole[0]).max() or 1.0
    own = whole[0, np.arange(L), [alphabet.index(a) for a in scan.letters]]
    if np.abs(own).max() > 1e-9 * size:
        raise ValueError(
            f"MutateProtein: in {name!r} a letter that stays has an effect, up to {own.max():.3g}."
        )
    gap = np.abs(whole[2] + whole[3] - whole[0]).max()
    if gap > 1e-6 * size:
        raise ValueError(
            f"MutateProtein: the parts of {name!r} miss the effect by up to {gap:.3g}; use a method that is "
            "complete (Shapley values, integrated gradients)."
        )
    return whole


def packed_numbers(table: np.ndarray) -> tuple[bytes, float]:
    """An array as little-endian sixteen-bit integers, and the unit that they count in."""
    unit = float(np.nanmax(np.abs(table))) / 32000 or 1.0
    counts = np.where(np.isnan(table), UNKNOWN, np.round(np.nan_to_num(table) / unit))
    return counts.astype("<i2").tobytes(), unit
