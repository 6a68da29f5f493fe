"""Loader of a deep mutational scan: nearly every single mutant of one protein, and its natural relatives."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mcbook.data.store import paths

FIRST_RESIDUE = 24  # of the wild type in the table: residues 1..23 are cut off before the enzyme is ripe


class Blat(NamedTuple):
    """TEM-1 β-lactamase: mutant i puts `letters[i]` in place of residue `positions[i]` of the wild type.

    `positions` count from 0 in `wild_type` (263 residues, 24..286 of the precursor; `mutants[i]` is "V29A" in
    that numbering, not Ambler's). `log_fitness` (n,) is the logarithm of the fitness under the drug relative
    to the wild type's, as published: 0 is as fit. `alignment`: the relatives, 263 columns each, as the file
    has them ("-" and "." are gaps, lower case where many relatives have none); row 0 is the wild type.
    `names` say which protein each is.
    """

    wild_type: str
    mutants: tuple[str, ...]
    positions: Int[np.ndarray, " n"]
    letters: tuple[str, ...]
    log_fitness: Float[np.ndarray, " n"]
    names: tuple[str, ...]
    alignment: tuple[str, ...]


def blat(*, fetch: bool = True) -> Blat:
    """4807 single mutants of TEM-1 β-lactamase with their measured fitness, and 8403 aligned relatives.

    Parameters
    ----------
    fetch : download the files if they are neither in MCBOOK_DATA nor in the cache.

    Raises
    ------
    DataMissing : not here, and not fetched; DataCorrupt : damaged in MCBOOK_DATA;
    ImportError : to fetch, pooch is not installed.

    Source: Stiffler, Hekstra & Ranganathan (2015), doi:10.1016/j.cell.2015.01.035; alignment and table as in
    Hsu et al. (2022), doi:10.1038/s41587-021-01146-5.
    """
    table, aligned = paths("blat", fetch=fetch)
    names, rows = _a2m(aligned)
    with table.open(encoding="ascii", newline="") as stream:
        mutants = [(row["mutant"], float(row["log_fitness"])) for row in csv.DictReader(stream)]
    codes = tuple(code for code, _ in mutants)
    return Blat(
        rows[0].upper(),
        codes,
        np.array([int(code[1:-1]) - FIRST_RESIDUE for code in codes]),
        tuple(code[-1] for code in codes),
        np.array([fitness for _, fitness in mutants]),
        names,
        rows,
    )


def _a2m(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and aligned rows of a FASTA whose sequences go over several lines."""
    records = path.read_text(encoding="ascii").split(">")[1:]
    names, rows = zip(*(record.split("\n", 1) for record in records), strict=True)
    return tuple(name.strip() for name in names), tuple(row.replace("\n", "") for row in rows)
