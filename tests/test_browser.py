"""The built book in a real browser, the network cut; every detector is shown a fault it must report."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import browsertools as tools
import pytest
from booktools import built_book
from playwright.sync_api import Browser, Page, sync_playwright

REQUIRED = "browser" in os.environ.get("MCBOOK_REQUIRE", "").replace(",", " ").split()

pytestmark = pytest.mark.browser
MAX_BYTES = 600_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    missing = [
        what
        for what, there in {
            "Chromium": tools.chromium(),
            "axe-core (run `make book`)": tools.AXE.is_file(),
        }.items()
        if not there
    ]
    if missing:
        (pytest.fail if REQUIRED else pytest.skip)(f"browser tests need {' and '.join(missing)}")
    with sync_playwright() as playwright:
        browser = tools.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def html(browser: Browser) -> Path:
    """Folder of the built site."""
    return built_book()


@pytest.fixture(scope="module")
def site(html: Path) -> Iterator[str]:
    """Address of the built site on this machine."""
    with tools.serve(html) as address:
        yield address


def look(browser: Browser, url: str, *detectors: Callable[[Page], list[str]], **context: object) -> list[str]:
    """Open one page in a fresh context, run the detectors, return all faults."""
    opened = browser.new_context(**context)
    watch = tools.Watch(opened)
    page = opened.new_page()
    tools.settle(page, url)
    found = [fault for detector in detectors for fault in detector(page)]
    page.wait_for_timeout(100)
    opened.close()
    return watch.faults + found


def every_page(
    browser: Browser, html: Path, site: str, *detectors: Callable[[Page], list[str]], **context: object
) -> list[str]:
    """The faults of all pages, each with its page's name."""
    names = tools.site_pages(html)
    assert "book/intro.html" in names
    return [f"{name}: {f}" for name in names for f in look(browser, f"{site}/{name}", *detectors, **context)]


PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}


def test_pages_are_complete_without_a_network(browser: Browser, html: Path, site: str) -> None:
    """No console error, no external request, no raw TeX, real alt text; every slider moves its picture."""
    detectors = (tools.raw_tex, tools.missing_alt, tools.dead_sliders)
    assert not every_page(browser, html, site, *detectors)


def test_pages_open_from_a_folder(browser: Browser, html: Path) -> None:
    """The chapter pages, opened as files, work too: mathematics, sliders, no console error."""
    names = [n for n in tools.site_pages(html) if n.startswith("book/")]
    assert names
    for name in names:
        assert not look(browser, (html / name).as_uri(), tools.raw_tex, tools.dead_sliders), name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, browser: Browser, html: Path, site: str) -> None:
    """axe-core, all rules, in both themes; the page is indeed in the theme that is asked for."""

    def themed(page: Page) -> list[str]:
        got = page.evaluate("document.documentElement.dataset.theme")
        return [] if got == scheme else [f"theme {got}, not {scheme}"]

    assert not every_page(browser, html, site, themed, tools.axe, color_scheme=scheme)


def test_phone_scrolls_down_only_and_keeps_still(browser: Browser, html: Path, site: str) -> None:
    """At 390 px what is wide scrolls in its own box, which the keyboard reaches; nothing moves by itself."""
    detectors = (tools.wide, tools.unreachable, tools.moving)
    assert not every_page(browser, html, site, *detectors, reduced_motion="reduce", **PHONE)


def test_first_load_is_light(browser: Browser, html: Path, site: str) -> None:
    """At most 600 kB gzipped, sound left out."""
    for name in tools.site_pages(html):
        context = browser.new_context()
        files = tools.weight(context.new_page(), f"{site}/{name}")
        context.close()
        total = sum(files.values())
        heaviest = sorted(files.items(), key=lambda item: -item[1])[:6]
        print(f"{name}: {total / 1000:.0f} kB gz in {len(files)} files")
        assert len(files) > 10, f"{name}: only {files} was counted"
        assert total <= MAX_BYTES, f"{name}: {total} bytes; heaviest: {heaviest}"


def test_links_lead_somewhere(html: Path) -> None:
    """Every link, source and fragment within the site."""
    assert not tools.broken_links(html)


def test_search_finds_the_front_page(browser: Browser, site: str) -> None:
    """The search works without a network."""
    context = browser.new_context()
    watch = tools.Watch(context)
    page = context.new_page()
    page.goto(f"{site}/search.html?q=calculus")
    page.wait_for_selector("#search-results li a", timeout=10_000)
    assert not watch.faults
    context.close()


def test_print_leaves_out_the_screen(browser: Browser, site: str) -> None:
    """In print the sidebars go and folded solutions are open."""
    context = browser.new_context()
    page = context.new_page()
    tools.settle(page, f"{site}/book/intro.html")
    page.emulate_media(media="print")
    assert not page.locator(".bd-sidebar-primary").is_visible()
    assert not page.locator(".bd-header-article").first.is_visible()
    assert page.locator("article.bd-article h1").is_visible()
    assert len(page.pdf()) > 10_000
    context.close()


# ---- The detectors themselves ---------------------------------------------------------------------

DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
SOUND_PAGE = """<!doctype html>
<html lang="en"><head><title>Sound page</title></head><body><main><h1>A page</h1>
<p>It costs $5 or $6; <code>$$x$$</code>.</p><img src="DOT" alt="A rising curve">
<figure><svg role="img" aria-label="A bar as long as the value" viewBox="0 0 9 9">
<rect width="1" height="1"/></svg><label>length <input type="range" min="0" max="9" value="1"
 oninput="this.closest('figure').querySelector('rect').setAttribute('width', this.value)"></label></figure>
%s</main></body></html>""".replace("DOT", DOT)

PLANTED = {
    "dollars": ("<p>then $$x^2$$</p>", tools.raw_tex, "raw TeX"),
    "inline TeX": ("<p>then $x^2$ follows</p>", tools.raw_tex, "raw TeX"),
    "command": (r"<p>\begin{align} x</p>", tools.raw_tex, "raw TeX"),
    "fraction": (r"<p>\frac{1}{2}</p>", tools.raw_tex, "raw TeX"),
    "katex": ('<p><code class="katex-error">x</code></p>', tools.raw_tex, "formula that failed"),
    "no alt": (
        f'<img src="{DOT}">',
        tools.missing_alt,
        "without real alt",
    ),
    "useless alt": (
        f'<img src="{DOT}" alt="Output image from code cell">',
        tools.missing_alt,
        "without real alt",
    ),
    "bare svg": ('<svg viewBox="0 0 9 9"></svg>', tools.missing_alt, "drawing without"),
    "dead slider": (
        '<figure><svg role="img" aria-label="still"></svg><input aria-label="a" type="range"></figure>',
        tools.dead_sliders,
        "slider 2: the picture stays",
    ),
    "deaf slider": (
        '<figure><input aria-label="a" type="range" onkeydown="event.preventDefault()"></figure>',
        tools.dead_sliders,
        "slider 2: the keyboard does not move it",
    ),
    "wide": ('<div style="width:3000px">wide</div>', tools.wide, "px wide"),
    "unreachable": (
        '<div style="width:200px;overflow:auto"><p style="width:900px">' + "wide " * 30 + "</p></div>",
        tools.unreachable,
        "scrollable-region-focusable",
    ),
    "moving": (
        "<style>@keyframes k{to{opacity:0}} p{animation:k 9s infinite}</style>",
        tools.moving,
        "runs: k",
    ),
    "contrast": ('<p style="color:#ccc;background:#fff">pale</p>', tools.axe, "color-contrast"),
    "console": ("<script>console.error('oops')</script>", lambda page: [], "console: oops"),
    "script": ("<script>nothing.there()</script>", lambda page: [], "script error"),
    "external": ('<img src="http://example.org/x.png" alt="far away">', lambda page: [], "external request"),
    "missing file": ('<script src="/nowhere.js"></script>', lambda page: [], "status 404"),
}


@pytest.fixture(scope="module")
def planted(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder of pages with faults, and its address."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "favicon.ico").write_bytes(b"")
    with tools.serve(folder) as address:
        yield folder, address


def test_detectors_pass_a_sound_page(browser: Browser, planted: tuple[Path, str]) -> None:
    """What is right is not reported."""
    folder, address = planted
    (folder / "sound.html").write_text(SOUND_PAGE % "", encoding="utf-8")
    detectors = (tools.raw_tex, tools.missing_alt, tools.dead_sliders, tools.wide)
    detectors += (tools.moving, tools.unreachable, tools.axe)
    assert not look(browser, f"{address}/sound.html", *detectors)


@pytest.mark.parametrize("fault", PLANTED)
def test_detector_reports_a_planted_fault(fault: str, browser: Browser, planted: tuple[Path, str]) -> None:
    """What is wrong is."""
    folder, address = planted
    html, detector, said = PLANTED[fault]
    (folder / "fault.html").write_text(SOUND_PAGE % html, encoding="utf-8")
    found = look(browser, f"{address}/fault.html", detector)
    assert any(said in sentence for sentence in found), found


def test_weight_counts_what_is_loaded(browser: Browser, planted: tuple[Path, str]) -> None:
    """A heavy file is counted, embedded sound is not."""
    folder, address = planted
    (folder / "heavy.js").write_bytes(b"//" + os.urandom(300_000).hex().encode())
    sound = (
        '<audio src="data:audio/wav;base64,' + "QUJD" * 100_000 + '"></audio><script src="heavy.js"></script>'
    )
    (folder / "heavy.html").write_text(SOUND_PAGE % sound, encoding="utf-8")
    files = tools.weight(browser.new_page(), f"{address}/heavy.html")
    assert files["/heavy.js"] > 300_000
    assert files["/heavy.html"] < 2_000


def test_broken_links_are_found(tmp_path: Path) -> None:
    """A missing file, a missing place, and one of each that is there."""
    places = ["b.html", "b.html#x", "c.html", "b.html#y", "#z"]
    links = "".join(f'<a href="{place}">there</a>' for place in places)
    (tmp_path / "a.html").write_text(links, encoding="utf-8")
    (tmp_path / "b.html").write_text('<p id="x">here</p>', encoding="utf-8")
    found = tools.broken_links(tmp_path)
    assert [f.split(": ")[1] for f in found] == ["c.html", "b.html#y", "#z"]
