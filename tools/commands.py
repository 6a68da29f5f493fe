"""The commands behind `make`: env, book, serve, test, check, bench, clean.

Settings (FORCE, PORT, CHAPTER, LANE, ALL) come as NAME=VALUE, on the command line
(`py tools\\make.py serve PORT=8001`) or from the environment, where `make serve PORT=8001` puts them.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import environment
from environment import ROOT, Problem, Stamps, digest

Settings = Mapping[str, str]
HTML = ROOT / "_build" / "html"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


# --- the book --------------------------------------------------------------------------------------------


def present_data() -> str:
    """The names of the fetched data sets that stand on this machine."""
    ask = "from mcbook import data; print(*sorted(n for n in data.DATASETS if data.available(n)))"
    return environment.run_step("asking mcbook.data what is here", ["-c", ask]).strip()


def drop_stale(root: Path, stamps: Stamps, run_key: str, page_key: str, *, force: bool) -> None:
    """Remove what the last build left that no longer holds.

    jupyter-cache looks at a notebook's code alone, so a change in the pins or in the data at hand drops
    everything (for mcbook itself book/_ext/freshen.py sees to that); a change in the book's configuration
    has every page read again and keeps the executed notebooks.
    """
    build = root / "_build"
    if force or not stamps.holds("run", run_key):
        shutil.rmtree(build, ignore_errors=True)
    elif not stamps.holds("pages", page_key):
        (build / ".doctrees" / "environment.pickle").unlink(missing_ok=True)
        shutil.rmtree(build / "html", ignore_errors=True)


def build(settings: Settings) -> None:
    """Build the book strictly into _build/html: any warning, and any cell that raises, is a Problem."""
    environment.need_room(environment.ROOM_TO_BUILD_GB)
    book = ROOT / "book"
    run_key = digest([ROOT / "requirements.txt"], present_data(), sys.version)
    configuration = [
        ROOT / "_config.yml",
        ROOT / "_toc.yml",
        book / "references.bib",
        book / "package-lock.json",
    ]
    page_key = digest([*configuration, book / "_ext", book / "_static"], run_key)
    stamps = Stamps(ROOT / "_build" / "stamps.json")
    drop_stale(ROOT, stamps, run_key, page_key, force=bool(settings.get("FORCE")))
    # Sphinx would not repeat the warnings of a build that breaks off: the next one reads every page again.
    stamps.put("pages", None)
    stamps.put("run", run_key)
    jupyter_book = ["-c", "from jupyter_book.cli.main import main; main()"]
    failed = environment.run([*jupyter_book, "build", ".", "-W", "-n", "--keep-going"])
    if failed or not (HTML / "index.html").is_file():
        raise Problem("The book did not build: the warnings and errors above name the page and the line.")
    stamps.put("pages", page_key)


def book(settings: Settings) -> int:
    """Build the book (the first time: set everything up)."""
    environment.ensure(settings.get("LANE", "pinned"))
    build(settings)
    print(f"\nThe book is built. Open  {(HTML / 'index.html').as_uri()}\nor type `make serve`.")
    return 0


# --- serving it ------------------------------------------------------------------------------------------


class Handler(SimpleHTTPRequestHandler):
    """Serves files with the types that browsers insist on, whatever the system's registry says."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".css": "text/css",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".woff2": "font/woff2",
    }

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing about pages that were found."""


class Server(ThreadingHTTPServer):
    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers share a port
    daemon_threads = True


def port_number(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise Problem(
            f"PORT={text} is not a port: give a number from 1024 to 65535, as in `make serve PORT=8001`."
        )
    return int(text)


def open_server(folder: Path, port: int) -> Server:
    """A server of the built book on this machine only, not yet running."""
    if not (folder / "index.html").is_file():
        raise Problem("The book is not built yet: type `make book` first.")
    try:
        return Server(("127.0.0.1", port), partial(Handler, directory=str(folder)))
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES, getattr(errno, "WSAEADDRINUSE", None)):
            raise Problem(
                f"Port {port} is in use or not allowed: stop what runs there, or choose another, "
                f"as in `make serve PORT={port + 1 if 1024 <= port < 65535 else 8001}`."
            ) from error
        raise


def serve(settings: Settings) -> int:
    """Serve the built book on this machine (PORT=8000)."""
    with open_server(HTML, port_number(settings.get("PORT", "8000"))) as server:
        print(f"The book is at  http://127.0.0.1:{server.server_address[1]}/  (Ctrl-C stops it)", flush=True)
        server.serve_forever()
    return 0


# --- checking it -----------------------------------------------------------------------------------------


def find_chromium(settings: Settings) -> str | None:
    named = settings.get("MCBOOK_CHROMIUM")
    return (
        named
        if named and Path(named).is_file()
        else next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    )


def need_chromium(settings: Settings) -> dict[str, str]:
    """The variable that tells the browser tests where Chromium is; without one they are skipped by name."""
    chromium = find_chromium(settings)
    if chromium:
        return {"MCBOOK_CHROMIUM": chromium}
    remedy = "install it (Debian: `sudo apt install chromium`) or name one with MCBOOK_CHROMIUM=/path/to/it."
    if "browser" in settings.get("MCBOOK_REQUIRE", ""):
        raise Problem(f"The browser tests are required and there is no Chromium: {remedy}")
    print(f"No Chromium, so the browser tests are skipped: {remedy}", flush=True)
    return {}


def pytest(title: str, *arguments: str, **extra: str) -> bool:
    print(f"\n=== {title}", flush=True)
    return environment.run(["-m", "pytest", "-ra", "--durations=5", *arguments], **extra) == 0


def test(settings: Settings) -> int:
    """Run the unit tests, the notebooks against their stored outputs, the strict build, the browser."""
    environment.ensure(settings.get("LANE", "pinned"))
    browser = need_chromium(settings)
    two = ("-n", "2", "--dist", "loadfile")
    one_thread = {"OPENBLAS_NUM_THREADS": "1"}  # a worker each: BLAS threads of two spin against each other
    jax = {
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".jax_cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    nbval = (
        "--nbval",
        "-p",
        "tools.nbval_text",
        "--nbval-sanitize-with=tests/nbval-sanitize.cfg",
        "--nbval-current-env",
    )
    passed = [
        pytest("unit tests", *two, "-m", "not book and not browser", "tests", **jax, **one_thread),
        pytest("notebooks", *two, *nbval, "--nbval-cell-timeout=300", "book", **one_thread),
    ]
    print("\n=== the strict build", flush=True)
    build(settings)
    passed.append(
        pytest("the built book", "-m", "book or browser", "tests", MCBOOK_HTML=str(HTML), **browser)
    )
    if not all(passed):
        raise Problem("Something failed: see the summaries above.")
    print("\nEverything passed.")
    return 0


def check(settings: Settings) -> int:
    """Check form and types: ruff format, ruff, mypy."""
    environment.ensure(settings.get("LANE", "pinned"))
    tools = (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"])
    failed = [" ".join(tool) for tool in tools if environment.run(["-m", *tool])]
    if failed:
        raise Problem(
            f"Not clean: {', '.join(failed)} (`ruff format .` and `ruff check --fix .` mend what they can)."
        )
    return 0


def benchmarks(chapter: str, root: Path = ROOT) -> list[str]:
    """The modules that a chapter's benchmark consists of: benchmarks/<chapter>.py and <chapter>_*.py."""
    names = sorted(path.stem for path in (root / "benchmarks").glob("*.py"))
    return [name for name in names if name == chapter or name.startswith(f"{chapter}_")]


def bench(settings: Settings) -> int:
    """Run a chapter's benchmark beside its peers (CHAPTER=unmixing)."""
    modules = benchmarks(settings.get("CHAPTER") or "(none)")
    if not modules:
        raise Problem("Name a chapter that stands in benchmarks/, as in `make bench CHAPTER=unmixing`.")
    environment.ensure(settings.get("LANE", "pinned"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    peers = project["optional-dependencies"]["bench"]
    pip = ["-m", "pip", "install", "--quiet", "-c", "requirements.txt"]
    environment.run_step(f"installing the peers ({', '.join(peers)})", [*pip, *peers])
    return max(environment.run(["-m", f"benchmarks.{module}"]) for module in modules)


def env(settings: Settings) -> int:
    """Create .venv with the pinned packages, and nothing else."""
    environment.ensure(settings.get("LANE", "pinned"))
    print(f"The environment is ready: {environment.venv_python()}")
    return 0


def clean(settings: Settings) -> int:
    """Remove what was built (ALL=1: the environment too)."""
    made = ["_build", ".jax_cache", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"]
    for name in made + ([".venv", "book/node_modules"] if settings.get("ALL") else []):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


COMMANDS: dict[str, Callable[[Settings], int]] = {
    f.__name__: f for f in (book, serve, test, check, bench, env, clean)
}


def main(arguments: list[str]) -> int:
    names = [a for a in arguments if "=" not in a]
    settings = {**os.environ, **dict(a.split("=", 1) for a in arguments if "=" in a)}
    if len(names) != 1 or names[0] not in COMMANDS:
        print("One of:", *(f"  {name:6} {f.__doc__}" for name, f in COMMANDS.items()), sep="\n")
        return 0 if not names or names == ["help"] else 2
    return environment.guarded(lambda: COMMANDS[names[0]](settings))
