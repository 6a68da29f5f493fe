"""A molecule to turn by hand: forces that turn with it, and those of networks that do not know how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together
from mcbook.widgets.relatives import bonds

DIGITS = 6  # significant ones that the weights keep on the page


class TurnMolecule(anywidget.AnyWidget):
    """Turn, mirror or renumber a molecule; see what networks make of it, beside the true forces.

    The networks are evaluated on the page, in JavaScript; forces are central differences of the energy.

    Parameters
        networks  name -> parameters: `symmetry.network.Network`, or `symmetry.dense.Plain` on raw coordinates
        numbers   a atomic numbers; species the row of each atom in the networks' embedding
        X         the geometry (a, 3) in Å, upright as in training
        energy, force  what is true there: kcal/mol; (a, 3) in kcal/mol/Å
        swap      two like atoms to exchange, counted from 0

    Raises ValueError for wrong shapes, NaN, unlike atoms to swap, or parameters of another kind.
    """

    _esm = read_together("draw.js", "turn.js")
    _css = read_together("shared.css", "knobs.css", "kernels.css", "symmetry.css")
    networks: Any = traitlets.List().tag(sync=True)
    elements: Any = traitlets.List().tag(sync=True)
    coords: Any = traitlets.List().tag(sync=True)
    forces: Any = traitlets.List().tag(sync=True)
    bonds: Any = traitlets.List().tag(sync=True)
    swap: Any = traitlets.List().tag(sync=True)
    energy = traitlets.Float().tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        networks: Mapping[str, Any],
        X: Any,
        *,
        energy: int | float,
        force: Any,
        numbers: Any,
        species: Any,
        swap: tuple[int, int],
    ) -> None:
        from mcbook.data.molecules import SYMBOLS  # not at the top: other pages do without

        X, F = (np.asarray(v, dtype=float) for v in (X, force))
        a = len(numbers)
        if X.shape != (a, 3) or F.shape != (a, 3) or len(species) != a or not np.isfinite([X, F]).all():
            raise ValueError(
                f"TurnMolecule expects finite X and force ({a}, 3), got {X.shape}, {F.shape} or NaN."
            )
        if len(set(swap)) != 2 or not all(0 <= i < a for i in swap) or numbers[swap[0]] != numbers[swap[1]]:
            raise ValueError(f"TurnMolecule expects two atoms of one element to swap, got {swap}.")
        elements = [SYMBOLS[int(z)] for z in numbers]
        super().__init__(
            networks=[{"name": name, **_weights(name, p, species, 3 * a)} for name, p in networks.items()],
            elements=elements,
            coords=np.round(X - X.mean(axis=0), 5).tolist(),
            forces=np.round(F, 4).tolist(),
            bonds=[list(pair) for pair in bonds(elements, X)],
            swap=list(swap),
            energy=float(energy),
        )

    def __repr__(self) -> str:
        names = ", ".join(net["name"] for net in self.networks)
        return f"TurnMolecule: {len(self.elements)} atoms; networks: {names}"


def _weights(name: str, params: Any, species: Any, d: int) -> dict[str, Any]:
    """A network's parameters as nested lists, shortened to DIGITS."""
    from mcbook.symmetry import dense, network

    if isinstance(params, network.Network):
        layers = [
            {"phi": _pair(p.phi), "w": _short(p.w), "mix": _short(p.mix), "gate": _pair(p.gate)}
            for p in params.layers
        ]
        return {
            "kind": "message passing",
            "species": [int(s) for s in species],
            "embedding": _short(params.embedding),
            "layers": layers,
            "readout": _pair(params.readout),
            "cutoff": float(params.cutoff_angstrom),
            "eps": network.EPS,
            **_units(params),
        }
    if isinstance(params, dense.Plain) and params.W1.shape[1] == d:
        return {"kind": "plain", **{k: _short(getattr(params, k)) for k in PLAIN}, **_units(params)}
    raise ValueError(
        f"TurnMolecule evaluates symmetry.network.Network and symmetry.dense.Plain on {d} raw coordinates; "
        f"{name!r} is something else."
    )


PLAIN = ("W1", "b1", "W2", "b2", "w", "center", "width")


def _units(params: Any) -> dict[str, float]:
    return {"scale": float(params.scale_kcal), "offset": float(params.offset_kcal)}


def _pair(pair: Any) -> list[Any]:
    first, last = pair
    return [_short(v) for v in (first.W, first.b, last.W, last.b)]


def _short(values: Any) -> Any:
    """Nested lists of numbers with DIGITS significant digits."""
    found = np.asarray(values, dtype=float)
    flat = [float(f"{v:.{DIGITS}g}") for v in found.ravel()]
    return np.array(flat).reshape(found.shape).tolist()
