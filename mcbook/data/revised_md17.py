"""Frames of a molecule in motion, with energies and forces: revised MD17, which is fetched."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from mcbook.data.ethanol import Frames
from mcbook.data.store import paths

MOLECULES = ("ethanol", "malonaldehyde", "uracil", "toluene", "benzene", "aspirin")


class RMD17(NamedTuple):
    """One molecule: 1000 frames to learn from, and another 1000 to test on."""

    numbers: UInt8[np.ndarray, " a"]
    train: Frames
    test: Frames


def rmd17(molecule: str = "ethanol", *, fetch: bool = True) -> RMD17:
    """A molecule of revised MD17, the first of its splits.

    Frames drawn from a long trajectory at 500 K, computed anew with PBE/def2-SVP.  Not the labels of the
    first MD17, which the files hold as well and which are noisier: errors on the two cannot be compared.

    Parameters
    ----------
    molecule : ethanol, malonaldehyde, uracil, toluene, benzene or aspirin.
    fetch : download the files if they are neither in MCBOOK_DATA nor in the cache.

    Raises
    ------
    ValueError : another molecule;
    DataMissing : not here, and not fetched; DataCorrupt : damaged in MCBOOK_DATA;
    ImportError : pooch is not installed (to fetch).

    Source: Christensen & von Lilienfeld 2020, doi:10.1088/2632-2153/abba6f; CC0.
    """
    found = [_read(path) for path in paths(set_name(molecule), fetch=fetch)]
    (numbers, train), (_, test) = found
    return RMD17(numbers, train, test)


def set_name(molecule: str) -> str:
    """The molecule's row in the catalogue.  Raises ValueError for another molecule."""
    if molecule not in MOLECULES:
        raise ValueError(f"rmd17 expects one of {', '.join(MOLECULES)}; got {molecule!r}.")
    return "rmd17" if molecule == "ethanol" else f"rmd17_{molecule}"


def _read(path: Path) -> tuple[np.ndarray, Frames]:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["nuclear_charges"], Frames(*(arrays[key] for key in ("coords", "energies", "forces")))
