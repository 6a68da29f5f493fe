"""Right gradients in another metric: the natural and the relative gradient, the Newton step.

With the inner product ⟨A, P⁻¹B⟩ on the steps the gradient is P G: no mistake of calculus, but not the
gradient that was asked for.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mcbook.calculus.engine.algebra import is_symmetric
from mcbook.calculus.engine.nodes import Expr, walk
from mcbook.calculus.engine.text import text
from mcbook.calculus.inputs import Reals, norm
from mcbook.calculus.marking.graph import Graph
from mcbook.calculus.marking.linear import Draw
from mcbook.calculus.marking.search import near

MULTIPLES = (1.0, -1.0)
USUAL = 1.07  # what "another metric" costs beside the slips; of a structured X, where it is usual, 1
RELATIVE = 2.4  # where one factor X may as well be an inverse that a rule lost: G Xᵀ, Xᵀ G
FISHER = (1.0, -1.0, 2.0, -2.0)  # the information of a Gaussian has a ½
Metric = tuple[str, float, Callable[[Draw, Reals], Reals]]


def metrics(graph: Graph) -> Iterator[Metric]:
    """P G, G P and P G P for what the function offers as P: products of X with itself, symmetric matrices."""
    X = graph.X
    rows, columns = X.shape
    name = text(X)
    if X.data.structure:
        yield f"{name} G {name}ᵀ", 1.0, lambda d, G: d.value(X) @ G @ d.value(X).T
        return
    if columns > 1:
        yield f"G − {name} Gᵀ {name}", USUAL, lambda d, G: G - d.value(X) @ G.T @ d.value(X)
    if rows == columns > 1:  # of maps from a space to itself; X Xᵀ has no inverse where X is tall
        yield f"{name} {name}ᵀ G", USUAL, lambda d, G: d.value(X) @ d.value(X).T @ G
        yield f"G {name}ᵀ {name}", USUAL, lambda d, G: G @ d.value(X).T @ d.value(X)
        yield f"G {name}ᵀ", RELATIVE, lambda d, G: G @ d.value(X).T
        yield f"{name}ᵀ G", RELATIVE, lambda d, G: d.value(X).T @ G
        yield f"{name} Gᵀ {name}", USUAL, lambda d, G: d.value(X) @ G.T @ d.value(X)
    for P in walk(graph.derivation.f) if columns == 1 and rows > 1 else ():
        if (
            P.shape == (rows, rows)
            and P.op in ("symbol", "let", "add")
            and X not in P.free
            and is_symmetric(P)
        ):
            yield from _by(P)


def _by(P: Expr) -> Iterator[Metric]:
    yield f"{text(P)} G", USUAL, lambda d, G: d.value(P) @ G
    yield f"({text(P)})⁻¹ G", USUAL, lambda d, G: _solved(d.value(P), G)


def _solved(P: Reals, G: Reals) -> Reals:
    """P⁻¹ G; where P has no inverse nothing, which no answer is near."""
    try:
        return np.asarray(np.linalg.solve(P, G))
    except np.linalg.LinAlgError:
        return np.full(G.shape, np.nan)


def other_metric(
    graph: Graph, draws: Sequence[Draw], truths: Sequence[Reals], answers: Sequence[Reals]
) -> tuple[str, float]:
    """P G in words and its cost, where the answer is that (or a simple multiple of it) at every draw."""
    if answers[0].shape != graph.X.shape:
        return "", 0.0
    for words, cost, metric in metrics(graph):
        found = [metric(d, G) for d, G in zip(draws, truths, strict=True)]
        for c in FISHER if graph.X.data.structure else MULTIPLES:
            if near(c * found[0], answers[0]) and all(map(near, [c * F for F in found], answers)):
                return words, cost
    return "", 0.0


def left_out(graph: Graph, draws: Sequence[Draw], truths: Sequence[Reals], answers: Sequence[Reals]) -> str:
    """In words, a matrix that stands once in f, where P⁻¹ G may as well be G with P left out.

    Where P is a multiple of the second derivative, as in a quadratic form, it is the metric: nothing is said.
    """
    f, rows = graph.derivation.f, graph.X.shape[0]
    for P in walk(f) if graph.X.is_column and rows > 1 else ():
        once = sum(node.args.count(P) for node in walk(f)) == 1
        if P.op == "symbol" and P.shape == (rows, rows) and once and is_symmetric(P):
            without = [_solved(d.value(P), G) for d, G in zip(draws, truths, strict=True)]
            if all(map(near, without, answers)) and not _is_second_order(graph, draws, truths, answers):
                return f"{text(P)} left out"
    return ""


def _is_second_order(
    graph: Graph, draws: Sequence[Draw], truths: Sequence[Reals], answers: Sequence[Reals]
) -> bool:
    """Whether H A = c G with one number c at every draw."""
    along = [_hessian_along(graph, d, A) for d, A in zip(draws, answers, strict=True)]
    c = np.vdot(along[0], truths[0]) / np.vdot(truths[0], truths[0])
    return all(norm(HA - c * G) <= 1e-6 * norm(HA) for HA, G in zip(along, truths, strict=True))


def newton_step(
    graph: Graph, draws: Sequence[Draw], truths: Sequence[Reals], answers: Sequence[Reals]
) -> str:
    """H⁻¹ G in words, where H times the answer is ±G, by a difference quotient of the gradient along it."""
    if answers[0].shape != graph.X.shape or graph.X.data.structure:
        return ""
    if any(norm(A) == 0 for A in answers):
        return ""
    for d, G, A in zip(draws, truths, answers, strict=True):
        HA = _hessian_along(graph, d, A)
        size = 1e-6 * norm(G)
        if min(norm(HA - G), norm(HA + G)) > size:
            return ""
    return "H⁻¹ G, with H the second derivative" if _has_inverse(graph, draws[0], truths[0]) else ""


def _has_inverse(graph: Graph, draw: Draw, G: Reals) -> bool:
    """Whether H has one, to rounding: of a function of X + Xᵀ it has none, and many A have H A = G."""
    basis = np.eye(G.size).reshape(-1, *G.shape)
    H = np.stack([_hessian_along(graph, draw, E).ravel() for E in basis])
    return bool(np.isfinite(H).all() and np.linalg.cond(H) < 1e7)


def _hessian_along(graph: Graph, draw: Draw, A: Reals) -> Reals:
    """The derivative of the gradient along A, by central differences of fourth order."""
    D, name = graph.derivation, graph.X.name
    shape = graph.X.data.shape
    X, V = np.asarray(draw.values[name], dtype=float), A.reshape(shape) / norm(A)
    h = 1e-3
    at = lambda t: np.reshape(D({**draw.values, name: X + t * V}), graph.X.shape)  # noqa: E731
    with np.errstate(all="ignore"):
        slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    return np.asarray(slope * norm(A))
