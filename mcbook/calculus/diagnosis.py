"""What is wrong with a gradient? `diagnose` tries the mistakes that people make and says which one fits."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcbook.calculus.differences import numerical_gradient, slope_along, value_noise
from mcbook.calculus.engine import Expr, parse, symbol
from mcbook.calculus.engine.nodes import definitions
from mcbook.calculus.hypotheses import GROUPS, Case, Finding
from mcbook.calculus.inputs import (
    Reals,
    ScalarFunction,
    as_gradient,
    as_variable,
    inner,
    unit_direction,
    value_at,
)
from mcbook.calculus.marking.report import Diagnosis
from mcbook.calculus.marking.strong import diagnose_expression


def diagnose(
    loss: Any,
    answer: Any,
    wrt: Any,
    *,
    values: Any = None,
    symbols: Sequence[Expr] = (),
    reference: Any = None,
    rng: np.random.Generator | None = None,
    terms: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int | float] | None = None,
) -> Diagnosis:
    """Names the mistake in `answer`, a claimed gradient of the loss with respect to `wrt`.

    With the loss as an expression of the derivation engine, or text in its notation, the mistake is looked
    for in the lines of the derivation: `wrt` is the symbol (or its name), and the answer may be text (parsed,
    never run), an expression, a function of the symbols by name (or of the variable alone) or an array at
    `values`.

    values     the inputs: one mapping from names to arrays, or several of them; otherwise they are drawn
    symbols    of a loss in text, its symbols; what is in `values` need not be declared

    With the loss as a NumPy or JAX function of one array, `wrt` is the point, the answer an array or a
    function, and the diagnosis is the weaker one, from what is known of gradients in general.

    reference  the true gradient (array or callable); without it differences are taken entry by entry
    terms      named arrays that sum to the answer: a mistake in a single one of them is then found too
    sizes      named numbers, such as {"n": 50}, by which a factor may be called

    What is wrong with the learner's code (it stops, returns NaN, writes into its input) is in the verdict.
    Raises ValueError for a loss or a point that `check_grad` refuses, a loss that cannot be read or derived.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    if isinstance(loss, str | Expr):
        f, X = read_loss(loss, wrt, symbols, values)
        if isinstance(loss, str) and isinstance(answer, str):
            answer = with_what_the_loss_defines(answer, loss, f)
        return diagnose_expression(f, answer, X, values=values, rng=rng)
    found = _diagnose_function(loss, answer, wrt, reference, rng, terms, sizes)
    return found._replace(verdict=_verdict(found.cause), hints=_hints(found))


def read_loss(loss: str | Expr, wrt: Any, symbols: Sequence[Expr], values: Any) -> tuple[Expr, Expr]:
    """The loss as an expression, and the variable's symbol. Raises ValueError where either is unknown."""
    first: Mapping[str, Any] = values if isinstance(values, Mapping) else values[0] if values else {}
    if isinstance(loss, str):
        declared = {s.name: s for s in (*symbols, *([wrt] if isinstance(wrt, Expr) else []))}
        shaped = {name: symbol(name, np.shape(value)) for name, value in first.items()}
        loss = parse(loss, *{**shaped, **declared}.values())
    if isinstance(wrt, Expr):
        return loss, wrt
    known = {s.name: s for s in loss.free}
    if wrt not in known:
        raise ValueError(f"wrt must be a symbol of the loss ({', '.join(sorted(known))}), got {wrt!r}.")
    return loss, known[wrt]


def with_what_the_loss_defines(answer: str, loss: str, f: Expr) -> str:
    """The answer, after those definitions in the loss's text that the loss itself makes no use of."""
    known = {d.name for d in definitions(f)} | set(re.findall(r"(\w+)\s*=(?!=)", answer))
    for line in reversed(re.split(r"[;\n]", loss)):  # the last first: it may make use of those before it
        name, equals, _ = map(str.strip, line.partition("="))
        if equals and name.isidentifier() and name not in known and re.search(rf"\b{name}\b", answer):
            answer = f"{line.strip()}; {answer}"
    return answer


def _diagnose_function(
    f: ScalarFunction,
    answer: Any,
    X: Any,
    reference: Any,
    rng: np.random.Generator,
    terms: Mapping[str, Any] | None,
    sizes: Mapping[str, int | float] | None,
) -> Diagnosis:
    """The diagnosis without a derivation: from the gradient as a whole."""
    X = as_variable(X)
    value_at(f, X)
    G, trouble = _claimed(answer, X)
    if trouble is not None:
        return trouble
    if not np.isfinite(G).all():
        return Diagnosis(
            "not finite", f"{np.count_nonzero(~np.isfinite(G))} of {G.size} entries of G are NaN or inf"
        )
    named = _terms(terms, G)
    if has_kink(f, X, unit_direction(rng, X)):
        return Diagnosis(
            "non-smooth point", "the slopes of f to the two sides of X differ: there is no gradient here"
        )
    T, tolerance = _truth(f, X, reference)
    if reference is not None and not _agrees(f, T, X, unit_direction(rng, X)):
        return Diagnosis(
            "wrong reference", "the reference contradicts central differences of f: is it of this f?"
        )
    size = float(np.linalg.norm(T))
    if size == 0 or tolerance > 1e-4:
        return Diagnosis(
            "unknown", "X is a stationary point or f too rough: the gradient is lost in rounding errors"
        )
    findings = explain(Case(G, T, X, tolerance, dict(sizes or {}), named))
    if callable(answer) and not named and (reference is None or callable(reference)):
        findings = _holding_elsewhere(findings, f, answer, X, reference, rng, sizes)
    if findings:
        return Diagnosis(
            " or ".join(_unique(x.cause for x in findings)), "; ".join(x.evidence for x in findings)
        )
    return _unknown(G, T)


def _holding_elsewhere(
    findings: Sequence[Finding],
    f: ScalarFunction,
    answer: Any,
    X: Reals,
    reference: Any,
    rng: np.random.Generator,
    sizes: Mapping[str, int | float] | None,
) -> list[Finding]:
    """Of the mistakes found at X those that are seen at another point too, if the answer can be tried there.

    At a point with equal entries 3w is a multiple of 3w²; elsewhere it is not.
    """
    Y = X * (1 + np.clip(0.3 * rng.standard_normal(X.shape), -0.8, 0.8))
    G, trouble = _claimed(answer, Y)
    if trouble is not None or not np.isfinite(G).all() or np.array_equal(G, _claimed(answer, X)[0]):
        return list(findings)
    try:
        T, tolerance = _truth(f, Y, reference)
    except ValueError:  # f has no value there
        return list(findings)
    if not np.linalg.norm(T) > 0 or tolerance > 1e-4:
        return list(findings)
    there = {x.cause for x in explain(Case(G, T, Y, tolerance, dict(sizes or {}), {}))}
    return [x for x in findings if x.cause in there | {"correct"}]


def _claimed(answer: Any, X: Reals) -> tuple[Reals, Diagnosis | None]:
    """The claimed gradient as an array; what is wrong with the code that should give it."""
    given = answer
    if callable(answer):
        copy = X.copy()
        try:
            given = answer(copy)
        except (Exception, SystemExit) as problem:  # the learner's code may raise anything
            return X, Diagnosis("your code stops", f"{type(problem).__name__}: {problem}")
        if not np.array_equal(copy, X):
            return X, Diagnosis(
                "changes its input", "after the call X is no longer what it was: copy it first"
            )
    try:
        G = np.asarray(given)
    except ValueError:
        return X, Diagnosis("wrong kind", "a gradient is an array, got rows of several lengths")
    if G.dtype.kind not in "fiub" and G.dtype.name != "bfloat16":
        return X, Diagnosis(
            "wrong kind", f"a gradient of a real function is an array of real numbers, got {G.dtype}"
        )
    return G.astype(float), None


ERRORS = {
    "not finite",
    "your code stops",
    "changes its input",
    "wrong kind",
    "wrong reference",
    "non-smooth point",
}


def _verdict(cause: str) -> str:
    if cause in ("correct", "unknown"):
        return cause.replace("unknown", "not explained")
    if cause == "off-diagonal counted twice":
        return "convention"
    return "error" if cause in ERRORS else "wrong"


def _hints(found: Diagnosis) -> tuple[str, ...]:
    """A ladder without a derivation: whether the shape is right, what kind of mistake, the mistake."""
    if found.cause == "correct":
        return ()
    shape = (
        "The shape is not the variable's."
        if "shape" in found.cause
        else "The shape is right; something in it is off."
    )
    return shape, f"It is about this: {found.cause}.", f"{found.cause}: {found.evidence}."


def explain(case: Case) -> list[Finding]:
    """All findings of the first group of hypotheses that explains anything."""
    for group in GROUPS:
        findings = [finding for hypothesis in group for finding in hypothesis(case)]
        if findings:
            return findings
    return []


def has_kink(f: ScalarFunction, X: Reals, V: Reals) -> bool:
    """Whether the one-sided slopes of f along V differ by a jump that smaller steps do not change.

    Where f is smooth the jump is h times its second derivative, and shrinks with h.
    """
    scale, centre = 1 + float(np.linalg.norm(X)), value_at(f, X)
    steps = 1e-6 * scale / np.array([1.0, 8.0, 64.0])
    with np.errstate(all="ignore"):
        ahead = np.array([float(np.asarray(f(X + h * V))) for h in steps])
        behind = np.array([float(np.asarray(f(X - h * V))) for h in steps])
        jumps = (ahead - 2 * centre + behind) / steps
        ratios = jumps[1:] / jumps[:-1]
    rounding = 30 * value_noise(f, X, V, centre=centre, spacing=1e-11 * scale) / steps[-1]
    return bool(abs(jumps[-1]) > rounding and np.all((ratios > 0.7) & (ratios < 1.4)))


def _truth(f: ScalarFunction, X: Reals, reference: Any) -> tuple[Reals, float]:
    """The true gradient and how well it is known, relative to its norm."""
    if reference is not None:
        return as_gradient(reference, X, "reference"), 1e-9
    T, error = numerical_gradient(f, X)
    size = float(np.linalg.norm(T))
    return T, max(1e-7, 4 * error / size if size else np.inf)


def _agrees(f: ScalarFunction, T: Reals, X: Reals, V: Reals) -> bool:
    slope = slope_along(f, X, V)
    return abs(slope.value - inner(T, V)) <= max(1e-7 * float(np.linalg.norm(T)), 4 * slope.error)


def _terms(terms: Mapping[str, Any] | None, G: Reals) -> dict[str, Reals]:
    named = {name: np.asarray(A, dtype=float) for name, A in (terms or {}).items()}
    if named:
        total = sum(named.values(), np.zeros(()))
        if total.shape != G.shape or np.linalg.norm(total - G) > 1e-9 * (1 + np.linalg.norm(G)):
            raise ValueError(
                f"the terms {', '.join(named)} must sum to G, shape {G.shape}; signs belong to the terms."
            )
    return named


def _unknown(G: Reals, T: Reals) -> Diagnosis:
    if G.shape != T.shape:
        return Diagnosis(
            "wrong shape", f"a gradient has the shape of its variable, {T.shape}, but G is {G.shape}"
        )
    gap = np.linalg.norm(G - T) / np.linalg.norm(T)
    where = np.unravel_index(np.argmax(np.abs(G - T)), T.shape)
    entry = tuple(int(i) for i in where)
    evidence = (
        f"G is off by {gap:.1%} of the gradient's norm, most at entry {entry}, and no known mistake fits"
    )
    return Diagnosis("unknown", evidence)


def _unique(causes: Any) -> list[str]:
    return list(dict.fromkeys(causes))
