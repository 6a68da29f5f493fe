"""Input that a model of one molecule can take, or a ValueError that says why not.

Distances tell units: between an atom and its nearest neighbour there are 0.7 to 1.6 Å in a molecule of light
atoms (1.3 to 3.0 bohr, 0.07 to 0.16 nm).
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

COINCIDENT = 0.2  # Å: no two nuclei of a molecule are so near
COLDEST = 3.0  # kcal/mol/Å: the forces of ethanol at 5 K; at 500 K they are ten times that
NEAREST = (0.5, 1.7)  # Å: where the median of the nearest neighbours' distances may lie


def frames(X: Any, name: str = "X") -> Float[np.ndarray, "n a 3"]:
    """Geometries (n, a, 3) in Å; one (a, 3) becomes (1, a, 3).

    Raises ValueError for wrong shapes, no frames, NaN, coincident atoms, and lengths that are not in Å.
    """
    X = np.asarray(X, dtype=float)
    X = X[None] if X.ndim == 2 else X
    if X.ndim != 3 or X.shape[2] != 3 or X.shape[1] < 2:
        raise ValueError(
            f"{name} must be geometries (n, a, 3) or one (a, 3) of two atoms or more, got {X.shape}."
        )
    if len(X) == 0:
        raise ValueError(f"{name} holds no frames (shape {X.shape}): give one or more.")
    if not np.isfinite(X).all():
        raise ValueError(f"{name} must be finite; frame(s) {_where(~np.isfinite(X))} hold NaN or infinity.")
    r = np.linalg.norm(X[:, :, None] - X[:, None], axis=-1)
    nearest = np.where(np.eye(X.shape[1], dtype=bool), np.inf, r).min(axis=2)
    if (nearest == 0).any() or (nearest < COINCIDENT * np.median(nearest)).any():
        raise ValueError(
            f"{name} has coincident atoms in frame(s) {_where(nearest < COINCIDENT * np.median(nearest))}: "
            "an energy has no gradient there; remove the double."
        )
    _check_angstrom(float(np.median(nearest)), name)
    return X


def _check_angstrom(typical: float, name: str) -> None:
    if not NEAREST[0] < typical < NEAREST[1]:
        guess = "nm: multiply by 10" if typical < NEAREST[0] else "bohr: multiply by 0.529177"
        raise ValueError(
            f"{name} must be in Å, where nearest neighbours stand about 1.1 apart; here half of them stand "
            f"further apart than {typical:.3g}. Perhaps it is in {guess}."
        )


def _where(bad: np.ndarray) -> list[int]:
    return np.unique(np.nonzero(bad)[0])[:5].tolist()


def atomic_numbers(numbers: Any, a: int) -> Int[np.ndarray, " a"]:
    """One atomic number for each atom.  Raises ValueError."""
    found = np.asarray(numbers)
    if found.shape != (a,) or not np.issubdtype(found.dtype, np.integer) or (found < 1).any():
        raise ValueError(
            f"numbers must be {a} atomic numbers, one for each atom, got {found.dtype} {found.shape}."
        )
    return found.astype(int)


def same_molecule(numbers: Any, trained: Any) -> None:
    """Raises ValueError where atoms are others, or in another order, than those of the training."""
    numbers, trained = np.asarray(numbers), np.asarray(trained)
    if numbers.shape == trained.shape and (numbers == trained).all():
        return
    if sorted(numbers.tolist()) == sorted(trained.tolist()):
        raise ValueError(
            f"the atoms stand in another order than in training: {numbers.tolist()}, not {trained.tolist()}; "
            "renumber X and numbers together."
        )
    raise ValueError(
        f"the model was trained on the atoms {trained.tolist()}, got {numbers.tolist()}: it says nothing of "
        "other molecules."
    )


def labels(energy: Any, force: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Energies (n,) in kcal/mol and forces (n, a, 3) in kcal/mol/Å for frames of that shape.

    Raises ValueError for other shapes, NaN, forces of another frame of reference (they do not sum to zero),
    and sizes that no molecule's forces have in these units.
    """
    E, F = np.asarray(energy, dtype=float), np.asarray(force, dtype=float)
    if E.shape != shape[:1] or F.shape != shape:
        raise ValueError(
            f"expected energies {shape[:1]} and forces {shape}, one for each frame, got {E.shape}, {F.shape}."
        )
    if not (np.isfinite(E).all() and np.isfinite(F).all()):
        raise ValueError("energies and forces must be finite, got NaN or infinity.")
    size = float(np.sqrt((F**2).mean()))
    if size < COLDEST:
        raise ValueError(
            f"forces must be in kcal/mol/Å; these have a root mean square of {size:.2g}, as of a molecule "
            "near absolute zero. Perhaps they are in eV/Å: multiply forces and energies by 23.0605."
        )
    if np.abs(F.sum(axis=1)).max() > 1e-2 * max(size, 1e-12):
        raise ValueError("the forces of a free molecule sum to zero in each frame; these do not.")
    return E, F
