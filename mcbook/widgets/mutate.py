"""Mutating a sequence by hand: what one letter does to a network's score, and what its gradient predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import anywidget
import numpy as np
import traitlets
from jaxtyping import Float

from mcbook.widgets.front import read_together

LETTERS = "ACGT"


class Mutants(NamedTuple):
    """All single mutants of one window: position t, letter b (its own letter changes nothing).

    score      of the window as it is
    actual     the score of the mutant
    predicted  score + ⟨G, change of the input⟩ with G the gradient of the score: first order
    """

    score: float
    actual: Float[np.ndarray, "T 4"]
    predicted: Float[np.ndarray, "T 4"]


def single_mutants(x: Any, score: Callable[[Any], Any], grad: Callable[[Any], Any]) -> Mutants:
    """Scores of the 3T single mutants of `x (T, 4)`, and their first-order prediction.

    `score(X (n, T, 4)) -> (n,)` scores a batch, `grad(x (T, 4)) -> (T, 4)` is its gradient at one window.
    Raises ValueError for a window that is not one-hot, or a gradient of another shape.
    """
    x = checked_window(x)
    T, own = len(x), x.argmax(axis=1)
    X = np.repeat(x[None], 4 * T, axis=0)
    t, b = np.divmod(np.arange(4 * T), 4)
    X[np.arange(4 * T), t] = np.eye(4)[b]
    actual = np.asarray(score(X), dtype=float).reshape(T, 4)
    G = np.asarray(grad(x), dtype=float)
    if G.shape != x.shape or not np.isfinite(G).all() or not np.isfinite(actual).all():
        raise ValueError(
            f"single_mutants expects finite scores and a finite gradient {x.shape}, got {G.shape}."
        )
    start = float(actual[0, own[0]])
    return Mutants(start, actual, start + G - G[np.arange(T), own][:, None])


def checked_window(x: Any) -> np.ndarray:
    """A window (T, 4) with exactly one letter a position, as float64, or a ValueError."""
    x = np.asarray(x, dtype=float)
    if x.ndim != 2 or x.shape[1] != 4 or len(x) < 2 or len(x) % 2:
        raise ValueError(
            f"MutateByHand expects a window (T, 4) of even length T, got {x.shape} (one window?)."
        )
    if not np.isin(x, (0.0, 1.0)).all() or not (x.sum(axis=1) == 1).all():
        raise ValueError(
            "MutateByHand expects one letter a position (rows of 0 and a single 1); a window with ambiguity "
            "codes has no letter to change there: choose another."
        )
    return x


class MutateByHand(anywidget.AnyWidget):
    """Click a letter, change it, and compare the new score with the one that the gradient foretold.

    Parameters
        windows  name -> window (T, 4), one-hot in the order A, C, G, T; the junction lies in its middle
        score    X (n, T, 4) -> scores (n,)
        grad     x (T, 4) -> the gradient of the score of that window, (T, 4)
        label    what the score is, in a few words
        position where the marker starts, counted from 0

    Raises ValueError for no window, more than five, or windows that are not one-hot or of different lengths.
    """

    _esm = read_together("draw.js", "mutate.js")
    _css = read_together("shared.css", "splice.css")
    position = traitlets.Int(0, min=0).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    letters = traitlets.List(traitlets.Unicode()).tag(sync=True)
    actual: Any = traitlets.List().tag(sync=True)  # for each window, for each position, four scores
    predicted: Any = traitlets.List().tag(sync=True)

    def __init__(
        self,
        windows: Mapping[str, Any],
        *,
        score: Callable[[Any], Any],
        grad: Callable[[Any], Any],
        label: str = "score",
        position: int | None = None,
    ) -> None:
        if not 1 <= len(windows) <= 5:
            raise ValueError(f"MutateByHand expects one to five windows, got {len(windows)}.")
        checked = [checked_window(x) for x in windows.values()]
        if len({len(x) for x in checked}) > 1:
            raise ValueError("MutateByHand expects windows of one length; cut them around the junction.")
        swept = [single_mutants(x, score, grad) for x in checked]
        super().__init__(
            position=len(checked[0]) // 2 if position is None else position,
            label=label,
            names=list(windows),
            letters=["".join(LETTERS[k] for k in x.argmax(axis=1)) for x in checked],
            actual=[np.round(m.actual, 3).tolist() for m in swept],
            predicted=[np.round(m.predicted, 3).tolist() for m in swept],
        )

    def __repr__(self) -> str:
        return (
            f"MutateByHand: {', '.join(self.names)}; {3 * len(self.letters[0])} single mutants each, "
            f"their {self.label} and the gradient's prediction"
        )
