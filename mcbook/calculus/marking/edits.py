"""The smallest changes to a text in the engine's notation: one sign, one product, one number, one transpose.

An edit of the learner's text that makes it right says what was wrong with it, in the learner's own words; the
same edit of the right gradient says what a learner may have written.  An edit replaces a piece of the text,
which is then read again; nearly all are no expressions, or of other shapes, and fall away there.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from mcbook.calculus.engine.functions import FUNCTIONS
from mcbook.calculus.engine.parser import Token, tokenise
from mcbook.calculus.marking.steps import numbered, time_of

OPENS = {"", "(", "=", ",", ";", "\n"}  # what a term starts after, if no sign stands before it
ENDS = {"", ")", ",", ";", "\n", "+", "-"}  # what ends a term
FIXED = {"I", "eye", "identity", "ones", "zeros"}  # their arguments are sizes


class Edit(NamedTuple):
    """The class of the mistake that it undoes, how surprising that is, in words; text[start:stop] → new."""

    label: str
    cost: float
    what: str
    start: int
    stop: int
    new: str

    def of(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.stop :]


class Place(NamedTuple):
    """A token, with those around it, the function in whose brackets it stands, and how many are open."""

    token: Token
    before: Token
    after: Token
    inside: str
    depth: int

    @property
    def is_binary(self) -> bool:
        """Whether something stands before it that it can be joined to."""
        return self.before.kind in ("name", "number") or self.before.text in (")", "]")

    @property
    def ends_value(self) -> bool:
        token = self.token
        return token.text == ")" or (
            token.kind == "name" and self.after.text not in ("(", "=") and token.text != "T"
        )

    @property
    def starts_term(self) -> bool:
        """Whether a term of a sum starts here, its sign behind it."""
        if self.token.kind not in ("name", "number") and self.token.text != "(":
            return False
        return self.before.text in OPENS or self.before.text in ("+", "-")


def places(text: str) -> Iterator[Place]:
    """Every token but the last, which ends the text."""
    nothing, calls = Token("start", "", -1), [""]
    tokens = [nothing, *tokenise(text)]
    for (before, token), after in zip(pairwise(tokens), [*tokens[2:], nothing], strict=False):
        if token.text == ")" and len(calls) > 1:
            calls.pop()
        if token.kind != "stop":
            yield Place(token, before, after, calls[-1], len(calls) - 1)
        if token.text == "(":
            calls.append(before.text if before.kind == "name" else calls[-1])


def edits(
    text: str,
    names: Sequence[str],
    averaged: Sequence[str],
    scalars: Collection[str] = (),
    sizes: Collection[str] = (),
    softmaxes: Collection[str] = (),
) -> Iterator[Edit]:
    """All edits of a text; `names` are those that may stand in it, those of numbers in `scalars`.

    `averaged` are the numbers of samples, `sizes` what a sum may run over, `softmaxes` what is called so.
    """
    found = list(places(text))
    made = {p.token.text for p in found if p.after.text == "=" and not p.inside}
    for place in found:
        if place.after.text == "=" or place.inside in FIXED:
            continue  # the name of a definition or an option; a size
        if place.before.text == "=" and place.inside:
            yield from axes(place)
            continue
        yield from products(place, softmaxes)
        yield from signs(place)
        yield from numbers(place, averaged, text, sizes)
        yield from transposes(place)
        yield from functions(place, scalars)
        yield from steps(place, names)
        yield from too_far(place, made)


def at(token: Token) -> str:
    return f"at column {token.at + 1}"


def products(p: Place, softmaxes: Collection[str]) -> Iterator[Edit]:
    """@ for *, and * for @; with p = softmax(z) that is a slip in its Jacobian, diag p − ppᵀ."""
    other = {"@": "*", "*": "@"}.get(p.token.text)
    if other:
        what = f"{p.token.text} where {other} belongs, {at(p.token)}"
        label = "softmax" if {p.before.text, p.after.text} & {*softmaxes} else "hadamard"
        yield Edit(label, 0.95, what, p.token.at, p.token.at + 1, other)


def signs(p: Place) -> Iterator[Edit]:
    """+ for −, a minus too much, a minus forgotten."""
    token, inner = p.token, 0.2 * (p.inside in FUNCTIONS)
    if token.text in ("+", "-") and p.is_binary:
        other = "-" if token.text == "+" else "+"
        yield Edit(
            "sign",
            1.0 + inner,
            f"the sign {token.text} {at(token)}",
            token.at,
            token.at + 1,
            other,
        )
    elif token.text == "-" and p.before.text in OPENS:
        yield Edit("sign", 1.0 + inner, f"the minus {at(token)}", token.at, token.at + 1, "")
    if p.starts_term and p.before.text in OPENS:
        yield Edit("sign", 1.0 + inner, f"a minus forgotten {at(token)}", token.at, token.at, "-")


def too_small(m: str, text: str) -> tuple[str, str]:
    """What it is called that m times a term would be right: nothing divided, nothing averaged."""
    counted_once = m.isdigit() and f"/{m}" not in text.replace(" ", "") and "mean" not in text
    return ("batch", f"counted once, not {m} times,") if counted_once else ("mean", f"1/{m} too much")


def numbers(p: Place, averaged: Sequence[str], text: str, sizes: Collection[str]) -> Iterator[Edit]:
    """A 2 or ½ before a term, a number of samples, a number doubled, halved or too much."""
    token = p.token
    if p.starts_term and not (token.kind == "number" and p.after.text in ENDS):
        for c, words in (("2", "half"), ("0.5", "twice")):
            cost = 1.4 if p.depth else 1.0
            what = f"the term {at(token)} is {words} what it should be"
            yield Edit("factor", cost, what, token.at, token.at, f"{c} * ")
        for m in averaged if p.inside not in FUNCTIONS else ():
            yield Edit("mean", 1.05, f"1/{m} forgotten {at(token)}", token.at, token.at, f"1 / {m} * ")
            label, words = too_small(m, text)
            yield Edit(label, 1.05, f"{words} {at(token)}", token.at, token.at, f"{m} * ")
    end = token.at + len(token.text)
    if token.kind == "number" and p.before.text != "**" and {p.before.text, p.after.text} & {"*", "/"}:
        for new, words in (
            (f"(2 * {token.text})", "doubled"),
            (f"({token.text} / 2)", "halved"),
            ("1", "gone"),
        ):
            what = f"the number {token.text} {at(token)}, which should be {words}"
            label = "mean" if token.text in averaged or token.text in sizes else "factor"
            yield Edit(label, 1.1, what, token.at, end, new)


def transposes(p: Place) -> Iterator[Edit]:
    """A transpose too much, or one forgotten."""
    token = p.token
    if token.text == "T" and p.before.text == ".":
        yield Edit("layout", 1.1, f"a transpose too much {at(p.before)}", p.before.at, token.at + 1, "")
    elif p.ends_value and p.after.text != ".":
        end = token.at + len(token.text)
        yield Edit("layout", 1.1, f"a transpose forgotten {at(token)}", end, end, ".T")


def functions(p: Place, scalars: Collection[str]) -> Iterator[Edit]:
    """φ taken once too often; an inverse too much or forgotten; a mean for a sum."""
    token, end = p.token, p.token.at + len(p.token.text)
    if p.after.text == "(":
        if token.text in FUNCTIONS and p.inside in FUNCTIONS:
            yield Edit("point", 1.3, f"{token.text} once too often {at(token)}", token.at, end, "")
        if token.text in ("inv", "inverse"):
            yield Edit("rule", 1.2, f"an inverse too much {at(token)}", token.at, end, "")
        if token.text == "mean":
            yield Edit("mean", 1.0, f"a mean for a sum {at(token)}", token.at, end, "sum")
    elif token.kind == "name" and p.ends_value and token.text not in scalars:
        yield Edit(
            "rule", 1.2, f"{token.text} for its inverse {at(token)}", token.at, end, f"inv({token.text})"
        )


def axes(p: Place) -> Iterator[Edit]:
    """The other axis."""
    other = {"0": "1", "1": "0"}.get(p.token.text)
    if other:
        label = "softmax" if p.inside in ("softmax", "logsumexp") else "batch"
        yield Edit(
            label, 1.0, f"{p.inside} along the wrong axis {at(p.token)}", p.token.at, p.token.at + 1, other
        )


def steps(p: Place, names: Sequence[str]) -> Iterator[Edit]:
    """h_2 for h_1, H2 for H1."""
    own = numbered(p.token.text) if p.ends_value else None
    for name in names if own else ():
        other = numbered(name)
        if own and other and other[0] == own[0] and abs(other[1] - own[1]) == 1:
            label = "point" if time_of(name) is None else "time"
            what = f"{p.token.text} where {name} belongs, {at(p.token)}"
            yield Edit(label, 1.05, what, p.token.at, p.token.at + len(p.token.text), name)


def too_far(p: Place, made: Collection[str]) -> Iterator[Edit]:
    """A step too many: a term of a sum that the learner made, d_0, and that is of a step."""
    token, what = p.token, f"the term {p.token.text} too much {at(p.token)}"
    if token.text in made and time_of(token.text) is not None:
        if p.before.text in ("+", "-") and p.after.text in ENDS:
            yield Edit("time", 1.05, what, p.before.at, token.at + len(token.text), "")
        elif p.before.text in OPENS and p.after.text == "+":
            yield Edit("time", 1.05, what, token.at, p.after.at + 1, "")


def rewritings(text: str) -> Iterator[Edit]:
    """What people write for a product or a sum of a right formula, and what NumPy takes without a word."""
    found = [p for p in places(text) if p.inside not in FIXED and p.after.text != "="]
    for k, p in enumerate(found):
        start, stop = p.token.at, p.token.at + len(p.token.text)
        if p.token.text in ("@", "*"):
            other = "*" if p.token.text == "@" else "@"
            yield Edit("hadamard", 1.15, f"{other} for the {p.token.text} {at(p.token)}", start, stop, other)
        elif p.token.text == "outer" and p.after.text == "(":
            inside = [q.token.at for q in found[k + 1 :] if q.depth == p.depth + 1 and q.token.text == ","]
            close = next(q.token.at for q in found[k + 2 :] if q.depth == p.depth and q.token.text == ")")
            a, b = text[stop + 1 : inside[0]], text[inside[0] + 1 : close]
            start -= 3 * (text[start - 3 : start] == "np.")
            yield Edit("hadamard", 1.15, "* for the outer product", start, close + 1, f"(({a}) * ({b}))")
        elif p.token.text == "sum" and p.after.text == "(" and p.before.text == ".":
            close = next(q.token.at for q in found[k + 2 :] if q.depth == p.depth and q.token.text == ")")
            yield Edit("batch", 1.15, "the sum forgotten", p.before.at, close + 1, "")
            if "axis=" in text[stop:close]:
                axis = text[stop:close].strip()[-1]
                other = str(1 - int(axis))
                yield Edit("batch", 1.15, "the wrong axis in the sum", close - 1, close, other)
