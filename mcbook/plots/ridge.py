"""Drawings for fields on a line and for pictures: profiles, decay against scale, pictures side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mcbook.plots.palette import COLOURS, DASHES, INK, MARKERS, MUTED, WIDTH, style


def profiles(
    panels: Mapping[str, Mapping[str, tuple[Any, Any]]],
    *,
    xlabel: str,
    span: tuple[int | float, int | float] | None = None,
    points: tuple[Any, Any] | None = None,
    beside: bool = False,
    mark: bool = False,
) -> Figure:
    """Curves along a line, one panel for each label of an ordinate: label -> name -> (x, values), each (m,).

    Panels lie above one another and share x, or `beside` one another and share the ordinate as well; `span`
    shades a stretch of x, `points` (x, y) are drawn into every panel; `mark` gives each curve its markers.
    """
    count = len(panels)
    with style():
        size = (WIDTH, 3.2) if beside else (WIDTH, 0.6 + 1.9 * count)
        fig = Figure(figsize=size, layout="constrained")
        grid: dict[str, Any] = {"ncols": count, "sharey": True} if beside else {"nrows": count}
        names: dict[str, Any] = {}
        for ax, (label, curves) in zip(
            fig.subplots(**grid, sharex=True, squeeze=False).ravel(), panels.items(), strict=True
        ):
            for name, (x, values) in curves.items():
                k = names.setdefault(name, len(names)) % len(COLOURS)
                x, values = _pair(x, values, name)
                marker = MARKERS[k] if mark else None
                ax.plot(x, values, color=COLOURS[k], linestyle=DASHES[k], marker=marker, label=name)
            if span is not None:
                ax.axvspan(*span, color=MUTED, alpha=0.18, linewidth=0)
            if points is not None:
                ax.scatter(*points, color=INK, s=24, zorder=3)
            ax.set(title=label) if beside else ax.set(ylabel=label)
            ax.label_outer()
        for ax in fig.axes if beside else fig.axes[-1:]:
            ax.set_xlabel(xlabel)
        if len(names) > 1:
            lines = {str(line.get_label()): line for ax in fig.axes for line in ax.lines}
            fig.legend(list(lines.values()), list(lines), loc="outside upper left", ncols=min(4, len(names)))
    return fig


def scales(
    curves: Mapping[str, tuple[Any, Any]],
    *,
    xlabel: str,
    ylabel: str,
    marks: Mapping[str, int | float] | None = None,
    log: tuple[bool, bool] = (True, True),
    ylim: tuple[int | float, int | float] | None = None,
) -> Figure:
    """Curves (x, values), up to 16 points as points, over logarithmic axes; `marks` are upright lines."""
    with style():
        fig = Figure(figsize=(WIDTH, 3.2), layout="constrained")
        ax = fig.subplots()
        for k, (name, (x, values)) in enumerate(curves.items()):
            x, values = _pair(x, values, name)
            few = len(x) <= 16
            ax.plot(
                x,
                values,
                color=COLOURS[k],
                linestyle="none" if few else DASHES[k],
                marker=MARKERS[k] if few else None,
                label=name,
            )
        for name, place in (marks or {}).items():
            ax.axvline(place, color=MUTED, linewidth=1, linestyle="-")
            ax.annotate(
                name, (place, 0.02), xycoords=("data", "axes fraction"), color=INK, ha="right", fontsize=9
            )
        ax.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if log[0] else "linear")
        ax.set(yscale="log" if log[1] else "linear")
        if ylim is not None:
            ax.set_ylim(*ylim)
        fig.legend(loc="outside upper left", ncols=min(3, len(curves)))
    return fig


def pictures(shown: Mapping[str, Any], *, columns: int = 2, levels: int = 32) -> Figure:
    """Pictures with values in 0 … 1, (H, W) grey or (H, W, 3), side by side; caption -> picture.

    Values are cut to that range and rounded to `levels`: the eye does not see it, the page's weight does.
    """
    whole = {caption: _picture(picture, caption, levels) for caption, picture in shown.items()}
    rows, first = -(-len(shown) // columns), next(iter(whole.values())).shape
    tall = WIDTH / columns * first[0] / first[1]
    with style():
        fig = Figure(figsize=(WIDTH, rows * (tall + 0.28)), layout="constrained")
        cells: Any = fig.subplots(rows, columns, squeeze=False).ravel()
        for ax in cells:
            ax.set_axis_off()
        for ax, (caption, P) in zip(cells, whole.items(), strict=False):
            ax.imshow(P, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_title(caption, fontsize=10.5)
    return fig


def _picture(picture: Any, caption: str, levels: int) -> np.ndarray:
    P = np.asarray(picture, dtype=float)
    if P.ndim not in (2, 3) or (P.ndim == 3 and P.shape[2] != 3) or not np.isfinite(P).all():
        raise ValueError(f"pictures expects finite (H, W) or (H, W, 3) for {caption!r}, got shape {P.shape}.")
    return np.asarray(np.round(np.clip(P, 0, 1) * (levels - 1)) / (levels - 1))


def _pair(x: Any, values: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    x, values = np.asarray(x, dtype=float), np.asarray(values, dtype=float)
    if x.shape != values.shape or x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"{name!r} expects x and values (m,), got {x.shape} and {values.shape}.")
    return x, values
