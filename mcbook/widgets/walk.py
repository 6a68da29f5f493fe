"""Walking down with the gradient: what each method has made of the data after so many steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

FLOOR = 1e-12  # gaps below this are rounding


def checked_walks(walks: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Each walk as finite unmixing matrices (steps, 2, 2), or a ValueError."""
    if not 1 <= len(walks) <= 4:
        raise ValueError(f"GradientWalk expects one to four walks, got {len(walks)}.")
    checked = {name: np.asarray(Ws, dtype=float) for name, Ws in walks.items()}
    for name, Ws in checked.items():
        if Ws.ndim != 3 or Ws.shape[1:] != (2, 2) or len(Ws) < 2 or not np.isfinite(Ws).all():
            raise ValueError(
                f"GradientWalk expects finite matrices (steps, 2, 2) for {name!r}, got {Ws.shape}."
            )
    return checked


class GradientWalk(anywidget.AnyWidget):
    """Step through the iterations of several methods: the unmixed cloud, and how far the loss is from least.

    Parameters
        X      recordings (n, 2); 800 of them are drawn
        walks  method's name -> its unmixing matrices W (steps, 2, 2), the start included
        loss   W -> loss; the curves show it less `least`
        least  the loss at the optimum, from a converged fit; by default the least on any walk, whose own
               end then seems exact

    Raises ValueError for wrong shapes, NaN or infinity, no walk or more than four.
    """

    _esm = read_together("draw.js", "walk.js")
    _css = read_together("shared.css")
    iteration = traitlets.Int(0, min=0).tag(sync=True)
    points = traitlets.Bytes(b"").tag(sync=True)  # float32, interleaved x₁ x₂
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    matrices: Any = traitlets.List().tag(sync=True)  # for each method, for each step, W row by row
    gaps: Any = traitlets.List().tag(sync=True)  # for each method, the loss less the least

    def __init__(
        self, X: Any, walks: Mapping[str, Any], *, loss: Callable[[Any], Any], least: Any = None
    ) -> None:
        X = np.asarray(X, dtype=float)
        if X.ndim != 2 or X.shape[1] != 2 or len(X) < 10 or not np.isfinite(X).all():
            raise ValueError(f"GradientWalk expects finite X (n, 2), n ≥ 10, got {X.shape} (transpose?).")
        steps = checked_walks(walks)
        losses = {name: np.array([float(loss(W)) for W in Ws]) for name, Ws in steps.items()}
        least = min(values.min() for values in losses.values()) if least is None else float(least)
        super().__init__(
            points=X[:: max(1, len(X) // 800)].astype("<f4").tobytes(),
            names=list(steps),
            matrices=[np.round(Ws.reshape(-1, 4), 5).tolist() for Ws in steps.values()],
            gaps=[np.maximum(values - least, FLOOR).tolist() for values in losses.values()],
        )

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{name} ({len(Ws) - 1} steps)" for name, Ws in zip(self.names, self.matrices, strict=True)
        )
        return f"GradientWalk: {counts}"
