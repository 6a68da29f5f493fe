"""A molecule and its relatives: the nearest neighbours in a kernel, drawn, with what their energies say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

REACH = 1.25  # a bond is drawn up to so many times the sum of two covalent radii
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def bonds(elements: Sequence[str], coords_angstrom: Any) -> list[tuple[int, int]]:
    """Pairs of atoms that stand closer than 1.25 times the sum of their covalent radii.

    Raises ValueError for an element without a radius.
    """
    from mcbook.kernels.molecules import RADII_ANGSTROM  # not at the top: other pages do without

    unknown = sorted(set(elements) - set(RADII_ANGSTROM))
    if unknown:
        raise ValueError(f"bonds knows {', '.join(RADII_ANGSTROM)}, not {', '.join(unknown)}.")
    X = np.asarray(coords_angstrom, dtype=float)
    radius = np.array([RADII_ANGSTROM[element] for element in elements])
    distance = np.linalg.norm(X[:, None] - X[None], axis=-1)
    near = np.triu(distance < REACH * (radius[:, None] + radius[None]), 1)
    return [(int(i), int(j)) for i, j in np.argwhere(near)]


def formula(elements: Sequence[str]) -> str:
    """The sum formula in Hill's order: carbon, hydrogen, then by the alphabet.  C₂H₆O"""
    order = sorted(set(elements), key=lambda e: ("CH".find(e) if e in "CH" and "C" in elements else 9, e))
    counts = [(e, list(elements).count(e)) for e in order]
    return "".join(e + (str(c).translate(SUBSCRIPTS) if c > 1 else "") for e, c in counts)


def principal(coords_angstrom: Any) -> np.ndarray:
    """Coordinates about the centroid, the longest extent first, the shortest last: as they are drawn."""
    X = np.asarray(coords_angstrom, dtype=float)
    X = X - X.mean(axis=0)
    axes = np.linalg.svd(X, full_matrices=True)[2]
    axes[2] *= np.sign(np.linalg.det(axes))  # turned, never mirrored
    return X @ axes.T


class Relatives(anywidget.AnyWidget):
    """Pick a molecule; see its nearest relatives, and whether those who are alike bind alike.

    Parameters
        molecules  for each of n molecules (name, elements, coords_angstrom (a, 3))
        energy     n atomisation energies in kcal/mol
        residual   n energies less what the composition explains, kcal/mol
        kernels    name -> likeness (n, n), symmetric with ones on the diagonal
        predicted  name -> n energies predicted with the molecule left out, kcal/mol
        chosen     the molecule that is shown first, counted from 0

    Raises ValueError for wrong shapes, NaN, or a likeness that is not one.
    """

    _esm = read_together("draw.js", "relatives.js")
    _css = read_together("shared.css", "knobs.css", "kernels.css")
    molecules: Any = traitlets.List().tag(sync=True)
    kernels: Any = traitlets.List().tag(sync=True)
    kernel_names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        molecules: Sequence[tuple[str, Sequence[str], Any]],
        *,
        energy: Any,
        residual: Any,
        kernels: Mapping[str, Any],
        predicted: Mapping[str, Any],
        chosen: int = 0,
    ) -> None:
        n = len(molecules)
        energies = _numbers("energy", energy, n)
        residuals = _numbers("residual", residual, n)
        likeness = {name: checked_likeness(name, S, n) for name, S in kernels.items()}
        if n < 7 or not likeness or set(predicted) != set(likeness) or not 0 <= chosen < n:
            raise ValueError(
                f"Relatives expects 7 molecules or more, kernels and predictions of the same names, and "
                f"chosen within; got {n}, {sorted(likeness)}, {sorted(predicted)}, {chosen}."
            )
        left_out = np.array([_numbers(name, predicted[name], n) for name in likeness])
        super().__init__(
            molecules=[
                {
                    "name": name,
                    "formula": formula(elements),
                    "elements": list(elements),
                    "coords": np.round(principal(coords), 2).tolist(),
                    "bonds": bonds(elements, coords),
                    "energy": round(float(energies[i]), 2),
                    "residual": round(float(residuals[i]), 2),
                    "predicted": np.round(left_out[:, i], 2).tolist(),
                }
                for i, (name, elements, coords) in enumerate(molecules)
            ],
            kernels=[np.round(S, 4).tolist() for S in likeness.values()],
            kernel_names=list(likeness),
            chosen=int(chosen),
        )

    def __repr__(self) -> str:
        return f"Relatives: {len(self.molecules)} molecules, likeness by {' or '.join(self.kernel_names)}"


def _numbers(name: str, values: Any, n: int) -> np.ndarray:
    found = np.asarray(values, dtype=float)
    if found.shape != (n,) or not np.isfinite(found).all():
        raise ValueError(f"Relatives expects {n} finite numbers for {name}, got shape {found.shape} or NaN.")
    return found


def checked_likeness(name: str, S: Any, n: int) -> np.ndarray:
    """A symmetric matrix (n, n) with ones on its diagonal and nothing above them, or a ValueError."""
    S = np.asarray(S, dtype=float)
    if S.shape != (n, n) or not np.isfinite(S).all():
        raise ValueError(f"Relatives expects a finite likeness ({n}, {n}) for {name!r}, got {S.shape}.")
    off = max(np.abs(S - S.T).max(), np.abs(np.diag(S) - 1).max(), S.max() - 1, -S.min())
    if off > 1e-6:
        raise ValueError(
            f"Relatives expects a likeness between 0 and 1, symmetric, 1 on the diagonal; {name!r} is off by "
            f"{off:.2g}: divide K by the roots of its diagonal."
        )
    return S
