"""Building the book for the tests: once for a run, or not at all where MCBOOK_HTML names a built tree."""

import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def build(folder: Path, output: Path) -> subprocess.CompletedProcess[str]:
    """Run ``jupyter-book build FOLDER -W -n --keep-going``, the strict build that `make book` runs."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(folder)]
    command += ["--path-output", str(output), "-W", "-n", "--keep-going"]
    scripts = str(Path(sys.executable).parent)
    path = {"PYTHONPATH": str(ROOT), "PATH": scripts + os.pathsep + os.environ.get("PATH", "")}
    return subprocess.run(command, env=os.environ | path, capture_output=True, encoding="utf-8", check=False)


def report(done: subprocess.CompletedProcess[str]) -> str:
    """What the build said, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


@functools.cache
def built_book() -> Path:
    """Folder of the built site; the notebooks are executed afresh."""
    given = os.environ.get("MCBOOK_HTML")
    if given:
        folder = Path(given).resolve()
        assert (folder / "index.html").is_file(), f"MCBOOK_HTML={given} holds no built book (no index.html)"
        return folder
    if not (ROOT / "book/node_modules/katex").is_dir():
        pytest.fail("book/node_modules is missing: run `make book` first (or `npm ci` in book/)")
    output = Path(tempfile.mkdtemp(prefix="mcbook-html-"))
    done = build(ROOT, output)
    assert done.returncode == 0, report(done)[-6000:]
    assert (output / "_build/html/index.html").is_file(), report(done)[-6000:]
    return output / "_build" / "html"
