"""Frames of a molecule in motion, with energies and forces: revised MD17, which is fetched."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from mcbook.data.store import paths

MOLECULES = ("ethanol", "malonaldehyde", "uracil", "toluene", "benzene", "aspirin")


class Frames(NamedTuple):
    """Geometries of one molecule: atoms are rows, frame i of everything belongs together."""

    numbers: UInt8[np.ndarray, " a"]
    positions_angstrom: Float[np.ndarray, "n a 3"]
    energy_kcal: Float[np.ndarray, " n"]
    force_kcal_angstrom: Float[np.ndarray, "n a 3"]


def rmd17(molecule: str = "ethanol", part: str = "train", *, fetch: bool = True) -> Frames:
    """1000 frames for learning, or the 1000 for testing ("train" or "test"), of revised MD17's first split.

    Drawn from a long trajectory at 500 K and computed anew with PBE/def2-SVP.  Not the labels of the first
    MD17 (which the files hold as well, and which are noisier): errors on the two cannot be compared.

    Parameters
    ----------
    molecule : ethanol, malonaldehyde, uracil, toluene, benzene or aspirin.
    fetch : download the files if they are neither in MCBOOK_DATA nor in the cache.

    Raises
    ------
    ValueError : another molecule or part;
    DataMissing : not here, and not fetched; DataCorrupt : damaged in MCBOOK_DATA;
    ImportError : pooch is not installed (to fetch).

    Source: Christensen & von Lilienfeld 2020, doi:10.1088/2632-2153/abba6f; CC0.
    """
    if molecule not in MOLECULES or part not in ("train", "test"):
        raise ValueError(
            f'rmd17 expects one of {", ".join(MOLECULES)} and "train" or "test"; '
            f"got {molecule!r} and {part!r}."
        )
    name = "rmd17" if molecule == "ethanol" else f"rmd17_{molecule}"
    train, test = paths(name, fetch=fetch)
    with np.load(train if part == "train" else test, allow_pickle=False) as arrays:
        keys = ("nuclear_charges", "coords", "energies", "forces")
        return Frames(*(arrays[key] for key in keys))
