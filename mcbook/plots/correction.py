"""Drawings for corrections: what is left of an energy once a cheap theory has spoken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mcbook.plots.palette import COLOURS, MARKERS, WIDTH, style


def clouds(x: Any, values: Mapping[str, Any], *, xlabel: str, ylabel: str) -> Figure:
    """Points over a common x (n,): a name -> values (n,), each with a marker of its own.

    Raises ValueError for shapes that do not fit, or NaN.
    """
    across = np.asarray(x, dtype=float)
    with style():
        fig = Figure(figsize=(WIDTH, 3.3), layout="constrained")
        ax = fig.subplots()
        for k, (name, y) in enumerate(values.items()):
            up = np.asarray(y, dtype=float)
            if up.shape != across.shape or not np.isfinite(up).all():
                raise ValueError(f"clouds expects finite values {across.shape} for {name!r}, got {up.shape}.")
            ax.plot(
                across,
                up,
                MARKERS[k],
                color=COLOURS[k],
                label=name,
                markersize=3,
                alpha=0.75,
                linestyle="none",
            )
        ax.set(xlabel=xlabel, ylabel=ylabel)
        fig.legend(loc="outside upper left", ncols=len(values), markerscale=2)
    return fig
