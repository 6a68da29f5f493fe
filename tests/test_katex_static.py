"""What the book's typesetter does to KaTeX's HTML so that a page of many formulas stays light."""

import sys

import pytest

from booktools import ROOT  # isort: skip

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import katex_static

MATHML = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mrow><mi>x</mi></mrow>'
    '<annotation encoding="application/x-tex">x</annotation></semantics></math>'
)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (
            'style="height:1.1944em;vertical-align:-0.3450em;"',
            'style="height:1.194em;vertical-align:-0.345em;"',
        ),
        ('style="margin-right:0.0004em;"', 'style="margin-right:0em;"'),
        ('style="top:-3em;height:0.28em"', 'style="top:-3em;height:0.28em"'),
    ],
)
def test_lengths_lose_what_nobody_sees(given, kept):
    assert katex_static.lean(given) == kept


def test_an_inline_formula_does_not_repeat_its_tex(monkeypatch):
    monkeypatch.setattr(katex_static, "render", lambda app, tex, **_: katex_static.lean(MATHML))
    assert katex_static.inline_formula(None, "x", None) == "<math><mrow><mi>x</mi></mrow></math>"


def test_a_style_sheet_stands_on_a_page_once():
    sheets: set[str] = set()
    first, other = "<style>a { color: red }</style>", "<style>b { color: red }</style>"
    assert katex_static.once(f"{first}<p>one</p>{other}", sheets) == f"{first}<p>one</p>{other}"
    assert katex_static.once(f"{first}<p>two</p>", sheets) == "<p>two</p>"
    assert katex_static.once(f"{first}<p>three</p>", set()) == f"{first}<p>three</p>"  # another page
