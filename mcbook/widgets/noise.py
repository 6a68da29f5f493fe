"""Scrubbing through the noise: a cloud of particles, its score field, and the paths there and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

UNIT = 4000  # steps of the stored coordinates for each unit of the drawing: ±8 fits 16 bits
ARROW = 40  # steps of the stored arrows for each unit: ±3 fits 8 bits


class ThereAndBack(anywidget.AnyWidget):
    """Scrub the noise level of a cloud in the plane, with the score field drawn, along several kinds of path.

    Drawn are zoomed-out coordinates, x/√(1 + sigma²), in which the cloud keeps its size.

    Parameters
        sigmas  noise levels (T,), increasing, from the data's end to the noise's
        paths   name -> positions (T, n, 2), n the same for all; a name that begins with "back" is played back
        grid    points (g, 2) of the drawing, in zoomed-out coordinates
        pull    sigma times the score (T, g, 2), at the points grid · √(1 + sigma²)
        groups  which spot each particle belongs to at the data's end: name -> (n,), integers from 0 to 4

    Raises ValueError for wrong shapes, NaN, levels out of order, or coordinates beyond ±8.
    """

    _esm = read_together("draw.js", "knobs.js", "noise.js")
    _css = read_together("shared.css", "knobs.css", "diffusion.css")
    sigmas: Any = traitlets.List(traitlets.Float()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    places = traitlets.Bytes(b"").tag(sync=True)  # int16: for each path, level and particle, across and up
    arrows = traitlets.Bytes(b"").tag(sync=True)  # int8: for each level and grid point, across and up
    grid: Any = traitlets.List().tag(sync=True)
    groups: Any = traitlets.List().tag(sync=True)
    unit = traitlets.List(traitlets.Int(), [UNIT, ARROW]).tag(sync=True)
    level = traitlets.Float(0.0).tag(sync=True)

    def __init__(
        self, sigmas: Any, paths: Mapping[str, Any], *, grid: Any, pull: Any, groups: Mapping[str, Any]
    ) -> None:
        levels, points = np.asarray(sigmas, dtype=float), np.asarray(grid, dtype=float)
        if levels.ndim != 1 or len(levels) < 2 or not (np.diff(levels) > 0).all() or levels[0] <= 0:
            raise ValueError("ThereAndBack expects positive noise levels (T,) that increase; reverse them?")
        lens = np.sqrt(1 + levels**2)[:, None, None]
        drawn = {name: checked_path(name, X, len(levels)) / lens for name, X in paths.items()}
        if not drawn or len({X.shape for X in drawn.values()}) > 1 or list(groups) != list(drawn):
            raise ValueError("ThereAndBack expects one or more paths of one shape, each with its groups.")
        field = np.asarray(pull, dtype=float)
        if points.ndim != 2 or field.shape != (len(levels), *points.shape) or points.shape[1] != 2:
            raise ValueError(
                f"ThereAndBack expects grid (g, 2) and pull (T, g, 2), got {points.shape}, {field.shape}."
            )
        if not np.isfinite(field).all() or max(np.abs(X).max() for X in drawn.values()) > 8:
            raise ValueError("ThereAndBack draws finite arrows, and particles within ±8 √(1 + sigma²).")
        super().__init__(
            sigmas=[float(f"{s:.4g}") for s in levels],
            names=list(drawn),
            places=np.round(np.stack(list(drawn.values())) * UNIT).astype("<i2").tobytes(),
            arrows=np.round(np.clip(field, -3, 3) * ARROW).astype("i1").tobytes(),
            grid=np.round(points, 3).tolist(),
            groups=[checked_groups(groups[name], drawn[name].shape[1]) for name in drawn],
        )

    def __repr__(self) -> str:
        return (
            f"ThereAndBack: {len(self.groups[0])} particles, noise from {self.sigmas[0]:g} to "
            f"{self.sigmas[-1]:g}; {', '.join(self.names)}"
        )


def checked_path(name: str, X: Any, levels: int) -> np.ndarray:
    """Positions as finite float64 (T, n, 2), or a ValueError that names the path."""
    X = np.asarray(X, dtype=float)
    if X.ndim != 3 or X.shape[0] != levels or X.shape[2] != 2 or not np.isfinite(X).all():
        raise ValueError(
            f"ThereAndBack expects finite positions ({levels}, n, 2) for {name!r}, got {X.shape}."
        )
    return X


def checked_groups(groups: Any, count: int) -> list[int]:
    """A spot for each particle, as a list, or a ValueError."""
    found = np.asarray(groups)
    if found.shape != (count,) or found.dtype.kind not in "iu" or found.min() < 0 or found.max() > 4:
        raise ValueError(f"ThereAndBack expects a group from 0 to 4 for each of {count} particles.")
    return [int(k) for k in found]
