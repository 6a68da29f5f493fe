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
SIDES = 20  # tries, so that a function with a kink is seen from both sides of it


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

    Where f has a kink, further ones until it is seen from both sides, or not easily.

    Raises ValueError where no point is found at which the function and its gradient are finite.
    """
    if values is not None and not isinstance(values, Mapping):
        return list(values)
    found: list[Values] = [] if values is None else [values]
    kinks, seen, telling = kinks_of(f), set[tuple[int, bool]](), len(found)
    for attempt in range(60):
        if telling >= COUNT and (len(seen) == 2 * len(kinks) or attempt >= SIDES):
            return found
        fresh = (
            sample(f, rng, positive=bool(rng.random() < 0.4)) if values is None else varied(f, values, rng)
        )
        size, sides = _seen_at(f, gradient, kinks, fresh)
        if not np.isfinite(size):
            continue
        tells = telling < COUNT and (
            size > 0 or attempt >= SIDES
        )  # where the slope is zero, little can be seen
        if tells or sides - seen:
            found.append(fresh)
            seen |= sides
            telling += tells
    names = ", ".join(sorted(s.name for s in f.free))
    raise ValueError(f"no values found at which f is finite; pass values={{…}} with arrays for {names}.")


def kinks_of(f: Expr) -> list[Expr]:
    """What stands in the functions that have a kink at zero."""
    return [n.args[0] for n in walk(f) if n.op == "apply" and n.data in ("relu", "abs", "step", "sign")]


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


def _seen_at(
    f: Expr, gradient: Expr, kinks: Sequence[Expr], values: Values
) -> tuple[float, set[tuple[int, bool]]]:
    """The largest entry of the gradient, NaN where it or f has no value; the sides seen of each kink."""
    with np.errstate(all="ignore"):
        try:
            value, G, *arguments = evaluate_all([f, gradient, *kinks], values)
        except np.linalg.LinAlgError:
            return np.nan, set()
    sides = {(k, bool(side)) for k, z in enumerate(arguments) for side in np.unique(z > 0)}
    return (float(np.abs(G).max()) if np.isfinite(value).all() and np.isfinite(G).all() else np.nan), sides
