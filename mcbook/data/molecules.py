"""Molecules: our own set of small ones, which ships with mcbook, and the variant of QM7, which is fetched.

An atomisation energy here is that of the free atoms minus that of the molecule: positive when bound.
"""

import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from mcbook.data.store import load_npz, paths

SYMBOLS = {1: "H", 6: "C", 7: "N", 8: "O", 16: "S"}  # of the elements in the two sets


class Molecule(NamedTuple):
    """Atomic numbers and positions in Å: atoms are rows."""

    numbers: UInt8[np.ndarray, " a"]
    positions_angstrom: Float[np.ndarray, "a 3"]

    @property
    def symbols(self) -> tuple[str, ...]:
        """("C", "H", ...), one for every atom."""
        return tuple(SYMBOLS[int(z)] for z in self.numbers)


class SmallMolecules(NamedTuple):
    """Row i of everything belongs to the molecule `smiles[i]`."""

    smiles: tuple[str, ...]
    molecules: tuple[Molecule, ...]
    pbe0_kcal: Float[np.ndarray, " n"]  # atomisation energies, kcal/mol
    xtb_kcal: Float[np.ndarray, " n"]
    homo_ev: Float[np.ndarray, " n"]  # PBE0 orbital energies
    lumo_ev: Float[np.ndarray, " n"]
    dipole_debye: Float[np.ndarray, " n"]


class QM7(NamedTuple):
    """Row i of everything belongs to the file `names[i]`, in the order of the list of energies."""

    names: tuple[str, ...]
    molecules: tuple[Molecule, ...]
    pbe0_kcal: Float[np.ndarray, " n"]
    dftb_kcal: Float[np.ndarray, " n"]


def small_molecules() -> SmallMolecules:
    """All the sensible molecules of C, N, O (and H) with up to five heavy atoms, and what they are like.

    Geometries by GFN2-xTB, one conformer each; PBE0/def2-SVP and GFN2-xTB energies at those geometries.
    Raises DataMissing if the installation lacks the file.
    Source: our own; `python -m mcbook.data.make_molecules` makes them. CC BY 4.0.
    """
    arrays = load_npz("molecules.npz")
    return SmallMolecules(
        tuple(map(str, arrays["smiles"])),
        _cut(arrays["numbers"], arrays["positions_angstrom"], arrays["counts"]),
        arrays["pbe0_atomisation_kcal"],
        arrays["xtb_atomisation_kcal"],
        arrays["homo_ev"],
        arrays["lumo_ev"],
        arrays["dipole_debye"],
    )


def _cut(numbers: np.ndarray, positions: np.ndarray, counts: np.ndarray) -> tuple[Molecule, ...]:
    ends = np.cumsum(counts, dtype=int)
    return tuple(
        Molecule(numbers[e - k : e], positions[e - k : e]) for e, k in zip(ends, counts, strict=True)
    )


def qm7(*, fetch: bool = True) -> QM7:
    """7101 molecules with up to seven of C, N, O, S, at PBE0/def2-TZVP geometries, and their energies.

    Not the labels (nor the geometries, nor all the molecules) of Rupp et al. 2012 and Hansen et al. 2013:
    errors on the two sets cannot be compared.  The source calls the second energies DFTB3; its parameters
    and the geometry they were computed at, it does not say.  The file gives energies of the molecule less
    those of the atoms; their sign is turned here.

    Parameters
    ----------
    fetch : download the files if they are neither in MCBOOK_DATA nor in the cache.

    Raises
    ------
    DataMissing : not here, and not fetched; DataCorrupt : damaged in MCBOOK_DATA;
    ImportError : pooch is not installed (to fetch).

    Source: the QML tutorial, https://github.com/qmlcode/tutorial (MIT), exercises 1 and 6.
    """
    found = paths("qm7", fetch=fetch)
    names, pbe0, dftb = _energies(next(path for path in found if path.suffix == ".txt"))
    geometries = next(path for path in found if path.suffix != ".txt")
    read = _read_npz if geometries.suffix == ".npz" else _read_tar
    molecules = read(geometries)
    return QM7(names, tuple(molecules[name] for name in names), -pbe0, -dftb)


def _energies(path: Path) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    names = tuple(row[0].removeprefix("qm7/") for row in rows)
    pbe0, dftb = (np.array([float(row[k]) for row in rows]) for k in (1, 2))
    return names, pbe0, dftb


def _read_npz(path: Path) -> dict[str, Molecule]:
    with np.load(path, allow_pickle=False) as arrays:
        names, numbers, positions = (arrays[key] for key in ("name", "Z", "R_angstrom"))
    counts = (numbers > 0).sum(axis=1)
    return {
        str(name).removeprefix("qm7/"): Molecule(z[:k], r[:k])
        for name, z, r, k in zip(names, numbers, positions, counts, strict=True)
    }


def _read_tar(path: Path) -> dict[str, Molecule]:
    """Every *.xyz of the archive, read in memory (nothing is unpacked to the disk)."""
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(".xyz") else None
            if stream is not None:
                found[Path(member.name).name] = _read_xyz(stream.read().decode("ascii"))
    return found


def _read_xyz(text: str) -> Molecule:
    lines = text.splitlines()
    rows = [line.split() for line in lines[2 : 2 + int(lines[0])]]
    numbers = {symbol: z for z, symbol in SYMBOLS.items()}
    z = np.array([numbers[row[0]] for row in rows], np.uint8)
    return Molecule(z, np.array([[float(x) for x in row[1:4]] for row in rows]))
