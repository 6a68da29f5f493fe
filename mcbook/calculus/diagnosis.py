"""What is wrong with a gradient? `diagnose` tries the mistakes that people make and says which one fits."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.differences import numerical_gradient, slope_along, value_noise
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


class Diagnosis(NamedTuple):
    """The mistake, named, and what it was recognised by; "unknown" where none of the known ones fits."""

    cause: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.cause}: {self.evidence}."

    def __repr__(self) -> str:
        return str(self)


def diagnose(
    f: ScalarFunction,
    G: Any,
    X: Any,
    *,
    reference: Any = None,
    rng: np.random.Generator | None = None,
    terms: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int | float] | None = None,
) -> Diagnosis:
    """Names the mistake in G, the claimed gradient of f at X.

    reference  the true gradient (array or callable); without it differences are taken entry by entry
    terms      named arrays that sum to G: a mistake in a single one of them is then found too
    sizes      named numbers, such as {"n": 50}, by which a factor may be called

    Raises ValueError for an f or X that `check_grad` refuses; a G of another shape is diagnosed, not refused.
    """
    X = as_variable(X)
    rng = np.random.default_rng(0) if rng is None else rng
    value_at(f, X)
    G = np.asarray(G(X.copy()) if callable(G) else G).astype(float)
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
    if findings:
        return Diagnosis(
            " or ".join(_unique(x.cause for x in findings)), "; ".join(x.evidence for x in findings)
        )
    return _unknown(G, T)


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
