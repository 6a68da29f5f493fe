"""Sequence logos: letters as outlines, stretched to the height that they deserve (schneider1990)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from mcbook.plots.palette import AMBER, BLUE, GREEN, MUTED, VERMILLION, WIDTH, style

LETTERS = "ACGT"
COLOURS = {"A": GREEN, "C": BLUE, "G": AMBER, "T": VERMILLION}
_FONT = FontProperties(family="DejaVu Sans", weight="bold")  # ships with matplotlib


@lru_cache
def unit_letter(letter: str) -> Path:
    """The outline of a letter, stretched to fill the square from (0, 0) to (1, 1)."""
    path = TextPath((0, 0), letter, size=10, prop=_FONT)
    box = path.get_extents()
    to_square = Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height)
    return to_square.transform_path(path)


def sequence_logo(
    logos: Mapping[str, Any],
    *,
    positions: Sequence[str] = (),
    junction: int | None = None,
    ylabel: str = "bits",
    top: float | None = None,
) -> Figure:
    """One logo below the other: `logos` maps a title to heights (T, 4), columns A, C, G, T.

    In each stack the highest letter is on top; negative heights hang below the axis, the lowest last.

    Parameters
    ----------
    positions : the names of the T positions, all or none.
    junction : a rule in front of that position, from 0.
    top : the upper end of the vertical axes, which all logos share (None: the highest stack).

    Raises
    ------
    ValueError : no logo; heights that are not finite (T, 4) of one T; not T positions.
    """
    heights = {title: _heights(title, h) for title, h in logos.items()}
    lengths = {len(h) for h in heights.values()}
    if len(lengths) != 1:
        raise ValueError(f"sequence_logo expects logos of one length, got {sorted(lengths)}.")
    (T,) = lengths
    if len(positions) not in (0, T):
        raise ValueError(f"sequence_logo expects {T} positions or none, got {len(positions)}.")
    high = top or max(np.maximum(h, 0).sum(axis=1).max() for h in heights.values()) or 1.0
    low = min(np.minimum(h, 0).sum(axis=1).min() for h in heights.values())
    with style():
        fig = Figure(figsize=(WIDTH, 0.5 + 1.35 * len(heights)), layout="constrained")
        strips = fig.subplots(len(heights), 1, sharex=True, squeeze=False)[:, 0]
        for ax, (title, h) in zip(strips, heights.items(), strict=True):
            _stacks(ax, h)
            if junction is not None:
                ax.axvline(junction - 0.5, color=MUTED, linewidth=1, linestyle=(0, (3, 2)))
            ax.set(title=title, ylabel=ylabel, xlim=(-0.55, T - 0.45), ylim=(1.03 * low, 1.03 * high))
            ax.grid(visible=False)
        strips[-1].set_xticks(range(T), positions or [str(t + 1) for t in range(T)])
        strips[-1].tick_params(axis="x", length=0, labelsize=10 if T <= 16 else 7)
    return fig


def _heights(title: str, heights: Any) -> np.ndarray:
    h = np.asarray(heights, dtype=float)
    if h.ndim != 2 or h.shape[1] != 4 or not len(h) or not np.isfinite(h).all():
        raise ValueError(
            f"sequence_logo expects finite heights (T, 4) for {title!r}, columns A, C, G, T; got {h.shape}."
        )
    return h


def _stacks(ax: Any, heights: np.ndarray, *, least: float = 2e-3) -> None:
    """Letters of each position, smallest nearest the axis; those that nobody could see are left out."""
    visible = least * np.abs(heights).sum(axis=1).max()
    for t, row in enumerate(heights):
        for sign in (1, -1):
            base = 0.0
            for k in np.argsort(np.abs(row)):
                if sign * row[k] > visible:
                    _letter(ax, LETTERS[k], t, base, row[k])
                    base += row[k]


def _letter(ax: Any, letter: str, t: int, base: float, height: float) -> None:
    """A letter from `base` to base + height, upright also where the height is negative."""
    place = Affine2D().scale(0.92, abs(height)).translate(t - 0.46, min(base, base + height))
    path = place.transform_path(unit_letter(letter))
    ax.add_patch(PathPatch(path, facecolor=COLOURS[letter], edgecolor="none", linewidth=0))
