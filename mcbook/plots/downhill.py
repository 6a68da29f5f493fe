"""Drawings for descent: the level lines of a loss over two weights, and walks on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mcbook.plots.palette import COLOURS, DASHES, INK, MARKERS, MUTED, WIDTH, style

GRID, LEVELS = 81, 11


def bowls(
    panels: Mapping[str, tuple[Callable[[Any], Any], Any, Mapping[str, Any]]],
    *,
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Level lines of losses over two weights, side by side, with walks on them and a cross at the bottom.

    panels  title -> (loss of a point (2,), window (x0, x1, y0, y1), walks: name -> points (t, 2)).
            The bottom is the least value on the window's grid; levels grow with the square, as a bowl's do.

    Raises ValueError for a window without an inside, or a walk that is not (t, 2).
    """
    with style():
        fig = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        names: dict[str, Any] = {}
        axes = fig.subplots(1, len(panels), squeeze=False)[0]
        for ax, (title, (f, window, walks)) in zip(axes, panels.items(), strict=True):
            _levels(ax, f, window)
            for name, walk in walks.items():
                points = np.asarray(walk, dtype=float)
                if points.ndim != 2 or points.shape[1] != 2:
                    raise ValueError(f"bowls expects a walk (t, 2) for {name!r}, got shape {points.shape}.")
                k = names.setdefault(name, len(names)) % len(COLOURS)
                shown: dict[str, Any] = {"linestyle": DASHES[k], "marker": MARKERS[k], "markersize": 3.5}
                ax.plot(*points[:200].T, color=COLOURS[k], label=name, linewidth=1.4, **shown)
            ax.set(title=title, xlabel=xlabel, xlim=window[:2], ylim=window[2:])
            ax.grid(visible=False)
        axes[0].set_ylabel(ylabel)
        lines = {str(line.get_label()): line for ax in axes for line in ax.lines if line.get_label() in names}
        fig.legend(list(lines.values()), list(lines), loc="outside upper left", ncols=min(4, len(lines)))
    return fig


def _levels(ax: Any, f: Callable[[Any], Any], window: Any) -> None:
    """Level lines of f over the window, and a cross where the grid is lowest."""
    x0, x1, y0, y1 = window
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"bowls expects a window (x0, x1, y0, y1) with an inside, got {tuple(window)}.")
    across, up = np.linspace(x0, x1, GRID), np.linspace(y0, y1, GRID)
    heights = np.array([[float(f(np.array([u, v]))) for u in across] for v in up])
    low, high = heights.min(), heights.max()
    levels = low + (high - low) * np.linspace(0.04, 0.95, LEVELS) ** 2
    ax.contour(across, up, heights, levels=levels, colors=MUTED, linewidths=0.9, linestyles="-")
    v, u = np.unravel_index(np.argmin(heights), heights.shape)
    ax.plot(across[u], up[v], marker="+", color=INK, markersize=11, linestyle="none", label="_bottom")
