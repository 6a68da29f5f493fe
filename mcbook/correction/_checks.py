"""What the chapter's entry points demand of their input, before any work is done.  Private."""

from typing import Any

import numpy as np

from mcbook._pairs import pair_permutations, pair_powers
from mcbook.correction.units import BOHR_ANGSTROM

NEAREST_ANGSTROM = (0.4, 1.6)  # the closest two atoms lie between
SLIP, SCATTER = 0.1, 0.35  # of log distances about a unit's factor: their mean, and each of them


def frames(positions: Any, name: str = "positions_angstrom", *, a: int | None = None) -> np.ndarray:
    """Positions as finite float64 (n, a, 3), n ≥ 1, a ≥ 2, no two atoms in one place.  Raises ValueError."""
    R = _real(positions, name)
    if R.ndim == 2 and R.shape[1] == 3:
        raise ValueError(
            f"{name} must be (n, a, 3), geometries by atoms by x, y, z; got {R.shape}: add [None]."
        )
    if R.ndim != 3 or R.shape[2] != 3 or R.shape[0] < 1 or R.shape[1] < 2:
        raise ValueError(f"{name} must be (n, a, 3), geometries by atoms by x, y, z; got shape {R.shape}.")
    if a is not None and R.shape[1] != a:
        raise ValueError(f"{name} has {R.shape[1]} atoms, the model was trained on {a}: another molecule?")
    return _finite(R, name)


def in_angstrom(R: np.ndarray, name: str = "positions_angstrom") -> None:
    """Raises ValueError where the closest atoms of the typical geometry (n, a, 3) are no bond's length apart.

    Told from molecules with hydrogen, whose shortest bonds are near 1 Å.
    """
    nearest = float(np.median(pair_powers(R, power=-1).min(axis=1)))
    low, high = NEAREST_ANGSTROM
    if not low < nearest < high:
        why = "bohr? multiply by 0.529177" if nearest >= high else "nanometres? multiply by 10"
        raise ValueError(f"{name}: the closest atoms are {nearest:.2f} Å apart, expected about 1; in {why}.")


def like_training(R: np.ndarray, usual: np.ndarray, name: str = "positions_angstrom") -> None:
    """Raises ValueError where every distance is about 1.89 times the training set's (p,): bohr."""
    ratio = np.log(pair_powers(R, power=-1) / usual)
    for factor, why in (
        (1 / BOHR_ANGSTROM, "bohr? multiply by 0.529177"),
        (0.1, "nanometres? multiply by 10"),
    ):
        off = ratio - np.log(factor)
        slipped = (np.abs(off.mean(axis=1)) < SLIP) & (np.abs(off).max(axis=1) < SCATTER)
        if slipped.mean() > 0.5:
            raise ValueError(f"{name} are about {factor:.2f} times those trained on; in {why}.")


def energies(energy: Any, n: int, name: str = "energy_kcal") -> np.ndarray:
    """Energies as finite float64 (n,).  Raises ValueError."""
    y = _real(energy, name)
    if y.shape != (n,):
        raise ValueError(f"{name} must be ({n},), one for every geometry; got shape {y.shape}.")
    return _finite(y, name)


def gradients(gradient: Any, shape: tuple[int, ...], name: str = "gradient_kcal_angstrom") -> np.ndarray:
    """Gradients as finite float64 of the positions' shape.  Raises ValueError."""
    G = _real(gradient, name)
    if G.shape != shape:
        raise ValueError(f"{name} must have the positions' shape {shape}; got {G.shape}.")
    return _finite(G, name)


def permutations(symmetries: Any, a: int) -> np.ndarray:
    """Permutations of atoms as (g, a), identity first, closed under composition.  Raises ValueError."""
    if symmetries is None:
        return np.arange(a)[None]
    P = np.asarray(symmetries)
    if P.ndim != 2 or P.shape[1] != a or not (np.sort(P, axis=1) == np.arange(a)).all():
        raise ValueError(f"symmetries must be (g, {a}), permutations of 0 to {a - 1}; got {P.tolist()}.")
    rows = {tuple(row) for row in P.tolist()}
    if len(rows) < len(P) or any(tuple(p[q]) not in rows for p in P for q in P):
        raise ValueError(
            f"symmetries {P.tolist()} are not a group: one is there twice, or doing two of them in turn is "
            "missing. `like_atoms` lists all the permutations of like atoms."
        )
    return P[np.lexsort(P.T[::-1])]


def pairs(symmetries: np.ndarray) -> np.ndarray:
    """The same permutations acting on pairs, (g, p)."""
    return pair_permutations(symmetries)


def positive(value: Any, name: str, shape: tuple[int, ...] = ()) -> np.ndarray:
    """A positive finite number, or an array of them.  Raises ValueError."""
    x = np.asarray(value, dtype=float)
    if x.shape not in ((), shape) or not (np.isfinite(x).all() and (x > 0).all()):
        wanted = f"positive, a number or {shape}" if shape else "a positive number"
        raise ValueError(f"{name} must be {wanted}; got {value!r}.")
    return x


def _real(x: Any, name: str) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind not in "fiu":
        raise ValueError(f"{name} must hold real numbers, got dtype {x.dtype}; convert with .astype(float).")
    return x.astype(float)


def _finite(x: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(x).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise ValueError(f"{name} holds a NaN or an infinity, the first at {first}; drop that geometry.")
    return x
