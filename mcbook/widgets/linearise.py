"""A map of the plane and its linear part: a square, its true image, and the parallelogram beside it."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from mcbook.differentials.maps import MAPS, window
from mcbook.widgets.front import read_together

SIZES = (-6.0, -1.0)  # log₂ of half the square's side


class Linearise(anywidget.AnyWidget):
    """Move a point over a map of the plane: the Jacobian's parallelogram follows the square's image.

    Parameters
        shown  which map comes first, by its name in `mcbook.differentials.maps.MAPS`
        size   log₂ of half the side of the square, -6 … -1

    The page evaluates the maps and their Jacobians itself; tests hold them against the package's.
    Raises ValueError for an unknown map or a size out of range.
    """

    _esm = read_together("draw.js", "knobs.js", "linearise.js")
    _css = read_together("shared.css", "knobs.css", "linearise.css")
    maps: Any = traitlets.List().tag(sync=True)
    shown = traitlets.Int(0, min=0).tag(sync=True)
    point: Any = traitlets.List().tag(sync=True)
    size = traitlets.Float(-1.5).tag(sync=True)

    def __init__(self, *, shown: str = MAPS[0].name, size: float = -1.5) -> None:
        names = [m.name for m in MAPS]
        if shown not in names:
            raise ValueError(f"Linearise expects a map among {', '.join(names)}; got {shown!r}.")
        if not SIZES[0] <= size <= SIZES[1]:
            raise ValueError(f"Linearise expects {SIZES[0]:g} ≤ size ≤ {SIZES[1]:g}, got {size}.")
        first = names.index(shown)
        super().__init__(
            maps=[
                {
                    "name": m.name,
                    "words": m.words,
                    "domain": window(m.domain),
                    "image": window(m.image),
                    "start": m.start,
                }
                for m in MAPS
            ],
            shown=first,
            point=list(MAPS[first].start),
            size=float(size),
        )

    def __repr__(self) -> str:
        return f"Linearise: {', '.join(m['name'] for m in self.maps)}; {self.maps[self.shown]['name']} first"
