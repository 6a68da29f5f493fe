"""Drawings for learning from examples: curves with spread, and small molecules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from mcbook.plots.palette import COLOURS, DASHES, INK, MARKERS, MUTED, WIDTH, style

# Fills that read on white and on the dark page; the letter says which element it is, not the colour alone.
ELEMENT_COLOURS = {"H": "#ffffff", "C": "#6b727c", "N": "#1f6fb0", "O": "#b84a00", "F": "#00785a"}


def learning_curves(
    curves: Mapping[str, tuple[Any, Any]],
    *,
    ylabel: str,
    xlabel: str = "molecules learnt from, N",
    target: int | float | None = None,
) -> Figure:
    """Error against the number of samples, both logarithmic: a name -> sizes (s,), errors (r, s).

    The line is the mean over the r draws, the whiskers reach from the least to the greatest of them.
    """
    with style():
        fig = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        ax = fig.subplots()
        for k, (name, (sizes, errors)) in enumerate(curves.items()):
            n, e = np.asarray(sizes, dtype=float), np.asarray(errors, dtype=float)
            if e.ndim != 2 or n.shape != (e.shape[1],) or not np.isfinite(e).all() or (e <= 0).any():
                raise ValueError(
                    f"learning_curves expects positive errors (draws, sizes) for {name!r}, got {e.shape} for "
                    f"{n.shape} sizes; one row for each draw."
                )
            j, mean = k % len(COLOURS), e.mean(axis=0)
            reach = np.array([mean - e.min(axis=0), e.max(axis=0) - mean])
            shown: dict[str, Any] = {"linestyle": DASHES[j], "marker": MARKERS[j], "capsize": 3}
            ax.errorbar(n, mean, reach, color=COLOURS[j], label=name, elinewidth=1.2, **shown)
        if target is not None:
            ax.axhline(target, color=MUTED, linewidth=1)
            ax.annotate(f"{target:g}", (0, target), xycoords=("axes fraction", "data"), color=INK,
                        ha="left", va="bottom", fontsize=9)  # fmt: skip
        ax.set(xlabel=xlabel, ylabel=ylabel, xscale="log", yscale="log")
        for axis, ticks in ((ax.xaxis, sorted({float(n) for s, _ in curves.values() for n in s})),):
            axis.set_major_locator(NullLocator())
            axis.set_ticks(ticks)
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
        fig.legend(loc="outside upper left", ncols=min(3, len(curves)))
    return fig


def molecules(shown: Sequence[tuple[str, Sequence[str], Any, Any]], *, columns: int = 4) -> Figure:
    """Molecules as balls and sticks: each is (caption, elements, flat coordinates (a, 2 or 3), bonds).

    The first two coordinates are drawn, and what has the greater third one lies in front.
    """
    rows = -(-len(shown) // columns)
    with style():
        fig = Figure(figsize=(WIDTH, 1.8 * rows), layout="constrained")
        cells = fig.subplots(rows, columns, squeeze=False).ravel()
        for ax in cells:
            ax.set_axis_off()
        for ax, (caption, elements, coords, bonds) in zip(cells, shown, strict=False):
            X = np.asarray(coords, dtype=float)
            depth = X[:, 2] if X.shape[1] > 2 else np.zeros(len(X))
            for i, j in bonds:
                ax.plot(*X[[i, j], :2].T, color=MUTED, linestyle="-", linewidth=3, zorder=1)
            for rank, i in enumerate(np.argsort(depth)):
                size, fill = (90 if elements[i] == "H" else 210), ELEMENT_COLOURS.get(elements[i], "#8a6800")
                ax.scatter(*X[i, :2], s=size, color=fill, edgecolors=MUTED, linewidths=0.8, zorder=2 + rank)
                if elements[i] != "H":
                    ax.text(*X[i, :2], elements[i], color="#ffffff", ha="center", va="center", fontsize=8,
                            weight="bold", zorder=2 + rank)  # fmt: skip
            centre, reach = (X[:, :2].max(axis=0) + X[:, :2].min(axis=0)) / 2, 3.1
            ax.set(xlim=centre[0] + np.array([-reach, reach]), ylim=centre[1] + np.array([-2.5, 2.5]))
            ax.set_aspect("equal")
            ax.set_title(caption, fontsize=9, loc="center")
    return fig


def landscape(
    across: Any,
    up: Any,
    heights: Any,
    *,
    walks: Mapping[str, Any],
    xlabel: str,
    ylabel: str,
    levels: Sequence[int | float],
) -> Figure:
    """Contour lines of heights (u, a) over logarithmic axes; on them walks (t, 2), the end of each marked."""
    with style():
        fig = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        ax = fig.subplots()
        lines = ax.contour(across, up, heights, levels=levels, colors=MUTED, linewidths=1, linestyles="-")
        ax.clabel(lines, fontsize=8, colors=INK, fmt=lambda v: f"{v:g}")
        for k, (name, walk) in enumerate(walks.items()):
            points = np.asarray(walk, dtype=float)
            shown: dict[str, Any] = {"linestyle": DASHES[k], "marker": MARKERS[k], "markersize": 4}
            ax.plot(*points.T, color=COLOURS[k], label=name, **shown)
            ax.plot(*points[-1], color=COLOURS[k], marker="*", markersize=13, linestyle="none")
        ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
        ax.set(xlim=(min(across), max(across)), ylim=(min(up), max(up)))
        ax.grid(visible=False)
        fig.legend(loc="outside upper left", ncols=2)
    return fig


def fits(x: Any, curves: Mapping[str, Any], points: tuple[Any, Any], *, xlabel: str, ylabel: str) -> Figure:
    """Curves over x (m,), a name -> values (m,), and the points (xs, ys) that they were fitted to."""
    with style():
        fig = Figure(figsize=(WIDTH, 3.1), layout="constrained")
        ax = fig.subplots()
        for k, (name, values) in enumerate(curves.items()):
            ax.plot(x, values, color=COLOURS[k], linestyle=DASHES[k], label=name)
        ax.scatter(*points, color=INK, s=28, zorder=3)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        fig.legend(loc="outside upper left", ncols=len(curves))
    return fig
