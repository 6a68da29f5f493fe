"""Mistakes in losses that are in no catalogue: sums further up, squares, transposes everywhere, roots."""

import re

import numpy as np
import pytest

from mcbook.calculus import diagnose

VECTORS = {"x": 3, "m": 3, "b": 3, "g": 3, "u": 5, "z_0": 3, "z_1": 3, "z_2": 3}
MATRICES = {"A": (3, 3), "C": (3, 3), "V": (3, 3), "D": (5, 3), "W": (3, 2), "Y": (5, 2)}
ONE = {"one-sided"}
FORMS = "x_1 = V @ x + b; (x @ A @ x + x_1 @ C @ x_1) / 2"
SERIES = "p_1 = z_1 - A @ z_0; p_2 = z_2 - A @ z_1; (sqnorm(p_1) + sqnorm(p_2)) / 2"
RESIDUAL = "h_1 = x + tanh(A @ x); h_2 = h_1 + tanh(A @ h_1); b @ h_2"
SURPRISE = "p = softmax(x); b @ p - s * p @ log(p)"
SIZES = VECTORS | MATRICES


@pytest.mark.parametrize(
    ("loss", "answer", "X", "classes"),
    [  # a sum further up, in the whole, in one term, with a sign; the whole matrix for its diagonal
        ("sqnorm(x - m) / (2 * s**2)", "-((x - m)**2) / s**3", "s", {"batch"}),
        ("sqnorm(x - m) / (2 * s**2) + 3 * log(s)", "3 / s - (x - m)**2 / s**3", "s", {"batch"}),
        ("sqnorm(x - m) / (2 * s**2)", "(x - m)**2 / s**3", "s", {"batch", "sign"}),
        ("sqnorm((D * g) @ W - Y) / 2", "D.T @ ((D * g) @ W - Y) @ W.T", "g", {"hadamard"}),
        # a square's 2; what is twice −G; a quadratic form's half beside a sign
        ("b @ x + s * x @ x", "b + s * x", "x", {"factor"}),
        ("s * sqnorm(x - m) - b @ x", "2 * b - 4 * s * (x - m)", "x", {"factor", "sign"}),
        ("x @ A @ x / 2 + b @ x", "A @ x - b", "x", {"one-sided", "sign"}),
        # what is divided by, where it stands behind; the mean of a few numbers, and no mean
        ("exp(-sqnorm(x - m) / s**2)", "-2 * exp(-sqnorm(x - m) / s**2) * (x - m)", "x", {"factor"}),
        ("exp(-sqnorm(x - m) / s**2)", "-2 * exp(-sqnorm(x - m) / s**2) * (x - m) / s", "x", {"factor"}),
        ("softplus(mean(x)) + b @ x", "logistic(mean(x)) * ones(3) + b", "x", {"mean"}),
        ("b @ x + sum(x**3) / 3", "b + 3 * x**2", "x", {"factor"}),
        # both halves of every form taken for equal; of a form in a recursion; a transpose beside that
        (
            "x @ A @ x + b @ x - g @ x + (m - x) @ C @ (m - x)",
            "2 * A @ x + b - g - 2 * C @ (m - x)",
            "x",
            ONE,
        ),
        (FORMS, "A @ x + V.T @ C @ (V @ x + b)", "x", ONE),
        (FORMS, "(A + A.T) @ x / 2 + V.T @ C @ (V @ x + b)", "x", ONE),
        (FORMS, "A @ x + V @ C @ (V @ x + b)", "x", ONE | {"layout"}),
        # steps of a series; every slope forgotten and the recursion cut
        (SERIES, "-(outer(p_1, z_1) + outer(p_2, z_2))", "A", {"time"}),
        (SERIES, "-(outer(p_1, z_1) + outer(p_2, z_0))", "A", {"time"}),
        (RESIDUAL, "outer(b, h_1) + outer(b, x)", "A", {"activation", "time"}),
        # down to the product inside; every transpose; the factors of (AC)ᵀ left in their order
        (
            "s * sum(log(1 + (D @ x)**2 / s)) / 2",
            "s * D.T @ (1 / (1 + (D @ x)**2 / s)) / 2",
            "x",
            {"activation"},
        ),
        ("norm(A @ V - V @ C)", "E = A @ V - V @ C; (A @ E - E @ C) / norm(E)", "V", {"layout"}),
        ("sum(A @ C @ V * V) / 2", "(A.T @ C.T @ V + A @ C @ V) / 2", "V", {"layout"}),
        # a term of a sum taken entry by entry; a root's power
        ("sum(exp(D @ x) - u * (D @ x))", "D.T @ exp(D @ x)", "x", {"penalty"}),
        ("b @ x / sqrt(x @ x + s)", "q = x @ x + s; b / sqrt(q) - (b @ x) * x / q", "x", {"rule"}),
        # u′v′ for (uv)′; a ratio that is lost where its denominator is moved
        ("b @ (x * exp(g * x))", "b * g * exp(g * x)", "x", {"rule"}),
        ("b @ x / (1 + m @ x)", "(b - m) / (1 + m @ x)", "x", {"rule"}),
        # a term left out, one place of which comes to nothing; the diagonal of a softmax's Jacobian
        (SURPRISE, "p * (b - p @ b)", "x", {"penalty"}),
        ("p = softmax(A @ x); p @ b", "p = softmax(A @ x); A.T @ (p * b - p * b * p)", "x", {"softmax"}),
    ],
)
def test_what_is_met_in_losses_that_are_new(loss, answer, X, classes):
    rng = np.random.default_rng(3)
    values = {name: rng.standard_normal(size) for name, size in SIZES.items()} | {"s": 1.7}
    used = {name: value for name, value in values.items() if re.search(rf"\b{name}\b(?! =)", loss)}
    draws = [used, {name: value * 1.3 + 0.1 for name, value in used.items()}]
    found = diagnose(loss, answer, X, values=draws)
    assert set(found.classes) == classes, found
