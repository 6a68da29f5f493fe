"""Whatever needs data that is not here is skipped by name, or fails where it is required (conftest.py)."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
CASES = """
import nbformat
import pytest

@pytest.mark.data("speech")
def test_data():
    pass

def test_other():
    pass
"""
CELLS = [
    ("print(1)", "1\n", []),
    ("print('missing'); x = 5", "what the data gives\n", ["data-speech"]),
    ("print(x)", "5\n", []),
]


def lanes(folder, *options, **variables):
    """What pytest says of the files in `folder` where no data is, with the repository's conftest."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MCBOOK", "PYTEST"))}
    env |= {"MCBOOK_CACHE": str(folder / "no-cache"), "PYTHONPATH": str(ROOT), **variables}
    plain = ["-c", os.devnull, "--rootdir", ".", "-p", "conftest", "-p", "no:cacheprovider"]
    plain += ["-W", "ignore", "-rA", "--color=no"]
    command = [sys.executable, "-m", "pytest", *plain, *options]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


def test_a_skip_is_by_name_and_a_failure_where_it_is_required(tmp_path):
    (tmp_path / "test_cases.py").write_text(CASES)
    optional = lanes(tmp_path)
    assert "1 passed, 1 skipped" in optional
    assert "python -m mcbook.data fetch speech" in optional
    assert "1 passed, 1 error" in lanes(tmp_path, MCBOOK_REQUIRE="browser,data")


def test_a_cell_whose_data_is_missing_runs_and_is_not_compared(tmp_path):
    cells = [
        nbformat.v4.new_code_cell(
            source,
            execution_count=count,
            metadata={"tags": tags},
            outputs=[nbformat.v4.new_output("stream", name="stdout", text=said)],
        )
        for count, (source, said, tags) in enumerate(CELLS, start=1)
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    said = lanes(tmp_path, "--nbval", "--nbval-current-env", "page.ipynb")
    assert "2 passed, 1 skipped" in said
    assert "ran, but its output was not compared: the data set speech is not here" in said
