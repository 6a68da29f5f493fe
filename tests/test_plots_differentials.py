"""The table of identities: its formulas are the rows' own, and no cell of it is broken."""

import re

import pytest

from mcbook import plots
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
