"""A picture for every chapter, the gallery of them, and lines of code side by side."""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from mcbook import plots, ridge
from mcbook.plots.chapters import ACTS
from mcbook.plots.miniatures import DRAWINGS
from mcbook.splice import cells

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))


def acts_of_the_book() -> dict[str, list[str]]:
    """Caption -> pages, of the parts of the table of contents whose pages stand in a folder."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    pages = {p["caption"]: [c["file"].removeprefix("book/") for c in p["chapters"]] for p in parts}
    return {caption: files for caption, files in pages.items() if all("/" in file for file in files)}


def test_the_chapters_are_those_of_the_table_of_contents_in_its_order():
    ours = {act: [c.page for c in plots.CHAPTERS if c.act == act] for act in ACTS}
    assert ours == acts_of_the_book()


@pytest.mark.parametrize("chapter", plots.CHAPTERS, ids=lambda c: c.name)
def test_a_chapter_is_called_as_its_page_is(chapter):
    cells = json.loads((ROOT / f"book/{chapter.page}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[0]["source"]).split("\n")[0] == f"# {chapter.title}"
    assert (ROOT / "mcbook" / chapter.name / "__init__.py").is_file()


def test_every_chapter_has_a_picture_and_every_picture_a_chapter():
    assert [chapter.name for chapter in plots.CHAPTERS] == list(DRAWINGS)


def test_pictures_are_small_of_one_size_and_all_different():
    drawn = [plots.figure(plots.miniature(c.name), alt=c.alt).svg for c in plots.CHAPTERS]
    boxes = {re.search(r'viewBox="([^"]*)"', svg)[1] for svg in drawn}
    assert len(boxes) == 1
    assert len(set(drawn)) == len(drawn)
    assert all(2_000 < len(svg) < 20_000 for svg in drawn)
    assert not any("<text" in svg for svg in drawn)  # they stand on buttons, whose names would have to say it
    assert all("currentColor" in svg or "var(--mc-muted" in svg for svg in drawn)


def test_an_unknown_chapter_has_no_picture():
    with pytest.raises(ValueError, match=r"one of .*unmixing, splice.*got 'cooking'"):
        plots.miniature("cooking")
    with pytest.raises(ValueError, match="got cooking, baking"):
        plots.gallery(["ridge", "cooking", "baking"])


def test_the_gallery_shows_and_links_all_chapters():
    gallery = plots.gallery()
    assert repr(gallery).count("\n") == len(ACTS) - 1
    page = BeautifulSoup(gallery._repr_html_(), "html.parser")
    links = [(a["href"], a.text) for a in page.find_all("a")]
    assert links == [(f"{c.page}.ipynb", c.title) for c in plots.CHAPTERS]
    assert [svg["aria-label"] for svg in page.find_all("svg")] == [c.alt for c in plots.CHAPTERS]
    assert [group["aria-label"] for group in page.find_all(role="group")] == list(ACTS)


def test_a_part_of_the_gallery_from_another_folder():
    gallery = plots.gallery(["schedules", "splice"], root="../")
    assert re.findall(r'href="([^"]*)"', gallery._repr_html_()) == [
        "../creation/schedules.ipynb",
        "../learning/splice.ipynb",
    ]


def test_the_site_turns_the_gallery_s_links_into_pages():
    import tidy

    html = plots.gallery(["ridge"])._repr_html_()
    assert 'href="understanding/ridge.html"' in tidy.tidy_page(html)
    other = '<a class="reference" href="understanding/ridge.ipynb">download</a>'
    assert tidy.tidy_page(other) == other


# --- lines of code -----------------------------------------------------------------------------------------


def test_strands_show_the_lines_as_they_stand_in_the_package():
    shown = plots.strands({"One step back": {"memory": (cells.vjp_rnn, "a_bar @ cell.W_h")}})
    (strand,) = shown.groups["One step back"]
    source = (ROOT / strand.path).read_text(encoding="utf-8")
    assert [line.strip() for line in source.split("\n")].count(strand.line) == 1
    assert repr(shown) == f"One step back:\n  memory  {strand.line}"
    page = BeautifulSoup(shown._repr_html_(), "html.parser")
    assert page.find("code").text == strand.line
    assert page.find("mark").text == "a_bar @ cell.W_h"
    assert page.find("figcaption").text == "One step back"
    assert page.find("dt").text.startswith("memory")


def test_strands_escape_what_html_would_read():
    shown = plots.strands({"Bounds": {"x": (ridge.solve, "-> Solution")}})
    assert "-&gt; Solution" in shown._repr_html_()


@pytest.mark.parametrize(("fragment", "count"), [("no such code", "0"), ("h_bar", r"[2-9]")])
def test_a_fragment_must_name_one_line(fragment, count):
    with pytest.raises(ValueError, match=rf"{fragment!r} stands in {count} of its lines"):
        plots.strands({"x": {"y": (cells.vjp_rnn, fragment)}})
