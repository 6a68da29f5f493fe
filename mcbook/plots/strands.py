"""Lines of the package that do the same in different sciences, one under the other."""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

MARK = (
    "color:inherit;background:rgba(31,120,189,.17);border-bottom:2px solid #1f78bd;"
    "border-radius:.2em .2em 0 0;padding:0 .12em"
)
TITLE = "margin:0 0 .3em;font-weight:600;color:inherit;text-align:left"
ROW = "display:flex;flex-wrap:wrap;gap:.1em 1em;padding:.35em 0;border-top:1px solid var(--mc-rule,#80868f)"
NAME = "flex:0 0 12.5em;font-weight:400;line-height:1.3;margin:0"
LINE = "flex:1 1 17em;min-width:0;margin:0"
CODE = "color:inherit;background:none;padding:0;white-space:pre-wrap;overflow-wrap:anywhere"


class Strand(NamedTuple):
    """One line of code: what it is about, the file that it stands in, and the fragment that is marked."""

    name: str
    path: str
    line: str
    fragment: str


class Strands(NamedTuple):
    """Groups of lines: what they have in common -> the lines. On a page the fragments are marked."""

    groups: Mapping[str, tuple[Strand, ...]]

    def __repr__(self) -> str:
        wide = max(len(strand.name) for strands in self.groups.values() for strand in strands)
        return "\n\n".join(
            "\n".join([f"{title}:", *(f"  {s.name:{wide}}  {s.line}" for s in strands)])
            for title, strands in self.groups.items()
        )

    def _repr_html_(self) -> str:
        return "".join(_list(title, strands) for title, strands in self.groups.items())


def _list(title: str, strands: tuple[Strand, ...]) -> str:
    rows = "".join(
        f'<div style="{ROW}"><dt style="{NAME}">{html.escape(s.name)}<br>'
        f"<small>{html.escape(s.path)}</small></dt>"
        f'<dd style="{LINE}"><code style="{CODE}">{_marked(s)}</code></dd></div>'
        for s in strands
    )
    return (
        '<figure class="mc-strands" style="margin:0 0 1.4em">'
        f'<figcaption style="{TITLE}">{html.escape(title)}</figcaption>'
        f'<dl style="margin:0">{rows}</dl></figure>'
    )


def _marked(strand: Strand) -> str:
    before, after = strand.line.split(strand.fragment, 1)
    return (
        f'{html.escape(before)}<mark style="{MARK}">{html.escape(strand.fragment)}</mark>{html.escape(after)}'
    )


def strands(groups: Mapping[str, Mapping[str, tuple[Callable[..., Any], str]]]) -> Strands:
    """Lines of mcbook's functions: title -> name -> (function, fragment of the one line that is meant).

    Raises ValueError for a fragment that stands in no line of its function, or in more than one.
    """
    return Strands(
        {
            title: tuple(_strand(name, function, fragment) for name, (function, fragment) in rows.items())
            for title, rows in groups.items()
        }
    )


def _strand(name: str, function: Callable[..., Any], fragment: str) -> Strand:
    plain = inspect.unwrap(function)
    found = [line.strip() for line in inspect.getsource(plain).split("\n") if fragment in line]
    if len(found) != 1:
        raise ValueError(
            f"strands expects a fragment of one line of {plain.__name__}, but {fragment!r} stands in "
            f"{len(found)} of its lines; show(…) the function and copy from it."
        )
    path = "/".join(Path(inspect.getfile(plain)).parts[-1 - plain.__module__.count(".") :])
    return Strand(name, path, found[0], fragment)
