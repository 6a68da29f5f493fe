"""From a matplotlib figure to inline SVG that follows the page's theme and speaks to a screen reader."""

from __future__ import annotations

import hashlib
import html
import io
import re
import sys
from collections import Counter
from typing import NamedTuple

import matplotlib.figure

from mcbook.plots.palette import GREY, INK, MUTED, settings

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
LAZY = re.compile(
    r"(figure|fig|image|picture|graph|plot|chart|diagram|untitled|output|alt|text|todo)\W*", re.I
)
FILE_NAME = re.compile(r"\S+\.(png|svg|jpe?g|webp|gif|pdf|ipynb|py)", re.I)

_seen: Counter[str] = Counter()  # how often this process has drawn the very same figure: keeps ids apart


class Figure(NamedTuple):
    """A finished figure: `svg` for the page, `alt` for those who do not see it, and a caption (or None)."""

    svg: str
    alt: str
    caption: str | None = None

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_html_(self) -> str:
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure class="mc-figure" style="margin:1em 0">{self.svg}{caption}</figure>'


def figure(fig: matplotlib.figure.Figure, *, alt: str, caption: str | None = None) -> Figure:
    """Turn a matplotlib figure into one that follows the page's theme, and close it.

    `alt` says in words what the figure shows (what is drawn, and what is to be seen in it). Text is drawn
    with the reader's own fonts, so keep to letters that these have (no calligraphic mathtext).

    Raises ValueError for an alt that says nothing: under 20 characters, a file name, "Figure 1".
    """
    alt = checked_alt(alt)
    svg = themed(render(fig))
    digest = hashlib.sha256(f"{alt}\n{svg}".encode()).hexdigest()[:8]
    _seen[digest] += 1
    name = f"mc-{digest}" + (f"-{_seen[digest]}" if _seen[digest] > 1 else "")
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(fig)
    return Figure(with_root(with_own_ids(svg, name), alt), alt, caption)


def checked_alt(alt: str) -> str:
    """The alternative text with its blanks tidied, or a ValueError that says what is missing."""
    words = " ".join(str(alt).split())
    telling = [word for word in re.findall(r"[^\W\d_]+", words) if not LAZY.fullmatch(word)]
    if len(words) < 20 or len(set(telling)) < 4 or FILE_NAME.fullmatch(words):
        raise ValueError(
            f"figure expects an alt that says in a sentence what is to be seen (20 characters or more), "
            f"got {alt!r}; "
            'for example alt="Two mixtures against each other: the cloud is a tilted parallelogram."'
        )
    return words


def render(fig: matplotlib.figure.Figure) -> str:
    """Matplotlib's own SVG: no date, no metadata, transparent, text as text."""
    if not fig.axes:
        raise ValueError(
            "figure expects a matplotlib figure with axes, got an empty one; draw into it first."
        )
    buffer = io.StringIO()
    with matplotlib.rc_context(settings()):
        fig.savefig(
            buffer, format="svg", bbox_inches="tight", pad_inches=0.04, dpi=130, transparent=True,
            metadata={"Date": None, "Creator": None},
        )  # fmt: skip
    return buffer.getvalue()


def themed(svg: str) -> str:
    """Sentinels to theme colours, fonts to the page's, numbers to two decimals, and no leaking stylesheet."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.S
    )
    svg = re.sub(rf"{INK}|#000000", "currentColor", svg)
    svg = svg.replace(MUTED, f"var(--mc-muted, {GREY})")
    svg = re.sub(r"font: ((?:\w+ )*?)([\d.]+px) [^;\"]*", _font, svg)
    svg = re.sub(r'(?<= d=")[^"]*', lambda m: " ".join(_two_decimals(m[0]).split()), svg)
    svg = re.sub(r'(?<= (?:x|y)=")[^"]*', lambda m: _two_decimals(m[0]), svg)
    return re.sub(r">\s+<", "><", svg)


def _font(match: re.Match[str]) -> str:
    slants = [f"font-style: {word}; " for word in match[1].split() if word in ("italic", "oblique")]
    weights = [f"font-weight: {word}; " for word in match[1].split() if word in ("bold",) or word.isdigit()]
    return (
        "".join(slants + weights) + f"font-size: calc({match[2]}*var(--mc-text,1))"
    )  # phones may enlarge it


def _two_decimals(numbers: str) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), numbers)


def with_own_ids(svg: str, name: str) -> str:
    """Keep the ids that something points to, under the figure's own name; drop the others."""
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    order = {old: f"{name}-{k}" for k, old in enumerate(sorted(used))}
    svg = re.sub(r' id="([^"]*)"', lambda m: f' id="{order[m[1]]}"' if m[1] in order else "", svg)
    return re.sub(r'(url\(#|href="#)([^")]+)', lambda m: m[1] + order[m[2]], svg)


def with_root(svg: str, alt: str) -> str:
    """A root element that scales with the column, inherits the page's colour, and says what it shows."""
    root = svg[: svg.index(">") + 1]
    width, height = (float(re.search(rf'{side}="([\d.]+)pt"', root)[1]) for side in ("width", "height"))  # type: ignore[index]
    opening = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{html.escape(alt)}" fill="currentColor" '
        'stroke-linejoin="round" stroke-linecap="butt" '
        f'style="display:block;width:100%;max-width:{1.53 * width:.0f}px;height:auto;overflow:visible;'
        f'font-family:{FONTS}">'
    )
    return opening + svg[len(root) :]
