"""The derivation engine: rules as adjoint pairs, every line of every derivation, refusals."""

import copy
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from latexreader import read, read_entries

from mcbook.calculus.catalogue import CATALOGUE, entry
from mcbook.calculus.differences import slope_along
from mcbook.calculus.engine import rules
from mcbook.calculus.engine import vocabulary as words
from mcbook.calculus.engine.code import function_code
from mcbook.calculus.engine.derive import derive
from mcbook.calculus.engine.evaluate import evaluate, evaluate_all
from mcbook.calculus.engine.index import term_form
from mcbook.calculus.engine.latex import Latex, latex
from mcbook.calculus.engine.layouts import LAYOUTS, statement
from mcbook.calculus.engine.nodes import definitions, let, symbol, symbols, walk
from mcbook.calculus.engine.parser import parse
from mcbook.calculus.engine.picking import is_unit
from mcbook.calculus.engine.rebuild import rebuild
from mcbook.calculus.engine.recurrence import grouped
from mcbook.calculus.engine.second import hessian, jacobian

PROJECT = {
    "": lambda A: A,
    "symmetric": lambda A: (A + A.T) / 2,
    "diagonal": lambda A: np.diag(np.diag(A)),
    "lower": np.tril,
    "upper": np.triu,
}
IDS = [row.name for row in CATALOGUE]


def run(source, name, arguments):
    """The function of that name in generated code, called."""
    space = {}
    exec(source, space)
    return space[name](*arguments)


# --- the rules -------------------------------------------------------------------------------------------

A, B, Q, x, s = symbols(A=(3, 4), B=(4, 3), Q=(3, 3), x=3, s=())
P = words.exp(A)  # positive, and of full shape
NODES = [
    *(A + P, 3 * A, words.times(s, A), words.times(s, words.total(A), A), A @ B, A @ B @ x, A * P, A.T),
    *(words.trace(Q), words.total(A), words.inner(A, P), words.sqnorm(A), words.norm(A), words.det(Q)),
    *(words.logdet(Q), words.inverse(Q), words.solve(Q, A), words.diag(x), words.diagonal(Q), A**3, P**-2),
    *(P**0.5, P**0.7, words.sym(Q), words.skew(Q), words.lower(Q), words.upper(Q), words.vec(A)),
    *(words.kron(A, B), words.kron_left(words.kron(A, Q), Q), words.kron_right(words.kron(Q, B), Q)),
    *(words.unvec(words.vec(A), 6, 2), words.softmax(A), words.softmax(x), words.softmax(A @ B @ x)),
    *(words.logsumexp(A), words.logsumexp(x), words.sqdist(A, B.T), words.sqdist(A)),
    *(A[1, 2], x[2], x[1:], words.inverse(Q)[0:2, 1:], A[2, 1:3], (A @ B)[1:]),
    *(words.function(name)(P if name == "log" else A) for name in words.FUNCTIONS),
]


def example(rng):
    return {v.name: rng.standard_normal(v.data.shape) for v in (A, B, Q, x, s)}


@pytest.mark.parametrize("node", NODES, ids=repr)
def test_a_rule_is_a_pair_of_adjoints_and_the_derivative(node, rng):
    """⟨C, forward(D)⟩ = ⟨reverse(C), D⟩, and forward(D) is the central difference of the node's value."""
    values = example(rng)
    for k, argument in enumerate(node.args):
        D, C = symbol("D", argument.shape), symbol("C", node.shape)
        forward = rules.RULES[node.op].forward(node, k, D, node)
        reverse = rules.RULES[node.op].reverse(node, k, C, node)
        assert forward.shape == node.shape
        assert reverse.shape == argument.shape
        steps = {"D": rng.standard_normal(argument.shape), "C": rng.standard_normal(node.shape)}
        F, R = evaluate_all([forward, reverse], values | steps)
        assert np.vdot(steps["C"], F) == pytest.approx(np.vdot(R, steps["D"]), rel=1e-12, abs=1e-12)

        moving = symbol("moving", argument.shape)
        args = tuple(moving if j == k else a for j, a in enumerate(node.args))
        along = rebuild(node, args)
        start = evaluate_all([argument], values)[0]

        def phi(M, along=along, C=steps["C"]):
            return np.vdot(C, evaluate_all([along], values | {"moving": M})[0])

        slope = slope_along(phi, start, steps["D"])
        assert abs(slope.value - np.vdot(steps["C"], F)) <= max(1e-8 * np.linalg.norm(R), 4 * slope.error)


def test_every_rule_is_tried():
    assert {node.op for node in NODES} == set(rules.RULES)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda C, M: words.matmul(C, M),  # the transpose forgotten
        lambda C, M: words.matmul(M.T, C),  # the wrong side
        lambda C, M: -words.matmul(C, M.T),
        lambda C, M: 1.001 * words.matmul(C, M.T),
    ],
)
def test_a_wrong_adjoint_is_no_adjoint(wrong, rng):
    M, C, D = symbols(M=(3, 3), C=(3, 3), D=(3, 3))
    values = {name: rng.standard_normal((3, 3)) for name in "QMCD"}
    F, right, R = evaluate_all([D @ M, C @ M.T, wrong(C, M)], values)
    assert np.vdot(values["C"], F) == pytest.approx(np.vdot(right, values["D"]), rel=1e-12)
    assert abs(np.vdot(values["C"], F) - np.vdot(R, values["D"])) > 1e-5


# --- the catalogue, line by line -------------------------------------------------------------------------


def frozen(line, values, wrt):
    """X ↦ Σ ⟨C, E(X)⟩ with every C held at the point: its slope is what the line claims of df."""
    Cs = evaluate_all([term.C for term in line.terms], values)
    Es = [term.E for term in line.terms]

    def phi(X):
        moved = evaluate_all(Es, values | {wrt: X})
        return sum(np.vdot(C, E) for C, E in zip(Cs, moved, strict=True))

    return phi


@pytest.mark.parametrize("row", CATALOGUE, ids=IDS)
def test_each_line_is_the_derivative(row, rng):
    """By differences that know nothing of the rules, along two directions at two points."""
    derivation = row.derive()
    for _ in range(2):
        values = row.sample(rng)
        X = np.asarray(values[row.wrt], float)
        V = PROJECT[derivation.X.data.structure](rng.standard_normal(X.shape))
        G = derivation(values)
        assert G.shape == X.shape
        allowed = 1e-8 * np.linalg.norm(G) * np.linalg.norm(V)
        truth = slope_along(lambda X: evaluate(row.f, values | {row.wrt: X}), X, V)  # noqa: B023
        for line in derivation.lines:
            claim = slope_along(frozen(line, values, row.wrt), X, V)
            assert abs(claim.value - truth.value) <= max(allowed, 4 * (claim.error + truth.error)), line.rule
            assert abs(line.jvp(values, derivation.X, V) - truth.value) <= max(allowed, 4 * truth.error)
        assert abs(np.vdot(G, V) - truth.value) <= max(allowed, 4 * truth.error)


@pytest.mark.parametrize("row", CATALOGUE, ids=IDS)
def test_the_gradient_and_its_code_equal_jax_grad(row, rng):
    derivation, arguments = row.derive(), list(row.declared.values())
    values = row.sample(rng)
    arrays = [np.asarray(values[v.name], float) for v in arguments]
    k = arguments.index(derivation.X)
    jax_code = function_code(row.f, "f", arguments, target="jax")
    space = {}
    exec(jax_code, space)
    reference = PROJECT[derivation.X.data.structure](
        np.asarray(jax.jit(jax.grad(space["f"], argnums=k))(*map(jnp.asarray, arrays)))
    )
    G = derivation(values)
    assert np.linalg.norm(G - reference) <= 1e-11 * np.linalg.norm(reference)
    source = function_code(derivation.gradient, "gradient", arguments, shape=derivation.X.data.shape)
    code = run(source, "gradient", arrays)
    assert np.shape(code) == G.shape
    assert np.linalg.norm(code - G) <= 1e-12 * np.linalg.norm(G)


def test_the_catalogue_is_as_large_as_it_says():
    assert len({row.name for row in CATALOGUE}) == len(CATALOGUE) >= 60
    areas = {"classics", "unmixing", "ridge", "kernels", "splice", "sensitivity", "symmetry", "correction"}
    assert {row.area for row in CATALOGUE} == areas | {"diffusion", "schedules", "thread"}


@pytest.mark.parametrize("row", [r for r in CATALOGUE if r.textbook], ids=lambda r: r.name)
def test_textbook_derivations_are_short(row):
    derivation = row.derive()
    assert len(derivation.lines) <= 12
    assert derivation.size <= 40


@pytest.mark.parametrize("change", [lambda G: G.T, lambda G: -G, lambda G: 2 * G, lambda G: 1.001 * G])
def test_a_planted_error_in_a_gradient_is_seen(change, rng):
    row = entry("ICA likelihood")
    values = row.sample(rng)
    truth = slope_along(
        lambda W: evaluate(row.f, values | {"W": W}), values["W"], V := rng.standard_normal((3, 3))
    )
    G = change(row.derive()(values))
    assert abs(np.vdot(G, V) - truth.value) > 1e-6 * np.linalg.norm(G)


# --- the printed formulas --------------------------------------------------------------------------------


def with_definitions(derivation, values):
    """The values, and those of every name that the derivation introduces."""
    roots = [derivation.f, derivation.gradient, *(t.C for line in derivation.lines for t in line.terms)]
    named = definitions(*roots)
    known = values | dict(zip([d.name for d in named], evaluate_all(named, values), strict=True))
    for node in walk(*roots):
        if is_unit(node):  # e_k is printed without its length: one of each k in a derivation
            e = evaluate_all([node], {})[0]
            assert np.array_equal(known.setdefault(f"unit {node.data[1][1]}", e), e)
    return known


@pytest.mark.parametrize("row", CATALOGUE, ids=IDS)
def test_what_is_printed_in_latex_is_what_is_meant(row, rng):
    """Every C of every line, every definition and the gradient, read back from LaTeX and evaluated."""
    derivation, values = row.derive(), row.sample(rng)
    known = with_definitions(derivation, values)
    written = [t.C for line in derivation.lines for t in line.terms]
    written += [t.E for line in derivation.lines for t in line.terms] + [derivation.gradient]
    written += [d.args[0] for d in definitions(derivation.f, derivation.gradient)]
    for E, meant in zip(written, evaluate_all(written, values), strict=True):
        printed = read(latex(E), known)
        assert printed.shape == meant.shape
        assert np.linalg.norm(printed - meant) <= 1e-10 * np.linalg.norm(meant), latex(E)


# --- layouts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", CATALOGUE[::2], ids=IDS[::2])
def test_the_five_layouts_say_the_same(row, rng):
    """Numerator layout is the transpose, the index form read entry by entry is the gradient."""
    derivation, values = row.derive(), row.sample(rng)
    known = with_definitions(derivation, values)
    G = evaluate_all([derivation.gradient], values)[0]
    scale = 1e-10 * np.linalg.norm(G)
    for layout in ("gradient", "denominator"):
        assert np.abs(read(statement(derivation, layout).latex, known) - G).max() <= scale
    assert np.abs(read(statement(derivation, "numerator").latex, known) - G.T).max() <= scale
    assert np.abs(read_entries(statement(derivation, "index").latex, known, G.shape) - G).max() <= scale
    step = rng.standard_normal(G.shape)
    printed = statement(derivation, "differential").latex
    printed = printed.replace(r"\mathrm{d}" + latex(derivation.X), r"\mathrm{step}")
    value = read(printed, known | {"step": step})
    assert value.item() == pytest.approx(np.vdot(G, step), rel=1e-9)


@pytest.mark.parametrize("row", CATALOGUE[1::4], ids=IDS[1::4])
def test_each_line_in_index_form(row, rng):
    """Σ C_ij E_ij read from the index form of every line equals ⟨C, E⟩ of the tree."""
    derivation, values = row.derive(), row.sample(rng)
    known = with_definitions(derivation, values)
    for line in derivation.lines:
        for C, E in line.terms:
            meant = np.vdot(*evaluate_all([C, E], values))
            printed = term_form(C, E).replace(r"\mathrm{d}", "")
            assert read_entries(printed, known, (1, 1)).item() == pytest.approx(meant, rel=1e-9, abs=1e-12)


def test_all_layouts_of_a_derivation_print_and_unknown_ones_are_refused():
    derivation = entry("ICA likelihood").derive()
    texts = {layout: derivation.latex(layout) for layout in LAYOUTS}
    assert len(set(texts.values())) == len(LAYOUTS)
    assert r"\operatorname{tr}\left(W^{-1}\,\mathrm{d}W\right)" in texts["numerator"]
    with pytest.raises(ValueError, match="a layout is one of"):
        derivation.latex("row")


def test_a_jacobian_in_the_layouts(rng):
    W, b, v = symbols(W=(4, 3), b=4, v=3)
    J = jacobian(words.tanh(W @ v + b), v)
    values = {"W": rng.standard_normal((4, 3)), "b": rng.standard_normal(4), "v": rng.standard_normal(3)}
    expected = (1 - np.tanh(values["W"] @ values["v"] + values["b"]) ** 2)[:, None] * values["W"]
    np.testing.assert_allclose(read(statement(J, "numerator").latex, values), expected, rtol=1e-12)
    np.testing.assert_allclose(read(statement(J, "denominator").latex, values), expected.T, rtol=1e-12)
    np.testing.assert_allclose(J(values), expected, rtol=1e-12)


# --- recurrences -----------------------------------------------------------------------------------------


def test_backpropagation_through_time_is_stated_as_a_recurrence():
    derivation = entry("RNN, T = 3, recurrent weights").derive()
    text = str(derivation)
    assert "δ_aₜ = (Uᵀ δ_aₜ₊₁) ∘ (1 − hₜ∘²)  for t = 2, 1" in text
    assert "Σₜ δ_aₜ hₜ₋₁ᵀ,  t = 1 … 3" in text
    for group in grouped(derivation.definitions, Latex):
        for t in group.steps:  # the general step, with t put in, is the definition that stood there
            one = next(d for d in derivation.definitions if Latex()(d) == at_step(group.left, t))
            assert Latex()(one.args[0]) == at_step(group.right, t)


def at_step(latex, t):
    return re.sub(r"\{t([+-]\d+)?\}", lambda m: f"{{{t + int(m[1] or 0)}}}", latex)


def test_what_differs_is_not_put_together():
    text = "h_1 = tanh(A @ x); h_2 = tanh(B @ h_1); h_3 = tanh(A @ h_2); sum(h_3)"
    derivation = derive(parse(text, A3 := symbol("A", (3, 3)), symbol("B", (3, 3)), symbol("x", 3)), A3)
    steps = {g.left: g.steps for g in grouped(definitions(derivation.f), Latex)}
    assert all(len(s) <= 1 for s in steps.values())


# --- second derivatives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", CATALOGUE[::3], ids=IDS[::3])
def test_hessians(row, rng):
    """The product against differences of the gradient; the matrix against the product; symmetry."""
    X, values = row.declared[row.wrt], row.sample(rng)
    G = row.derive().gradient
    if X not in G.free:
        with pytest.raises(ValueError, match="vanishes"):
            _ = hessian(row.f, X).matrix
        return
    H = hessian(row.f, X)
    project = PROJECT[X.data.structure]
    V, W = (project(rng.standard_normal(X.data.shape)) for _ in range(2))
    product = H.hvp(values, V)
    pairing = lambda x: np.vdot(W, evaluate_all([G], values | {row.wrt: x})[0])  # noqa: E731
    slope = slope_along(pairing, np.asarray(values[row.wrt], float), V)
    allowed = max(1e-8 * np.linalg.norm(product) * np.linalg.norm(W), 4 * slope.error)
    assert abs(slope.value - np.vdot(W, product)) <= allowed
    assert np.vdot(W, product) == pytest.approx(np.vdot(V, H.hvp(values, W)), rel=1e-9, abs=1e-10)
    matrix = evaluate_all([H.matrix], values)[0]
    stacked = (matrix @ V.reshape(-1, order="F")).reshape(V.shape, order="F")
    np.testing.assert_allclose(stacked, product, rtol=1e-9, atol=1e-10)


def test_a_jacobian_has_the_shape_of_the_output_then_of_the_input(rng):
    S, T = symbols(S=(3, 3), T=(3, 2))
    values = {"S": rng.standard_normal((3, 3)) + 3 * np.eye(3), "T": rng.standard_normal((3, 2))}
    for F, f in [
        (words.inverse(S) @ T, lambda S: jnp.linalg.inv(S) @ values["T"]),
        (S.T @ S, lambda S: S.T @ S),
        (words.diag(words.diagonal(S)) @ T, lambda S: jnp.diag(jnp.diag(S)) @ values["T"]),
        (words.kron(T, S), lambda S: jnp.kron(values["T"], S)),
        (words.kron(S @ S, T), lambda S: jnp.kron(S @ S, values["T"])),
        (S[1:, :2] @ T[:2], lambda S: S[1:, :2] @ values["T"][:2]),
        (words.outer(S[0, 1:], S[:, 2]), lambda S: jnp.outer(S[0, 1:], S[:, 2])),
    ]:
        J = jacobian(F, S)
        expected = jax.jacobian(f)(jnp.asarray(values["S"]))
        np.testing.assert_allclose(J(values), expected, rtol=1e-11, atol=1e-12)
        matrix = evaluate_all([J.matrix], values)[0]
        flat = np.asarray(expected).transpose(1, 0, 3, 2).reshape(matrix.shape)
        np.testing.assert_allclose(matrix, flat, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("k", [0, 1])
def test_the_hessian_of_a_kronecker_product(k, rng):
    factors = symbols(S=(2, 3), T=(3, 2))
    values = {v.name: rng.standard_normal(v.shape) for v in factors}
    H, V = hessian(words.total(words.kron(*factors) ** 3), factors[k]), rng.standard_normal(factors[k].shape)
    stacked = evaluate_all([H.matrix], values)[0] @ V.reshape(-1, order="F")
    np.testing.assert_allclose(stacked.reshape(V.shape, order="F"), H.hvp(values, V), rtol=1e-11)
    np.testing.assert_allclose(
        H(values).transpose(1, 0, 3, 2).reshape(6, 6) @ V.T.ravel(), stacked, rtol=1e-11
    )


def test_every_hessian_of_the_catalogue_has_a_kronecker_form():
    """All that do not vanish: nothing is refused."""
    curved = [row for row in CATALOGUE if row.declared[row.wrt] in row.derive().gradient.free]
    assert len(curved) >= 100
    for row in curved:
        X = row.declared[row.wrt]
        n = X.shape[0] * X.shape[1]
        assert hessian(row.f, X).matrix.shape == (n, n)


def test_a_step_takes_a_name_of_its_own(rng):
    M, dM = symbols(M=(3, 3), dM=(3, 3))
    J = jacobian(dM @ M @ M, M)
    assert J.step.name == "dM1"
    assert str(J) == "dF = dM (dM₁ M + M dM₁)\nvec dF = (I ⊗ dM) (Mᵀ ⊗ I + I ⊗ M) vec dM₁"
    values = {"M": rng.standard_normal((3, 3)), "dM": rng.standard_normal((3, 3))}
    expected = jax.jacobian(lambda M: values["dM"] @ M @ M)(jnp.asarray(values["M"]))
    np.testing.assert_allclose(J(values), expected, rtol=1e-12, atol=1e-13)


def test_no_kronecker_form_is_said_by_name():
    M = symbol("M", (2, 2))
    with pytest.raises(ValueError, match="no Kronecker form for kron_left"):
        _ = jacobian(words.kron_left(symbol("C", (4, 4)), M), M).matrix


# --- refusals, and nothing silent ------------------------------------------------------------------------


def test_what_sympy_answers_with_zero_is_answered_right(rng):
    """Each of these had the silent answer 0 somewhere; here each is nonzero and equals the differences."""
    cases = ["logdet(X)", "logsumexp(vec(X))", "-sum(Y * log(softmax(X, axis=1)))", "trace(X) + trace(X @ Y)"]
    M, Y = symbols(X=(3, 3), Y=(3, 3))
    values = {"X": rng.standard_normal((3, 3)) + 2 * np.eye(3), "Y": rng.random((3, 3))}
    for text in cases:
        f = parse(text, M, Y)
        G, V = derive(f, M)(values), rng.standard_normal((3, 3))
        slope = slope_along(lambda X: evaluate(f, values | {"X": X}), values["X"], V)  # noqa: B023
        assert np.linalg.norm(G) > 1e-3
        assert abs(np.vdot(G, V) - slope.value) <= max(1e-8, 4 * slope.error)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: derive(words.total(A), B), "does not contain B"),
        (lambda: derive(A, A), "number-valued"),
        (lambda: derive(words.total(A @ B), A @ B), "with respect to a symbol"),
        (lambda: derive("sum(A)", A), "parse text"),
        (lambda: derive(words.total(A) + words.total(symbol("A", (2, 2))), A), "stands for two things"),
        (lambda: derive(words.total(let("B", A @ B)), B), "stands for two things"),
        (lambda: function_code(symbol("np"), "f", [symbol("np")]), "another name"),
        (lambda: A + B, "shapes differ"),
        (lambda: A @ A, "inner dimensions"),
        (lambda: words.trace(A), "square"),
        (lambda: words.det(A), "square"),
        (lambda: words.solve(Q, B), "needs 3 rows"),
        (lambda: words.function("erf"), "erf"),
        (lambda: A**x, "exponent must be a number"),
        (lambda: A + np.ones((3, 4)), "declare an array"),
        (lambda: symbol("X", (2, 3), "symmetric"), "square"),
        (lambda: symbol("X", (2, 2), "orthogonal"), "structure"),
        (lambda: symbol("a b", 3), "named like"),
        (lambda: symbol("lambda", 3), "named like"),
        (lambda: symbol("X", (0, 2)), "positive integers"),
        (lambda: evaluate(words.total(A)), "has no value"),
        (lambda: evaluate(words.total(A), A=np.ones((4, 3))), r"declared \(3, 4\)"),
        (lambda: evaluate(words.total(A), A=np.full((3, 4), np.nan)), "finite"),
        (
            lambda: evaluate(symbol("S", (2, 2), "symmetric"), S=np.array([[1.0, 2.0], [0.0, 1.0]])),
            "symmetric",
        ),
        (lambda: words.softmax(Q) + x, "each row or to each column"),
    ],
)
def test_refusals_name_what_was_expected(attempt, message):
    with pytest.raises((ValueError, KeyError), match=message):
        attempt()


def test_kinks_are_declared():
    derivation = derive(words.total(words.relu(A)), A)
    assert derivation.conditions == ["A ≠ 0"]
    assert "step" in str(derivation.gradient)
    assert derive(words.logdet(Q), Q).conditions == ["Q invertible"]


def test_an_unknown_operation_is_refused_by_name():
    from mcbook.calculus.engine.nodes import Expr

    strange = Expr("permanent", (Q,), (1, 1))
    with pytest.raises(ValueError, match="no rule for permanent"):
        derive(strange, Q)


# --- expressions -----------------------------------------------------------------------------------------


def test_equal_expressions_are_one():
    assert A @ B is A @ B
    assert (A @ B).T is B.T @ A.T
    assert A.T.T is A
    assert copy.deepcopy(A @ B) is A @ B
    assert pickle.loads(pickle.dumps(A @ B + Q)) is A @ B + Q
    assert A + A is 2 * A
    assert A @ B - A @ B is words.zeros((3, 3))
    assert words.inverse(Q) @ Q is words.identity(3)
    assert words.softmax(A) @ words.ones(4) is words.ones(3)
    assert symbol("S", (3, 3), "symmetric").T is symbol("S", (3, 3), "symmetric")
    assert words.trace(x @ x.T) is x.T @ x


def test_a_name_is_kept_and_used():
    Y = let("Y", A @ B)
    derivation = derive(words.total(words.tanh(Y)), A)
    assert "dY" in str(derivation)
    assert [d.name for d in derivation.definitions] == ["Y"]


def test_softmax_and_log_sum_exp_are_known_however_they_are_written():
    text = "E = exp(Z); P = E / E.sum(axis=1, keepdims=True); -sum(log(P)) + sum(log(exp(Z).sum(axis=1)))"
    derivation = derive(parse(text, Z := symbol("Z", (5, 4))), Z)
    assert "softmax(Z)" in str(derivation)
    assert "logsumexp(Z)" in str(derivation)


def test_several_variables_at_once_are_refused_with_what_to_do():
    X, Y = symbols(X=(3, 2), Y=(2, 3))
    with pytest.raises(ValueError, match="one variable at a time"):
        derive(words.trace(X @ Y), (X, Y))


@pytest.mark.parametrize("structure", ["symmetric", "diagonal", "lower", "upper"])
def test_a_declared_structure_is_obeyed(structure, rng):
    """Steps and gradients have it, and the value handed in must."""
    M = symbol("M", (3, 3), structure)
    values = {"M": PROJECT[structure](rng.standard_normal((3, 3)) + 3 * np.eye(3))}
    values["Q"], values["x"] = rng.standard_normal((3, 3)), rng.standard_normal(3)
    f = words.logdet(M) + x @ words.solve(M, x) + words.trace(Q @ M @ M)
    derivation, V = derive(f, M), PROJECT[structure](rng.standard_normal((3, 3)))
    G = derivation(values)
    np.testing.assert_allclose(PROJECT[structure](G), G, rtol=1e-12)
    truth = slope_along(lambda X: evaluate(f, values | {"M": X}), values["M"], V)
    for line in derivation.lines:
        assert abs(line.jvp(values, M, V) - truth.value) <= max(1e-7, 4 * truth.error), line.rule
    with pytest.raises(ValueError, match=f"declared {structure}"):
        evaluate(f, values | {"M": values["Q"]})


def test_a_notebook_shows_formulas():
    derivation = entry("quadratic form").derive()
    for shown in (derivation, derivation.f, statement(derivation, "numerator")):
        assert shown._repr_latex_().startswith(r"$\displaystyle ")
        assert shown._repr_latex_().endswith("$")


@pytest.mark.parametrize("name", ["ICA likelihood", "one label of a linear classifier", "one row, squared"])
def test_the_gradient_as_jax_code(name, rng):
    row = entry(name)
    derivation, values, arguments = row.derive(), row.sample(rng), list(row.declared.values())
    code = function_code(derivation.gradient, "g", arguments, shape=derivation.X.data.shape, target="jax")
    traced = jax.jit(lambda *arrays: run(code, "g", arrays))
    G = traced(*(jnp.asarray(values[v.name]) for v in arguments))
    np.testing.assert_allclose(G, derivation(values), rtol=1e-12, atol=1e-14)
