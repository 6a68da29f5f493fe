"""The table of identities: its formulas are the rows' own, and no cell of it is broken."""

import re

import pytest

from mcbook import plots
from mcbook.calculus import statement
from mcbook.calculus.engine import LAYOUTS
from mcbook.calculus.identities import FIRST


def test_the_table_has_a_row_for_each_identity_and_no_stray_bar():
    lines = plots.identities(FIRST)._repr_markdown_().split("\n")
    assert len(lines) == len(FIRST) + 2
    assert {line.count("|") for line in lines} == {5}
    for row, line in zip(FIRST, lines[2:], strict=True):
        assert re.findall(r"\$(.*?)\$", line) == list(row.latex())


def test_the_table_as_text():
    lines = repr(plots.identities(FIRST)).split("\n")
    assert lines[0].split("   ")[0].strip() == "aᵀ x"
    assert re.split(r" {3,}", lines[1]) == ["xᵀ A x", "dxᵀ A x + xᵀ A dx", "(A + Aᵀ) x"]


def test_a_column_without_words_is_left_out():
    table = plots.identities([row for row in FIRST if not row.where])
    assert "holds for" not in table._repr_markdown_()


@pytest.mark.parametrize("rows", [[], [FIRST[0], FIRST[0]]])
def test_no_row_or_the_same_twice_is_named(rows):
    with pytest.raises(ValueError, match="different names"):
        plots.identities(rows)


def test_one_result_in_five_layouts():
    (row,) = [row for row in FIRST if row.name == "trace of a sandwich"]
    derivation = row.derive()
    table = plots.layouts(derivation)
    cells = [line.strip("| ").split(" | ") for line in table._repr_markdown_().split("\n")[2:]]
    assert [c[0] for c in cells] == list(LAYOUTS)
    assert [c[1] for c in cells] == [f"${statement(derivation, layout)}$" for layout in LAYOUTS]
    assert [c[2] for c in cells] == ["a number", "3 × 4", "4 × 3", "3 × 4", "a number"]
    assert repr(table).count("\n") == 4
