"""Drawing on request: pick a class and a strength of guidance, and see what comes of the same noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together


class DrawMe(anywidget.AnyWidget):
    """Pick a class and a guidance strength; small pictures drawn beforehand from the same noise are shown.

    Parameters
        images      (C, S, n, h, w), values 0 … 1: for each of C classes and S strengths, n pictures
        strengths   (S,), increasing
        recognised  (C, S), the share that a classifier takes for the class
        spread      (C, S), how different the pictures of one class are: the mean distance of two of them
        chosen      (class, strength) where it starts

    Raises ValueError for wrong shapes, values outside 0 … 1, or more than 12 classes.
    """

    _esm = read_together("draw.js", "knobs.js", "digits.js")
    _css = read_together("shared.css", "knobs.css", "diffusion.css")
    pixels = traitlets.Bytes(b"").tag(sync=True)  # uint8
    shape: Any = traitlets.List(traitlets.Int()).tag(sync=True)
    strengths: Any = traitlets.List(traitlets.Float()).tag(sync=True)
    recognised: Any = traitlets.List().tag(sync=True)
    spread: Any = traitlets.List().tag(sync=True)
    klass = traitlets.Int(0).tag(sync=True)
    strength = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        images: Any,
        *,
        strengths: Sequence[int | float],
        recognised: Any,
        spread: Any,
        chosen: tuple[int, int] = (0, 0),
    ) -> None:
        P, levels = np.asarray(images, dtype=float), np.asarray(strengths, dtype=float)
        right, wide = np.asarray(recognised, dtype=float), np.asarray(spread, dtype=float)
        if P.ndim != 5 or P.shape[0] > 12 or not ((P >= 0) & (P <= 1)).all():
            raise ValueError(
                f"DrawMe expects pictures (C, S, n, h, w) of values 0 … 1, C ≤ 12, got {P.shape}; clip them?"
            )
        if levels.shape != P.shape[1:2] or len(levels) < 2 or not (np.diff(levels) > 0).all():
            raise ValueError(f"DrawMe expects {P.shape[1]} increasing strengths, got {levels.tolist()}.")
        if right.shape != P.shape[:2] or wide.shape != P.shape[:2] or not np.isfinite([right, wide]).all():
            raise ValueError(
                f"DrawMe expects recognised and spread {P.shape[:2]}, got {right.shape}, {wide.shape}."
            )
        if not (0 <= chosen[0] < P.shape[0] and 0 <= chosen[1] < P.shape[1]):
            raise ValueError(f"DrawMe expects a class and a strength that exist, got {chosen}.")
        super().__init__(
            pixels=np.round(255 * P).astype("u1").tobytes(),
            shape=list(P.shape),
            strengths=levels.tolist(),
            recognised=np.round(right, 4).tolist(),
            spread=np.round(wide, 3).tolist(),
            klass=int(chosen[0]),
            strength=int(chosen[1]),
        )

    def __repr__(self) -> str:
        C, S, n, h, w = self.shape
        return f"DrawMe: {C} classes at {S} strengths of guidance, {n} pictures of {h}×{w} each"
