"""A string on a bed of springs: κ, the finger and the mesh to move; the dip and a ridge fit that follow."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

KAPPA_SPAN, LAM_SPAN = (10**0.6, 1e4), (1e-5, 1.0)  # the sliders' ends
MESHES, SPRINGS = (8, 16, 64, 256), ("consistent", "lumped", "identity")
HEIGHT = 1.2  # how far up and down the points may lie


class OnSprings(anywidget.AnyWidget):
    """Press a string on springs, −u″ + κu = δ on [0, 1] with free ends, and fit points beside it.

    The page solves both systems itself, in JavaScript, with one pair of tridiagonal matrices: the string's is
    (K + κS) w = f, and the fit minimises ½ Σ (u(xᵢ) − yᵢ)² + ½ λ wᵀ(K + κS)w. S is the mass matrix, its
    lumped form, or h₀I with the fixed h₀ = 1/16 (the mistake λI). Dashed are the exact solutions: Green's
    function, and kernel ridge regression with it.

    Parameters
        x, y       4 to 12 points (n,), x in [0, 1] and distinct, y in [−1.2, 1.2]
        kappa, lam where the sliders start, within [3.98, 10000] and [1e-5, 1]
        place      the finger, in [0, 1]
        elements   8, 16, 64 or 256;  springs  "consistent", "lumped" or "identity"

    Raises ValueError for points outside the drawing, NaN, or a setting that cannot be chosen.
    """

    _esm = read_together("draw.js", "knobs.js", "bedding.js")
    _css = read_together("shared.css", "knobs.css", "bedding.css")
    x = traitlets.List(traitlets.Float()).tag(sync=True)
    y = traitlets.List(traitlets.Float()).tag(sync=True)
    kappa = traitlets.Float(100.0).tag(sync=True)
    lam = traitlets.Float(0.01).tag(sync=True)
    place = traitlets.Float(0.4).tag(sync=True)
    elements = traitlets.Int(64).tag(sync=True)
    springs = traitlets.Unicode("consistent").tag(sync=True)

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        kappa: float = 100.0,
        lam: float = 0.01,
        place: float = 0.4,
        elements: int = 64,
        springs: str = "consistent",
    ) -> None:
        points = checked_points(x, y)
        spans = (("kappa", kappa, KAPPA_SPAN), ("lam", lam, LAM_SPAN), ("place", place, (0.0, 1.0)))
        for name, value, (low, high) in spans:
            if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
                raise ValueError(f"OnSprings expects {low:.3g} ≤ {name} ≤ {high:.3g}, got {value}.")
        for name, choice, known in (("elements", elements, MESHES), ("springs", springs, SPRINGS)):
            if choice not in known:
                raise ValueError(f"OnSprings expects {name} to be one of {known}, got {choice!r}.")
        x_list, y_list = np.round(points, 4).T.tolist()
        at = {"kappa": float(kappa), "lam": float(lam), "place": float(place)}
        super().__init__(x=x_list, y=y_list, elements=int(elements), springs=springs, **at)

    def __repr__(self) -> str:
        return (
            f"OnSprings: κ = {self.kappa:.3g}, {self.elements} elements, {len(self.x)} points to fit; "
            "drag the finger, the points, the bedding and the penalty"
        )


def checked_points(x: Any, y: Any) -> np.ndarray:
    """The points as (n, 2), ordered by x, or a ValueError that says which are not drawable."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or not 4 <= len(x) <= 12:
        raise ValueError(f"OnSprings expects 4 to 12 points x, y (n,), got {x.shape} and {y.shape}.")
    inside = (x >= 0) & (x <= 1) & (np.abs(y) <= HEIGHT)
    if not inside.all():  # NaN is not inside either
        raise ValueError(
            f"OnSprings draws x in [0, 1] and y within ±{HEIGHT}; point(s) "
            f"{np.flatnonzero(~inside).tolist()} are outside or NaN: rescale them."
        )
    if len(np.unique(np.round(x, 4))) < len(x):
        raise ValueError("OnSprings expects distinct x: two points at one place cannot be told apart.")
    return np.column_stack([x, y])[np.argsort(x)]
