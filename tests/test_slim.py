"""Slimmed notebooks: text stays, the rest goes, and the result is a fixed point."""

import json
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

sys.path.insert(0, str(Path(__file__).parents[1]))
from tools import slim


@pytest.fixture
def fat():
    picture = {"image/png": "iVBORw0KGgo=", "text/html": "<svg/>", "text/plain": "Figure: two voices"}
    cells = [
        new_markdown_cell("# Unmixing"),
        new_code_cell(
            "run()",
            execution_count=17,
            metadata={"tags": ["hide-input"], "execution": {"iopub.busy": "2026-11-01"}, "collapsed": True},
            outputs=[
                new_output("stream", name="stdout", text="31.2 "),
                new_output("stream", name="stdout", text="dB\n"),
                new_output("stream", name="stderr", text="warming up"),
                new_output("execute_result", data=picture, execution_count=17, metadata={"isolated": True}),
                new_output("display_data", data={"image/png": "iVBORw0KGgo="}),
            ],
        ),
        new_code_cell(
            "1 / 0",
            execution_count=3,
            outputs=[
                new_output(
                    "error",
                    ename="ZeroDivisionError",
                    evalue="division by zero",
                    traceback=["/home/somebody/x.py"],
                )
            ],
        ),
    ]
    metadata = {
        "widgets": {"state": {}},
        "kernelspec": {"name": "my-env", "display_name": "My env"},
        "language_info": {"name": "python", "version": "3.12.1"},
        "mcbook": {"lane": "strict"},
    }
    return nbformat.writes(new_notebook(cells=cells, metadata=metadata))


def test_text_stays_and_the_rest_goes(fat):
    slimmed = json.loads(slim.slim_text(fat))
    stream, result = slimmed["cells"][1]["outputs"]
    assert "".join(stream["text"]) == "31.2 dB\n"
    assert result["data"] == {"text/plain": ["Figure: two voices"]}
    assert slimmed["cells"][2]["outputs"][0]["traceback"] == []
    for word in ("image/png", "text/html", "warming up", "iopub", "widgets", "somebody", "my-env", "3.12.1"):
        assert word not in json.dumps(slimmed)


def test_what_people_wrote_is_untouched(fat):
    before, after = json.loads(fat), json.loads(slim.slim_text(fat))
    for old, new in zip(before["cells"], after["cells"], strict=True):
        assert (old["source"], old["id"]) == (new["source"], new["id"])
    assert after["cells"][1]["metadata"] == {"tags": ["hide-input"]}
    assert after["metadata"]["mcbook"] == {"lane": "strict"}


def test_counts_run_from_one(fat):
    cells = [cell for cell in json.loads(slim.slim_text(fat))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [1, 2]
    assert cells[0]["outputs"][1]["execution_count"] == 1


def test_slimming_is_idempotent_and_deterministic(fat):
    once = slim.slim_text(fat)
    assert slim.slim_text(once) == once == slim.slim_text(fat)
    assert once.endswith("}\n")
    assert not once.endswith("\n\n")


def test_missing_ids_are_made_from_the_text():
    nb = new_notebook(cells=[new_markdown_cell("a"), new_markdown_cell("a")])
    nb.nbformat_minor = 4
    for cell in nb.cells:
        del cell["id"]
    text = json.dumps(nb)
    ids = [cell["id"] for cell in json.loads(slim.slim_text(text))["cells"]]
    assert len(set(ids)) == 2
    assert ids == [cell["id"] for cell in json.loads(slim.slim_text(text))["cells"]]


def test_check_names_the_fat_one_and_leaves_it(fat, tmp_path, capsys):
    path = tmp_path / "page.ipynb"
    path.write_text(fat, encoding="utf-8")
    assert slim.main(["--check", str(path)]) == 1
    assert "page.ipynb" in capsys.readouterr().out
    assert path.read_text(encoding="utf-8") == fat
    assert slim.main([str(path)]) == 0
    assert slim.main(["--check", str(path)]) == 0


def test_run_makes_fresh_outputs(tmp_path):
    path = tmp_path / "page.ipynb"
    stale = new_code_cell("6 * 7", execution_count=9, outputs=[new_output("stream", text="41")])
    nbformat.write(new_notebook(cells=[stale]), path)
    assert slim.main(["--run", str(path)]) == 0
    (output,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert output.data == {"text/plain": "42"}
    assert slim.main(["--run", "--check", str(path)]) == 0
