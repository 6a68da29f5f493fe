"""The learner's answer, read: text is parsed and never run, a function is called with copies."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.engine.nodes import Expr, definitions
from mcbook.calculus.engine.parser import ParseError, parse
from mcbook.calculus.inputs import Reals
from mcbook.calculus.marking.linear import Draw


class Given(NamedTuple):
    """The answer at each draw, as matrices, and its expression if it has one; or what is wrong with it."""

    values: list[Reals]
    expression: Expr | None = None
    cause: str = ""
    evidence: str = ""
    shape: tuple[int, ...] = ()  # of the array as it was handed in
    text: str = ""  # as it was written


def read(answer: Any, f: Expr, X: Expr, draws: Sequence[Draw]) -> Given:
    """The answer's values. What goes wrong in the learner's code comes back as cause and evidence."""
    if isinstance(answer, str | Expr):
        return _expression(answer, f, draws)._replace(text=answer if isinstance(answer, str) else "")
    if callable(answer):
        return _called(answer, X, draws)
    return _array([answer], X, "the answer")


def _expression(answer: str | Expr, f: Expr, draws: Sequence[Draw]) -> Given:
    try:
        E = read_text(answer, f) if isinstance(answer, str) else answer
    except ParseError as problem:
        return Given([], None, "cannot be read", str(problem))
    try:
        with np.errstate(all="ignore"):
            values = [evaluate_all([E], draw.values)[0] for draw in draws]
    except np.linalg.LinAlgError:
        return Given([], E, "no value", "it inverts a matrix that has no inverse")
    except ValueError as problem:
        return Given([], E, "no value", str(problem))
    bad = next((A for A in values if not np.isfinite(A).all()), None)
    if bad is not None:
        return Given(
            [], E, "not finite", f"{np.count_nonzero(~np.isfinite(bad))} of {bad.size} entries are NaN or inf"
        )
    return Given(values, E, shape=E.shape)


def read_text(answer: str, f: Expr) -> Expr:
    """The expression; what the function defines on its way may be used in it, and may be defined anew."""
    own = {line.split("=")[0].strip() for line in answer.replace("\n", ";").split(";") if "=" in line}
    named = {d.name: d for d in definitions(f) if d.name not in own}
    return parse(answer, *sorted(f.free, key=lambda s: s.name), **named)


def _called(answer: Callable[..., Any], X: Expr, draws: Sequence[Draw]) -> Given:
    values: list[Reals] = []
    for draw in draws:
        arrays = {name: np.array(value) for name, value in draw.values.items()}
        before = {name: value.copy() for name, value in arrays.items()}
        try:
            with np.errstate(all="ignore"):
                by_place, by_name = _arguments(answer, arrays, X.name)
                value = answer(*by_place, **by_name)
        except (Exception, SystemExit) as problem:  # the learner's code may raise anything
            return Given([], None, "your code stops", f"{type(problem).__name__}: {problem}")
        changed = [name for name in arrays if not np.array_equal(arrays[name], before[name])]
        if changed:
            return Given(
                [],
                None,
                "changes its input",
                f"after the call {', '.join(changed)} is no longer what it was: copy it before writing",
            )
        one = _array([value], X, "what it returns")
        if one.cause:
            return one
        values += one.values
        shape = one.shape
    return Given(values, shape=shape)


def _arguments(
    answer: Callable[..., Any], arrays: Mapping[str, Any], wrt: str
) -> tuple[list[Any], dict[str, Any]]:
    """The arrays that the function asks for: by place as far as that goes, since what `jax.grad` returns
    knows no names, and by name after that; a lone argument of another name is the variable.
    """
    asked = list(inspect.signature(answer).parameters.values())
    needed = [p for p in asked if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(needed) == 1 and needed[0].name not in arrays:
        lone = arrays[wrt]
        return (
            ([], {needed[0].name: lone}) if needed[0].kind is inspect.Parameter.KEYWORD_ONLY else ([lone], {})
        )
    by_place: list[Any] = []
    for p in asked:
        if p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) or p.name not in arrays:
            break
        by_place.append(arrays[p.name])
    rest = {p.name for p in asked[len(by_place) :] if p.kind is not p.VAR_POSITIONAL}
    if any(p.kind is p.VAR_KEYWORD for p in asked):
        rest = arrays.keys() - {p.name for p in asked[: len(by_place)]}
    return by_place, {name: arrays[name] for name in arrays if name in rest}


def _array(given: Sequence[Any], X: Expr, what: str) -> Given:
    values = []
    for value in given:
        try:
            A = np.asarray(value)
        except ValueError:  # rows of several lengths
            return Given([], None, "wrong kind", f"{what} must be an array, got rows of several lengths")
        if A.dtype.kind == "O" or A.dtype.kind not in "fiub":
            return Given([], None, "wrong kind", f"{what} must be real numbers, got {A.dtype}")
        if A.ndim > 2:
            return Given([], None, "wrong shape", f"{what} has shape {A.shape}, the variable {X.data.shape}")
        if not np.isfinite(A).all():
            bad = np.count_nonzero(~np.isfinite(A))
            return Given([], None, "not finite", f"{bad} of {A.size} entries are NaN or inf")
        values.append(A.astype(float).reshape((*A.shape, 1, 1)[:2]))
    return Given(values, shape=np.shape(given[0]))
