"""Kernel ridge regression by hand: points, width and λ to move; curve, weights and errors that follow."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

X_SPAN, Y_SPAN = (0.0, 10.0), (-2.3, 2.3)  # what the drawing shows
SIGMA_SPAN, LAM_SPAN = (10**-0.8, 10**0.7), (1e-6, 10.0)  # the sliders' ends


class RidgeByHand(anywidget.AnyWidget):
    """Drag points, σ and λ of a one-dimensional fit with the Gaussian kernel exp(−(x−x')²/2σ²).

    The page solves (K + λI) α = y itself, in JavaScript: one Cholesky factor gives the curve, the weights,
    the leave-one-out residuals αᵢ/[C⁻¹]ᵢᵢ, the degrees of freedom and the gradient of the leave-one-out
    error.

    Parameters
        x, y        4 to 20 points (n,), x in [0, 10] and distinct, y in [-2.3, 2.3]
        sigma, lam  where the sliders start, within [0.16, 5.0] and [1e-6, 10]
        chosen      the point that is left out in the drawing, counted from 0

    Raises ValueError for points outside the drawing, NaN, or a setting that the sliders cannot reach.
    """

    _esm = read_together("draw.js", "knobs.js", "ridge.js")
    _css = read_together("shared.css", "knobs.css", "kernels.css")
    x = traitlets.List(traitlets.Float()).tag(sync=True)
    y = traitlets.List(traitlets.Float()).tag(sync=True)
    sigma = traitlets.Float(1.0).tag(sync=True)
    lam = traitlets.Float(0.1).tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)

    def __init__(self, x: Any, y: Any, *, sigma: float = 1.0, lam: float = 0.1, chosen: int = 0) -> None:
        points = checked_points(x, y)
        for name, value, (low, high) in (("sigma", sigma, SIGMA_SPAN), ("lam", lam, LAM_SPAN)):
            if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
                raise ValueError(f"RidgeByHand expects {low:.3g} ≤ {name} ≤ {high:.3g}, got {value}.")
        if not 0 <= chosen < len(points):
            raise ValueError(f"RidgeByHand expects chosen from 0 to {len(points) - 1}, got {chosen}.")
        x_list, y_list = np.round(points, 4).T.tolist()
        super().__init__(x=x_list, y=y_list, sigma=float(sigma), lam=float(lam), chosen=int(chosen))

    def __repr__(self) -> str:
        return (
            f"RidgeByHand: {len(self.x)} points, σ = {self.sigma:.2g}, λ = {self.lam:.2g}; "
            "drag the points, the width and the penalty"
        )


def checked_points(x: Any, y: Any) -> np.ndarray:
    """The points as (n, 2), ordered by x, or a ValueError that says which are not drawable."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or not 4 <= len(x) <= 20:
        raise ValueError(f"RidgeByHand expects 4 to 20 points x, y (n,), got {x.shape} and {y.shape}.")
    inside = (x >= X_SPAN[0]) & (x <= X_SPAN[1]) & (y >= Y_SPAN[0]) & (y <= Y_SPAN[1])
    if not inside.all():  # NaN is not inside either
        raise ValueError(
            f"RidgeByHand draws x in {X_SPAN} and y in {Y_SPAN}; point(s) {np.flatnonzero(~inside).tolist()} "
            "are outside or NaN: rescale them."
        )
    if len(np.unique(x)) < len(x):
        raise ValueError("RidgeByHand expects distinct x: two points at one place cannot be told apart.")
    return np.column_stack([x, y])[np.argsort(x)]
