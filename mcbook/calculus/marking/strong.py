"""The diagnosis of an answer to a function that the engine can derive: which line, which term, which slip."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from mcbook.calculus.engine.derive import Derivation, derive
from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.text import text
from mcbook.calculus.inputs import Reals, norm
from mcbook.calculus.marking.draws import kinks_of, points, project
from mcbook.calculus.marking.given import Given, read
from mcbook.calculus.marking.graph import Graph, graph_of
from mcbook.calculus.marking.linear import Draw
from mcbook.calculus.marking.metrics import RELATIVE, left_out, newton_step, other_metric
from mcbook.calculus.marking.repair import Repaired, alone, as_text, miswritten, repaired, with_a_slip
from mcbook.calculus.marking.report import MISTAKES, Diagnosis, ladder
from mcbook.calculus.marking.rounding import wrong_check
from mcbook.calculus.marking.search import Explanation, Search, near
from mcbook.calculus.marking.shapes import explain_shape
from mcbook.calculus.marking.slips import Slip
from mcbook.calculus.marking.steps import steps_of
from mcbook.calculus.marking.sums import not_summed
from mcbook.calculus.marking.ties import as_written, by_cost, rival_of, whole_terms_first
from mcbook.calculus.marking.where import located
from mcbook.calculus.marking.whole import all_slips

SHAPE = "The shape is right; something in it is off."
TIE = 0.02
NOTHING = 1e-14  # what a gradient that vanishes is worth in rounding errors, beside the answer


@lru_cache(maxsize=64)
def prepared(f: Expr, X: Expr) -> tuple[Derivation, Graph, tuple[Slip, ...]]:
    """What does not depend on the answer."""
    graph = graph_of(derive(f, X))
    with steps_of(f):
        return graph.derivation, graph, tuple(all_slips(graph))


def diagnose_expression(f: Expr, answer: Any, X: Expr, *, values: Any = None, rng: Any = None) -> Diagnosis:
    """The verdict on an answer: text, an expression, a function, or an array (at `values`)."""
    rng = np.random.default_rng(0) if rng is None else rng
    derivation, graph, slips = prepared(f, X)
    draws = [Draw(v) for v in points(f, derivation.gradient, values, rng)]
    is_array = not isinstance(answer, str | Expr) and not callable(answer)
    if is_array and values is None:
        names = ", ".join(sorted(s.name for s in f.free))
        raise ValueError(f"an array is a gradient at one point; pass values={{…}} with {names}.")
    if is_array:
        draws = draws[:1]
    given = read(answer, f, X, draws)
    if given.cause:
        return Diagnosis(
            given.cause, given.evidence, "error", hints=(given.cause, given.evidence, given.evidence)
        )
    note = (
        "an array at one point: a mistake that only fits there cannot be told from one that always does"
        if is_array
        else ""
    )
    truths = [truth(derivation.gradient, draw) for draw in draws]
    return marked(graph, slips, draws, truths, given)._replace(note=note)


def truth(gradient: Expr, draw: Draw) -> Reals:
    """The gradient's value; exactly zero where its terms cancel but for their rounding errors."""
    terms = gradient.args if gradient.op == "add" else ()
    G, *parts = evaluate_all([gradient, *terms], draw.values)
    return 0.0 * G if norm(G) <= NOTHING * max(map(norm, parts), default=0.0) else G


def marked(
    graph: Graph, slips: Sequence[Slip], draws: Sequence[Draw], truths: Sequence[Reals], given: Given
) -> Diagnosis:
    """The verdict on the answer's values at the draws."""
    answers, right = given.values, given.values[0].shape == truths[0].shape
    if right and all(map(near, answers, truths)):
        return Diagnosis(
            "correct", f"it is the gradient, at {len(draws)} point{'s' * (len(draws) > 1)}", "correct"
        )
    moving = [k for k, G in enumerate(truths) if norm(G) > NOTHING * norm(answers[k])]
    if not moving:
        words = "the gradient is zero, the answer is not"
        return Diagnosis(words, words, "not explained", hints=(SHAPE, words, words))
    if right:  # the search begins at a point where the mistake shows
        moving.sort(key=lambda k: near(answers[k], truths[k]))
    draws, truths = [draws[k] for k in moving], [truths[k] for k in moving]
    answers, given = [answers[k] for k in moving], given._replace(values=[answers[k] for k in moving])
    if right and all(map(near, answers, truths)):
        words = "right where the slope is not zero, and not zero where the slope is"
        unknown = Diagnosis(words, words, "not explained", hints=(SHAPE, words, words))
        return _plain("activation", words) if kinks_of(graph.derivation.f) else unknown
    with steps_of(graph.derivation.f):
        return _searched(Search(graph, draws, slips), truths, given)


def _searched(search: Search, truths: Sequence[Reals], given: Given) -> Diagnosis:
    """The verdict on a wrong answer, known at points where the gradient is not zero."""
    graph, draws, answers = search.graph, search.draws, given.values
    right = answers[0].shape == truths[0].shape
    written = given.text or (given.expression and as_text(given.expression, graph.derivation.f))
    edited = repaired(written, search) if written else []
    if not right:
        found = by_cost(
            explain_shape(search, answers),
            alone(search, edited, truths),
            miswritten(search, answers),
            not_summed(search, answers, truths, with_a_slip=False),
        )
        found = (
            found
            or not_summed(search, answers, truths, with_a_slip=True)
            or by_cost(with_a_slip(search, edited))
        )
        found = as_written(found, given, graph)
        return _explained(search, found, answers, truths) if found else _wrong_shape(graph, given)
    if not any(A.any() for A in answers):
        return _not_explained(graph, draws, truths, answers)
    for verdict in _hypotheses(search, truths, given, edited):
        return verdict
    return _not_explained(graph, draws, truths, answers)


def _hypotheses(
    search: Search, truths: Sequence[Reals], given: Given, edited: Sequence[Repaired]
) -> Iterator[Diagnosis]:
    """The verdicts that fit, in the order in which they are believed."""
    graph, draws, answers = search.graph, search.draws, given.values
    rewritten = list(miswritten(search, answers))
    single = whole_terms_first(
        by_cost(
            search.explain(answers, 0, 1),
            alone(search, edited, truths),
            (x for x in rewritten if len(x.slips) == 1),
        )
    )
    if whole := _of_the_whole(answers, truths):
        same = [x for x in single if x.labels == {whole[0]}]
        rest = [x for x in single if x not in same]
        yield _explained(search, [*same, *rest], answers, truths) if same else _plain(*whole)
    metric, usual = other_metric(graph, draws, truths, answers)
    if metric and usual >= RELATIVE and not single:
        lost = [x for x in search.explain(answers, 3, 4) if x.labels <= {"sign", "rule"}]
        if lost:
            yield _explained(search, lost, answers, truths)
    if metric and (not single or single[0].cost > usual - TIE):
        words = f"the answer is {metric}, the gradient G in another metric"
        if single and single[0].cost <= usual + (0.1 if single[0].labels == {"rule"} else TIE):
            yield _either(words, single[0].slips[0].what)
        if lost_one := left_out(graph, draws, truths, answers):
            yield _either(words, lost_one)
        yield _plain("natural", words, "another metric")
    if single:
        yield _explained(search, single, answers, truths)
    if labels := _unprojected(search, answers, truths):
        words = f"{text(graph.X)} is {graph.X.data.structure}, and so is its gradient"
        turned = ", and that transposed" if len(labels) > 1 else ""
        free = _plain("symmetric", f"the gradient of a free matrix{turned}: {words}")
        yield free._replace(classes=labels)
    if (c := _multiple(answers, truths)) and round(c, 8) == -2.0:
        yield _a_multiple(graph, c)
    found = search.explain(answers, 1, 3)
    if found:
        yield _explained(search, found, answers, truths)
    if words := wrong_check(
        graph.derivation.f, graph.X, graph.derivation.gradient, draws, truths, answers, given.expression
    ):
        yield _plain("check", words)
    if words := newton_step(graph, draws, truths, answers):
        yield _plain("natural", f"the answer is {words}: a Newton step", "another metric")
    found = by_cost(search.explain(answers, 3, None), with_a_slip(search, edited), rewritten)
    if found:
        yield _explained(search, as_written(found, given, graph), answers, truths)
    if c := _multiple(answers, truths):
        yield _a_multiple(graph, c)


def _a_multiple(graph: Graph, c: float) -> Diagnosis:
    """The answer is c times the gradient, for no known reason: a size of the data, or a number; a sign."""
    sizes = {k for s in graph.derivation.f.free for k in s.shape if k > 2}
    label = "mean" if {round(abs(c), 8), round(1 / abs(c), 8)} & sizes else "factor"
    found = _plain(label, f"the answer is {c:.6g} times the gradient")
    return found if c > 0 else found._replace(classes=tuple(sorted((label, "sign"))))


def _of_the_whole(answers: Sequence[Reals], truths: Sequence[Reals]) -> tuple[str, str] | None:
    """The class and in words, where the answer is −G or a simple number times G."""
    c = round(_multiple(answers, truths), 8)
    if c == -1.0:
        return "sign", "the sign of the whole: the answer is −G"
    if c in (2.0, 0.5):
        return "factor", f"the answer is {c:g} times the gradient"
    return None


def _unprojected(search: Search, answers: Sequence[Reals], truths: Sequence[Reals]) -> tuple[str, ...]:
    """The classes, where the answer differs from the gradient only by what the structure of X cuts off.

    Of a diagonal or triangular X that is the gradient of a free matrix or its transpose, and nothing else:
    too little is left of others to know them by.
    """
    structure = search.graph.X.data.structure
    if not structure or not all(near(project(A, structure), G) for A, G in zip(answers, truths, strict=True)):
        return ()
    if structure == "symmetric":
        return ("symmetric",)
    before = next(e for e in search.graph.edges if e.k == -2).start
    free = [
        search.graph.sweep(M)[0][before].reshape(A.shape) for M, A in zip(search.base, answers, strict=True)
    ]
    if all(map(near, free, answers)):
        return ("symmetric",)
    return ("layout", "symmetric") if all(near(F.T, A) for F, A in zip(free, answers, strict=True)) else ()


def _multiple(answers: Sequence[Reals], truths: Sequence[Reals]) -> float:
    """The one number c with answer = c G at every draw, at a single draw a simple one; 0 for none."""
    numbers = [float(np.vdot(A, G) / np.vdot(G, G)) for A, G in zip(answers, truths, strict=True)]
    c = numbers[0]
    simple = abs(c - Fraction(c).limit_denominator(24)) <= 1e-8 * abs(c) and answers[0].size > 1
    same = float(np.ptp(numbers)) <= 1e-8 * abs(c) and (len(numbers) > 1 or simple)
    return c if same and all(near(c * G, A) for A, G in zip(answers, truths, strict=True)) else 0.0


def _plain(label: str, words: str, verdict: str = "wrong") -> Diagnosis:
    return Diagnosis(words, MISTAKES[label], verdict, (label,), hints=ladder(verdict, words, "", "", True))


def _explained(
    search: Search, found: Sequence[Explanation], answers: Sequence[Reals], truths: Sequence[Reals]
) -> Diagnosis:
    rival = rival_of(search, found)
    if rival and len(rival.slips) == 1:  # a third is a number, as a half is
        found, rival = [rival, *(x for x in found if x is not rival)], None
    best, graph = _with_a_line(found), search.graph
    what = " and ".join(slip.what for slip in best.slips)
    line, term, where = located(graph, best.slips)
    verdict = "convention" if best.labels == {"convention"} else "wrong"
    times = f"{len(answers)} points" if len(answers) > 1 else "the point given"
    evidence = f"with that the derivation gives your answer, to 1e-8 at {times}"
    if best.habit:
        evidence += f", if one also writes, rightly here, with {best.habit.what}"
    if rival:
        return _either(what, " and ".join(slip.what for slip in rival.slips))
    rest = [x for x in found if x is not best][:5]
    others = tuple(dict.fromkeys(" and ".join(s.what for s in x.slips) for x in rest))
    hints = ladder(verdict, what, where, term, answers[0].shape == truths[0].shape)
    classes = () if "" in best.labels else tuple(sorted(best.labels))
    return Diagnosis(what, evidence, verdict, classes, line, term, hints, others)


def _either(one: str, other: str) -> Diagnosis:
    either = f"either {one}, or {other}"
    return Diagnosis(either, "the numbers cannot tell them apart", "ambiguous", hints=(SHAPE, either, either))


def _with_a_line(found: Sequence[Explanation]) -> Explanation:
    """The first explanation, or the first of the same classes that stands in a line of the derivation."""
    same = (x for x in found if x.labels == found[0].labels and all(s.changes for s in x.slips))
    return next(same, found[0])


def _wrong_shape(graph: Graph, given: Given) -> Diagnosis:
    shape, got = graph.X.data.shape or "a number", given.shape or "a number"
    words = f"a gradient has the shape of its variable, {shape}; the answer is {got}"
    return Diagnosis(
        "not explained", words, "not explained", hints=("The shape is not the variable's.", words, words)
    )


def _not_explained(
    graph: Graph, draws: Sequence[Draw], truths: Sequence[Reals], answers: Sequence[Reals]
) -> Diagnosis:
    """No name for the mistake: the entry, as simple a direction as there is, along which it is worst."""
    G, A = truths[0], answers[0]
    gaps = np.abs(A - G)
    bad = np.argwhere(gaps > 1e-7 * np.abs(G).max())
    i, j = (int(k) for k in (bad[np.argmax([gaps[tuple(b)] for b in bad])] if len(bad) else (0, 0)))
    entry = f"[{i}, {j}]" if G.shape[1] > 1 else f"[{i}]" if G.shape[0] > 1 else ""
    rate = f"f changes at the rate {G[i, j]:.6g}, your answer says {A[i, j]:.6g}"
    words = f"along the single entry {text(graph.X)}{entry} {rate}"
    where = f"{len(bad)} of {G.size} entries are wrong"
    return Diagnosis(
        "not explained",
        words,
        "not explained",
        hints=("The shape is right; something in it is off.", where, words),
    )
