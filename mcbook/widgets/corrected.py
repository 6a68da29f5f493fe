"""A cheap surface and what is learnt on top of it: along one cut, and as forces on a molecule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together
from mcbook.widgets.relatives import bonds

DIGITS = 5  # of what is handed to the page, after the point: kcal/mol, and kcal/mol/Å


class SurfaceSweep(NamedTuple):
    """What was predicted from each number of geometries s: a cut (s, k) and forces (s, g, a, 3).

    energy_error, force_error (s,): mean absolute errors on a test set, kcal/mol and kcal/mol/Å.
    """

    cut: Any
    forces: Any
    energy_error: Any
    force_error: Any


class CheapTheory(NamedTuple):
    """A cheap theory: its own cut (k,), forces (g, a, 3), and the composite learnt on top of it."""

    cut: Any
    forces: Any
    composite: SurfaceSweep


class Corrected(anywidget.AnyWidget):
    """Choose how many geometries are learnt; watch the direct surface and the composite close in.

    Parameters
        sizes      s numbers of geometries, rising
        angles     k angles of the cut, degrees
        truth      the target along the cut (k,), kcal/mol; and its forces (g, a, 3) on the molecules shown
        elements, positions_angstrom   of the molecules that are shown, (a,) and (g, a, 3), in the plane y-z
        direct     `SurfaceSweep`, without a base
        bases      a name -> `CheapTheory`
        chosen     the size that is shown first, counted from 0

    Raises ValueError for wrong shapes or NaN.
    """

    _esm = read_together("draw.js", "corrected.js")
    _css = read_together("shared.css", "knobs.css", "kernels.css", "corrected.css")
    sizes: Any = traitlets.List().tag(sync=True)
    angles: Any = traitlets.List().tag(sync=True)
    truth: Any = traitlets.Dict().tag(sync=True)
    molecules: Any = traitlets.Dict().tag(sync=True)
    direct: Any = traitlets.Dict().tag(sync=True)
    bases: Any = traitlets.List().tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        *,
        sizes: Sequence[int],
        angles: Any,
        truth: tuple[Any, Any],
        elements: Sequence[str],
        positions_angstrom: Any,
        direct: SurfaceSweep,
        bases: Mapping[str, CheapTheory],
        chosen: int = 0,
    ) -> None:
        s, k = len(sizes), len(angles)
        X = np.asarray(positions_angstrom, dtype=float)
        if X.ndim != 3 or X.shape[1:] != (len(elements), 3) or not bases or not 0 <= chosen < s:
            raise ValueError(
                f"Corrected expects positions (g, {len(elements)}, 3), a base and chosen from 0 to {s - 1}; "
                f"got {X.shape}, {len(bases)} bases and {chosen}."
            )
        lowest = float(np.min(np.asarray(truth[0], dtype=float)))
        cut, forces = (k,), X.shape

        def learnt(found: SurfaceSweep) -> dict[str, Any]:
            return {
                "cut": _numbers("cut", found.cut, (s, *cut), lowest),
                "forces": _planar(_numbers("forces", found.forces, (s, *forces))),
                "energy": _numbers("energy_error", found.energy_error, (s,)),
                "force": _numbers("force_error", found.force_error, (s,)),
            }

        super().__init__(
            sizes=[int(n) for n in sizes],
            angles=np.round(np.asarray(angles, dtype=float), 2).tolist(),
            truth={
                "cut": _numbers("truth", truth[0], cut, lowest),
                "forces": _planar(_numbers("forces", truth[1], forces)),
            },
            molecules={
                "elements": list(elements),
                "coords": np.round(X[..., 1:], 4).tolist(),
                "bonds": bonds(elements, X[0]),
            },
            direct=learnt(direct),
            bases=[
                {
                    "name": name,
                    "cut": _numbers("cut", base.cut, cut, float(np.min(base.cut))),
                    "forces": _planar(_numbers("forces", base.forces, forces)),
                    "composite": learnt(base.composite),
                }
                for name, base in bases.items()
            ],
            chosen=int(chosen),
        )

    def __repr__(self) -> str:
        names = " or ".join(base["name"] for base in self.bases)
        return f"Corrected: {len(self.sizes)} sizes from {self.sizes[0]} to {self.sizes[-1]}, base {names}"


def _numbers(name: str, values: Any, shape: tuple[int, ...], zero: float = 0.0) -> Any:
    found = np.asarray(values, dtype=float)
    if found.shape != shape or not np.isfinite(found).all():
        raise ValueError(f"Corrected expects {name} {shape}, finite; got shape {found.shape} or NaN.")
    return np.round(found - zero, DIGITS).tolist()


def _planar(forces: Any) -> Any:
    """The y and z components."""
    return np.asarray(forces)[..., 1:].tolist()
