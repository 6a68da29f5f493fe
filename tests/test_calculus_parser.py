"""Reading NumPy's notation: what it means, against NumPy itself, and errors that point at the place."""

import re

import numpy as np
import pytest

from mcbook.calculus.engine import vocabulary as words
from mcbook.calculus.engine.evaluate import evaluate
from mcbook.calculus.engine.nodes import symbols
from mcbook.calculus.engine.parser import ParseError, parse

W, X, Q, y, w, b, n = symbols(W=(3, 4), X=(5, 4), Q=(3, 3), y=5, w=4, b=3, n=())
KNOWN = (W, X, Q, y, w, b, n)
SAME = [  # texts that NumPy reads as we do: it is the reference
    "np.sum(np.tanh(X @ W.T + b) ** 2) / n",
    "y @ X @ w - 0.5 * w @ w",
    "-np.linalg.slogdet(Q)[1] + np.linalg.det(Q) / 2e1",
    "np.trace(Q @ Q.T) * 2 ** -1",
    "np.linalg.norm(X @ w - y) ** 2 / len(X)",
    "X.sum(axis=0)",
    "np.sum(X, axis=1) * y",
    "np.mean(np.exp(-X ** 2))",
    "X.mean(axis=0) - w",
    "np.outer(y, w) + X",
    "np.linalg.solve(Q @ Q.T + 2 * np.eye(3), b)",
    "np.diag(b) @ np.linalg.inv(Q) - np.diag(np.diag(Q))",
    "(w - 1) * (1 + w) / 2 + 3 - -w ** 2",
    "1 - 2 - 3 + 2 * 3 / 4 * n",
    "-n ** 2 + 2 ** -2",
    "np.maximum(0, X) + np.maximum(-X, 0) - np.abs(X)",
    "np.log1p(X ** 2) + np.sqrt(np.square(X) + 1)",
    "np.cosh(w) - np.sinh(w)",
    "np.tril(Q) + np.triu(Q) * Q.shape[0]",
    "np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)",
    "np.vdot(Q, Q.T) + Q.trace() + np.dot(w, w)",
    "X[0, 1] + y[2] * X[-1, -2]",
    "X[1] @ w + (X @ w)[3]",
    "X[:, 2] + y",
    "np.outer(X[:, 0], X[2])[1:3, ::1]",
    "X[1:3] @ W.T[:, :2]",
    "y[1:] - y[:-1]",
    "X[2, 1:3] + X[1:4, 3][:2]",
    "w[None, :] * X",
    "np.sum(X, 0) - X.transpose().sum(1)",
    "np.logaddexp(X, X[::1] ** 2)",
]


@pytest.mark.parametrize("text", SAME)
def test_numpy_reads_the_text_alike(text, rng):
    values = {s.name: rng.standard_normal(s.data.shape) for s in KNOWN}
    expected = eval(text, {"np": np, **values})
    np.testing.assert_allclose(evaluate(parse(text, *KNOWN), values), expected, rtol=1e-12, atol=1e-13)


def test_the_notation_of_the_issue():
    f = parse("logdet(Q) + sum(logcosh(X @ W.T)) / n", *KNOWN)
    assert f is words.logdet(Q) + words.total(words.logcosh(X @ W.T)) / n
    assert parse("jnp.linalg.inv(Q) @ b", *KNOWN) is words.inverse(Q) @ b
    assert parse("x.T @ A @ x", x=w, A=X.T @ X) is w.T @ X.T @ X @ w


def test_definitions_and_comments():
    f = parse("R = X @ w - y  # the residual\n\nsqnorm(R) / 2;", *KNOWN)
    assert f is words.sqnorm(parse("R = X @ w - y; R", *KNOWN)) / 2
    assert str(f) == "‖R‖²/2"
    assert parse("sum(X @\n  W.T)", *KNOWN) is words.total(X @ W.T)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("X @ W", 3, "inner dimensions differ"),
        ("X @@ W", 4, "expected an expression, found '@'"),
        ("sum(X", 6, "expected ','"),
        ("sum(", 1, "never closed"),
        ("1 + foo(X)", 5, "does not know foo"),
        ("X + Z", 5, "Z is not declared; known symbols: Q, W, X, b, n, w, y"),
        ("X[5]", 2, "counted from 0 to 4; 5 is not among them"),
        ("X[0, 1, 2]", 2, "one index or two, got 3"),
        ("y[0, 1]", 2, "a vector takes one index"),
        ("y[3:1]", 2, "picks none of 5 entries"),
        ("y[::2]", 2, "picks neighbours, got a step of 2"),
        ("y[n]", 3, "whole number, known beforehand, got 'n'"),
        ("y[1.5]", 3, "whole number, known beforehand"),
        ("n[0]", 2, "no entries to pick"),
        ("X[0", 2, "never closed"),
        ("X[]", 3, "expected an index"),
        ("y[:, None] * X", 2, r"diag\(y\) @ B"),
        ("X + y", 3, "shapes differ"),
        ("X ** W", 3, "exponent must be a number"),
        ("w ** n", 3, "exponent must be a number"),
        ("softmax(X)", 1, "axis=1"),
        ("sum(X, axis=2)", 1, "axis is 0 or 1"),
        ("norm(X, ord=1)", 1, r"written norm\(A\), got 1 argument and ord=1"),
        ("sum(X) sum(X)", 8, "an operation is missing"),
        ("R = X", 6, "the expression itself is missing"),
        ("X = 3; X", 1, "has a meaning already"),
        ("slogdet(Q)[0]", 1, "has no derivative"),
        ("maximum(X, 1)", 1, "with 0 on one side"),
        ("import os", 1, "not declared"),
        ("__import__('os')", 12, "means nothing here"),
        ("X.__class__", 3, "not known"),
        ("lambda: 0", 1, "not declared"),
        ("", 1, "expected an expression"),
        ("X + $", 5, "means nothing"),
        ("sum(X)\n + sum(", 4, "left over"),
        ("1 / 0", 3, "division by zero"),
    ],
)
def test_errors_point_at_the_place(text, column, message):
    with pytest.raises(ParseError, match=message) as caught:
        parse(text, *KNOWN)
    assert caught.value.column == column or "sum(X)\n" in text
    assert str(caught.value).splitlines()[-1].endswith("^")


def test_the_text_of_a_learner_is_never_run(tmp_path):
    target = tmp_path / "made"
    for text in (f"open({str(target)!r}, 'w')", "exec(1)", "().__class__", "X.T.sum.__globals__"):
        with pytest.raises(ParseError):
            parse(text, *KNOWN)
    assert not target.exists()


TYPOS = [  # what people type, and the remedy that they should be told
    ("X^2", "a power is written \\*\\*"),
    ("X'", "a transpose is written X.T"),
    ("2 X", "between 2 and X an operation is missing"),
    ("X W.T", "between X and W"),
    ("X(W)", "X is no function"),
    ("XW", "for a product write X @ W"),
    ("Xᵀ @ X", "write X.T"),
    ("y²", "write y\\*\\*2"),
    ("XT @ y", "a transpose is written X.T"),
    ("X − W", "the keyboard's -"),
    ("λ * w", "did you mean lam"),
    ("lambda * w", "did you mean lam"),
    ("||w||", "a norm is written norm"),
    ("X == y", "comparisons have no derivative"),
    ("logdt(Q)", "did you mean logdet"),
    ("np.linalg.nrm(w)", "did you mean norm"),
    ("Sum(X)", "did you mean sum"),
    ("log", "log is a function: write log"),
    ("ln(y)", "write log"),
    ("x @ w", "did you mean X"),
    ("max(y)", "kinks"),
    ("cholesky(Q)", "jvp_cholesky and vjp_cholesky"),
    ("X.t()", "a transpose is written .T"),
    ("X.T()", "takes no brackets"),
    ("Q.inv()", "write inv"),
    ("solve(Q)", r"written solve\(A, B\), got 1 argument"),
    ("X @ W", "What fits: X @ W.T"),
    ("w @ X", "What fits: w @ X.T or X @ w"),
    ("X * W", "What fits: X @ W.T"),
    ("X / W", r"\(5, 4\) / \(3, 4\)"),
    ("sum(X, axis=w)", "expected a whole number"),
    ("sum(X, w)", "axis is 0 or 1"),
]


@pytest.mark.parametrize(("text", "remedy"), TYPOS)
def test_a_remedy_is_named(text, remedy):
    lam = symbols(lam=())[0]
    with pytest.raises(ParseError, match=remedy):
        parse(text, *KNOWN, lam)


def test_what_is_said_to_fit_does(rng):
    for text in ("X @ W", "w @ X", "X * W", "Q @ X.T[:4].T + X", "X.T @ y + b", "(X + 1) @ W"):
        with pytest.raises(ParseError) as caught:
            parse(text, *KNOWN)
        for way in re.findall(r"What fits: (.*)\.", caught.value.message):
            for fitting in way.split(" or "):
                parse(fitting, *KNOWN)
