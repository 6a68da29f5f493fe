"""Answers as people hand them in: what JAX returns, functions of every kind, losses flat somewhere."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook.calculus import check_lines, diagnose, parse, symbol, symbols

X, w, y, x, A = (*symbols(X=(5, 3), w=3, y=5, x=3, A=(3, 3)),)
SQUARES = parse("norm(X @ w - y)**2", X, w, y)


def squares(w, X, y):
    return jnp.sum((X @ w - y) ** 2)


def by_place_alone(X, w, y, /):
    return 2 * X.T @ (X @ w - y)


FUNCTIONS = {
    "jax.grad": jax.grad(squares),
    "jitted": jax.jit(jax.grad(squares)),
    "by its second argument": jax.grad(lambda X, w, y: squares(w, X, y), argnums=1),
    "by place alone": by_place_alone,
    "by name alone": lambda X, *, w, y: 2 * X.T @ (X @ w - y),
    "any names": lambda **at: 2 * at["X"].T @ (at["X"] @ at["w"] - at["y"]),
    "with a default": lambda y, X, w, c=2: c * X.T @ (X @ w - y),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_every_kind_of_function_is_called_as_it_can_be(kind):
    assert diagnose(SQUARES, FUNCTIONS[kind], w).verdict == "correct"


def test_a_function_of_the_variable_alone_that_knows_no_names():
    of_a_matrix = parse("logdet(A)", A)
    assert diagnose(of_a_matrix, jax.grad(lambda M: jnp.linalg.slogdet(M)[1]), A).verdict == "correct"
    turned = jax.grad(lambda M: -jnp.linalg.slogdet(M)[1])
    assert diagnose(of_a_matrix, turned, A).classes == ("sign",)


def test_rows_of_several_lengths_and_code_that_leaves_are_said_kindly():
    ragged = diagnose(SQUARES, lambda X, w, y: [[1, 2], [3]], w)
    assert (ragged.cause, ragged.verdict) == ("wrong kind", "error")
    assert diagnose(SQUARES, lambda X, w, y: exit(), w).cause == "your code stops"
    weak = diagnose(lambda w: w @ w, lambda w: [[1, 2], [3]], np.ones(3))
    assert (weak.cause, weak.verdict) == ("wrong kind", "error")


HINGE = "sum(maximum(0, 1 - y * (X @ w)))"


@pytest.mark.parametrize("seed", range(8))
def test_a_step_left_out_is_seen_wherever_the_points_fall(seed):
    rng = np.random.default_rng(seed)
    assert diagnose(HINGE, "-X.T @ y", w, symbols=(X, y), rng=rng).classes == ("activation",)
    one = diagnose("maximum(0, 1 - w @ x)", "-x", w, symbols=(x,), rng=rng)
    assert (one.verdict, one.classes) == ("wrong", ("activation",))
    right = "-X.T @ (y * step(1 - y * (X @ w)))"
    assert diagnose(HINGE, right, w, symbols=(X, y), rng=rng).verdict == "correct"


def test_a_gradient_that_vanishes_is_no_crash():
    """The terms of a softmax's sum cancel but for their rounding; a layer of relus may be dead at a point."""
    one = parse("sum(softmax(x))", x)
    assert diagnose(one, "0 * x", x).verdict == "correct"
    found = diagnose(one, "softmax(x)", x)
    assert (found.verdict, found.classes) == ("not explained", ())
    assert "zero" in found.cause
    for seed in range(8):
        layer = diagnose(
            parse("sum(relu(A @ x))", A, x), "A.T @ relu(A @ x)", x, rng=np.random.default_rng(seed)
        )
        assert layer.classes == ("activation",)


def test_the_direction_shown_is_one_in_which_the_answer_is_wrong():
    """Right at the first point and nowhere else: the evidence is from elsewhere."""
    rng = np.random.default_rng(0)
    points = [{"w": s * rng.standard_normal(3), "x": np.ones(3)} for s in (1.0, 1.3, 0.8)]
    first = points[0]["w"]
    found = diagnose(
        "sum(exp(w) * x)",
        lambda w, x: np.exp(w) * x + np.abs(w - first).sum() * np.array([0.3, -0.7, 0.2]),
        w,
        symbols=(x,),
        values=points,
    )
    assert found.verdict == "not explained"
    changes, says = re.findall(r"-?\d+\.\d+(?:e[-+]\d+)?", found.evidence)[:2]
    assert changes != says


STEPS = (
    "h1 = tanh(W @ h0 + U @ x1); h2 = tanh(W @ h1 + U @ x2); h3 = tanh(W @ h2 + U @ x3); norm(h3 - y)**2 / 2"
)
BACK = "d3 = (h3 - y) * (1 - h{a}**2); d2 = (1 - h{b}**2) * (W.T @ d3); d1 = (1 - h{c}**2) * (W.T @ d2); "
LAST = "outer(d3, h{d}) + outer(d2, h{e}) + outer(d1, h{f})"


@pytest.mark.parametrize(
    ("states", "classes"),
    [("321210", ()), ("321321", ("time",)), ("210210", ("time",))],
    ids=["right", "states one step late", "slopes one step early"],
)
def test_steps_without_an_underscore_are_steps_if_they_share_a_parameter(states, classes):
    of = symbols(W=(4, 4), U=(4, 3), h0=4, x1=3, x2=3, x3=3, y=4)
    answer = (BACK + LAST).format(**dict(zip("abcdef", states, strict=True)))
    found = diagnose(STEPS, answer, "W", symbols=of)
    assert found.classes == classes
    assert (found.verdict == "correct") == (not classes)


def test_layers_are_no_steps():
    of = symbols(X=(6, 3), W1=(3, 4), W2=(4, 4), W3=(4, 2))
    layers = "H1 = tanh(X @ W1); H2 = tanh(H1 @ W2); sum((H2 @ W3)**2) / 2"
    answer = "D = (H2 @ W3 @ W3.T) * (1 - H1**2); H1.T @ D"
    assert diagnose(layers, answer, "W2", symbols=of).classes == ("point",)


def test_lines_that_are_none():
    assert not check_lines(SQUARES, "", w).ok
    for line in ("X = y", "dw = w"):
        report = check_lines(SQUARES, line, w)
        assert not report.ok
        assert "meaning already" in str(report)


def test_a_line_that_goes_on():
    first = "df = 2 * (X @ w - y) @ (X @ dw)"
    assert check_lines(SQUARES, f"{first} = (2 * X.T @ (X @ w - y)) @ dw", w).ok
    assert not check_lines(SQUARES, f"{first} = (X.T @ (X @ w - y)) @ dw", w).ok
    assert check_lines(parse("sum(X * X)", X), "df = 2 * sum(sum(X * dX, axis=0))", X).ok


def test_the_rate_of_a_step_may_be_the_variable_and_yet_be_lost():
    """As in a hypergradient: e₂ᵀη before g₂, by η."""
    e, eta, g, H = symbol("e", 3), symbol("eta", 3), symbol("g", 3), symbol("H", (3, 3), "symmetric")
    steps = parse(
        "w_1 = w - (e @ eta) * g; w_2 = w_1 - (e @ eta) * (H @ w_1); w_2 @ w_2 / 2", w, eta, e, g, H
    )
    lost = "w_2 = w_1 - (e @ eta) * (H @ w_1); -(g @ (w_2 - H @ w_2) + (H @ w_1) @ w_2) * e"
    found = diagnose(steps, lost.removeprefix("w_2 = w_1 - (e @ eta) * (H @ w_1); "), eta)
    assert found.classes == ("factor",)
    assert "forgotten" in found.cause
