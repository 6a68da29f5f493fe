"""A derivation checked line by line: lines that hold pass, the first false one is found and named."""

import numpy as np
import pytest

from mcbook.calculus import check_lines, parse, symbol, symbols

A, X, B = symbols(A=(5, 3), X=(3, 2), B=(5, 2))
LEAST_SQUARES = parse("sqnorm(A @ X - B) / 2", A, X, B)
W = symbol("W", (3, 3))
VOLUME = parse("logdet(W)", W)
RIGHT = [
    "R = A @ X - B",
    "dR = A @ dX",
    "df = inner(R, dR)",
    "df = inner(R, A @ dX)",
    "df = inner(A.T @ R, dX)",
]


def test_lines_that_hold():
    report = check_lines(LEAST_SQUARES, "\n".join(RIGHT), X)
    assert report.ok
    assert report.line is None
    assert str(report) == "All 5 lines hold."
    assert check_lines(VOLUME, ["trace(inv(W) @ dW)", "inner(inv(W).T, dW)", "sum(inv(W.T) * dW)"], W).ok


FALSE = {  # which line is replaced by what, and the class of the mistake
    "a factor": (2, "df = 2 * inner(R, dR)", "factor"),
    "a sign": (4, "df = inner(A.T @ (B - A @ X), dX)", "sign"),
    "a sign inside": (4, "df = inner(A.T @ (A @ X + B), dX)", "sign"),
    "a mean": (3, "df = inner(R, A @ dX) / 5", "mean"),
}


@pytest.mark.parametrize("case", FALSE)
def test_the_first_false_line_is_found_and_named(case):
    k, line, label = FALSE[case]
    report = check_lines(LEAST_SQUARES, [*RIGHT[:k], line, *RIGHT[k:], "df = 7 * inner(R, dR)"], X)
    assert not report.ok
    assert report.line == k + 1
    assert report.diagnosis.classes == (label,)
    assert line in str(report)


def test_a_rule_is_named_with_its_line_of_the_derivation():
    report = check_lines(VOLUME, ["trace(inv(W) @ dW)", "inner(inv(W), dW)"], W)
    assert (report.line, report.diagnosis.classes) == (2, ("rule",))
    assert "log determinant" in report.diagnosis.hints[2]


def test_a_differential_of_an_intermediate_is_checked():
    report = check_lines(LEAST_SQUARES, ["R = A @ X - B", "dR = A @ dX - B", "inner(R, dR)"], X)
    assert (report.line, report.diagnosis.cause) == (2, "dR is not the differential of R")
    shape = check_lines(LEAST_SQUARES, ["R = A @ X - B", "dR = dX", "inner(R, dR)"], X)
    assert (shape.line, shape.diagnosis.verdict) == (2, "error")


def test_a_thousandth_is_seen():
    assert not check_lines(LEAST_SQUARES, ["1.001 * inner(A @ X - B, A @ dX)"], X).ok
    assert not check_lines(LEAST_SQUARES, ["R = A @ X - B", "dR = 1.001 * A @ dX", "inner(R, dR)"], X).ok


ODD = {
    "no step": "trace(inv(W))",
    "not linear": "trace(inv(W) @ dW) + sqnorm(dW)",
    "wrong shape": "inv(W) @ dW",
    "cannot be read": "trace(inv(W) @ dV)",
}


@pytest.mark.parametrize("cause", ODD)
def test_what_is_no_differential(cause):
    report = check_lines(VOLUME, [ODD[cause]], W)
    assert (report.line, report.diagnosis.cause, report.diagnosis.verdict) == (1, cause, "error")


def test_a_constant_beside_the_step_is_not_linear():
    assert check_lines(VOLUME, ["trace(inv(W) @ dW) + 1"], W).diagnosis.cause == "not linear"


@pytest.mark.parametrize("structure", ["symmetric", "lower", "diagonal"])
def test_steps_obey_the_structure(structure):
    """Along symmetric steps C and its transpose are the same differential, and so on."""
    S, C = symbol("S", (3, 3), structure), symbol("C", (3, 3))
    f = parse("trace(C @ S)", S, C)
    assert check_lines(f, ["trace(C @ dS)", "inner(C.T, dS)"], S).ok
    other = {"symmetric": "inner(C, dS)", "lower": "inner(tril(C.T), dS)", "diagonal": "inner(C, dS)"}[
        structure
    ]
    assert check_lines(f, [other], S).ok
    assert not check_lines(f, ["inner(2 * C.T, dS)"], S).ok


def test_values_may_be_given_and_numbers_differ(rng):
    values = {"W": rng.standard_normal((3, 3)) + 2 * np.eye(3)}
    assert check_lines(VOLUME, ["trace(inv(W) @ dW)"], W, values=values, rng=rng).ok
    s = symbol("s")
    assert check_lines(parse("s**3", s), ["3 * s**2 * ds"], s).ok
    assert not check_lines(parse("s**3", s), ["3 * s * ds"], s).ok
