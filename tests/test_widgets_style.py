"""Every class that a widget draws with, and that the folder knows how to style, is styled in that widget."""

import inspect
import re
from pathlib import Path

import anywidget
import pytest

from mcbook import widgets

FOLDER = Path(inspect.getfile(widgets)).parent
SHARED = re.compile(r"\.mc-widget \.([\w-]+)")  # rules for any widget, not for one of them
KNOWN = {name for path in FOLDER.glob("*.css") for name in SHARED.findall(path.read_text(encoding="utf-8"))}
CLASSES = [
    value
    for name in widgets.__all__
    if inspect.isclass(value := getattr(widgets, name)) and issubclass(value, anywidget.AnyWidget)
]


def drawn(module: str) -> set[str]:
    """The names in `class: "..."` of a widget's JavaScript."""
    return {name for words in re.findall(r'class: ["`]([\w -]+)', module) for name in words.split()}


@pytest.mark.parametrize("widget", CLASSES, ids=lambda c: c.__name__)
def test_what_is_drawn_is_styled(widget):
    missing = (drawn(str(widget._esm)) & KNOWN) - set(re.findall(r"\.([\w-]+)", str(widget._css)))
    assert not missing, f"{widget.__name__} draws {sorted(missing)}, whose style stands in another file"


def test_a_missing_style_would_be_seen():
    assert {"turns", "numbers"} <= KNOWN
    assert {"turns", "numbers"} <= drawn(str(widgets.TurnMolecule._esm))
