"""What is looked for on a page in a real browser: each detector returns the faults it found, as sentences."""

import contextlib
import functools
import gzip
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from booktools import ROOT
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Response, Route

AXE = ROOT / "book/node_modules/axe-core/axe.min.js"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
LOCAL = re.compile(r"(?:http://127\.0\.0\.1:\d+/|file:|data:|blob:|about:)")
PACKED = {".woff2", ".woff", ".png", ".jpg", ".webp", ".gz", ".ogg", ".mp3", ".flac"}
DETECTORS = Path(__file__).with_name("detectors.js").read_text(encoding="utf-8").strip()
PICTURE = f"slider => {DETECTORS}.picture(slider)"
SOUND = re.compile(rb"data:audio/[^\"']*")


def chromium() -> str | None:
    """Path of the browser: MCBOOK_CHROMIUM, or chromium or Chrome on the PATH."""
    names = [os.environ.get("MCBOOK_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome", "chrome"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


def launch(playwright: Playwright) -> Browser:
    """A headless browser that resolves no name but this machine's."""
    return playwright.chromium.launch(executable_path=chromium(), args=FLAGS)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that keeps its log to itself."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Address of a server for this folder, on the loopback interface alone."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def site_pages(folder: Path) -> list[str]:
    """The site's pages, without those that only redirect."""
    files = (p for p in sorted(folder.rglob("*.html")) if "_static" not in p.relative_to(folder).parts)
    return [
        p.relative_to(folder).as_posix()
        for p in files
        if 'http-equiv="refresh"' not in p.read_text(encoding="utf-8").lower()
    ]


class Watch:
    """Keeps what a context's pages complain about and ask for, and lets no request leave the machine."""

    def __init__(self, context: BrowserContext) -> None:
        self.faults: list[str] = []
        context.route(re.compile(".*"), self.gate)
        context.on(
            "console", lambda m: self.faults.append(f"console: {m.text}") if m.type == "error" else None
        )
        context.on("weberror", lambda e: self.faults.append(f"script error: {e.error}"))
        context.on("response", self.answered)

    def gate(self, route: Route) -> None:
        """Let local requests through; record and stop any other."""
        if LOCAL.match(route.request.url):
            route.continue_()
        else:
            self.faults.append(f"external request: {route.request.url}")
            route.abort()

    def heard(self, message: ConsoleMessage) -> None:
        """Record what the console calls an error."""
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def answered(self, response: Response) -> None:
        """Record a file that is not there."""
        if response.status >= 400:
            self.faults.append(f"status {response.status}: {response.url}")


def settle(page: Page, url: str) -> None:
    """Open a page and wait until its fonts and its interactive parts are ready."""
    page.goto(url, wait_until="load")
    page.evaluate("document.fonts.ready")
    if page.locator('script[type="application/vnd.jupyter.widget-view+json"]').count():
        page.wait_for_function("document.documentElement.dataset.widgets === 'ready'", timeout=15_000)


def raw_tex(page: Page) -> list[str]:
    """TeX that a reader would see outside code."""
    return page.evaluate(f"{DETECTORS}.rawTex()")


def missing_alt(page: Page) -> list[str]:
    """Pictures and drawings without a text that says what they show."""
    return page.evaluate(f"{DETECTORS}.missingAlt()")


def dead_sliders(page: Page) -> list[str]:
    """Sliders that do not answer the keyboard, or answer without changing their picture."""
    faults = []
    for i, slider in enumerate(page.locator("input[type=range]").all()):
        name = f"slider {i + 1}"
        before, value = slider.evaluate(PICTURE), slider.input_value()
        at_end = slider.evaluate("e => +e.value >= +(e.max || 100)")
        slider.focus()
        for _ in range(4):
            page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
        for _ in range(20):
            page.wait_for_timeout(50)
            if slider.evaluate(PICTURE) != before:
                break
        else:
            faults.append(f"{name}: the picture stays as it was")
        if slider.input_value() == value:
            faults.append(f"{name}: the keyboard does not move it")
    return faults


def wide(page: Page) -> list[str]:
    """Whether the page scrolls sideways."""
    got, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    return [f"the page is {got} px wide in a window of {room} px"] if got > room else []


def moving(page: Page) -> list[str]:
    """Animations that run."""
    running = "document.getAnimations().filter(a => a.playState === 'running')"
    return [f"runs: {name}" for name in page.evaluate(f"{running}.map(a => a.animationName || String(a))")]


def axe(page: Page, *rules: str) -> list[str]:
    """What axe-core finds: every rule, best practices too, or the rules that are named."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    options = {"preload": False} | ({"runOnly": list(rules)} if rules else {})
    found = page.evaluate("options => axe.run(document, options).then(r => r.violations)", options)
    return [f"axe {v['id']} ({v['impact']}): {v['nodes'][0]['html'][:160]} ×{len(v['nodes'])}" for v in found]


def unreachable(page: Page) -> list[str]:
    """Boxes that scroll and that the keyboard cannot reach."""
    return axe(page, "scrollable-region-focusable")


def weight(page: Page, url: str) -> dict[str, int]:
    """Bytes of each file that the page's first load asks for, gzipped, sound left out."""
    bodies: dict[str, int] = {}

    def add(response: Response) -> None:
        path = urlsplit(response.url).path
        body = SOUND.sub(b"", response.body())
        if not response.headers.get("content-type", "").startswith("audio/"):
            bodies[path] = len(body) if Path(path).suffix in PACKED else len(gzip.compress(body, 6))

    answers: list[Response] = []
    page.on("response", lambda response: answers.append(response))
    page.goto(url, wait_until="networkidle")
    for response in answers:
        if response.url.startswith("http"):
            add(response)
    return bodies


def broken_links(folder: Path) -> list[str]:
    """Links, sources and #fragments within the site that lead nowhere."""

    @functools.cache
    def soup(file: Path) -> BeautifulSoup:
        return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")

    @functools.cache
    def ids(file: Path) -> frozenset[str]:
        named = soup(file).find_all(lambda tag: tag.get("id") or tag.name == "a")
        return frozenset(tag.get("id") or tag.get("name") for tag in named)

    faults = []
    for file in (folder / name for name in site_pages(folder)):
        for tag in soup(file).find_all(["a", "link", "img", "script", "source", "audio", "object"]):
            target = tag.get("href") or tag.get("src") or tag.get("data") or ""
            parts = urlsplit(str(target))
            if parts.scheme or parts.netloc or not target or target == "#":
                continue
            there = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            there = there / "index.html" if there.is_dir() else there
            where = f"{file.relative_to(folder).as_posix()}: {target}"
            if not there.is_file():
                faults.append(f"{where}: no such file")
            elif parts.fragment and there.suffix == ".html" and unquote(parts.fragment) not in ids(there):
                faults.append(f"{where}: no such place on that page")
    return faults
