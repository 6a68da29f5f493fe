"""Colours and style of the book's figures.

The colours are Okabe and Ito's, each moved in lightness until it stands at 3:1 or more against white *and*
against the dark theme's background (WCAG 2.2, 1.4.11); the tests compute it. Source: okabe2008.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from cycler import cycler

INK = "#010203"  # stands for the page's text colour; no other use
MUTED = "#040506"  # stands for the page's muted grey; no other use
WIDTH = 6.0  # inches: fills a column of text, and is still legible on a phone
GREY = "#80868f"  # what MUTED becomes where the page does not say otherwise

BLUE, VERMILLION, GREEN, PURPLE, AMBER, SKY = "#1f78bd", "#d55e00", "#00916a", "#b8629a", "#a47c00", "#3c8fc2"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, AMBER, SKY)
DASHES = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (10, 3)), (0, (3, 1.5, 1, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P")


def settings() -> Any:
    """Matplotlib's settings for the book: transparent, in INK, with text as text and no date."""
    inked = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.labelcolor", "ytick.labelcolor")
    muted = ("axes.edgecolor", "xtick.color", "ytick.color", "grid.color")
    clear = (
        "figure.facecolor",
        "axes.facecolor",
        "savefig.facecolor",
        "legend.facecolor",
        "legend.edgecolor",
    )
    return {
        **dict.fromkeys(inked, INK),
        **dict.fromkeys(muted, MUTED),
        **dict.fromkeys(clear, "none"),
        "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES),
        "patch.edgecolor": INK,
        "hatch.color": INK,
        "lines.color": INK,
        "lines.linewidth": 1.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.alpha": 0.28,
        "grid.linewidth": 0.7,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.labelsize": 10.5,
        "font.size": 10.5,
        "legend.frameon": False,
        "legend.handlelength": 2.8,
        "figure.figsize": (WIDTH, 3.1),
        "figure.dpi": 100,
        "savefig.transparent": True,
        "path.simplify_threshold": 0.3,
        "svg.fonttype": "none",
        "svg.hashsalt": "mcbook",
    }


@contextmanager
def style() -> Iterator[None]:
    """The book's style inside the `with` block; nothing outside of it changes."""
    with mpl.rc_context(settings()):
        yield


def rasterise(artist: Any, points: int, *, limit: int = 2000) -> Any:
    """Mark an artist (a line, a scatter) to be embedded as a picture when it has more points than `limit`.

    Two thousand markers weigh about 150 kB as vectors and 15 kB as pixels; axes and text stay sharp.
    """
    artist.set_rasterized(points > limit)
    return artist
