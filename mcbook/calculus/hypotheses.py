"""The mistakes that `diagnose` knows, one small function each, in the order in which they are tried.

A hypothesis looks at a `Case` (what was claimed, what is true) and returns what it can explain, a list of
`Finding`s, empty when it explains nothing. Hypotheses in one group compete: all that fit are reported.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mcbook.calculus.inputs import Reals, inner


class Case(NamedTuple):
    """G claimed, T true (known to `tolerance` relative to its norm), at X; named numbers and terms of G."""

    G: Reals
    T: Reals
    X: Reals
    tolerance: float
    sizes: Mapping[str, int | float]
    terms: Mapping[str, Reals]

    def is_true(self, A: Reals) -> bool:
        """Whether A is the true gradient, to within what is known of it."""
        if A.shape != self.T.shape:
            return False
        return bool(np.linalg.norm(A - self.T) <= self.tolerance * np.linalg.norm(self.T))


class Finding(NamedTuple):
    cause: str
    evidence: str


Hypothesis = Callable[[Case], list[Finding]]


def correct(case: Case) -> list[Finding]:
    if not case.is_true(case.G):
        return []
    return [Finding("correct", f"G is the gradient to within {case.tolerance:.0e} of its norm")]


def transposed(case: Case) -> list[Finding]:
    if case.G.ndim != 2 or is_symmetric(case.G) or not case.is_true(case.G.T):
        return []
    return [Finding("transposed", "Gᵀ is the gradient; G is not, and it is not symmetric")]


def sign(case: Case) -> list[Finding]:
    return [Finding("sign", "-G is the gradient")] if case.is_true(-case.G) else []


def factor(case: Case) -> list[Finding]:
    c = multiple(case.G, case.T, case.tolerance)
    if c is None or abs(c + 1) <= case.tolerance or c == 0:
        return []
    name = nice(c, case)
    return [Finding(f"factor {name}", f"G is {name} times the gradient, every entry by the same factor")]


def symmetric_part(case: Case) -> list[Finding]:
    G = case.G
    if G.ndim != 2 or G.shape[0] != G.shape[1] or is_symmetric(G):
        return []
    findings = []
    if case.is_true(G + G.T):
        findings.append(Finding("symmetric part missing", "G + Gᵀ is the gradient: X appears twice in f"))
    if case.is_true((G + G.T) / 2):
        findings.append(
            Finding("symmetric part missing", "sym(G) = (G + Gᵀ)/2 is the gradient; G is not symmetric")
        )
    return findings


def symmetric_variable(case: Case) -> list[Finding]:
    T, G = case.T, case.G
    if T.ndim != 2 or T.shape[0] != T.shape[1] or not near(G, T + T.T - np.diag(np.diag(T)), case.tolerance):
        return []
    return [Finding("off-diagonal counted twice", "G is T + Tᵀ - diag(T), where T is the free gradient")]


def entry_order(case: Case) -> list[Finding]:
    G, shape = case.G, case.T.shape
    if G.size != case.T.size or G.ndim == 0:
        return []
    if G.shape != shape and case.is_true(G.reshape(shape)):
        return [Finding("wrong shape", "reshaped, G is the gradient")]
    moved = [G.ravel(order="C").reshape(shape, order="F"), G.ravel(order="F").reshape(shape)]
    if any(case.is_true(A) for A in moved):
        evidence = "reading rows where columns were written gives the gradient"
        return [Finding("entries in the wrong order", evidence)]
    return []


def float32(case: Case) -> list[Finding]:
    if case.G.shape != case.T.shape:
        return []
    gap = np.linalg.norm(case.G - case.T) / np.linalg.norm(case.T)
    if gap > 1e-5 or not np.array_equal(case.G, case.G.astype(np.float32)):
        return []
    return [Finding("float32", f"G agrees to {gap:.0e} and every entry is a float32 number")]


def transposed_factor(case: Case) -> list[Finding]:
    if case.G.ndim != 2 or is_symmetric(case.G) or case.G.T.shape != case.T.shape:
        return []
    c = multiple(case.G.T, case.T, case.tolerance)
    if c is None or c == 0:
        return []
    name = "-1" if abs(c + 1) <= case.tolerance else nice(c, case)
    return [Finding(f"transposed, and factor {name}", f"Gᵀ is {name} times the gradient")]


def named_term(case: Case) -> list[Finding]:
    return [finding for name, A in case.terms.items() for finding in _one_term(case, name, A)]


def _one_term(case: Case, name: str, A: Reals) -> list[Finding]:
    """What single change to the term A makes the sum right: transposing it, scaling it, or both."""
    rest, square = case.G - A, A.ndim == 2 and A.shape[0] == A.shape[1] and not is_symmetric(A)
    if not A.any():
        return []
    if square and case.is_true(rest + A.T):
        evidence = f"with ({name})ᵀ in its place G is the gradient"
        return [Finding(f"the term {name} is transposed", evidence)]
    c = inner(case.T - rest, A) / inner(A, A)
    if case.is_true(rest + c * A):
        return [_scaled_term(name, c, case)]
    c = inner(case.T - rest, A.T) / inner(A, A) if square else 0.0
    if square and case.is_true(rest + c * A.T):
        scaled = _scaled_term(name, c, case)
        evidence = f"with {nice(c, case)} × ({name})ᵀ in its place G is the gradient"
        return [Finding(f"{scaled.cause}, and transposed", evidence)]
    return []


def _scaled_term(name: str, c: float, case: Case) -> Finding:
    if abs(c) <= case.tolerance * 10:
        return Finding(f"the term {name} does not belong", f"without {name} G is the gradient")
    if abs(c + 1) <= case.tolerance * 10:
        return Finding(f"the term {name} has the wrong sign", f"with -{name} in its place G is the gradient")
    wrong, right = nice(1 / c, case), nice(c, case)
    return Finding(f"the term {name} is off by a factor {wrong}", f"with {right} × {name} G is the gradient")


def some_term_transposed(case: Case) -> list[Finding]:
    d = len(case.X) if case.X.ndim == 2 else 0
    if d < 3 or case.X.shape != (d, d) or case.G.shape != (d, d):
        return []
    E = case.G - case.T
    if not case.is_true(case.T + (E + E.T) / 2):
        return []
    return [Finding("one term is transposed", "the error G - T is antisymmetric, as A - Aᵀ is")]


def multiple_of_X(case: Case) -> list[Finding]:
    if case.G.shape != case.T.shape:
        return []
    E = case.T - case.G
    known = case.tolerance * float(np.linalg.norm(case.T)) / max(float(np.linalg.norm(E)), 1e-300)
    c = multiple(E, case.X, known)
    if c is None or c == 0:
        return []
    evidence = f"G + {nice(c, case)} X is the gradient: the term of a penalty ‖X‖²"
    return [Finding("a multiple of X is missing", evidence)]


def multiple(A: Reals, B: Reals, tolerance: float) -> float | None:
    """The c with A = c B, or None when A is no multiple of B (to within the tolerance, relative to ‖A‖)."""
    if A.shape != B.shape or A.size < 2 or not A.any() or not B.any():
        return None
    c = inner(A, B) / inner(B, B)
    return c if np.linalg.norm(A - c * B) <= tolerance * np.linalg.norm(A) else None


def near(A: Reals, B: Reals, tolerance: float) -> bool:
    return A.shape == B.shape and bool(np.linalg.norm(A - B) <= tolerance * np.linalg.norm(B))


def is_symmetric(A: Reals) -> bool:
    return A.ndim == 2 and A.shape[0] == A.shape[1] and near(A, A.T, 1e-9)


def nice(c: float, case: Case) -> str:
    """c in words: a named size (n, 1/n, 2/n, …), a small fraction, or four digits."""
    for name, size in case.sizes.items():
        for k in (1, 2, -1, -2):
            text = {1: "", 2: "2", -1: "-", -2: "-2"}[k]
            if abs(c - k * size) <= 10 * case.tolerance * abs(c):
                return f"{text}{name}"
            for top in (1.0, 2.0):
                if abs(c - k / (top * size)) <= 10 * case.tolerance * abs(c):
                    below = name if top == 1 else f"(2{name})"
                    return f"{k}/{below}"
    fraction = Fraction(c).limit_denominator(100)
    return str(fraction) if abs(c - fraction) <= 10 * case.tolerance * abs(c) else f"{c:.4g}"


GROUPS: tuple[tuple[Hypothesis, ...], ...] = (
    (correct,),
    (transposed, sign, factor, symmetric_part),
    (float32,),
    (symmetric_variable, entry_order, transposed_factor),
    (named_term,),
    (multiple_of_X, some_term_transposed),
)
