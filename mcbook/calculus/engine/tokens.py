"""The pieces that a text is made of, and how an error points at one of them."""

import re
from typing import NamedTuple

from mcbook.calculus.engine import remedies

_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+|\#[^\n]*)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)|(?P<end>[;\n])|(?P<sign>\*\*|[-+*/@().,=\[\]:])"
)


class ParseError(ValueError):
    """What could not be read, where, and what would have been understood; `column` counts from 1."""

    def __init__(self, message: str, text: str, at: int):
        start = text.rfind("\n", 0, at) + 1
        line = text[start:].split("\n")[0]
        self.message, self.column, self.line = message, at - start + 1, text.count("\n", 0, at) + 1
        super().__init__(f"{message} (column {self.column})\n  {line}\n  {' ' * (at - start)}^")


class Token(NamedTuple):
    kind: str
    text: str
    at: int


def tokenise(text: str) -> list[Token]:
    """The tokens of a text, without spaces and comments. Raises ParseError for a character of no use."""
    tokens: list[Token] = []
    at, depth = 0, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ParseError(remedies.of_character(text[at]), text, at)
        kind, piece = str(match.lastgroup), match.group()
        depth += (piece in "([") - (piece in ")]") if kind == "sign" else 0
        if kind != "space" and not (kind == "end" and piece == "\n" and depth > 0):
            tokens.append(Token(kind, piece, at))
        at = match.end()
    return [*tokens, Token("stop", "", len(text))]
