"""Values to try an answer at: drawn for the symbols of a function, or varied from values that are given."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.engine.nodes import Expr, walk
from mcbook.calculus.entries import draw as drawn
from mcbook.calculus.inputs import Reals

Values = Mapping[str, Any]
COUNT = 3


PROJECT: dict[str, Callable[[Any], Any]] = {
    "symmetric": lambda A: (A + A.T) / 2,
    "diagonal": lambda A: np.diag(np.diag(A)),
    "lower": np.tril,
    "upper": np.triu,
}


def project(A: Reals, structure: str) -> Reals:
    """What of A obeys the structure; A itself where there is none."""
    return np.asarray(PROJECT[structure](A)) if structure else A


def points(
    f: Expr, gradient: Expr, values: Values | Sequence[Values] | None, rng: np.random.Generator
) -> list[Values]:
    """Three points or more: the ones given, with variations of the first up to three, or fresh ones.

    Raises ValueError where no point is found at which the function and its gradient are finite.
    """
    if values is not None and not isinstance(values, Mapping):
        return list(values)
    found: list[Values] = [] if values is None else [values]
    for _ in range(60):
        if len(found) == COUNT:
            return found
        fresh = (
            sample(f, rng, positive=bool(rng.random() < 0.4)) if values is None else varied(f, values, rng)
        )
        if _is_finite(f, gradient, fresh):
            found.append(fresh)
    names = ", ".join(sorted(s.name for s in f.free))
    raise ValueError(f"no values found at which f is finite; pass values={{…}} with arrays for {names}.")


def sample(f: Expr, rng: np.random.Generator, *, positive: bool = False) -> Values:
    """A value for every symbol: positive numbers, well-conditioned matrices, labels as one-hot rows."""
    labels = labels_of(f)
    return {
        s.name: _value(s, "onehot" if s in labels else "positive" if positive else "", rng)
        for s in sorted(f.free, key=lambda s: s.name)
    }


def _value(s: Expr, kind: str, rng: np.random.Generator) -> Any:
    shape, structure = s.data.shape, s.data.structure
    if kind == "onehot":
        return drawn(shape, kind, rng)
    if structure:
        return drawn(shape, "spd" if structure == "symmetric" else structure, rng)
    if shape == () or (kind == "positive" and len(shape) == 1):
        return drawn(shape, "positive", rng)
    return drawn(shape, "invertible" if len(shape) == 2 and shape[0] == shape[1] else "", rng)


def labels_of(f: Expr) -> set[Expr]:
    """The symbols that stand against the logarithm of a softmax: rows that sum to one."""
    shapes = {n.args[0].shape for n in walk(f) if n.op == "logsumexp"}
    shapes |= {
        n.shape
        for n in walk(f)
        if n.op == "apply" and n.data == "log" and any(m.op == "softmax" for m in walk(n))
    }
    return {
        s
        for s in f.free
        if s.shape in shapes and s.shape[1] > 1 and len(s.data.shape) == 2 and _against(f, s)
    }


def _against(f: Expr, s: Expr) -> bool:
    return any(n.op in ("hadamard", "inner") and s in n.args for n in walk(f))


def varied(f: Expr, values: Values, rng: np.random.Generator) -> Values:
    """The values jittered, entry by entry: zeros and labels stay, and what is symmetric stays so."""
    fresh = dict(values)
    for s in f.free:
        A = np.asarray(values[s.name], dtype=float)
        if np.isin(A, (0.0, 1.0)).all() and A.ndim:
            continue
        shift = 0.3 * rng.standard_normal(A.shape)
        if s.data.structure == "symmetric":
            v = rng.standard_normal(len(A))
            fresh[s.name] = A * (1 + 0.3 * np.outer(v, v))  # a Schur product: positive definite if A is
        else:
            fresh[s.name] = A * (1 + np.clip(shift, -0.8, 0.8))
    return fresh


def _is_finite(f: Expr, gradient: Expr, values: Values) -> bool:
    with np.errstate(all="ignore"):
        try:
            return all(np.isfinite(A).all() for A in evaluate_all([f, gradient], values))
        except np.linalg.LinAlgError:
            return False
