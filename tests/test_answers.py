"""The set of answers itself: every problem, every wrong and every right answer is what the set says it is.

Nothing here looks at a checker.  The engine's derivative is held against central differences, the answers
against the derivative, the labels against what can be computed of them, and the counts against the README.
"""

import re
from collections import Counter
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pytest
from answerset import FOLDER, HALVES, MISTAKES, OTHERS, SETS, Wrong, half_of, judge, load

from mcbook.calculus import evaluate, slope_along
from mcbook.calculus.engine.evaluate import evaluate_all

FIRST = load()  # the first set, in its two halves
PROBLEMS = load(*SETS)
DRAWS = range(3)
PROJECT = {
    "": lambda V: V,
    "symmetric": lambda V: (V + V.T) / 2,
    "diagonal": lambda V: np.diag(np.diag(V)),
    "lower": np.tril,
}
each_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: f"{p.half}: {p.name}")


def relative(A, G):
    return np.linalg.norm(A - G) / np.linalg.norm(G)


class Computed(NamedTuple):
    """A problem at its draws: values of the symbols, the engine's gradient, and what each answer is worth."""

    draws: list
    truths: list
    right: list
    wrong: list
    different: int  # right expressions, after the engine's own simplifications


@cache
def computed(problem):
    derivation, draws = problem.entry.derive(), [problem.values(seed) for seed in DRAWS]
    truths = [np.reshape(derivation(values), problem.shape) for values in draws]
    read = [problem.read(text) for text in (*problem.right, *(wrong.text for wrong in problem.wrong))]
    values = list(zip(*(evaluate_all(read, at) for at in draws), strict=True))
    k = len(problem.right)
    return Computed(draws, truths, values[:k], values[k:], len(set(read[:k])))


@each_problem
def test_the_truth_is_the_derivative(problem, rng):
    """The engine's gradient against central differences, along a direction at each of two points."""
    draws, truths = computed(problem)[:2]
    f, wrt = problem.entry.f, problem.entry.wrt
    structure = problem.entry.declared[wrt].data.structure
    for values, G in zip(draws[:2], truths[:2], strict=True):
        X, size = np.asarray(values[wrt], float), np.linalg.norm(G)
        V = PROJECT[structure](np.asarray(rng.standard_normal(X.shape)))
        V /= np.linalg.norm(V)
        slope = slope_along(lambda X: evaluate(f, values | {wrt: X}), X, V, target=1e-9 * size)  # noqa: B023
        assert slope.error <= 1e-6 * size
        assert abs(np.vdot(G.reshape(X.shape), V) - slope.value) <= max(1e-8 * size, 4 * slope.error)


@each_problem
def test_right_answers_are_right(problem):
    truths = computed(problem).truths
    for text, values in zip(problem.right, computed(problem).right, strict=True):
        assert values[0].shape == problem.shape, text
        assert max(map(relative, values, truths)) <= 1e-9, text
    if problem.half in HALVES:
        assert len(problem.right) >= 4
        assert computed(problem).different >= 3
    assert len({re.sub(r"\s", "", text) for text in problem.right}) == len(problem.right)


@each_problem
def test_wrong_answers_are_wrong(problem):
    """By more than 1e-6 at every draw, or in the shape they declare; single precision by its rounding."""
    draws, truths = computed(problem)[:2]
    for wrong, values in zip(problem.wrong, computed(problem).wrong, strict=True):
        if wrong.given:
            assert max(map(relative, values, truths)) <= 1e-9, wrong.text
            given = [relative(problem.as_given(wrong, v), G) for v, G in zip(draws, truths, strict=True)]
            assert 1e-9 < min(given) <= max(given) < 1e-4, wrong.text
        elif wrong.shape:
            assert values[0].shape == wrong.shape != problem.shape, wrong.text
        else:
            assert values[0].shape == problem.shape, wrong.text
            assert min(map(relative, values, truths)) > 1e-6, wrong.text


@each_problem
def test_no_two_wrong_answers_are_equal(problem):
    pairs = combinations(zip(problem.wrong, computed(problem).wrong, strict=True), 2)
    for (one, A), (other, B) in pairs:
        if A[0].shape == B[0].shape and not one.given and not other.given:
            assert max(map(relative, A, B)) > 1e-9, (one.text, other.text)


def mirrored(G):
    """G + Gᵀ − diag G."""
    return G + G.T - np.diag(np.diag(G))


def proportional(A, G):
    return np.linalg.norm(A - np.vdot(A, G) / np.vdot(G, G) * G) <= 1e-9 * np.linalg.norm(A)


CLAIMS = {  # what a label says that can be computed, where the mistake is of the whole and not of a term
    "sign": lambda A, G: relative(A, -G) <= 1e-9,
    "factor": lambda A, G: proportional(A, G) and np.vdot(A, G) > 0,
    "layout": lambda A, G: A.shape == G.T.shape and relative(A, G.T) <= 1e-9,
    "convention": lambda A, G: relative(A, mirrored(G)) <= 1e-9,
}


@each_problem
def test_labels_mean_what_they_say(problem):
    truths = computed(problem).truths
    for wrong, values in zip(problem.wrong, computed(problem).wrong, strict=True):
        if wrong.label in CLAIMS and not wrong.term:
            assert all(map(CLAIMS[wrong.label], values, truths)), (wrong.label, wrong.text)


@each_problem
def test_a_simple_explanation_is_among_the_labels(problem):
    """What is plainly −G, a number times G, Gᵀ or G + Gᵀ − diag is not called by another name alone."""
    truths = computed(problem).truths
    for wrong, values in zip(problem.wrong, computed(problem).wrong, strict=True):
        if wrong.given or wrong.shape:
            continue
        numbers = [np.vdot(A, G) / np.vdot(G, G) for A, G in zip(values, truths, strict=True)]
        if np.ptp(numbers) < 1e-9 and all(map(proportional, values, truths)):
            simple = "sign" if abs(numbers[0] + 1) < 1e-9 else "factor" if numbers[0] > 0 else "double"
            assert simple in wrong.labels, (numbers[0], wrong.text)
        elif all(map(CLAIMS["layout"], values, truths)):
            assert "layout" in wrong.labels, wrong.text
        elif problem.shape[0] == problem.shape[1] and all(map(CLAIMS["convention"], values, truths)):
            assert "convention" in wrong.labels, wrong.text


def test_labels_are_known_and_explained():
    for problem in PROBLEMS:
        for wrong in problem.wrong:
            assert {*wrong.labels, *wrong.both} <= MISTAKES.keys() | OTHERS.keys(), wrong.text
            assert (len(set(wrong.both)) == 2) == (wrong.label == "double"), wrong.text
            assert wrong.label not in wrong.also, wrong.text
            assert len(wrong.also) == len(set(wrong.also)), wrong.text
            assert "double" not in wrong.both, wrong.text
            assert len(wrong.why) > 10, wrong.text
            assert wrong.given in ("", "float32"), wrong.text


def test_the_counts():
    """No class is rare, in the first set or in either half of it; the README quotes these numbers."""
    counts = {half: Counter(w.label for p in load(half) for w in p.wrong) for half in HALVES}
    total = sum(counts.values(), Counter())
    assert len(MISTAKES) == 15
    assert set(total) == MISTAKES.keys() | OTHERS.keys()
    assert min(total.values()) >= 8
    assert min(counts[half][label] for half in HALVES for label in total) >= 4
    assert total["double"] >= 40
    plain = sum(w.label == "unexplained" and not w.also for p in FIRST for w in p.wrong)
    assert plain >= 20
    assert 3 * len(FIRST) >= 320  # so many right answers that the engine's algebra does not make equal
    figures = {
        "problems": len(FIRST),
        "wrong answers": total.total(),
        "right answers": sum(len(p.right) for p in FIRST),
        "in a wrong shape": sum(w.shape is not None for p in FIRST for w in p.wrong),
        "explained by nothing": plain,
        "of the others": sum("unexplained" in w.also for p in FIRST for w in p.wrong),
    }
    readme = " ".join((FOLDER / "README.md").read_text(encoding="utf-8").split())
    for what, number in figures.items():
        assert f"{number} {what}" in readme, (number, what)
    for label, number in total.items():
        one, other = (counts[half][label] for half in HALVES)
        assert f"| `{label}` | {number} | {one} | {other} |" in readme, (label, number, one, other)


def test_each_problem_stands_in_the_half_that_its_name_says():
    names = [problem.name for problem in FIRST]
    assert len(set(names)) == len(names)
    assert [problem.half for problem in FIRST] == [half_of(name) for name in names]
    assert {p.name for p in load("dev")}.isdisjoint(p.name for p in load("held-out"))


def test_a_set_that_is_not_there_has_no_problems():
    assert load("not written yet") == ()
    assert {p.half for p in PROBLEMS} <= {*SETS}


def test_the_verdicts():
    sign = Wrong("-X", "sign", "turned round", also=("rule",))
    double = Wrong("-2 * X", "double", "turned round, and a 2", both=("sign", "factor"), also=("mean",))
    edge = Wrong("X * X", "hadamard", "entry by entry", also=("unexplained", "double"))
    nonsense = Wrong("X + 1", "unexplained", "no idea")
    assert [judge(sign, said) for said in (["sign"], ["rule"], ["factor"], ["sign", "rule"], [])] == [
        *("right", "right", "false", "false", "missed")
    ]
    assert [judge(double, said) for said in (["factor", "sign"], ["sign"], ["mean"], ["double"], [])] == [
        *("right", "false", "right", "false", "missed")
    ]
    assert [judge(edge, said) for said in (["hadamard"], ["sign", "factor"], ["sign"], [])] == [
        *("right", "right", "false", "passed")
    ]
    assert [judge(nonsense, said) for said in ([], ["sign"], ["unexplained"])] == ["right", "false", "false"]


def planted(text, label):
    """A problem with one wrong answer that is not what it says it is."""
    problem = next(p for p in FIRST if p.name == "least squares")
    return problem._replace(wrong=(Wrong(text, label, "planted, to be seen"),))


@pytest.mark.parametrize("text", ["A.T @ (A @ x - b)", "(A @ x - b) @ A * 1.0000001", "A @ x - b"])
def test_a_right_answer_or_a_wrong_shape_among_the_wrong_ones_is_seen(text):
    with pytest.raises(AssertionError):
        test_wrong_answers_are_wrong(planted(text, "factor"))


def test_a_wrong_label_is_seen():
    problem = planted("2 * A.T @ (A @ x - b)", "sign")
    for test in (test_labels_mean_what_they_say, test_a_simple_explanation_is_among_the_labels):
        with pytest.raises(AssertionError):
            test(problem)


@pytest.mark.parametrize("text", ["A.T @ (b - A @ x)", "1.000001 * A.T @ (A @ x - b)", "A.T @ A @ x"])
def test_a_wrong_answer_among_the_right_ones_is_seen(text):
    problem = next(p for p in FIRST if p.name == "least squares")
    with pytest.raises(AssertionError):
        test_right_answers_are_right(problem._replace(right=(*problem.right, text)))
