"""What a stranger tried: powers of norms, long index forms, arrays and numbers where none belong."""

import numpy as np
import pytest
from latexreader import read_entries

from mcbook.calculus import derive, hessian, hvp, jacobian, parse, statement, symbol, symbols
from mcbook.calculus.differences import slope_along
from mcbook.calculus.engine import evaluate, function_code, latex, text

A, B, K, M, V, x, y = symbols(A=(3, 3), B=(2, 3), K=(2, 2), M=(4, 4), V=(3, 2), x=3, y=3)


@pytest.mark.parametrize(
    ("loss", "gradient", "conditions"),
    [
        ("(x / norm(x)) @ A @ (x / norm(x))", "(1/‖x‖²) ((A + Aᵀ) x − (2 xᵀ A x/‖x‖²) x)", ["‖x‖² ≠ 0"]),
        ("norm(x)**3", "(3 ‖x‖) x", ["x ≠ 0"]),
        ("norm(x)**4", "(4 ‖x‖²) x", []),
        ("norm(x)**-4", "−(4/‖x‖⁶) x", ["‖x‖² ≠ 0"]),
        ("norm(x) * sqnorm(x) / 3", "‖x‖ x", ["x ≠ 0"]),
    ],
)
def test_powers_of_a_norm_are_put_together(loss, gradient, conditions, rng):
    """An even power is one of ‖x‖², which needs no root; what cancels is gone."""
    f = parse(loss, x, A)
    derivation = derive(f, x)
    assert text(derivation.gradient) == gradient
    assert derivation.conditions == conditions
    values = {"x": rng.standard_normal(3), "A": rng.standard_normal((3, 3))}
    step = rng.standard_normal(3)
    slope = slope_along(lambda at: evaluate(f, values | {"x": at}), values["x"], step)
    assert abs(derivation(values) @ step - slope.value) <= max(1e-9, 4 * slope.error)


@pytest.mark.parametrize(
    ("loss", "wrt"),
    [
        ("norm(V) * norm(B @ V)", V),
        ("trace(V.T @ A @ V @ inv(V.T @ V))", V),
        ("sum(softmax(softmax(B @ V, axis=1) @ K, axis=1) * M[:2, :2])", M),
        ("trace(A @ A) * norm(A) * norm(A @ A) * norm(A @ V)", A),
    ],
)
def test_letters_return_when_their_sums_are_written(loss, wrt, rng):
    """Ten letters suffice for any number of sums that stand side by side."""
    derivation = derive(parse(loss, A, B, K, M, V), wrt)
    values = {s.name: rng.standard_normal(s.shape) for s in (A, B, K, M, V)}
    G = derivation(values)
    known = values | {d.name: evaluate(d, values) for d in derivation.definitions}
    written = read_entries(statement(derivation, "index").latex, known, G.shape)
    np.testing.assert_allclose(written, G, rtol=1e-10, atol=1e-12)
    assert derivation.text("index")


def test_a_sum_within_a_sum_keeps_its_letter():
    """A chain of twelve factors needs eleven at once: that is refused, by name."""
    chain = derive(parse("trace(" + " @ ".join("AB" * 7) + ")", A, B=symbol("B", (3, 3))), A)
    with pytest.raises(ValueError, match="more than 10 indices"):
        statement(chain, "index")


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: np.eye(3) @ x, "declare an array"),
        (lambda: symbol("x", 2.5), "positive integers, got"),
        (lambda: symbol("x", (3, "2")), "positive integers, got"),
        (lambda: parse("sqrt(-1) * x @ x", x), "no real power"),
        (lambda: parse("(" * 500 + "x @ x" + ")" * 500, x), "too deep to read"),
        (lambda: parse("-" * 5000 + "x @ x", x), "too deep to read"),
        (lambda: parse("2**x", x), r"for x \*\* p write exp\(p \* log\(x\)\)"),
        (lambda: parse("A / (A @ x)[:, None]", A, x), r"write diag\(A @ x\) @ B"),
        (lambda: parse("A * x", A, x), "applied to each row or to each column"),
        (lambda: parse("sum(x, axis=1)", x), "0 for a vector"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(attempt, message):
    with pytest.raises(ValueError, match=message):
        attempt()


def test_the_last_axis_of_a_vector_is_its_only_one():
    assert parse("x.sum(-1) + mean(x, axis=-1)", x) is parse("sum(x) + mean(x)", x)


def test_second_derivatives_print_with_or_without_a_matrix():
    assert "no Kronecker form for kron_left" in str(hessian(parse("trace(kron(K, K) @ M)", K, M), K))
    assert str(hessian(x @ y, x)).startswith("dG = 0\n")
    assert str(jacobian(A @ x, x)) == "dF = A dx\nvec dF = A vec dx"


def test_the_powers_of_a_squared_norm_in_latex():
    assert latex(parse("norm(x)**4 + norm(x)**-4", x)).count(r"\rVert^{4}") == 2


def test_a_letter_is_never_the_name_of_something_in_the_formula(rng):
    """Σ_k a_k k_k would be read wrong by anybody."""
    a, k, p = symbols(a=4, k=4, p=3)
    assert statement(derive((a @ k) ** 2 / 2, a), "index").text == "∂f/∂a_i = (Σ_j a_j k_j) k_i"
    derivation = derive(parse("(x @ A @ p) * (a @ k) * norm(A @ p)", x, A, p, a, k), x)
    values = {s.name: rng.standard_normal(s.data.shape) for s in (x, A, p, a, k)}
    written = statement(derivation, "index").latex
    assert not any(rf"\sum_{{{name}=" in written for name in "kpax")
    read = read_entries(written, values, (3, 1))
    np.testing.assert_allclose(read[:, 0], derivation(values), rtol=1e-10)


def test_the_two_sides_of_an_index_form_share_their_letters():
    i, j = symbols(i=3, j=4)
    derivation = derive(parse("sum(i) * sum(j)", i, j), i)
    assert statement(derivation, "index").text == "∂f/∂i_k = (Σ_l j_l) 1"
    J = jacobian(parse("outer(i, j)", i, j), i)
    assert statement(J, "index").text == "dF_kl = di_k j_l"


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: derive(parse("x_1 @ x1", *symbols(x1=3, x_1=3)), symbol("x1", 3)), "both be printed x₁"),
        (lambda: parse("x @ x", x, symbol("x", 4)), "stands for two things"),
        (lambda: parse("x @ x", "x"), "a text and the symbols in it"),
        (lambda: parse("x @ x", [x]), "a text and the symbols in it"),
        (lambda: parse(3, x), "a text and the symbols in it"),
        (lambda: derive(x @ x, x)(np.ones(3)), "given by name"),
        (lambda: hessian(x @ A @ x, x)(np.ones(3)), "given by name"),
        (lambda: evaluate(x @ x, np.ones(3)), "given by name"),
        (lambda: hvp(x @ A @ x, x, A), r"of its shape \(3, 1\)"),
        (lambda: function_code(x @ y, "f", [x]), "f needs y too"),
        (lambda: function_code(x @ x, "1f", [x]), "no name for a function"),
        (lambda: parse("(B.T).T @ x + B.T @ x", B, x), r"What fits: B @ x or x @ B.T\."),
    ],
)
def test_what_was_handed_in_wrongly_is_said(attempt, message):
    with pytest.raises(ValueError, match=message):
        attempt()
