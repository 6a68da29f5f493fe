"""Drawings for clouds in the plane and for rows of very small pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mcbook.plots.palette import COLOURS, MUTED, WIDTH, style


def swarms(
    panels: Mapping[str, Any],
    *,
    groups: Mapping[str, Any] | None = None,
    arrows: Mapping[str, tuple[Any, Any]] | None = None,
    reach: int | float = 3.2,
    columns: int = 4,
    limit: int = 180,
) -> Figure:
    """Clouds in the plane, side by side, on one scale: title -> points (n, 2).

    groups  title -> (n,) integers from 0: points of one group share a colour
    arrows  title -> (places (g, 2), vectors (g, 2)), drawn in grey behind the points
    limit   about so many points are drawn of each cloud, evenly thinned: a page has to be light
    Raises ValueError for shapes that do not fit, or NaN.
    """
    rows = -(-len(panels) // columns)
    across = min(columns, len(panels))
    with style():
        fig = Figure(figsize=(WIDTH, rows * (WIDTH / across + 0.25)), layout="constrained")
        cells: Any = fig.subplots(rows, across, squeeze=False).ravel()
        for ax in cells:
            ax.set_axis_off()
        for ax, (title, points) in zip(cells, panels.items(), strict=False):
            X = _plane(points, title)
            if arrows and title in arrows:
                places, vectors = (_plane(v, title) for v in arrows[title])
                ax.quiver(*places.T, *vectors.T, color=MUTED, width=0.006, pivot="tail", alpha=0.8)
            colours = _colours((groups or {}).get(title), len(X), title)
            some = slice(None, None, max(1, round(len(X) / limit)))
            shown = np.round(X[some], 2)
            ax.scatter(
                *shown.T,
                s=6,
                c=colours if isinstance(colours, str) else colours[some],
                alpha=0.7,
                linewidths=0,
            )
            ax.set_title(title, fontsize=10.5)
            ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return fig


def sprites(rows: Mapping[str, Any], *, levels: int = 32) -> Figure:
    """Rows of small pictures with values in 0 … 1: caption -> (n, h, w), the same h and w throughout.

    Raises ValueError for other shapes, or NaN.
    """
    strips = {name: np.asarray(P, dtype=float) for name, P in rows.items()}
    first = next(iter(strips.values()))
    for name, P in strips.items():
        if P.ndim != 3 or P.shape[1:] != first.shape[1:] or not np.isfinite(P).all():
            raise ValueError(
                f"sprites expects finite pictures (n, h, w) of one size, {name!r} has {P.shape}."
            )
    most, (h, w) = max(len(P) for P in strips.values()), first.shape[1:]
    tall = WIDTH / most * h / w + 0.26
    with style():
        fig = Figure(figsize=(WIDTH, len(strips) * tall), layout="constrained")
        for ax, (name, P) in zip(
            fig.subplots(len(strips), 1, squeeze=False).ravel(), strips.items(), strict=True
        ):
            sheet = np.full((h, most * (w + 1) - 1), np.nan)
            for k, picture in enumerate(P):
                sheet[:, k * (w + 1) : k * (w + 1) + w] = np.clip(picture, 0, 1)
            shown = np.round(sheet * (levels - 1)) / (levels - 1)
            ax.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_title(name, fontsize=10.5)
            ax.set_axis_off()
    return fig


def _plane(points: Any, title: str) -> np.ndarray:
    X = np.asarray(points, dtype=float)
    if X.ndim != 2 or X.shape[1] != 2 or not np.isfinite(X).all():
        raise ValueError(f"swarms expects finite points (n, 2) for {title!r}, got shape {X.shape}.")
    return X


def _colours(groups: Any, n: int, title: str) -> Any:
    if groups is None:
        return COLOURS[0]
    found = np.asarray(groups)
    if found.shape != (n,) or found.dtype.kind not in "iu":
        raise ValueError(f"swarms expects a whole number for each of the {n} points of {title!r}.")
    return [COLOURS[k % len(COLOURS)] for k in found]
