"""The chapters, each with its picture, its question and a link: what the front page and the map show."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

from mcbook.plots.miniatures import miniature
from mcbook.plots.svg import figure

ACTS = (
    "The grammar",
    "The engine of learning",
    "The light of understanding",
    "The frontier of creation",
)


class Chapter(NamedTuple):
    """A chapter: its module, its act, its page without an ending (seen from `book/`), and what it is about.

    `question` is what the chapter asks, in one sentence; `alt` says what its picture shows.
    """

    name: str
    act: str
    page: str
    title: str
    question: str
    alt: str


CHAPTERS = (
    Chapter(
        *("differentials", ACTS[0], "grammar/differentials", "What a small change does"),
        "Nine knobs, one picture: which way should each be turned?",
        "A square on a grid; beside it the grid bent, the square bent with it, and dashed its linear part.",
    ),
    Chapter(
        *("chain_rule", ACTS[0], "grammar/chain_rule", "One rule, two directions"),
        "Whose fault is it? A million weights, one mistake, three looks.",
        "Four nodes joined by arrows, with a fork; below them dashed arrows that run back and meet again.",
    ),
    Chapter(
        *("downhill", ACTS[0], "grammar/downhill", "Going downhill"),
        "Ten numbers from a patient today: how ill in a year?",
        "Long nested ellipses, and two ways down to their middle: one zigzags, one swings in a curve.",
    ),
    Chapter(
        *("unmixing", ACTS[1], "learning/unmixing", "Unmixing a cocktail party"),
        "Three people talk at once: who said what?",
        "One ragged signal goes in at the left; three even ones, each of its own colour, come out.",
    ),
    Chapter(
        *("splice", ACTS[1], "learning/splice", "Reading a genome"),
        "Where does a gene's text break off, and where does it go on?",
        "Letters of a genome, as high as they are certain; behind a dashed cut G and T tower over all.",
    ),
    Chapter(
        *("kernels", ACTS[1], "learning/kernels", "Asking a molecule's relatives"),
        "How strongly is a molecule bound, if its relatives are known?",
        "Four grey bumps under four known points, and their sum, a smooth curve through the points.",
    ),
    Chapter(
        *("sensitivity", ACTS[2], "understanding/sensitivity", "Who told you so?"),
        "Which letters of a protein decided what the model says?",
        "Eight letters of a protein, each with a bar that rises for the answer or hangs against it.",
    ),
    Chapter(
        *("ridge", ACTS[2], "understanding/ridge", "The penalty is a spring"),
        "What makes a rail forget the train, and a regression its noise?",
        "A bar on upright springs, pulled at one place; to both sides it soon sinks back to rest.",
    ),
    Chapter(
        *("symmetry", ACTS[2], "understanding/symmetry", "Forces that turn with the molecule"),
        "What must a network know before it may push atoms about?",
        "A molecule of three atoms with an arrow on each; beside it the same, turned, arrows and all.",
    ),
    Chapter(
        *("correction", ACTS[2], "understanding/correction"),
        "Learning only what the cheap theory gets wrong",
        "Is an error easier to learn than the truth?",
        "A deep energy curve, a dashed cheap one below it, and the gap between them: almost a line.",
    ),
    Chapter(
        *("diffusion", ACTS[3], "creation/diffusion", "From noise to images"),
        "How does one gradient pull a picture out of noise?",
        "Three squares of cells: pure noise, noise with a trace of a digit, and a clean seven.",
    ),
    Chapter(
        *("schedules", ACTS[3], "creation/schedules", "Learning how to learn"),
        "Which learning rate, at which step? Ask the training itself.",
        "A level dashed line, and arrows that bend it into a curve with an early hump and a long tail.",
    ),
)

GRID = "display:grid;gap:1.2em 1.4em;grid-template-columns:repeat(auto-fill,minmax(8em,1fr))"
TITLE = "display:block;font-weight:600;line-height:1.3;margin:.4em 0 .1em"
QUESTION = "display:block;font-size:.92em;line-height:1.35"


class Gallery(NamedTuple):
    """Chapters as cards with pictures. Links are those of notebooks; the built site turns them into pages."""

    chapters: tuple[Chapter, ...]
    root: str

    def acts(self) -> dict[str, list[Chapter]]:
        """The chapters of each act."""
        names = dict.fromkeys(chapter.act for chapter in self.chapters)
        return {name: [chapter for chapter in self.chapters if chapter.act == name] for name in names}

    def __repr__(self) -> str:
        rows = (f"{act}: " + " · ".join(c.title for c in chapters) for act, chapters in self.acts().items())
        return "\n".join(rows)

    def _repr_html_(self) -> str:
        return "".join(
            f'<div class="mc-gallery" role="group" aria-label="{html.escape(act)}" style="margin:1.6em 0">'
            f'<p style="margin:0 0 .5em;font-weight:600">{html.escape(act)}</p><div style="{GRID}">'
            + "".join(_card(chapter, self.root) for chapter in chapters)
            + "</div></div>"
            for act, chapters in self.acts().items()
        )


def _card(chapter: Chapter, root: str) -> str:
    picture = figure(miniature(chapter.name), alt=chapter.alt).svg
    title, question = html.escape(chapter.title), html.escape(chapter.question)
    return (
        f'<div>{picture}<a class="mc-page" href="{root}{chapter.page}.ipynb" style="{TITLE}">{title}</a>'
        f'<span style="{QUESTION}">{question}</span></div>'
    )


def gallery(names: Sequence[str] = (), *, root: str = "") -> Gallery:
    """A card for each of the chapters named, or for all; `root` leads from the page to `book/`.

    Raises ValueError for a chapter that the book does not have.
    """
    known = {chapter.name: chapter for chapter in CHAPTERS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"gallery expects chapters among {', '.join(known)}; got {', '.join(unknown)}.")
    return Gallery(tuple(known[name] for name in names or known), root)
