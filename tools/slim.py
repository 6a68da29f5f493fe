"""Slim the notebooks for committing: text outputs stay; pictures, sound, widgets and the volatile go.

    python tools/slim.py book/**/*.ipynb           rewrite in place
    python tools/slim.py --check book/**/*.ipynb   change nothing; exit 1 and name what is not slim
    python tools/slim.py --run book/page.ipynb     run from top to bottom first, so that outputs are fresh

The same notebook always gives the same bytes, and slimming twice changes nothing. Cell ids are kept (and
made from the cell's place and text where they are missing), so that a diff shows what a person changed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

import nbformat

KEPT_TYPES = ("text/plain", "text/markdown", "text/latex", "application/json")
KEPT_METADATA = ("kernelspec", "language_info", "mcbook")
VOLATILE_CELL = (
    "execution",
    "ExecuteTime",
    "collapsed",
    "scrolled",
    "outputId",
    "colab",
    "executionInfo",
    "id",
)
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def slim_output(output: Any, count: int) -> Any | None:
    """One output with its text only; None where nothing is worth keeping (stderr, a lone picture)."""
    if output.output_type == "stream":
        return None if output.name == "stderr" else output
    if output.output_type == "error":
        output.traceback = []  # holds paths of the machine that ran it; name and message stay
        return output
    output.data = {kind: output.data[kind] for kind in KEPT_TYPES if kind in output.data}
    output.metadata = {}
    if output.output_type == "execute_result":
        output.execution_count = count
    return output if output.data else None


def merge_streams(outputs: list[Any]) -> list[Any]:
    """Join neighbouring stdout pieces: how a kernel chops its stream depends on the clock."""
    merged: list[Any] = []
    for output in outputs:
        if merged and output.output_type == merged[-1].output_type == "stream":
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def slim(notebook: Any) -> Any:
    """The notebook, slimmed in place: counts 1..n over code cells, one kernel name, no widget state."""
    kept = {key: notebook.metadata[key] for key in KEPT_METADATA if key in notebook.metadata}
    kept["kernelspec"], kept["language_info"] = dict(KERNEL), {"name": "python"}
    notebook.metadata = nbformat.from_dict(kept)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count, seen = 0, set()
    for place, cell in enumerate(notebook.cells):
        if not cell.get("id") or cell["id"] in seen:
            cell["id"] = hashlib.sha256(f"{place}\n{cell.source}".encode()).hexdigest()[:8]
        seen.add(cell["id"])
        for key in VOLATILE_CELL:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count  # nbval rejects outputs under a null count
            slimmed = [slim_output(output, count) for output in cell.outputs]
            cell.outputs = merge_streams([output for output in slimmed if output is not None])
    return notebook


def run(notebook: Any, folder: Path) -> Any:
    """The notebook with fresh outputs, from a fresh kernel in its own folder."""
    from nbclient import NotebookClient

    return NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()


def slim_text(text: str, run_in: Path | None = None) -> str:
    """The slimmed notebook as the text to be committed (sorted keys, one final newline)."""
    notebook = nbformat.reads(text, as_version=4)
    notebook = slim(notebook if run_in is None else run(notebook, run_in))
    nbformat.validate(notebook)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Keep text outputs only in notebooks.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 where a notebook is not slim"
    )
    parser.add_argument("--run", action="store_true", help="run the notebooks before slimming them")
    parser.add_argument("notebooks", nargs="+", type=Path)
    arguments = parser.parse_args(argv)
    fat = []
    for path in arguments.notebooks:
        before = path.read_text(encoding="utf-8")
        after = slim_text(before, path.parent if arguments.run else None)
        if after != before:
            fat.append(path)
            if not arguments.check:
                path.write_text(after, encoding="utf-8")
    for path in fat:
        print(f"{'not slim' if arguments.check else 'slimmed'}: {path}")
    if arguments.check and fat:
        print(f"run: python tools/slim.py {' '.join(map(str, fat))}")
    return int(arguments.check and bool(fat))


if __name__ == "__main__":
    sys.exit(main())
