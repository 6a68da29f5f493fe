"""Right gradients, wrong checks: single precision, differences, a softened kink, a constant against zero."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.engine.leaves import number
from mcbook.calculus.engine.nodes import Expr, walk
from mcbook.calculus.engine.rebuild import substitute
from mcbook.calculus.inputs import Reals, norm
from mcbook.calculus.marking.linear import Draw

SMALL = ("eps", "epsilon", "delta")  # names of constants that stand for nothing but "not zero"


def gap(A: Reals, G: Reals) -> float:
    return norm(A - G) / max(norm(G), 1e-300)


def wrong_check(
    f: Expr,
    X: Expr,
    gradient: Expr,
    draws: Sequence[Draw],
    truths: Sequence[Reals],
    answers: Sequence[Reals],
    answer: Expr | None,
) -> str:
    """In words, what blurs an answer that is the gradient otherwise; "" where it is not."""
    if answers[0].shape != truths[0].shape:
        return ""
    gaps = [gap(A, G) for A, G in zip(answers, truths, strict=True)]
    if max(gaps) <= 1e-4:
        single = all(np.array_equal(A, A.astype(np.float32)) for A in answers)
        how = (
            "every entry is a single-precision number"
            if single
            else "as a difference quotient, or rounding, has it"
        )
        return f"right to {max(gaps):.0e} and no further: {how}"
    if max(gaps) <= 0.1 and (words := _difference(f, X, draws, answers, gaps)):
        return words
    if answer is not None and (words := _limit(answer, f, draws, truths, gaps)):
        return words
    return _small_constant(gradient, draws, answers)


def _difference(
    f: Expr, X: Expr, draws: Sequence[Draw], answers: Sequence[Reals], gaps: Sequence[float]
) -> str:
    """Whether the answer is a one-sided difference quotient, with a step that is a power of ten."""
    if X.data.structure:
        return ""
    for h in (s * 10.0**-k for k in (1, 2, 3, 4) for s in (1, -1)):
        if all(
            gap(_quotient(f, X, d, h), A) <= 1e-4 * g + 1e-11 / abs(h)
            for d, A, g in zip(draws, answers, gaps, strict=True)
        ):
            side = "forward" if h > 0 else "backward"
            return f"what a {side} difference quotient gives with the step {abs(h):g}"
    return ""


def _quotient(f: Expr, X: Expr, draw: Draw, h: float) -> Reals:
    """(f(X + h E) − f(X))/h along every entry."""
    at, found = np.asarray(draw.values[X.name], dtype=float), np.zeros(X.shape)
    with np.errstate(all="ignore"):
        for k in range(found.size):
            moved = at.copy()
            moved.flat[k] += h
            (new,) = evaluate_all([f], {**draw.values, X.name: moved})
            found.flat[k] = ((new - draw.value(f)) / h).item()
    return found


def _limit(
    answer: Expr, f: Expr, draws: Sequence[Draw], truths: Sequence[Reals], gaps: Sequence[float]
) -> str:
    """Whether a constant of the answer, which the function does not have, makes it right in the limit."""
    own = {node.data for node in walk(f) if node.op == "number"}
    for node in walk(answer):
        if node.op != "number" or node.data in own or node.data in (0, 1, -1, 2, -2):
            continue
        if _only_weighs_a_term(node, answer):
            continue
        c = Fraction(node.data)
        for sharper in (c / 1000, c * 1000):
            new = _with(answer, node, c, sharper)
            if new is None or new.shape != answer.shape:
                continue
            with np.errstate(all="ignore"):
                values = [evaluate_all([new], d.values)[0] for d in draws]
            if all(gap(A, G) <= min(g / 30, 1e-3) for A, G, g in zip(values, truths, gaps, strict=True)):
                limit = "goes to 0" if sharper < c else "grows"
                return f"right in the limit where the constant {float(c):g} {limit}"
    return ""


def _only_weighs_a_term(c: Expr, answer: Expr) -> bool:
    """Whether c does nothing but multiply a term of the answer: that is a term too much, and no limit."""
    if answer.op != "add":
        return False
    rest = [a.args[1:] if a.op == "times" and a.args[0] is c else (a,) for a in answer.args]
    return c not in walk(*(a for args in rest for a in args))


def _with(answer: Expr, node: Expr, c: Fraction, sharper: Fraction) -> Expr | None:
    """The answer with a constant, and its reciprocal where that stands there, replaced."""
    swaps = {node: number(sharper)}
    for other in walk(answer):
        if other.op == "number" and abs(other.data * c) == 1 and other is not node:
            swaps[other] = number((1 if other.data * c > 0 else -1) / sharper)
        if other.op == "number" and abs(other.data * c) == Fraction(1, 2) and other is not node:
            swaps[other] = number(Fraction(other.data) * c / sharper)
    try:
        return substitute(answer, swaps)
    except (ValueError, ZeroDivisionError):
        return None


def _small_constant(gradient: Expr, draws: Sequence[Draw], answers: Sequence[Reals]) -> str:
    """Whether the answer is the gradient with the function's own ε put to zero."""
    for s in gradient.free:
        if s.name in SMALL and s.is_scalar:
            with np.errstate(all="ignore"):
                values = [evaluate_all([gradient], {**d.values, s.name: 1e-280})[0] for d in draws]
            if all(np.isfinite(v).all() and gap(A, v) <= 1e-8 for A, v in zip(answers, values, strict=True)):
                return f"{s.name} put to zero in the gradient and not in the function"
    return ""
