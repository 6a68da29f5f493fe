"""The diagnosis from the learner's own text: one edit that makes it right, alone or with a slip."""

import numpy as np
import pytest

from mcbook.calculus import diagnose, parse, symbol
from mcbook.calculus.engine.derive import derive
from mcbook.calculus.marking.edits import edits, rewritings
from mcbook.calculus.marking.repair import as_text

X, w, y, n = symbol("X", (5, 3)), symbol("w", 3), symbol("y", 5), symbol("n")
LOGISTIC = parse("(sum(softplus(X @ w)) - y @ X @ w) / n", X, w, y, n)
A, B, V = (symbol(name, (3, 3)) for name in "ABV")
TWICE = parse("trace(A @ V @ B @ V)", A, B, V)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A @ B", "A * B"),
        ("A.T @ B", "A @ B"),
        ("a + b", "a - b"),
        ("-a", "a"),
        ("3 * a", "1 * a"),
        ("h_1 + a", "h_2 + a"),
        ("sum(A, axis=0)", "sum(A, axis=1)"),
        ("mean(a)", "sum(a)"),
        ("inv(A)", "(A)"),
    ],
)
def test_an_edit_is_one_change(text, wanted):
    assert wanted in [edit.of(text) for edit in edits(text, ("h_1", "h_2"), ("n",))]


def test_sizes_and_names_are_no_place_for_an_edit():
    for edit in edits("Q = I(3); a @ Q", (), ("n",)):
        assert edit.of("Q = I(3); a @ Q").startswith("Q = ")
        assert "I(3)" in edit.of("Q = I(3); a @ Q")


@pytest.mark.parametrize(
    ("answer", "classes"),
    [
        ("A.T * V.T @ B.T + B.T @ V.T @ A.T", {"hadamard"}),
        ("A.T @ V.T @ B.T + B.T @ V.T * A.T", {"hadamard"}),
        ("A.T @ V.T @ B.T - B.T @ V.T @ A.T", {"sign"}),
        ("2 * A.T @ V.T @ B.T + B.T @ V.T @ A.T", {"factor"}),
        ("A.T * V.T @ B.T - B.T @ V.T @ A.T", {"hadamard", "sign"}),
    ],
)
def test_an_edit_of_the_answer_names_the_mistake(answer, classes):
    found = diagnose(TWICE, answer, "V")
    assert set(found.classes) == classes, found


@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_star_for_at_in_a_function_whose_result_has_another_shape(scale):
    def answer(X, w, y, n):
        return scale * X.T * (1 / (1 + np.exp(-X @ w)) - y) / n

    found = diagnose(LOGISTIC, answer, w)
    assert set(found.classes) == ({"hadamard"} if scale == 1 else {"hadamard", "sign"})


@pytest.mark.parametrize(
    ("answer", "half"), [("S @ x - 2 * x + b", "one-sided"), ("2 * S @ x / 2 - 2 * x + b", "factor")]
)
def test_a_half_beside_a_sign_is_one_of_two_places_unless_it_is_written(answer, half):
    S = symbol("S", (3, 3), "symmetric")
    x, b = symbol("x", 3), symbol("b", 3)
    found = diagnose(parse("x @ S @ x + x @ x + b @ x", S, x, b), answer, x)
    assert set(found.classes) == {half, "sign"}


def test_four_times_the_gradient_is_no_single_factor():
    S, x = symbol("S", (3, 3), "symmetric"), symbol("x", 3)
    quarter = diagnose(parse("x @ S @ x", S, x), "S @ x / 2", x)
    assert len(quarter.classes) != 1, quarter


@pytest.mark.parametrize(
    ("scale", "classes"), [("/ 5", {"mean"}), ("* -7", {"factor", "sign"}), ("* 7", {"factor"})]
)
def test_a_multiple_is_named_by_what_it_is(scale, classes):
    A, x, b = symbol("A", (5, 3)), symbol("x", 3), symbol("b", 5)
    found = diagnose(parse("sqnorm(A @ x - b) / 2", A, x, b), f"A.T @ (A @ x - b) {scale}", x)
    assert set(found.classes) == classes, found


@pytest.mark.parametrize("name", ["c", "x"])  # whatever else the function calls x
def test_a_cotangent_one_step_too_early_is_named(name):
    H, g, c = symbol("H", (3, 3), "symmetric"), symbol("w_0", 3), symbol(name, 3)
    rates = symbol("eta_1"), symbol("eta_2")
    f = parse(
        "w_1 = w_0 - eta_1 * (H @ w_0); w_2 = w_1 - eta_2 * (H @ w_1); " + f"{name} @ w_2", H, g, c, *rates
    )
    assert diagnose(f, "-(H @ w_1) @ (I(3) - eta_2 * H) @ " + name, "eta_2").classes == ("time",)


def test_the_gradient_as_text_reads_back_as_itself():
    G = derive(TWICE, V).gradient
    text = as_text(G, TWICE)
    assert parse(text, A, B, V) is G
    assert all(edit.of(text) != text for edit in rewritings(text))


def test_an_answer_without_a_repair_stays_unexplained():
    assert diagnose(TWICE, "A @ B @ V @ V", "V").verdict == "not explained"


def test_an_explanation_that_has_a_line_goes_before_one_of_the_same_class_that_has_none():
    found = diagnose(LOGISTIC, "X.T @ (logistic(X @ w) - y)", w)
    assert found.classes == ("mean",)
    assert found.line is not None
    assert "column" not in found.cause
