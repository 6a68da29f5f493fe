"""A derivation checked line by line, as the learner writes it: df = …, with dX in it.

Every line must be worth the same number as df for every step dX.  That is tried at random points and random
steps; a line that is linear in dX is a gradient in disguise, df = ⟨G, dX⟩, and what is wrong with the first
false one is looked for as in any gradient.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.engine.forward import differential, step_of
from mcbook.calculus.engine.nodes import Expr, definitions, let
from mcbook.calculus.engine.parser import ParseError, parse
from mcbook.calculus.inputs import Reals, norm
from mcbook.calculus.marking.draws import points, project
from mcbook.calculus.marking.given import Given
from mcbook.calculus.marking.linear import Draw
from mcbook.calculus.marking.report import Diagnosis
from mcbook.calculus.marking.search import TOLERANCE
from mcbook.calculus.marking.strong import marked, prepared, truth

DF = ("", "df", "dL", "dloss")  # what the differential of the loss may be called
STEPS = 3  # random steps dX at each point


class LineReport(NamedTuple):
    """Whether all lines hold, or the first that does not: its number, from 1, and its mistake."""

    ok: bool
    lines: tuple[str, ...]
    line: int | None = None
    diagnosis: Diagnosis | None = None

    def __str__(self) -> str:
        if self.ok:
            return f"All {len(self.lines)} lines hold."
        return f"Line {self.line}, {self.lines[(self.line or 1) - 1]!r}: {self.diagnosis}"

    def __repr__(self) -> str:
        return str(self)


class _Sheet(NamedTuple):
    """What the lines may speak of, and where they are tried."""

    f: Expr
    X: Expr
    D: Expr  # the step dX
    draws: list[Draw]
    steps: list[list[Reals]]


def check_lines(
    loss: Expr,
    lines: str | Sequence[str],
    wrt: Expr,
    *,
    values: Any = None,
    rng: np.random.Generator | None = None,
) -> LineReport:
    """Whether each line of a derivation is df, and the first that is not, with its mistake.

    A line reads "df = trace(inv(X) @ dX)", with or without its left side, or goes on, "df = … = …"; dX is the
    step of X.  A line that
    names something is a definition for the lines below, "R = A @ X - B"; of "dR = A @ dX" it is checked
    that it is the differential of R.

    Raises ValueError where the loss cannot be derived or `wrt` is no symbol in it.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    derivation = prepared(loss, wrt)[0]
    D = step_of(wrt, derivation.f)
    draws = [Draw(v) for v in points(loss, derivation.gradient, values, rng)]
    sheet = _Sheet(loss, wrt, D, draws, [[_step(wrt, rng) for _ in range(STEPS)] for _ in draws])
    written = lines.splitlines() if isinstance(lines, str) else list(lines)
    written = [line.strip() for line in written if line.strip()]
    if not written:
        empty = Diagnosis("nothing is written", f"write df = …, with {D.name} in it", "error")
        return LineReport(False, ("",), 1, empty)
    named: dict[str, Expr] = {d.name: d for d in definitions(loss)}
    for k, line in enumerate(written, start=1):
        trouble = _judge(sheet, line, named)
        if trouble is not None:
            return LineReport(False, tuple(written), k, trouble)
    return LineReport(True, tuple(written))


def _step(X: Expr, rng: np.random.Generator) -> Reals:
    """A random step of X, of its structure."""
    return project(np.asarray(rng.standard_normal(X.data.shape)), X.data.structure)


def _judge(sheet: _Sheet, line: str, named: dict[str, Expr]) -> Diagnosis | None:
    """What is wrong with a line; a definition is taken up into `named`."""
    name, *sides = _sides(line)
    symbols = sorted({*sheet.f.free, sheet.D}, key=lambda s: s.name)
    if name in {s.name for s in symbols}:
        return Diagnosis("cannot be read", f"{name} has a meaning already; call it by another name", "error")
    try:
        found = [parse(side, *symbols, **named) for side in sides]
        if name not in DF:
            (E,) = found if len(found) == 1 else [parse("=".join(sides), *symbols, **named)]
            named[name] = let(name, E)
    except (ParseError, ValueError) as problem:
        return Diagnosis("cannot be read", str(problem), "error")
    if name in DF:
        return next((trouble for E in found if (trouble := _is_df(sheet, E)) is not None), None)
    of = named.get(name[1:]) if name.startswith("d") else None
    return None if of is None or sheet.D in of.free else _is_differential(sheet, name, E, of)


def _sides(line: str) -> list[str]:
    """What a line has on its left, "" for nothing, and what stands after each = that is in no bracket."""
    sides, depth = [""], 0
    for k, sign in enumerate(line):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "=" and depth <= 0 and "=" not in (line[k - 1 : k], line[k + 1 : k + 2]):
            sides.append("")
        else:
            sides[-1] += sign
    sides = [side.strip() for side in sides]
    return sides if len(sides) > 1 and (sides[0].isidentifier() or not sides[0]) else ["", *sides]


def _is_df(sheet: _Sheet, E: Expr) -> Diagnosis | None:
    """None where E is df for every step; otherwise the mistake."""
    if not E.is_scalar:
        return Diagnosis("wrong shape", f"df is a number, the line has shape {E.shape}", "error")
    if sheet.D not in E.free:
        return Diagnosis("no step", f"df is linear in {sheet.D.name}, which is not in the line", "error")
    graph, slips = prepared(sheet.f, sheet.X)[1:]
    truths = [truth(graph.derivation.gradient, draw) for draw in sheet.draws]
    gradients = [
        _as_gradient(sheet, E, draw, steps) for draw, steps in zip(sheet.draws, sheet.steps, strict=True)
    ]
    if any(G is None for G in gradients):
        return Diagnosis(
            "not linear", f"a differential is linear in {sheet.D.name}; this line is not", "error"
        )
    found = marked(graph, slips, sheet.draws, truths, Given([G for G in gradients if G is not None]))
    return None if found.verdict == "correct" else found


def _as_gradient(sheet: _Sheet, E: Expr, draw: Draw, steps: Sequence[Reals]) -> Reals | None:
    """The G with E = ⟨G, dX⟩, of the structure of X, entry by entry; None where E is not linear in dX."""
    shape = sheet.X.data.shape

    def at(step: Any) -> float:
        return float(evaluate_all([E], {**draw.values, sheet.D.name: step})[0][0, 0])

    basis = np.eye(int(np.prod(shape, dtype=int))).reshape(-1, *shape)
    basis = np.stack([project(np.asarray(A), sheet.X.data.structure) for A in basis])
    G = np.reshape([at(step) for step in basis], shape)
    size = norm(G) + abs(at(np.zeros(shape)))
    linear = all(abs(at(step) - np.vdot(G, step)) <= 1e-7 * size * norm(step) for step in steps)
    return G.reshape(sheet.X.shape) if linear and abs(at(np.zeros(shape))) <= 1e-9 * size else None


def _is_differential(sheet: _Sheet, name: str, E: Expr, of: Expr) -> Diagnosis | None:
    """None where E is the differential of `of` for every step."""
    if E.shape != of.shape:
        return Diagnosis(
            "wrong shape", f"{name} has the shape of {of.name}, {of.shape}, not {E.shape}", "error"
        )
    true = differential(of, sheet.X, sheet.D)
    for draw, steps in zip(sheet.draws, sheet.steps, strict=True):
        for step in steps:
            A, B = evaluate_all([E, true], {**draw.values, sheet.D.name: step})
            if norm(A - B) > TOLERANCE * max(norm(B), 1e-300):
                words = f"off by {norm(A - B) / norm(B):.1%} for a random {sheet.D.name}"
                return Diagnosis(f"{name} is not the differential of {of.name}", words, "wrong")
    return None
