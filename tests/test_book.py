"""The book builds strictly, and what is wrong on a page stops the build: every fault is planted once."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml
from booktools import ROOT, build, built_book, report

pytestmark = pytest.mark.book


@pytest.fixture(scope="module")
def book_html() -> Path:
    """The built site, shared with the browser tests."""
    return built_book()


def test_book_builds_strictly(book_html: Path) -> None:
    """Every page in the table of contents is there, and none leans on MathJax or on an unrendered formula."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"]] + [c["file"] for part in toc.get("parts", []) for c in part["chapters"]]
    assert len(names) >= 2
    for name in names:
        page = (book_html / f"{name}.html").read_text(encoding="utf-8")
        assert not re.search(r"<script[^>]*mathjax|MathJax", page), name
        assert "katex-error" not in page, name
    assert (book_html / "_static" / "katex" / "katex.min.css").is_file()


SOUND = r"""# Mini

With {eq}`mini` and $\E[x] = \tr(A)$, see {cite}`amari1996`.

$$ L(W) = \norm{W} \\ \d L = \inner{G}{\d W} $$ (mini)

```{bibliography}
```
"""

# What stands on the page, and what the build must say of that page.
TEXT_FAULTS = {
    "formula": (r"$\frac{1}{2$", r"KaTeX parse error"),
    "command": (r"$\nosuchcommand{x}$", r"Undefined control sequence"),
    "citation": ("{cite}`nobody1900`", r'could not find bibtex key "nobody1900"'),
    "equation": ("{eq}`no-such-equation`", r"equation .*no-such-equation"),
    "label": ("{ref}`no-such-label`", r"undefined label.*no-such-label"),
    "reference": ("[there](#no-such-place)", r"no-such-place"),
    "document": ("{doc}`no_such_page`", r"unknown document.*no_such_page"),
    "glossary": ("{term}`no such term`", r"term not in glossary.*no such term"),
    "image": ("![alt](no_such_image.png)", r"image file not readable.*no_such_image"),
}
CELL_FAULTS = {
    "raises": ("assert 1 == 2", r"AssertionError|Executing notebook failed"),
    "stderr": ("import sys\nprint('oops', file=sys.stderr)", r"stderr was found"),
    "formula": ("from IPython.display import Latex\nLatex(r'$$\\frac{1}{2$$')", r"KaTeX parse error"),
}


@pytest.fixture
def mini_book(tmp_path: Path) -> Path:
    """A book of one sound page with the real configuration, to plant faults in."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    local = config["sphinx"]["local_extensions"]
    config["sphinx"]["local_extensions"] = dict.fromkeys(local, str(ROOT / "book" / "_ext"))
    config["sphinx"]["config"]["katex_static_modules"] = str(ROOT / "book" / "node_modules")
    config["execute"]["execute_notebooks"] = "force"
    folder = tmp_path / "mini"
    shutil.copytree(ROOT / "book" / "_static", folder / "book" / "_static")
    shutil.copy2(ROOT / "book" / "references.bib", folder / "book")
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    write_page(folder, "intro", SOUND)
    write_toc(folder, [])
    return folder


def write_toc(folder: Path, names: list[str]) -> None:
    """List the mini book's pages."""
    toc: dict[str, object] = {"format": "jb-book", "root": "book/intro"}
    if names:
        toc["chapters"] = [{"file": f"book/{name}"} for name in names]
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")


def write_page(folder: Path, name: str, text: str) -> None:
    """Write one page of prose."""
    (folder / "book" / f"{name}.md").write_text(text, encoding="utf-8")


def write_notebook(folder: Path, name: str, code: str) -> None:
    """Write one page with one cell."""
    cells = [nbformat.v4.new_markdown_cell(f"# {name}"), nbformat.v4.new_code_cell(code)]
    page = nbformat.v4.new_notebook(cells=cells)
    page.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(page, folder / "book" / f"{name}.ipynb")


def test_sound_mini_book_builds(mini_book: Path, tmp_path: Path) -> None:
    """Without a planted fault the mini book builds, so it is the faults below that stop it."""
    write_notebook(mini_book, "cell", "from IPython.display import Latex\nLatex(r'$$\\frac{1}{2}$$')")
    write_toc(mini_book, ["cell"])
    done = build(mini_book, tmp_path)
    assert done.returncode == 0, report(done)[-3000:]
    again = build(mini_book, tmp_path)  # with nothing out of date
    assert again.returncode == 0, report(again)[-3000:]
    page = (tmp_path / "_build/html/book/intro.html").read_text(encoding="utf-8")
    assert page.count('class="katex-display"') == 1
    assert 'class="eqno">(1)' in page
    assert r"\begin{aligned}" in page  # bare \\ was wrapped; the source stands in MathML's annotation
    assert 'class="mfrac"' in (tmp_path / "_build/html/book/cell.html").read_text(encoding="utf-8")


def test_every_planted_fault_in_text_is_named(mini_book: Path, tmp_path: Path) -> None:
    """One page for each fault, one strict build: it fails, and gives each page its own warning."""
    for name, (text, _) in TEXT_FAULTS.items():
        write_page(mini_book, name, f"# Page {name}\n\n{text}\n")
    write_toc(mini_book, list(TEXT_FAULTS))
    done = build(mini_book, tmp_path)
    assert done.returncode != 0
    said = report(done)
    for name, (_, pattern) in TEXT_FAULTS.items():
        assert re.search(rf"{name}\.md:?\d*: WARNING: .*{pattern}", said), f"{name}: {said[-4000:]}"
    assert not re.search(r"intro\.md:?\d*: WARNING", said)


def test_one_bad_formula_alone_stops_the_build(mini_book: Path, tmp_path: Path) -> None:
    """No other fault stands beside it."""
    write_page(mini_book, "intro", SOUND + "\n$\\frac{1}{2$\n")
    done = build(mini_book, tmp_path)
    assert done.returncode != 0
    assert report(done).count("WARNING") == 1


@pytest.mark.parametrize("fault", CELL_FAULTS)
def test_planted_fault_in_a_cell_stops_the_build(fault: str, mini_book: Path, tmp_path: Path) -> None:
    """A cell that raises, that writes to stderr, or that prints a broken formula."""
    code, pattern = CELL_FAULTS[fault]
    write_notebook(mini_book, "cell", code)
    write_toc(mini_book, ["cell"])
    done = build(mini_book, tmp_path)
    assert done.returncode != 0
    assert re.search(pattern, report(done)), report(done)[-3000:]


def test_missing_katex_is_named_with_its_remedy(mini_book: Path, tmp_path: Path) -> None:
    """Without node_modules the build says what to type."""
    config = yaml.safe_load((mini_book / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["config"]["katex_static_modules"] = "nowhere"
    (mini_book / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = build(mini_book, tmp_path)
    assert done.returncode != 0
    assert "make book" in report(done)
