"""Drawings that more than one page needs. Each returns a matplotlib figure for `plots.figure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mcbook.plots.palette import (
    BLUE,
    COLOURS,
    DASHES,
    INK,
    MARKERS,
    MUTED,
    VERMILLION,
    WIDTH,
    rasterise,
    style,
)


def as_columns(signals: Any, names: Sequence[str], caller: str) -> np.ndarray:
    """Finite `signals (n, d)` with d names, or a ValueError."""
    S = np.asarray(signals, dtype=float)
    if S.ndim != 2 or len(S) < S.shape[1] or S.shape[1] != len(names):
        raise ValueError(
            f"{caller} expects signals (n, d) with one name for each of the d columns, got {S.shape} and "
            f"{len(names)} names; rows are samples (transpose?)."
        )
    if not np.isfinite(S).all():
        raise ValueError(
            f"{caller} expects finite signals, got NaN or infinity; look for a division by zero."
        )
    return S


def waveforms(signals: Any, rate_hz: int | float, names: Sequence[str], *, bins: int = 500) -> Figure:
    """Each signal over time in its own strip: the span from least to greatest in each of `bins` slots."""
    S = as_columns(signals, names, "waveforms")
    edges = np.unique(np.linspace(0, len(S), min(bins, len(S)) + 1).astype(int))[:-1]
    low, high = np.minimum.reduceat(S, edges), np.maximum.reduceat(S, edges)
    with style():
        fig = Figure(figsize=(WIDTH, 0.55 + 0.95 * S.shape[1]), layout="constrained")
        strips = fig.subplots(S.shape[1], 1, sharex=True, squeeze=False)[:, 0]
        for k, (ax, name) in enumerate(zip(strips, names, strict=True)):
            colour = COLOURS[k % len(COLOURS)]
            ax.fill_between(edges / rate_hz, low[:, k], high[:, k], color=colour, linewidth=0.6)
            ax.set_ylabel(name, rotation=0, ha="right", va="center")
            ax.set(yticks=[], xlim=(0, len(S) / rate_hz))
            ax.spines["left"].set_visible(False)
        strips[-1].set_xlabel("time in seconds")
    return fig


def scatter_pair(
    panels: Mapping[str, Any],
    *,
    directions: Mapping[str, Any] | None = None,
    labels: tuple[str, str] = ("first", "second"),
    limit: int = 2000,
) -> Figure:
    """Clouds of points side by side: `panels` maps a title to points `(n, 2)`.

    `directions` maps a title to an array `(2, k)` whose columns are drawn as numbered arrows.
    Clouds of more than `limit` points are thinned evenly.
    """
    with style():
        fig = Figure(figsize=(WIDTH, 0.5 + WIDTH / max(2, len(panels))), layout="constrained")
        for ax, (title, points) in zip(
            fig.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            P = as_columns(points, labels, "scatter_pair")[:: max(1, len(np.asarray(points)) // limit)]
            rasterise(ax.scatter(*P.T, s=5, color=BLUE, alpha=0.45, linewidths=0), len(P), limit=300)
            reach = np.quantile(np.abs(P), 0.995) * 1.1
            for k, axis in enumerate(np.asarray((directions or {}).get(title, np.zeros((2, 0)))).T):
                tip = 0.8 * reach * axis / np.linalg.norm(axis)
                ax.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": VERMILLION, "lw": 2})
                ax.annotate(f"{k + 1}", 1.12 * tip, color=INK, ha="center", va="center", weight="bold")
            ax.set(title=title, xlabel=labels[0], ylabel=labels[1], aspect="equal")
            ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    return fig


def convergence(
    curves: Mapping[str, Any],
    *,
    ylabel: str,
    xlabel: str = "iteration",
    target: int | float | None = None,
    log: bool = True,
    log_x: bool = False,
) -> Figure:
    """How something falls: `curves` maps a name to values `(t,)` or to a pair (abscissae, values).

    Each curve has its own colour, dash and end marker; `target` is drawn as a labelled line. With `log_x`
    the abscissae are logarithmic too, so that a power law is a straight line.
    """
    with style():
        fig = Figure(figsize=(WIDTH, 3.1), layout="constrained")
        ax = fig.subplots()
        for k, (name, curve) in enumerate(curves.items()):
            xs, ys = curve if isinstance(curve, tuple) else (np.arange(len(curve)), curve)
            xs, ys = np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)
            if xs.shape != ys.shape or ys.ndim != 1 or not np.isfinite(ys).all():
                raise ValueError(
                    f"convergence expects finite values (t,) for {name!r}, got shape {ys.shape}."
                )
            j = k % len(COLOURS)
            ax.plot(
                xs, ys, color=COLOURS[j], linestyle=DASHES[j], marker=MARKERS[j], markevery=[-1], label=name
            )
        if target is not None:
            ax.axhline(target, color=MUTED, linewidth=1)
            words = f"target {target:g}".replace("e-0", "e-").replace("-", "−")
            place = ("axes fraction", "data")
            ax.annotate(words, (1, target), xycoords=place, color=INK, ha="right", va="bottom", fontsize=9)
        scales = {True: "log", False: "linear"}
        ax.set(xlabel=xlabel, ylabel=ylabel, xscale=scales[log_x], yscale=scales[log])
        fig.legend(loc="outside upper left", ncols=len(curves))
    return fig


def spectrogram(
    signals: Any,
    rate_hz: int | float,
    names: Sequence[str],
    *,
    window_s: float = 0.032,
    range_db: int | float = 60.0,
) -> Figure:
    """Power over time and frequency, one strip for each signal, in decibels below the loudest cell of all."""
    S = as_columns(signals, names, "spectrogram")
    width = 2 * round(window_s * rate_hz / 2)
    if len(S) < 2 * width:
        raise ValueError(f"spectrogram expects {2 * width} samples or more, got {len(S)}; shorten window_s.")
    starts = np.arange(0, len(S) - width + 1, max(width // 2, len(S) // 400))
    frames = S[starts[:, None] + np.arange(width)] * np.hanning(width)[:, None]  # (frame, sample, signal)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    db = 10 * np.log10(np.maximum(power / max(power.max(), 1e-300), 1e-12))
    fading = LinearSegmentedColormap.from_list("fading", [(*to_rgb(BLUE), 0.0), (*to_rgb(BLUE), 1.0)], N=12)
    with style():
        fig = Figure(figsize=(WIDTH, 0.6 + 1.35 * S.shape[1]), layout="constrained")
        strips = fig.subplots(S.shape[1], 1, sharex=True, squeeze=False)[:, 0]
        extent = (0, len(S) / rate_hz, 0, rate_hz / 2000)
        for k, (ax, name) in enumerate(zip(strips, names, strict=True)):
            image = ax.imshow(db[:, :, k].T, origin="lower", aspect="auto", extent=extent, cmap=fading,
                              vmin=-range_db, vmax=0, interpolation="none")  # fmt: skip
            ax.set(title=name, ylabel="kHz")
            ax.grid(visible=False)
        fig.colorbar(image, ax=list(strips), label="dB", aspect=30)
        strips[-1].set_xlabel("time in seconds")
    return fig


def matrix(
    A: Any, *, rows: Sequence[str] = (), columns: Sequence[str] = (), title: str = "", digits: int = 2
) -> Figure:
    """A matrix as a table of numbers on coloured cells: blue above zero, vermillion below."""
    M = np.asarray(A, dtype=float)
    if M.ndim != 2 or not M.size or not np.isfinite(M).all():
        raise ValueError(f"matrix expects a finite, non-empty matrix (n, d), got shape {M.shape}.")
    n, d = M.shape
    top = np.abs(M).max() or 1.0
    with style():
        fig = Figure(figsize=(0.75 + 0.68 * d, 0.6 + 0.5 * n), layout="constrained")
        ax = fig.subplots()
        for (i, j), value in np.ndenumerate(M):
            colour = (*to_rgb(BLUE if value > 0 else VERMILLION), 0.5 * abs(value) / top)
            ax.add_patch(_cell(i, j, colour))
            ax.text(j, i, f"{value:.{digits}f}".replace("-", "−"), ha="center", va="center", color=INK)
        ax.set(xlim=(-0.5, d - 0.5), ylim=(n - 0.5, -0.5), title=title)
        ax.set_xticks(range(d), columns or [str(j + 1) for j in range(d)])
        ax.set_yticks(range(n), rows or [str(i + 1) for i in range(n)])
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
    return fig


def _cell(i: int, j: int, colour: tuple[float, ...]) -> Rectangle:
    return Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=colour, edgecolor="none", linewidth=0)
