"""The map of the book: what it carries, and what the page shows of it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import plots, widgets
from mcbook.widgets.chapters import ASIDE, THREAD, TIES

NAMES = [chapter.name for chapter in plots.CHAPTERS]


@pytest.fixture(scope="module")
def chapter_map():
    return widgets.ChapterMap(root="../", chosen="ridge")


def test_it_carries_the_book(chapter_map):
    assert repr(chapter_map) == f"ChapterMap: {len(NAMES)} chapters, 5 on the thread, {len(TIES)} ties"
    assert [chapter["name"] for chapter in chapter_map.chapters] == NAMES
    assert all(chapter["picture"].startswith("<svg") for chapter in chapter_map.chapters)


def test_ties_join_chapters_that_exist_once_and_in_the_book_s_order():
    pairs = [(tie.one, tie.other) for tie in TIES]
    assert len(set(pairs)) == len(pairs)
    assert all(NAMES.index(one) < NAMES.index(other) for one, other in pairs)
    assert {name for pair in pairs for name in pair} == set(NAMES)  # nobody stands alone
    stops = [stop.chapter for stop in THREAD]
    assert stops == [name for name in NAMES if name in stops]
    assert set(ASIDE) <= set(NAMES) - set(stops)


def test_an_unknown_chapter_is_named():
    with pytest.raises(ValueError, match="got 'cooking'"):
        widgets.ChapterMap(chosen="cooking")


# --- the static page, in a browser -------------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path, chapter_map) -> Iterator[Page]:  # noqa: F811
    """The map on a page as wide as a phone's, the network cut; nothing may fail."""
    chapter_map.chosen = "ridge"
    with on_a_phone(browser, tmp_path, chapter_map) as page:
        yield page


def shown(page):
    return page.locator(".mc-chapters").evaluate("e => ({...e.dataset})")


def words(page, part):
    page.wait_for_function(f"document.querySelector('.mc-chapters .words').textContent.includes('{part}')")
    return page.locator(".mc-chapters .words")


@pytest.mark.browser
def test_every_title_leads_to_its_chapter(opened):
    links = opened.eval_on_selector_all(
        ".mc-chapters .land a", "all => all.map(a => [a.getAttribute('href'), a.textContent])"
    )
    assert links == [[f"../{c.page}.ipynb", c.title] for c in plots.CHAPTERS]  # as in a notebook


@pytest.mark.browser
def test_on_a_built_page_the_links_are_pages(opened):
    found = opened.evaluate("""async () => {
        const module = await import("data:text/javascript;base64," + STATES[0]._esm);
        const el = document.createElement("div"); el.className = "anywidget-static";
        document.querySelector("main").append(el);
        const clean = await module.default.render({ model: models[0], el });
        const links = [...el.querySelectorAll(".land a")].map(a => a.getAttribute("href"));
        clean(); el.remove(); return links;
    }""")
    assert found == [f"../{c.page}.html" for c in plots.CHAPTERS]


@pytest.mark.browser
def test_the_thread_is_drawn_first(opened):
    assert shown(opened) | {"near": ""} == {"chosen": "ridge", "mode": "0", "drawn": "4", "near": ""}
    assert "adjoint field" in words(opened, "The cotangent is called").inner_text()


@pytest.mark.browser
def test_the_keyboard_chooses_a_chapter_and_its_ties_light_up(opened):
    opened.get_by_role("radio", name="all that is shared").check()
    button = opened.get_by_role("button", name="What Forces that turn with the molecule shares")
    button.focus()
    opened.keyboard.press("Enter")
    mine = [tie for tie in TIES if "symmetry" in (tie.one, tie.other)]
    now = shown(opened)
    assert now["chosen"] == "symmetry"
    assert int(now["drawn"]) == len(TIES)
    partners = {tie.one if tie.other == "symmetry" else tie.other for tie in mine}
    assert set(now["near"].split(",")) == partners
    assert button.get_attribute("aria-pressed") == "true"
    assert opened.locator("path.tie.strong").count() == len(mine)
    said = words(opened, mine[0].words)
    assert said.get_attribute("aria-live") == "polite"
    assert said.locator("li").count() == len(mine)
    assert opened.evaluate("models[0].get('chosen')") == "symmetry"


@pytest.mark.browser
def test_a_chapter_off_the_thread_says_so(opened):
    opened.get_by_role("button", name="What Unmixing a cocktail party shares").click()
    assert "Not on the thread" in words(opened, "Not on the thread").inner_text()
    opened.get_by_role("button", name="What What a small change does shares").click()
    assert ASIDE["differentials"] in words(opened, "One step before the thread").inner_text()


@pytest.mark.browser
def test_python_may_choose(opened):
    opened.evaluate("models[0].set('chosen', 'schedules')")
    assert shown(opened)["chosen"] == "schedules"


@pytest.mark.browser
def test_lines_follow_when_the_page_is_turned(opened):
    def ends():
        return opened.eval_on_selector_all("path.tie", "all => all.map(p => p.getAttribute('d'))")

    before = ends()
    opened.set_viewport_size({"width": 800, "height": 390})
    opened.wait_for_function("d => document.querySelector('path.tie').getAttribute('d') !== d", arg=before[0])
    assert len(ends()) == len(before)


@pytest.mark.browser
def test_it_fits_a_phone(opened):
    check_it_fits(opened, ".mc-chapters :is(a, p, label)")
