"""The page of the confusion table: what it prints are the benchmark's figures, and they add up."""

import json
import sys
from pathlib import Path

import pytest
from answerset import BLIND, DEVELOPMENT, load

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book/_ext"))
import confusion  # noqa: E402

RESULT = {
    "wrong_answers": 5,
    "right": 3,
    "false": 1,
    "missed": 1,
    "recall": 0.6,
    "precision": 0.75,
    "called": {"sign": {"sign": 2, "factor": 1}, "unexplained": {"not explained": 1, "double": 1}},
}


def test_the_sentence_and_the_columns():
    text = confusion.summary(RESULT)
    assert "5 wrong answers: 3 judged rightly, 1 given a wrong name" in text
    assert "Recall 60.0%, precision 75.0%" in text
    part = {"wrong_answers": 4, "recall": 0.5, "precision": 2 / 3}
    further = confusion.summary(RESULT | {"not_in_the_others": part, "as_functions": part})
    assert further.startswith(text)
    assert "(4 are left): 50.0% and 66.7%. Handed in as NumPy functions: 50.0% and 66.7%." in further
    assert confusion.columns_of(RESULT["called"]) == ["factor", "sign", "double", "not explained"]


def test_the_table_holds_every_count():
    rows = list(confusion.table(RESULT).findall(confusion.nodes.row))
    cells = [[entry.astext() for entry in row.findall(confusion.nodes.entry)] for row in rows]
    assert cells[0] == ["the answer is", "factor", "sign", "double", "not explained"]
    assert cells[1] == ["sign", "1", "2", "·", "·"]
    assert cells[2] == ["unexplained", "·", "·", "1", "1"]
    bold = [[s.astext() for s in row.findall(confusion.nodes.strong)] for row in rows]
    assert bold == [[], ["sign", "2"], ["unexplained", "1"]]


@pytest.mark.parametrize("name", [*DEVELOPMENT, *BLIND])
def test_the_recorded_result_adds_up(name):
    """The figures that the page prints: counts sum to the answers, and these are all of the set's."""
    document = json.loads((ROOT / confusion.RESULTS).read_text(encoding="utf-8"))
    result = (document if name in BLIND else document["answers"]).get(name.replace("-", "_"))
    size = sum(len(problem.wrong) for problem in load(name))
    if name in BLIND and result is None:
        pytest.skip("a set that nobody has read has not been measured")
    edges = [result.get(edge, 0) for edge in ("right", "false", "missed", "passed")]
    called = sum(sum(row.values()) for row in result["called"].values())
    assert sum(edges) == called == result["wrong_answers"] == size
    assert 0 < result["recall"] <= 1
    assert 0 < result["precision"] <= 1
