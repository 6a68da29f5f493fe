"""Entries, rows and blocks, and the patterns that are known however they are written."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook.calculus.catalogue import entry
from mcbook.calculus.engine import vocabulary as words
from mcbook.calculus.engine.code import expression_code, function_code
from mcbook.calculus.engine.derive import derive
from mcbook.calculus.engine.evaluate import evaluate, evaluate_all
from mcbook.calculus.engine.index import entry_form
from mcbook.calculus.engine.latex import latex
from mcbook.calculus.engine.mathml import mathml
from mcbook.calculus.engine.nodes import symbol, symbols
from mcbook.calculus.engine.parser import parse
from mcbook.calculus.engine.picking import is_unit, unit
from mcbook.calculus.engine.text import text

X, S, x, y, w, z = symbols(X=(5, 4), S=(3, 3), x=4, y=5, w=4, z=4)
KNOWN = (X, S, x, y, w, z)
KEYS = [
    *((0, 1), (-1, -2), 2, -5, (slice(None), 3), (slice(1, 3), 2), (1, slice(1, None)), slice(1, 4)),
    *((slice(None, -1), slice(2, None)), (slice(-3, None), slice(None)), (slice(2, 3), slice(None, 2))),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_a_key_means_what_it_means_in_numpy(key, rng):
    A = rng.standard_normal((5, 4))
    picked = X[key]
    np.testing.assert_array_equal(evaluate_all([picked], {"X": A})[0].squeeze(), A[key].squeeze())
    assert expression_code(picked) == expression_code(parse(expression_code(picked), X))
    np.testing.assert_array_equal(eval(expression_code(picked), {"X": A, "np": np}), A[key].squeeze())


def test_what_is_picked_at_once():
    assert X[1:4][0, 2] is X[1, 2]
    assert X.T[2] is X[:, 2]
    assert X[:] is X
    assert (3 * X)[1, 2] is 3 * X[1, 2]
    assert words.identity(4)[2] is unit(4, 2)
    assert words.identity(4)[:, 2] is unit(4, 2)
    assert words.identity(4)[2, 2] is words.as_expr(1)
    assert words.identity(4)[2, 1] is words.as_expr(0)
    assert unit(4, 2)[1:3] is unit(2, 1)
    assert unit(4, 2)[:2] is words.zeros((2, 1))
    assert unit(4, 2)[1:3].T @ words.ones(2) is words.as_expr(1)
    assert words.ones(5, 4)[2] is words.ones(4)
    assert words.total(unit(4, 2)) is words.as_expr(1)
    assert x.T @ unit(4, 1) is x[1]
    assert unit(5, 0).T @ X @ unit(4, 3) is X[0, 3]
    assert unit(4, 1).T @ unit(4, 2) is words.as_expr(0)
    assert words.diag(unit(4, 1)) is words.outer(unit(4, 1), unit(4, 1))
    assert x * unit(4, 1) is x[1] * unit(4, 1)
    assert is_unit(unit(4, 0))
    assert not is_unit(X[:, 0])


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: X[5], "counted from 0 to 4; 5 is not"),
        (lambda: X[0, -5], "4 columns"),
        (lambda: X[3:3], "picks none of 5 rows"),
        (lambda: X[::2], "a step of 2"),
        (lambda: X[0, 1, 2], "one index or two"),
        (lambda: x[0, 1], "a vector takes one index"),
        (lambda: x[1.5], "whole number"),
        (lambda: x[y], "whole number"),
        (lambda: x[0][0], "is a number"),
        (lambda: X[None], r"only x\[None, :\]"),
    ],
)
def test_keys_that_pick_nothing_are_refused(attempt, message):
    with pytest.raises(ValueError, match=message):
        attempt()


def test_an_expression_is_not_run_through():
    with pytest.raises(TypeError):
        list(X)


def test_an_entry_counts_from_one_in_formulas():
    assert latex(X[0, 1]) == r"\left[X\right]_{1,2}"
    assert latex(X[1:3]) == r"\left[X\right]_{2{:}3,{:}}"
    assert text(X[0, 1]) == "[X]₁,₂"
    assert text(unit(4, 2)) == "e₃"
    assert "<mn>3</mn>" in mathml(x[2])
    assert "𝐞" in mathml(unit(4, 2))
    assert entry_form(X[1:3]) == "X_{i+1,j}"
    assert entry_form(x[2] * x) == r"\left[x\right]_{3}\,x_{i}"
    assert entry_form(words.outer(unit(4, 2), y)) == r"\delta_{i,3}\,y_{j}"
    assert expression_code(X[0, 1] * x[2]) == "X[0, 1] * x[2]"


def test_the_gradient_of_an_entry_is_a_product_of_unit_vectors():
    derivation = derive(words.inverse(S)[0, 2], S)
    assert derivation.lines[1].rule == "picking an entry"
    assert str(derivation.gradient) == "−S⁻ᵀ e₁ e₃ᵀ S⁻ᵀ"
    assert derive(words.total(X[1] * w), X).lines[-1].rule == "picking a row"


def test_an_entry_counts_where_a_structure_is_declared(rng):
    """Of a symmetric S both S_12 and S_21 move: the gradient is symmetric."""
    T = symbol("T", (3, 3), "symmetric")
    G = derive(T[0, 1], T)(T=words_sym(rng))
    np.testing.assert_array_equal(G, [[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])


def words_sym(rng):
    A = rng.standard_normal((3, 3))
    return A + A.T


# --- patterns --------------------------------------------------------------------------------------------

PATTERNS = [  # as people write it, and what its gradient by z or w must say
    ("-log(softmax(z))[2]", "z", "softmax(z) − e₃"),
    ("p = softmax(z); -log(p[2])", "z", "p − e₃"),
    ("-sum(log(softmax(z)))", "z", "4 softmax(z) − 1"),
    ("P = softmax(X, axis=1); -log(P)[1, 2]", "X", "e₂ (e₂ᵀ P − e₃ᵀ)"),
    ("-log_softmax(z)[0]", "z", "softmax(z) − e₁"),
    ("p = logistic(X @ w); -y @ log(p) - (1 - y) @ log(1 - p)", "w", "Xᵀ (p − y)"),
    ("-y @ log(sigmoid(X @ w)) - (1 - y) @ log(1 - sigmoid(X @ w))", "w", "Xᵀ (σ(X w) − y)"),
    ("sum(log(1 + exp(X @ w)))", "w", "Xᵀ σ(X w)"),
    ("sum(log1p(exp(-X @ w)))", "w", "−Xᵀ σ(−X w)"),
    ("sum(logaddexp(X @ w, 2 * X @ w) - X @ w)", "w", "Xᵀ σ(X w)"),
    ("sum(log(1 / (1 + exp(-X @ w))))", "w", "Xᵀ (1 − σ(X w))"),
    ("sum(exp(z) / (1 + exp(z)))", "z", "σ(z) ∘ (1 − σ(z))"),
    ("sum(log(cosh(X @ w)))", "w", "Xᵀ tanh(X w)"),
    ("sum(log(exp(z)) * z)", "z", "2 z"),
    ("exp(logsumexp(z))", "z", "exp(z)"),
    ("w @ exp(z - logsumexp(z))", "z", "p ∘ w − (pᵀ w) p"),
    ("w @ exp(log(softmax(z)))", "z", "p ∘ w − (pᵀ w) p"),
    ("log(det(S.T @ S))", "S", "2 S (Sᵀ S)⁻¹"),
    ("log(sum(exp(z)))", "z", "softmax(z)"),
    ("sum(exp(log(X**2 + 1)))", "X", "2 X"),
]


@pytest.mark.parametrize(("written", "wrt", "gradient"), PATTERNS, ids=[p[0] for p in PATTERNS])
def test_what_undoes_itself_leaves_nothing_behind(written, wrt, gradient, rng):
    f = parse(written, *KNOWN)
    derivation = derive(f, {s.name: s for s in KNOWN}[wrt])
    assert text(derivation.gradient) == gradient
    values = {s.name: rng.standard_normal(s.data.shape) for s in f.free}
    assert evaluate(derivation.f, values) == pytest.approx(evaluate(f, values), rel=1e-12)
    arguments = sorted(f.free, key=lambda s: s.name)
    space = {}
    exec(function_code(f, "f", arguments, target="jax"), space)
    arrays = [jnp.asarray(values[s.name]) for s in arguments]
    expected = jax.grad(space["f"], argnums=[s.name for s in arguments].index(wrt))(*arrays)
    np.testing.assert_allclose(derivation(values), expected, rtol=1e-11, atol=1e-13)


def test_what_was_recognised_is_a_line_of_its_own():
    derivation = derive(parse("-log(softmax(z))[2]", z), z)
    assert str(derivation).splitlines()[:2] == [
        "df = d(−[log(softmax(z))]₃)",
        "   = d(logsumexp(z) − [z]₃)       log softmax z = z − logsumexp z",
    ]
    assert r"\log\operatorname{softmax}z = z - \operatorname{logsumexp}z" in derivation.latex()


@pytest.mark.parametrize(
    "text_of_it",
    [
        "log(2 + exp(w))",
        "log(1 - exp(w))",
        "log(1 - tanh(w))",
        "1 / (2 + exp(-w))",
    ],
)
def test_what_only_looks_like_a_pattern_is_none(text_of_it):
    f = parse(f"sum({text_of_it})", w)
    assert not {"softplus", "logistic", "logcosh"} & {n.data for n in nodes_of(derive(f, w).f)}


def test_what_was_written_still_says_where_it_holds():
    assert derive(parse("log(det(S))", S), S).conditions == ["det(S) > 0", "S invertible"]
    assert derive(parse("sum(exp(log(z)) * z)", z), z).conditions == ["z > 0"]
    assert derive(parse("-log(softmax(z))[2]", z), z).conditions == []


def test_a_name_that_is_used_elsewhere_is_not_seen_through():
    derivation = derive(parse("p = softmax(z); -p @ log(p)", z), z)
    assert derivation.lines[1].rule == "linearity"
    assert [d.name for d in derivation.definitions] == ["p"]


def test_far_out_the_recognised_form_still_has_a_value():
    """As written, log softmax is log 0 there and 1/(1 + exp(-z)) divides by infinity."""
    f = parse("-log(softmax(z))[2] + sum(1 / (1 + exp(-z)))", z)
    far = np.array([800.0, -900.0, -800.0, 0.0])
    derivation = derive(f, z)
    assert evaluate(derivation.f, z=far) == pytest.approx(1600 + 1 + 0.5)
    np.testing.assert_allclose(derivation(z=far), [1, 0, -1, 0.25], atol=1e-12)


def test_what_simplifies_away_is_refused_and_said():
    with pytest.raises(ValueError, match="as simplified, does not contain z"):
        derive(parse("log(exp(z[0])) - z[0]", z), z)


def nodes_of(E):
    return [E] if not E.args else [E, *(n for a in E.args for n in nodes_of(a))]


# --- plain text ------------------------------------------------------------------------------------------


def test_every_layout_in_plain_text():
    derivation = entry("trace of a sandwich").derive()
    last = {layout: derivation.text(layout).splitlines()[-1] for layout in ("gradient", "numerator")}
    assert last == {"gradient": "∇f(X) = Aᵀ Bᵀ", "numerator": "∂f/∂X = B A"}
    assert derivation.text("differential").splitlines()[-1] == "df = tr(B A dX)"
    assert derivation.text("denominator").splitlines()[-1] == "∂f/∂X = Aᵀ Bᵀ"
    assert derivation.text("index").splitlines()[-1] == "∂f/∂X_ij = Σ_k A_ki B_jk"
    assert derivation.text("index").splitlines()[1] == "   = Σ_i Σ_j (Σ_k A_ki B_jk) dX_ij   trace, product"
    with pytest.raises(ValueError, match="a layout is one of"):
        derivation.text("row")
