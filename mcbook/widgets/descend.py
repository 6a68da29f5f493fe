"""Descent on a quadratic in the plane: step, condition, momentum and start to move, beside the rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

STEPS = 80
REACH = (2.0, 1.49)  # half the window's width and height
SPANS = {"eta": (0.02, 4.0), "condition": (1.0, 1000.0), "beta": (0.0, 0.98), "angle": (0.0, 90.0)}


class Descend(anywidget.AnyWidget):
    """Gradient descent with momentum on ½ wᵀH w; H has the curvatures 1/condition and 1.

    Parameters
        eta        step in units of one over the largest curvature, 0.02 … 4
        condition  largest curvature over least, 1 … 1000
        beta       momentum, 0 … 0.98
        angle      of the valley, in degrees from the horizontal, 0 … 90
        start      the first point (2,), within ±2 and ±1.49

    The page walks the 80 steps and finds the rate itself; tests hold both against `mcbook.downhill`.
    Raises ValueError for a setting that the sliders cannot reach or a start outside the window.
    """

    _esm = read_together("draw.js", "knobs.js", "descend.js")
    _css = read_together("shared.css", "knobs.css", "descend.css")
    eta = traitlets.Float(1.0).tag(sync=True)
    condition = traitlets.Float(10.0).tag(sync=True)
    beta = traitlets.Float(0.0).tag(sync=True)
    angle = traitlets.Float(20.0).tag(sync=True)
    start: Any = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(
        self,
        *,
        eta: int | float = 1.0,
        condition: int | float = 10.0,
        beta: int | float = 0.0,
        angle: int | float = 20.0,
        start: Sequence[int | float] = (-1.4, 0.9),
    ) -> None:
        settings = {"eta": eta, "condition": condition, "beta": beta, "angle": angle}
        for name, value in settings.items():
            low, high = SPANS[name]
            if not low <= value <= high:
                raise ValueError(f"Descend expects {low:g} ≤ {name} ≤ {high:g}, got {value}.")
        first = np.asarray(start, dtype=float)
        if first.shape != (2,) or not (np.abs(first) <= REACH).all():
            raise ValueError(
                f"Descend expects a start (2,) within ±{REACH[0]:g} and ±{REACH[1]:g}, got {start}."
            )
        super().__init__(**{name: float(value) for name, value in settings.items()}, start=first.tolist())

    def __repr__(self) -> str:
        return (
            f"Descend: condition number {self.condition:g}, step {self.eta:g}/h_max, momentum {self.beta:g}; "
            "move any of them, and the start"
        )
