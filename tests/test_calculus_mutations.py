"""The diagnosis by a derivation's own lines: every class of mistakes is planted and must be named.

The answers are written out here, beside those of tests/answers, so that each says what it plants.
"""

import numpy as np
import pytest
from planted import DOUBLES, PLANTED, PROBLEMS, diagnosed, entry

from mcbook.calculus import MISTAKES, diagnose, symbols


@pytest.mark.parametrize(("name", "answer", "classes"), PLANTED)
def test_a_planted_mistake_is_named(name, answer, classes):
    found = diagnosed(name, answer)
    assert found.verdict == "wrong"
    assert len(found.classes) == 1
    assert found.classes[0] in classes.split(), found


def test_all_fifteen_classes_are_planted():
    planted = {label for _, _, classes in PLANTED for label in classes.split()}
    assert planted == MISTAKES.keys() - {"natural", "convention"}
    assert len(planted) == 15


@pytest.mark.parametrize(("name", "answer", "classes"), DOUBLES)
def test_two_mistakes_at_once(name, answer, classes):
    assert set(diagnosed(name, answer).classes) == classes


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_gradient_itself_is_correct(name):
    e = entry(name)
    assert diagnosed(name, e.derive().gradient).verdict == "correct"


def test_what_is_no_mistake_is_named_as_what_it_is():
    G = "G = inv(S) - inv(S) @ outer(x, x) @ inv(S); "
    convention = diagnosed("covariance", G + "2 * G - diag(diag(G))")
    assert (convention.verdict, convention.classes) == ("convention", ("convention",))
    natural = diagnosed("covariance", "S - outer(x, x)")
    assert (natural.verdict, natural.classes) == ("another metric", ("natural",))
    relative = diagnosed("likelihood", "(tanh(X @ W.T).T @ X / n - inv(W).T) @ W.T @ W")
    assert (relative.verdict, relative.classes) == ("another metric", ("natural",))
    step = "x - solve(A.T @ A / n + lam * I(3), A.T @ b / n)"
    assert diagnosed("least squares", step).verdict == "another metric"


NONSENSE = [
    ("affine", "A.T @ (A @ X @ B - C) @ B.T @ B @ B.T"),
    ("least squares", "A.T @ (A @ x - b) * x / n"),
    ("quadratic", "A @ A @ x"),
    ("inverse", "X @ outer(a, b) + inv(X)"),
    ("softmax", "A.T @ (c * c)"),
    ("steps", "outer(h_0, h_0) @ U"),
]


@pytest.mark.parametrize(("name", "answer"), NONSENSE)
def test_what_nobody_does_is_not_explained(name, answer):
    found = diagnosed(name, answer)
    assert (found.verdict, found.classes) == ("not explained", ())
    assert "f changes at the rate" in found.evidence


def test_a_random_wrong_gradient_is_not_explained(rng):
    """45 of them over all problems: noise added to the gradient, or multiplied into its entries."""
    for k in range(45):
        name = list(PROBLEMS)[k % len(PROBLEMS)]
        e = entry(name)
        D, X = e.derive(), e.declared[e.wrt]
        E = rng.standard_normal(X.data.shape)
        answer = lambda **v: D(v) + E if k % 2 else D(v) * E + E  # noqa: B023, E731
        assert diagnosed(name, answer).classes == (), name


def test_a_thousandth_too_much_is_no_named_mistake_but_a_factor():
    found = diagnosed("affine", "1.001 * A.T @ (A @ X @ B - C) @ B.T")
    assert found.classes == ("factor",)
    assert "1.001" in found.cause


# --- the report ------------------------------------------------------------------------------------------


def test_the_line_the_term_and_three_hints():
    found = diagnosed("volume", "A.T - inv(X)")
    D = entry("volume").derive()
    assert D.lines[found.line].rules == ("log determinant",)
    assert "X⁻ᵀ" in found.term
    first, second, third = found.hints
    assert first.startswith("The shape is right")
    assert found.term in second
    assert "log determinant" in third
    assert "A⁻ᵀ" in third
    assert "A⁻ᵀ" not in first + second.replace(found.term, "")


def test_a_wrong_shape_is_said_first():
    found = diagnosed("affine", "B @ (A @ X @ B - C).T @ A")
    assert found.hints[0] == "The shape is not the variable's."
    lost = diagnosed("affine", "A @ X")
    assert lost.verdict == "not explained"
    assert "(3, 4)" in lost.evidence


def test_equal_explanations_are_merged():
    """For x ↦ xᵀx both halves of the product rule are equal: one of them, or half of both."""
    (x,) = symbols(x=3)
    found = diagnose(x @ x, x, x)
    assert found.classes in (("one-sided",), ("factor",))
    assert found.others


def test_an_array_gets_the_weaker_verdict_and_is_told():
    e = entry("volume")
    values = e.sample(np.random.default_rng(5))
    wrong = values["A"].T - np.linalg.inv(values["X"])
    found = diagnose(e.f, wrong, e.declared["X"], values=values)
    assert found.classes == ("rule",)
    assert "one point" in found.note
    assert diagnosed("volume", "A.T - inv(X)").note == ""
    with pytest.raises(ValueError, match="values"):
        diagnose(e.f, wrong, e.declared["X"])
