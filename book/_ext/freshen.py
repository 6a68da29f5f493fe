"""Run the notebooks again when the package that they import, or the data that it finds, has changed.

The execution cache looks at a notebook's own cells only.  Here the cache is dropped whenever the
contents of ``mcbook/``, or the sets of data that are on this machine, differ from what they were.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

log = logging.getLogger(__name__)
SUFFIXES = {".py", ".toml", ".npz", ".npy", ".flac", ".wav", ".js", ".css", ".json"}


def fingerprint(package: Path) -> str:
    """Hash of the names and contents of the package's files."""
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*")):
        if file.suffix in SUFFIXES and file.is_file():
            digest.update(
                file.relative_to(package).as_posix().encode()
                + b"\0"
                + file.read_bytes()
            )
    return digest.hexdigest()


def data_here(root: Path) -> str:
    """Names of the sets of data that the pages would find now."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        from mcbook import data

        return " ".join(
            name for name in sorted(data.DATASETS) if data.available(name)
        )
    except Exception as fault:  # a broken package or damaged data: the notebooks themselves will say so
        return str(fault)


def drop_stale_cache(app: Sphinx, config: Config) -> None:
    """Remove the cache, and the pickled pages, when the package is not the one that they were made with."""
    now = (
        fingerprint(Path(app.srcdir, config.freshen_package))
        + "\n"
        + data_here(Path(app.srcdir))
    )
    cache = Path(
        config["nb_execution_cache_path"]
        or Path(app.outdir).parent / ".jupyter_cache"
    )
    stamp = Path(app.doctreedir, "mcbook.sha256")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == now:
        return
    if cache.is_dir():
        log.info("mcbook or its data changed: the notebooks run again")
        shutil.rmtree(cache)
    for pickled in Path(app.doctreedir).rglob("*.doctree"):
        pickled.unlink()
    Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(now, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Look before the notebooks do."""
    app.add_config_value("freshen_package", "mcbook", "", [str])
    app.connect("config-inited", drop_stale_cache, priority=10)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
