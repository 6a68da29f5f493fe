"""A small picture for every chapter: what the page is about, in one glance and without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.transforms import Affine2D

from mcbook.plots.logo import LETTERS, _stacks, unit_letter
from mcbook.plots.palette import AMBER, BLUE, GREEN, INK, MUTED, PURPLE, VERMILLION, style

SIZE = (2.4, 1.5)  # inches; eight wide, five high in the drawings' own units
SEVEN = ("01111110", "01111110", "00000110", "00001100", "00011000", "00011000", "00110000", "00110000")


def miniature(chapter: str) -> Figure:
    """The picture of a chapter, by the name of its module. Raises ValueError for a chapter without one."""
    if chapter not in DRAWINGS:
        raise ValueError(f"miniature expects one of {', '.join(DRAWINGS)}; got {chapter!r}.")
    with style():
        fig = Figure(figsize=SIZE)
        ax = fig.add_axes((0.0, 0.0, 1.0, 1.0))
        ax.set(xlim=(0, 8), ylim=(0, 5))
        ax.axis("off")
        ax.set_prop_cycle(color=[INK])  # and no dashes: each drawing says itself what is dashed
        ax.add_patch(Rectangle((0, 0), 8, 5, facecolor="none", edgecolor="none"))  # all of one size
        DRAWINGS[chapter](ax)
    return fig


def _arrow(ax: Any, start: Any, end: Any, colour: str, width: int | float = 1.8) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": width,
                                            "shrinkA": 0, "shrinkB": 0})  # fmt: skip


def differentials(ax: Any) -> None:
    """A square of a grid, the bent grid with the bent square, and the parallelogram that nearly covers it."""

    def bent(x: Any, y: Any) -> tuple[Any, Any]:
        return 6.2 + 0.85 * x + 0.35 * y + 0.16 * x * y, 2.5 + 0.1 * x + 0.8 * y + 0.22 * x**2

    s, t = np.linspace(-1.5, 1.5, 7), np.linspace(-1.5, 1.5, 19)
    for k in s:
        for line in ((t, np.full(19, k)), (np.full(19, k), t)):
            ax.plot(1.9 + line[0], 2.5 + line[1], color=MUTED, linewidth=0.8)
            ax.plot(*bent(*line), color=MUTED, linewidth=0.8)
    edge = np.linspace(0, 1, 9)
    x = np.concatenate([edge, np.ones(9), 1 - edge, np.zeros(9)])
    y = np.concatenate([np.zeros(9), edge, np.ones(9), 1 - edge])
    ax.fill(1.9 + x, 2.5 + y, facecolor=BLUE, alpha=0.45, edgecolor=BLUE, linewidth=1.6)
    ax.fill(*bent(x, y), facecolor=BLUE, alpha=0.45, edgecolor=BLUE, linewidth=1.6)
    u, v = bent(0.5, 0.5)  # the linear part there
    along, up = np.array([0.93, 0.32]), np.array([0.43, 0.8])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) / 2 @ np.stack([along, up])
    ax.plot(u + corners[:, 0], v + corners[:, 1], color=VERMILLION, linewidth=1.8, linestyle=(0, (4, 2)))


def chain_rule(ax: Any) -> None:
    """A value goes through a fork to the error; cotangents come back on both roads and are added."""
    nodes = np.array([[0.8, 2.5], [3.0, 2.5], [5.1, 3.9], [5.1, 1.1], [7.2, 2.5]])
    for i, j in ((0, 1), (1, 2), (1, 3), (2, 4), (3, 4)):
        along = nodes[j] - nodes[i]
        along = along / np.hypot(*along)
        side = 0.17 * np.array([-along[1], along[0]])
        a, b = nodes[i] + 0.48 * along, nodes[j] - 0.48 * along
        _arrow(ax, a + side, b + side, BLUE, 1.6)
        _arrow(ax, b - side, a - side, VERMILLION, 1.6)
    ax.scatter(*nodes.T, s=170, facecolor="none", edgecolor=INK, linewidth=1.6)
    ax.plot(*nodes[4], "o", color=VERMILLION, markersize=6)
    ax.plot(*nodes[0], "o", color=BLUE, markersize=6)


def downhill(ax: Any) -> None:
    """A long valley from above, and two ways to its bottom: zigzag, and a heavy ball's curve."""
    turn = np.linspace(0, 2 * np.pi, 73)
    for r in (0.28, 0.62, 1.05, 1.6, 2.25):
        ax.plot(4.9 + 2.1 * r * np.cos(turn), 2.3 + r * np.sin(turn), color=MUTED, linewidth=0.9)
    h = np.array([1 / 4.41, 1.0])
    walks = []
    for eta, beta in ((1.85, 0.0), (0.35, 0.72)):
        w, v, points = np.array([-4.3, 2.0]), np.zeros(2), []
        for _ in range(40):
            points.append(w)
            v = beta * v - eta * h * w
            w = w + v
        walks.append(np.array(points) + [4.9, 2.3])
    ax.plot(*walks[0].T, color=BLUE, linewidth=1.7, marker="o", markersize=3)
    ax.plot(*walks[1].T, color=VERMILLION, linewidth=2, linestyle=(0, (4, 2)))


def unmixing(ax: Any) -> None:
    """One braided signal comes in, three voices go out."""
    x = np.linspace(0, 1, 160)
    waves = np.stack([np.sin(2 * np.pi * f * x) * np.sin(np.pi * x) ** 0.5 for f in (4, 7, 11)])
    ax.plot(0.3 + 3.0 * x, 2.5 + 0.75 * waves.sum(axis=0), color=INK, linewidth=1.2)
    _arrow(ax, (3.55, 2.5), (4.45, 2.5), MUTED)
    for wave, y, colour in zip(waves, (4.05, 2.5, 0.95), (BLUE, VERMILLION, GREEN), strict=True):
        ax.plot(4.7 + 3.0 * x, y + 0.6 * wave, color=colour, linewidth=1.4)


def splice(ax: Any) -> None:
    """The letters around the end of an exon, as high as they are sure: GT behind the cut."""
    sure = {"C": 0.35, "A": 0.7, "G": 1.0}
    word, heights = "CAGGTAAGT", (0.35, 0.6, 0.8, 2.0, 2.0, 0.6, 0.75, 0.8, 0.4)
    rows = np.array(
        [[h if letter == own else 0.0 for letter in LETTERS] for own, h in zip(word, heights, strict=True)]
    )
    rows += 0.08 * np.array([[sure.get(letter, 0.5) for letter in LETTERS]]) * (rows == 0)
    inset = ax.inset_axes((0.03, 0.1, 0.94, 0.82))
    _stacks(inset, rows)
    inset.axvline(2.5, color=MUTED, linewidth=1.4, linestyle=(0, (3, 2)))
    inset.set(xlim=(-0.6, 8.6), ylim=(0, 2.3))
    inset.axis("off")


def kernels(ax: Any) -> None:
    """A few molecules that are known, the bump that each of them lends, and their sum."""
    at, weight = np.array([1.0, 2.6, 4.2, 6.4]), np.array([1.3, 2.4, 0.9, 1.9])
    x = np.linspace(0.1, 7.9, 160)
    bumps = weight[:, None] * np.exp(-((x[None] - at[:, None]) ** 2) / 1.3)
    for bump in bumps:
        ax.plot(x, 0.5 + bump, color=MUTED, linewidth=1.1)
    total = bumps.sum(axis=0)
    ax.plot(x, 0.5 + 1.4 * total, color=BLUE, linewidth=2.2)
    ax.plot(at, 0.5 + 1.4 * np.interp(at, x, total), "o", color=VERMILLION, markersize=5.5)


def sensitivity(ax: Any) -> None:
    """The letters of a protein, each with what it has to say for the answer or against it."""
    votes = (0.5, -0.3, 0.2, 1.9, -0.9, 0.3, 1.1, -0.2)
    ax.plot([0.3, 7.7], [2.1, 2.1], color=MUTED, linewidth=1)
    for k, (letter, vote) in enumerate(zip("MKTWLGDE", votes, strict=True)):
        ax.bar(0.8 + 0.92 * k, vote, 0.6, bottom=2.1, color=BLUE if vote > 0 else VERMILLION)
        place = Affine2D().scale(0.5, 0.62).translate(0.55 + 0.92 * k, 0.2)
        outline = place.transform_path(unit_letter(letter))  # no text: a picture on a button has no words
        ax.add_patch(PathPatch(outline, facecolor=INK, edgecolor="none"))


def ridge(ax: Any) -> None:
    """A bar on springs is pulled at one place and forgets it within a length or two."""
    x = np.linspace(0.2, 7.8, 200)
    u = 2.1 * np.exp(-np.abs(x - 3.2) / 1.2)
    ax.plot([0.2, 7.8], [0.35, 0.35], color=MUTED, linewidth=1.6)
    for place in np.arange(0.6, 7.8, 0.98):
        top = 2.0 + np.interp(place, x, u)
        turns = np.linspace(0.35, top, 10)
        sway = 0.16 * np.array([0, 0, 1, -1, 1, -1, 1, -1, 0, 0])
        ax.plot(place + sway, turns, color=MUTED, linewidth=1)
    ax.plot(x, 2.0 + u, color=BLUE, linewidth=2.6)
    _arrow(ax, (3.2, 4.15), (3.2, 4.95), VERMILLION, 2.2)


def symmetry(ax: Any) -> None:
    """A molecule and the forces on it; the molecule turned, and the forces turned with it."""
    X = np.array([[0.0, -0.35], [-1.0, 0.45], [1.0, 0.45]])
    F = np.array([[0.0, -0.95], [-0.85, 0.5], [0.85, 0.45]])
    for middle, degrees in (((1.9, 2.6), 0.0), ((6.0, 2.5), 115.0)):
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        R = np.array([[c, -s], [s, c]])
        Y, G = X @ R.T + middle, F @ R.T
        for k in (1, 2):
            ax.plot(*Y[[0, k]].T, color=MUTED, linewidth=3, zorder=1)
        for place, force in zip(Y, G, strict=True):
            _arrow(ax, place, place + force, BLUE, 2)
        ax.scatter(*Y.T, s=(150, 70, 70), c=[VERMILLION, AMBER, AMBER], zorder=2, linewidths=0)


def correction(ax: Any) -> None:
    """The truth, the cheap theory beside it, and the plain curve that is missing between them."""
    x = np.linspace(0.3, 7.7, 120)
    truth = 1.75 + 2.2 * (1 - np.exp(-0.75 * (x - 2.6))) ** 2
    missing = 0.5 + 0.09 * x
    ax.plot(x, truth, color=INK, linewidth=1.9)
    ax.plot(x, truth - missing, color=MUTED, linewidth=1.9, linestyle=(0, (5, 2)))
    ax.plot(x, missing - 0.15, color=BLUE, linewidth=2.2)
    ax.plot(x[12::24], missing[12::24] - 0.15, "o", color=VERMILLION, markersize=4.5)


def diffusion(ax: Any) -> None:
    """Noise, less noise, a seven."""
    seven = np.array([[float(mark) for mark in row] for row in SEVEN])
    noise = np.random.default_rng(7).random((8, 8))
    for k, share in enumerate((0.0, 0.55, 1.0)):
        image = np.zeros((8, 8, 4))
        image[..., :3] = to_rgb(BLUE)
        image[..., 3] = share * seven + (1 - share) * noise
        left = 0.3 + 2.55 * k
        ax.imshow(image, extent=(left, left + 2.3, 1.35, 3.65), interpolation="none", zorder=1)
        ax.plot(
            left + np.array([0, 2.3, 2.3, 0, 0]), [1.35, 1.35, 3.65, 3.65, 1.35], color=MUTED, linewidth=0.8
        )
    ax.set(xlim=(0, 8), ylim=(0, 5), aspect="auto")


def schedules(ax: Any) -> None:
    """A level learning rate, and the schedule that its own gradient bends it into."""
    t = np.linspace(0.4, 7.6, 120)
    learnt = 0.5 + 3.9 * np.exp(-(((t - 2.6) / 1.55) ** 2)) + 0.9 * np.exp(-(((t - 4.9) / 1.6) ** 2))
    ax.plot(t, np.full_like(t, 2.1), color=MUTED, linestyle=(0, (5, 2)), linewidth=1.6)
    ax.plot(t, learnt, color=PURPLE, linewidth=2.3)
    for place in (0.9, 2.6, 6.2):
        _arrow(ax, (place, 2.1), (place, np.interp(place, t, learnt)), VERMILLION, 1.6)


DRAWINGS: dict[str, Callable[[Any], None]] = {
    draw.__name__: draw
    for draw in (
        *(differentials, chain_rule, downhill, unmixing, splice, kernels, sensitivity, ridge, symmetry),
        *(correction, diffusion, schedules),
    )
}
