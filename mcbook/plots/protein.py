"""Drawings of proteins: what every residue contributes, standing on the sequence itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from mcbook.plots.palette import BLUE, INK, MUTED, VERMILLION, WIDTH, style

FILLS: tuple[dict[str, Any], ...] = (
    {"facecolor": BLUE, "edgecolor": "none", "linewidth": 0},
    {"facecolor": "none", "edgecolor": VERMILLION, "linewidth": 0.9},
)


def protein_map(
    letters: str,
    parts: Any,
    *,
    blocks: Sequence[str] = ("sequence", "relatives"),
    first: int = 1,
    per_row: int = 40,
    marks: Mapping[int, str] | None = None,
    ylabel: str = "mean |part|",
) -> Figure:
    """A protein in rows of letters; on each letter what two blocks contribute there, one on top of the other.

    letters  the sequence, L letters
    parts    contributions, not negative, (L, 2): the lower bar is filled, the upper one open
    first    the number of the first residue; marks maps residue numbers to a word, shown by a triangle below

    Raises ValueError for other shapes, NaN, negative parts, or a mark outside the sequence.
    """
    P, named = np.asarray(parts, dtype=float), dict(marks or {})
    last = first + len(letters) - 1
    if P.shape != (len(letters), 2) or not np.isfinite(P).all() or (P < 0).any() or not len(letters):
        raise ValueError(
            f"protein_map expects finite parts ({len(letters)}, 2), none negative, got {P.shape}; "
            "take absolute values, or draw signed effects otherwise."
        )
    if any(not first <= number <= last for number in named):
        raise ValueError(f"protein_map expects marks from {first} to {last}, got {sorted(named)}.")
    rows = -(-len(letters) // per_row)
    with style():
        fig = Figure(figsize=(WIDTH, max(1.6, 0.35 + 0.8 * rows)), layout="constrained")
        strips = fig.subplots(rows, 1, squeeze=False)[:, 0]
        top = float(P.sum(axis=1).max()) or 1.0
        for row, ax in enumerate(strips):
            here = slice(row * per_row, (row + 1) * per_row)
            _row(ax, letters[here], P[here], first + row * per_row, named, top)
            ax.set(xlim=(-0.7, per_row - 0.3), ylim=(-0.5 * top, 1.03 * top))
        strips[0].set_ylabel(ylabel, fontsize=8)
        shown = [
            PathPatch(Path([(0, 0)]), label=name, **fill) for name, fill in zip(blocks, FILLS, strict=True)
        ]
        fig.legend(handles=shown, loc="outside upper left", ncols=2)
    return fig


def _row(ax: Any, letters: str, parts: np.ndarray, start: int, marks: Mapping[int, str], top: float) -> None:
    """One row: the two blocks' bars as one outline each, the letters, every tenth number, the marks."""
    base = np.zeros(len(letters))
    for k, fill in enumerate(FILLS):
        ax.add_patch(PathPatch(_bars(base, base + parts[:, k]), **fill))
        base = base + parts[:, k]
    for i, letter in enumerate(letters):
        word = marks.get(start + i)
        ax.text(i, -0.2 * top, letter, ha="center", va="center", fontsize=8, color=INK,
                weight="bold" if word is not None else "normal")  # fmt: skip
        if word is not None:
            ax.text(i, -0.43 * top, f"▲{word}", ha="center", va="center", fontsize=6.5, color=INK)
        elif (start + i) % 10 == 0 and not any(abs(start + i - number) < 4 for number in marks):
            ax.text(i, -0.43 * top, str(start + i), ha="center", va="center", fontsize=6.5, color=INK)
    ax.axhline(0, color=MUTED, linewidth=0.7, linestyle="-")
    ax.set_axis_on()
    ax.grid(visible=False)
    ax.set(xticks=[], yticks=[0, _round_below(top)])
    ax.tick_params(axis="y", labelsize=7, length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)


def _round_below(top: float) -> float:
    """The largest of ... 0.1, 0.2, 0.5, 1, 2, 5 ... that does not exceed top."""
    power = 10.0 ** np.floor(np.log10(top))
    return float(max(c for c in (1, 2, 5) if c * power <= top * (1 + 1e-12)) * power)


def _bars(low: np.ndarray, high: np.ndarray, *, half: float = 0.36) -> Path:
    """Rectangles from low to high about 0, 1, 2, ... as one path, a tenth of the weight of patches."""
    corners = [
        [(i - half, a), (i + half, a), (i + half, b), (i - half, b), (i - half, a)]
        for i, (a, b) in enumerate(zip(low, high, strict=True))
    ]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(corners)
    return Path(np.reshape(corners, (-1, 2)), codes)
