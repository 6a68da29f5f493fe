"""Drawings for moving molecules: what changes with time, one panel above the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mcbook.plots.palette import COLOURS, DASHES, WIDTH, style


def time_courses(time: Any, panels: Mapping[str, Mapping[str, Any]], *, xlabel: str = "time, ps") -> Figure:
    """Curves over time (t,): each panel's label -> the curves in it, a name -> values (t,).

    A name has one colour and dash in all panels.  Raises ValueError for no panels or wrong shapes.
    """
    t = np.asarray(time, dtype=float)
    known = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    for label, curves in panels.items():
        for name, values in curves.items():
            if np.shape(values) != t.shape or t.ndim != 1 or not np.isfinite(values).all():
                raise ValueError(
                    f"time_courses expects {t.shape} finite values for {name!r} in {label!r}, got "
                    f"{np.shape(values)}; one for each time."
                )
    if not known:
        raise ValueError("time_courses expects one run or more, got none.")
    with style():
        fig = Figure(figsize=(WIDTH, 0.8 + 1.6 * len(panels)), layout="constrained")
        cells = fig.subplots(len(panels), 1, sharex=True, squeeze=False).ravel()
        for ax, (label, curves) in zip(cells, panels.items(), strict=True):
            for name, values in curves.items():
                k = known.index(name)
                ax.plot(t, values, color=COLOURS[k], linestyle=DASHES[k], linewidth=1.4, label=name)
            ax.set_title(label, fontsize=10)
        cells[-1].set_xlabel(xlabel)
        handles = {text: h for ax in cells for h, text in zip(*ax.get_legend_handles_labels(), strict=True)}
        fig.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=min(3, len(handles)))
    return fig
