"""A learning-rate schedule bent by hand: the loss that follows, and the hypergradient of every step."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

LEAST, MOST, LOUDEST = 0.02, 1.9, 0.2  # the rates and the variance that can be set
LOOKS = (1, 5, None)  # how many steps ahead the meta-step looks; None is to the end


class BendSchedule(anywidget.AnyWidget):
    """T steps of SGD on a noisy quadratic, in expectation: bend the rates, or let their gradient bend them.

    Every direction has a curvature h ≤ 1, the gradient's noise there the variance s²h, and E w² starts at
    1/h. The page computes the expected loss ½ Σ h E w² exactly, by its recurrence, and the elasticities
    ∂ log(loss) / ∂ log(rate) of every step by the recurrence backwards.

    Parameters
        rates       the schedule to begin with (T,), 8 to 60 rates in [0.02, 1.9]
        curvatures  h (d,), 1 to 6 of them in (0, 1]
        noise       s², in [0, 0.2]
        ahead       how far the meta-steps look: 1, 5 or None, which is to the end

    Raises ValueError for what the drawing cannot show, or NaN.
    """

    _esm = read_together("draw.js", "knobs.js", "bend.js")
    _css = read_together("shared.css", "knobs.css", "bend.css")
    rates = traitlets.List(traitlets.Float()).tag(sync=True)
    curvatures = traitlets.List(traitlets.Float()).tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    noise = traitlets.Float(0.1).tag(sync=True)
    ahead = traitlets.Int(2).tag(sync=True)  # which of LOOKS

    def __init__(
        self,
        rates: Any,
        *,
        curvatures: Any = (1.0, 0.3, 0.1, 0.03, 0.01),
        noise: float = 0.1,
        ahead: int | None = None,
    ) -> None:
        eta = checked("rates", rates, (8, 60), (LEAST, MOST))
        h = checked("curvatures", curvatures, (1, 6), (1e-6, 1.0))
        if not 0 <= noise <= LOUDEST:
            raise ValueError(f"BendSchedule expects 0 ≤ noise ≤ {LOUDEST}, got {noise}.")
        if ahead not in LOOKS:
            raise ValueError(f"BendSchedule expects ahead to be one of {LOOKS}, got {ahead!r}.")
        super().__init__(
            rates=eta.tolist(),
            curvatures=h.tolist(),
            start=(1 / h).tolist(),
            noise=float(noise),
            ahead=LOOKS.index(ahead),
        )

    def __repr__(self) -> str:
        return (
            f"BendSchedule: {len(self.rates)} steps on a noisy quadratic, {len(self.curvatures)} directions; "
            "drag the rates, or let their gradient bend them"
        )


def checked(name: str, values: Any, count: tuple[int, int], span: tuple[float, float]) -> np.ndarray:
    """The values (n,) within the span, or a ValueError that says which are not."""
    v = np.asarray(values, dtype=float)
    if v.ndim != 1 or not count[0] <= len(v) <= count[1]:
        raise ValueError(f"BendSchedule expects {count[0]} to {count[1]} {name} (n,), got shape {v.shape}.")
    outside = ~((v >= span[0]) & (v <= span[1]))  # NaN is outside too
    if outside.any():
        raise ValueError(
            f"BendSchedule draws {name} in [{span[0]:g}, {span[1]:g}]; number(s) "
            f"{np.flatnonzero(outside).tolist()} are outside or NaN."
        )
    return v
