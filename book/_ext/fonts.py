"""Serve the book's text face, Source Serif 4 (SIL Open Font License), from the book itself.

The package ``@fontsource-variable/source-serif-4`` comes from npm (``book/package.json``);
the scripts that the book's language and its mathematics need are copied into the built site.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

FACE = re.compile(r"@font-face \{.*?\}", re.S)
SCRIPTS = re.compile(r"files/[\w-]+-(?:latin|greek)-wght-(?:normal|italic)\.woff2")


def package(app: Sphinx) -> Path:
    """Folder of the installed font package."""
    folder = Path(
        app.srcdir,
        app.config.katex_static_modules,
        "@fontsource-variable",
        "source-serif-4",
    )
    if not (folder / "wght.css").is_file():
        raise ExtensionError(
            f"The book's font is missing: no {folder}. Run `make book`, which fetches it, "
            "or `npm ci` in the folder that holds package.json."
        )
    return folder


def copy_fonts(app: Sphinx, exc: Exception | None) -> None:
    """Write ``_static/fonts``: the faces in use and the style sheet that names them."""
    if exc or app.builder.format != "html":
        return
    source, out = package(app), Path(app.outdir, "_static", "fonts")
    out.mkdir(parents=True, exist_ok=True)
    css = "".join(
        (source / name).read_text(encoding="utf-8")
        for name in ("wght.css", "wght-italic.css")
    )
    faces = [face for face in FACE.findall(css) if SCRIPTS.search(face)]
    for face in faces:
        for name in SCRIPTS.findall(face):
            shutil.copy2(source / name, out / Path(name).name)
    shutil.copy2(source / "LICENSE", out / "LICENSE")
    (out / "fonts.css").write_text(
        "\n".join(faces).replace("./files/", "") + "\n", encoding="utf-8"
    )


def announce(app: Sphinx) -> None:
    """Fail early when the font is not there, and link its style sheet."""
    if app.builder.format == "html":
        package(app)
        app.add_css_file("fonts/fonts.css", priority=200)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the font."""
    app.connect("builder-inited", announce)
    app.connect("build-finished", copy_fonts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
