"""When a name is not given: explanations that the numbers cannot tell apart, and what only looks like one."""

import numpy as np
import pytest

from mcbook.calculus import diagnose, parse, symbol

X, A, C = (symbol(name, (3, 3)) for name in "XAC")
S = symbol("S", (3, 3), "symmetric")
D = symbol("D", (3, 3), "diagonal")
x, b, c = (symbol(name, 3) for name in "xbc")
M, y = symbol("M", (5, 3)), symbol("y", 5)
COMPLIANCE = parse("b @ solve(S, b)", S, b)
CUBE = parse("trace(X @ X @ X)", X)
BETWEEN = parse("trace(A @ D @ C)", A, D, C)
INVERSE = parse("b @ inv(X) @ c", X, b, c)
MEAN = parse("sqnorm(M @ x + t * ones(5) - y) / 2", M, x, y, symbol("t"))
QUADRATIC = parse("x @ S @ x / 2 - b @ x", S, x, b)
ROBUST = parse("log(1 + x @ S @ x) / 2", S, x)
LOGDET = parse("logdet(S)", S)
GRAM = parse("logdet(X.T @ X)", symbol("X", (5, 3)))
LEAST = parse("sqnorm(M @ x - y) / 2", M, x, y)
FORM = parse("b @ X @ X.T @ b", X, b)
DIAGONAL = parse("trace(A @ diag(x) @ C)", A, x, C)
TWO_LAYERS = parse("b @ A @ X @ C @ x", A, X, C, b, x)
ENTROPY = parse("-b @ log(softmax(x))", b, x)
SLICES = parse(
    "r_1 = A.T @ x_1 - b; r_2 = A.T @ x_2 - b; sqnorm(r_1) / 2 + sqnorm(r_2) / 2",
    *(A, b, symbol("x_1", 3), symbol("x_2", 3)),
)
STEPS = "h_1 = tanh(A @ h_0 + x); h_2 = tanh(A @ h_1 + x); sqnorm(h_2 - b) / 2"
RECURRENT = parse(STEPS, A, x, b, symbol("h_0", 3))
DELTAS = "d_2 = (h_2 - b) * (1 - h_2**2); d_1 = (A.T @ d_2) * (1 - h_1**2); "


@pytest.mark.parametrize(
    ("f", "answer", "wrt"),
    [
        (COMPLIANCE, "-outer(b, b)", "S"),  # both solves forgotten, or the gradient in the metric of S
        (CUBE, "X @ X", "X"),  # one place of three, or a third; and transposed
        (LOGDET, "S", "S"),  # the inverse forgotten, or S G S
        (INVERSE, "inv(X) @ outer(b, c) @ inv(X)", "X"),  # the rule's transposes, or the layout; and a sign
        (ROBUST, "x / (1 + x @ S @ x)", "x"),  # S left out, or the gradient in the metric of S
    ],
)
def test_what_the_numbers_cannot_tell_is_given_no_class(f, answer, wrt):
    found = diagnose(f, answer, wrt)
    assert found.verdict == "ambiguous", found
    assert found.classes == ()
    assert found.cause.startswith("either ")
    assert found.hints[-1] == found.cause


@pytest.mark.parametrize(
    ("f", "answer", "wrt", "classes"),
    [
        (CUBE, "3 * X @ X", "X", {"layout"}),
        (CUBE, "(X @ X).T", "X", {"factor"}),  # a third, as a half is
        (GRAM, "-X @ inv(X.T @ X)", "X", {"one-sided", "sign"}),  # the half is one of two places
        (GRAM, "-2 * X @ inv(X.T @ X) / 2", "X", {"factor", "sign"}),  # a half that was written
        (INVERSE, "-outer(solve(X.T, b), c)", "X", {"rule"}),  # an inverse lost, and not G Xᵀ
        (INVERSE, "outer(b, solve(X, c))", "X", {"rule", "sign"}),
        (SLICES, "outer(x_1, A.T @ x_1 - b)", "A", {"penalty"}),  # two residuals, and no steps
        (LEAST, "M.T @ M @ x", "x", {"penalty"}),  # the mixed term of the square
        (LEAST, "sum(M @ x - y) * sum(M, axis=0)", "x", {"batch"}),  # sums, then the product
        (LEAST, "M.T @ (M @ x - y) + 0.0005 * diag(M.T @ M)", "x", {"check"}),  # a forward difference
        (FORM, "2 * diag(b * b) @ X", "X", {"hadamard"}),  # b bᵀ by its diagonal alone
        (DIAGONAL, "A.T @ C.T", "x", {"symmetric"}),  # not cut to the diagonal
        (TWO_LAYERS, "A.T @ outer(b, x)", "X", {"activation"}),  # the layer behind it left out
        (ENTROPY, "-b", "x", {"softmax"}),
        (ENTROPY, "-b * (1 - softmax(x))", "x", {"softmax"}),
        (ENTROPY, "b / softmax(x)", "x", {"softmax", "sign"}),
        (BETWEEN, "A.T @ C.T", "D", {"symmetric"}),
        (BETWEEN, "C @ A", "D", {"symmetric", "layout"}),
        (INVERSE, "outer(b, c)", "X", {"rule"}),  # as if the inverse were the matrix itself
        (MEAN, "sum(M @ x) + t - sum(y)", "t", {"batch"}),
        (MEAN, "(sum(M @ x) + 5 * t - sum(y)) / 5", "t", {"mean"}),
        (QUADRATIC, "S @ x / 2 - b", "x", {"one-sided"}),
        (RECURRENT, DELTAS + "d_0 = A.T @ d_1; d_2 + d_1 + d_0", "x", {"time"}),
    ],
)
def test_what_they_can_tell_has_its_name(f, answer, wrt, classes):
    assert set(diagnose(f, answer, wrt).classes) == classes


@pytest.mark.parametrize(
    ("f", "answer", "wrt"),
    [
        (BETWEEN, "diag(diag(A.T @ C.T)) + A - diag(diag(A))", "D"),  # right but for what is cut off
        (RECURRENT, DELTAS + "d_2 + d_1 + h_0", "x"),  # a term of a step, but no delta
        (QUADRATIC, "2 * (S + S.T) @ x - b", "x"),  # −S + Sᵀ vanishes: not "a term forgotten, and a sign"
        (CUBE, "3 * (X @ X).T + 0.5 * X", "X"),  # a term too much is no limit
        (QUADRATIC, "S @ x - 3 * b * b", "x"),
    ],
)
def test_what_only_looks_like_a_mistake_has_none(f, answer, wrt):
    found = diagnose(f, answer, wrt)
    assert not {"penalty", "time", "check", "symmetric"} & set(found.classes), found
    assert len(found.classes) <= 1, found


def test_a_newton_step_needs_an_inverse():
    """Of a function of X + Xᵀ there is none, and X is one of many with H X = G."""
    assert diagnose(parse("sqnorm(X + X.T) / 8", X), "X", "X").verdict != "another metric"


def test_numbers_inside_a_function_are_not_counted(rng):
    """tanh(3 w) is no sign(w) that was counted once instead of five times, though tanh(15 w) is sign(w)."""
    f = parse("sqnorm(M @ x - y) / 2 + sum(abs(x))", M, x, y)
    at = [
        {"M": rng.normal(size=(5, 3)), "y": rng.normal(size=5), "x": np.array([0.9, -1.0, 1.1])}
        for _ in "abc"
    ]
    found = diagnose(f, "M.T @ (M @ x - y) + tanh(3 * x)", "x", values=at)
    assert found.classes == ("check",)


def test_a_constant_that_goes_to_zero_is_still_a_check():
    found = diagnose(parse("norm(X)", X), "X / sqrt(sqnorm(X) + 0.01)", "X")
    assert found.classes == ("check",)


def test_a_derivative_by_something_else_is_said_and_put_in_no_class():
    found = diagnose(MEAN, "M @ x + t * ones(5) - y", "x")
    assert found.verdict == "wrong"
    assert found.cause.startswith("stopped at the derivative by ")
    assert found.classes == ()


def test_a_cotangent_from_before_the_step_where_the_variable_enters_it(rng):
    """Rates in one vector: every gradient paired with w̄_t instead of w̄_{t+1}."""
    steps = [f"g_{t} = S @ w_{t} - b; w_{t + 1} = w_{t} - (e_{t} @ eta) * g_{t}" for t in (0, 1)]
    at = {"w_0": rng.normal(size=3), "b": rng.normal(size=3), "c": rng.normal(size=3)}
    at |= {"e_0": np.array([1.0, 0.0]), "e_1": np.array([0.0, 1.0]), "eta": np.array([0.2, 0.3])}
    at["S"] = np.diag([1.0, 2.0, 0.5]) + 0.1
    f = parse("; ".join(steps) + "; c @ w_2", S, *(symbol(k, np.shape(v)) for k, v in at.items() if k != "S"))

    def answer(S, b, c, w_0, eta, **_):
        g_0 = S @ w_0 - b
        g_1 = S @ (w_0 - eta[0] * g_0) - b
        w_1_bar = c - eta[1] * S @ c
        return -np.array([g_0 @ (w_1_bar - eta[0] * S @ w_1_bar), g_1 @ w_1_bar])

    found = diagnose(f, answer, "eta", values=at)
    assert found.classes == ("time",)
    assert "the cotangent from before the step" in found.cause


@pytest.mark.parametrize(
    ("f", "answer"),
    [
        ("c @ log(x) + b @ x", "c * x + b"),  # a rule to some, and a function's derivative to others
        ("c @ log(x) + b @ x", "c * log(x) + b"),
        ("b @ exp(x - mean(x) * ones(3))", "b * exp(x - mean(x) * ones(3))"),  # the mean held constant
    ],
)
def test_what_teachers_call_by_several_names_is_told_without_a_class(f, answer):
    used = [v for v in (b, c, symbol("x", 3)) if f"{v.name} " in f or f"({v.name}" in f]
    found = diagnose(parse(f, *used), answer, "x")
    assert found.verdict == "wrong", found
    assert found.classes == ()


def test_in_a_quadratic_form_the_matrix_is_the_metric():
    assert diagnose(QUADRATIC, "x - solve(S, b)", "x").classes == ("natural",)
