"""Drawings for schedules: a number for every step, and differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mcbook.plots.palette import COLOURS, DASHES, INK, MUTED, WIDTH, style


def step_values(
    panels: Mapping[str, Mapping[str, Any]],
    *,
    xlabel: str = "step",
    log: bool = False,
    zero: bool = False,
) -> Figure:
    """A number for every step, drawn as stairs: label of an ordinate -> name -> values (T,), panels beside.

    `log` makes the ordinates logarithmic, `zero` draws a line at zero.
    """
    with style():
        fig = Figure(figsize=(WIDTH, 3.1), layout="constrained")
        names: dict[str, Any] = {}
        axes = fig.subplots(1, len(panels), sharex=True, squeeze=False)[0]
        for ax, (label, curves) in zip(axes, panels.items(), strict=True):
            for name, values in curves.items():
                v = np.asarray(values, dtype=float)
                if v.ndim != 1 or not len(v) or not np.isfinite(v).all():
                    raise ValueError(f"step_values expects finite values (T,) for {name!r}, got {v.shape}.")
                k = names.setdefault(name, len(names)) % len(COLOURS)
                edges = np.arange(len(v) + 1)
                ax.step(
                    edges,
                    np.append(v, v[-1]),
                    where="post",
                    color=COLOURS[k],
                    linestyle=DASHES[k],
                    label=name,
                )
            if zero:
                ax.axhline(0, color=MUTED, linewidth=1)
            ax.set(xlabel=xlabel, title=label, yscale="log" if log else "linear")
        if len(names) > 1:
            lines = {str(line.get_label()): line for ax in axes for line in ax.lines[: len(names)]}
            shown = {name: lines[name] for name in names}
            fig.legend(list(shown.values()), list(shown), loc="outside upper left", ncols=min(5, len(names)))
    return fig


def intervals(rows: Mapping[str, Any], *, xlabel: str) -> Figure:
    """Differences with their intervals: name -> (low, middle, high), one row each, and a line at zero."""
    ends = {name: np.asarray(row, dtype=float) for name, row in rows.items()}
    for name, row in ends.items():
        if row.shape != (3,) or not row[0] <= row[1] <= row[2]:  # NaN is in no order
            raise ValueError(f"intervals expects low ≤ middle ≤ high for {name!r}, got {row.tolist()}.")
    with style():
        fig = Figure(figsize=(WIDTH, 0.8 + 0.38 * len(rows)), layout="constrained")
        ax = fig.subplots()
        for k, (low, middle, high) in enumerate(ends.values()):
            ax.plot([low, high], [k, k], color=COLOURS[0], linewidth=2.4, solid_capstyle="butt")
            ax.plot(middle, k, marker="o", color=COLOURS[0])
        ax.axvline(0, color=INK, linewidth=1)
        ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
        ax.set_yticks(range(len(rows)), list(rows))
        ax.grid(visible=False, axis="y")
    return fig
