"""Molecules as input: what is refused, and the units.

Problem    numbers carry no units, so that a geometry in bohr or an energy in Hartree goes through unnoticed
Check      lengths: the nearest neighbour of an atom is about the sum of two covalent radii away
           energies: an atomisation energy is some 80 kcal/mol per atom, whatever the molecule
Units      Å and kcal/mol throughout; `HARTREE_KCAL` and its like convert
References cordero2008 (covalent radii); the constants are CODATA's, as SciPy has them
Symbols    a atoms, Z numbers, R positions; a molecule is a pair (numbers (a,), positions_angstrom (a, 3))
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.constants import Avogadro, calorie, physical_constants
from scipy.spatial import cKDTree

BOHR_ANGSTROM = physical_constants["Bohr radius"][0] * 1e10
HARTREE_EV = physical_constants["Hartree energy in eV"][0]
HARTREE_KCAL = physical_constants["Hartree energy"][0] * Avogadro / (1000 * calorie)
KCAL_PER = {"hartree": HARTREE_KCAL, "ev": HARTREE_KCAL / HARTREE_EV, "kcal/mol": 1.0, "kj/mol": 1 / calorie}

RADII_ANGSTROM = {
    "H": 0.31, "B": 0.84, "C": 0.76, "N": 0.71, "O": 0.66, "F": 0.57,
    "Si": 1.11, "P": 1.07, "S": 1.05, "Cl": 1.02, "Br": 1.20, "I": 1.39,
}  # fmt: skip
SYMBOLS = dict(zip((1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 35, 53), RADII_ANGSTROM, strict=True))
NUMBERS = {symbol: z for z, symbol in SYMBOLS.items()}

COINCIDENT_ANGSTROM = 0.05
CLOSE, FAR = 0.6, 1.45  # of the sum of two covalent radii; a bond lies between 0.85 and 1.25
TYPICAL_KCAL_PER_ATOM = 80.0


class Geometry(NamedTuple):
    """A molecule that has passed: numbers (a,) integers, positions_angstrom (a, 3), finite and plausible."""

    numbers: np.ndarray
    positions_angstrom: np.ndarray


def geometry(
    numbers: Any, positions_angstrom: Any, *, bonded: bool = True, name: str = "molecule"
) -> Geometry:
    """One molecule, from atomic numbers or symbols (a,), and positions (a, 3) in Å.

    `bonded` False allows atoms far from all others (a dissociation curve); then bohr can pass for Å.
    Raises ValueError for shapes that do not fit, no atoms, NaN, an element that is not in `SYMBOLS`, atoms
    in one place, and distances that look like bohr or nanometres.
    """
    Z, R = _numbers(numbers, name), np.asarray(positions_angstrom)
    if R.dtype.kind not in "fiu" or R.shape != (len(Z), 3):
        raise ValueError(
            f"{name}: positions must be real, ({len(Z)}, 3), a row for every atom; got {R.dtype} {R.shape}."
        )
    R = R.astype(float)
    if not np.isfinite(R).all():
        row = int(np.argmin(np.isfinite(R).all(axis=1)))
        raise ValueError(f"{name}: the position of atom {row} is not finite; drop or repair it.")
    if len(Z) > 1:
        _plausible(Z, R, bonded, name)
    return Geometry(Z, R)


def geometries(molecules: Sequence[Any], *, bonded: bool = True) -> list[Geometry]:
    """All of them, checked: pairs (numbers, positions_angstrom).  Raises ValueError as `geometry` does."""
    if len(molecules) == 0:
        raise ValueError("expected one molecule or more, got none.")
    if np.ndim(molecules[0][0]) == 0:
        raise ValueError("expected a list of molecules, got one; wrap it in a list.")
    return [
        geometry(*molecule[:2], bonded=bonded, name=f"molecule {i}") for i, molecule in enumerate(molecules)
    ]


def duplicates(molecules: Sequence[Any], *, tol_angstrom: float = 1e-3) -> list[tuple[int, int]]:
    """Pairs i < j of one composition whose sorted interatomic distances all agree within the tolerance.

    Two rows of a kernel matrix are then (almost) equal, and with different energies no function can fit both.
    Mirror images count as duplicates: no distance tells them apart, nor does their energy.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    signatures = []
    for i, (Z, R) in enumerate(geometries(molecules, bonded=False)):
        order = np.argsort(Z, kind="stable")
        groups.setdefault(tuple(int(z) for z in Z[order]), []).append(i)
        signatures.append(_signature(Z[order], R[order]))
    found = []
    for members in groups.values():
        tree = cKDTree([signatures[i] for i in members])
        pairs = tree.query_pairs(tol_angstrom, p=np.inf)
        found += [(members[a], members[b]) for a, b in pairs]
    return sorted(found)


def energies_kcal(energies: Any, molecules: Sequence[Any], *, unit: str) -> np.ndarray:
    """Atomisation energies (n,), in the unit that is named, converted to kcal/mol; positive when bound.

    `unit`: "hartree", "ev", "kcal/mol" or "kj/mol".  What the unit must be is read off the median energy per
    atom, so a slip by a factor of four or more cannot pass.
    Raises ValueError for an unknown unit, NaN, shapes that do not fit, total energies, the other sign
    convention, and a unit that cannot be the right one.
    """
    if unit not in KCAL_PER:
        raise ValueError(f"unit must be one of {sorted(KCAL_PER)}, got {unit!r}.")
    E = np.asarray(energies, dtype=float)
    if E.shape != (len(molecules),) or not np.isfinite(E).all():
        raise ValueError(f"energies must be finite, ({len(molecules)},), one per molecule; got {E.shape}.")
    numbers = [np.asarray(molecule[0], dtype=float) for molecule in molecules]
    if np.median(E) < 0:
        raise ValueError(_why_negative(E * KCAL_PER[unit], numbers))
    sizes = np.array([len(Z) for Z in numbers])
    if (several := sizes > 1).any():
        middle = float(np.median(E[several] / sizes[several]))
        if (likely := guess_unit(middle)) != unit:
            raise ValueError(
                f"the median of {middle:.3g} per atom looks like {likely}, not {unit}: atomisation energies "
                f"are some {TYPICAL_KCAL_PER_ATOM:g} kcal/mol per atom. Pass unit={likely!r}, or convert."
            )
    return E * KCAL_PER[unit]


def _why_negative(energies_kcal: np.ndarray, numbers: list[np.ndarray]) -> str:
    """Total energies are near -Σ ½ Z^2.4 Hartree, atomisation energies of the other sign far from it."""
    free = np.array([-0.5 * (Z**2.4).sum() for Z in numbers]) * HARTREE_KCAL
    if np.median(np.abs(energies_kcal / free - 1)) < 0.5:
        return "these are total energies: subtract them from those of the free atoms, of the same method."
    return "these energies are negative: expected atoms less molecule, positive when bound; turn the sign."


def guess_unit(energy_per_atom: float) -> str:
    """The unit in which this atomisation energy per atom is nearest, in ratio, to the typical one."""
    return min(
        KCAL_PER, key=lambda u: abs(np.log(abs(energy_per_atom) * KCAL_PER[u] / TYPICAL_KCAL_PER_ATOM))
    )


def _numbers(numbers: Any, name: str) -> np.ndarray:
    Z = np.asarray(numbers)
    if Z.ndim != 1 or len(Z) < 1:
        raise ValueError(f"{name}: expected atomic numbers or symbols (a,), a ≥ 1; got shape {Z.shape}.")
    if Z.dtype.kind == "U":
        unknown = sorted(set(Z.tolist()) - set(NUMBERS))
        Z = Z if unknown else np.array([NUMBERS[s] for s in Z.tolist()])
    else:
        unknown = sorted({z.item() for z in Z} - set(SYMBOLS))
    if unknown:
        raise ValueError(
            f"{name}: unknown element {unknown[0]!r}; known are {', '.join(SYMBOLS.values())} (numbers or "
            "symbols). Padding with zeros must be cut off."
        )
    return Z.astype(int)


def _plausible(Z: np.ndarray, R: np.ndarray, bonded: bool, name: str) -> None:
    D = np.linalg.norm(R[:, None] - R, axis=-1)
    np.fill_diagonal(D, np.inf)
    i, j = np.unravel_index(np.argmin(D), D.shape)
    if D[i, j] < COINCIDENT_ANGSTROM:
        raise ValueError(f"{name}: atoms {i} and {j} are in one place ({D[i, j]:.1e} Å apart); drop one.")
    radii = np.array([RADII_ANGSTROM[SYMBOLS[z]] for z in Z.tolist()])
    nearest = (D / (radii[:, None] + radii)).min(axis=1)
    middle = float(np.median(nearest))
    if middle < CLOSE:
        remedy = "multiply by 10 if they are nanometres"
    elif bonded and middle > FAR:
        remedy = (
            f"multiply by {BOHR_ANGSTROM:.6f} if they are bohr (bonded=False if atoms are apart on purpose)"
        )
    elif nearest.min() < CLOSE:
        tight = int(np.argmin(nearest))
        raise ValueError(
            f"{name}: atom {tight} is {D[tight].min():.2f} Å from atom {int(np.argmin(D[tight]))}, too close."
        )
    else:
        return
    raise ValueError(
        f"{name}: positions do not look like Å: nearest neighbours are {middle:.2f} times the sum of their "
        f"covalent radii apart, expected about 1; {remedy}."
    )


def _signature(Z: np.ndarray, R: np.ndarray) -> np.ndarray:
    """0 (so that one atom has one), and the distances, sorted among pairs of the same elements; Z sorted."""
    i, j = np.triu_indices(len(Z), 1)
    d = np.linalg.norm(R[i] - R[j], axis=-1)
    return np.append(0.0, d[np.lexsort((d, Z[j], Z[i]))])
