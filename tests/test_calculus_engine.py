"""The derivation engine: rules as adjoint pairs, every line of every derivation, refusals."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from latexreader import read
from mcbook.calculus.catalogue import CATALOGUE, entry
from mcbook.calculus.differences import slope_along
from mcbook.calculus.engine import rules
from mcbook.calculus.engine import vocabulary as words
from mcbook.calculus.engine.code import function_code
from mcbook.calculus.engine.derive import derive
from mcbook.calculus.engine.evaluate import evaluate, evaluate_all
from mcbook.calculus.engine.nodes import definitions, let, symbol, symbols

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
        along = words.rebuild(node, args)
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
    assert {row.area for row in CATALOGUE} == areas | {"diffusion", "schedules"}


@pytest.mark.parametrize("row", [r for r in CATALOGUE if r.textbook], ids=lambda r: r.name)
def test_textbook_derivations_are_short(row):
    derivation = row.derive()
    assert len(derivation.lines) <= 12
    assert derivation.size <= 40


@pytest.mark.parametrize("change", [lambda G: G.T, lambda G: -G, lambda G: 2 * G, lambda G: 1.001 * G])
def test_a_planted_error_in_a_gradient_is_seen(change, rng):
    row = entry("ICA likelihood")
    values = row.sample(rng)
    truth = slope_along(lambda W: evaluate(row.f, values | {"W": W}), values["W"], V := rng.standard_normal((3, 3)))
    G = change(row.derive()(values))
    assert abs(np.vdot(G, V) - truth.value) > 1e-6 * np.linalg.norm(G)


# --- the printed formulas --------------------------------------------------------------------------------


def with_definitions(derivation, values):
    """The values, and those of every name that the derivation introduces."""
    roots = [derivation.f, derivation.gradient, *(t.C for line in derivation.lines for t in line.terms)]
    named = definitions(*roots)
    return values | dict(zip([d.name for d in named], evaluate_all(named, values), strict=True))


@pytest.mark.parametrize("row", CATALOGUE, ids=IDS)
def test_what_is_printed_in_latex_is_what_is_meant(row, rng):
    """Every C of every line, every definition and the gradient, read back from LaTeX and evaluated."""
    from mcbook.calculus.engine.latex import latex

    derivation, values = row.derive(), row.sample(rng)
    known = with_definitions(derivation, values)
    written = [t.C for line in derivation.lines for t in line.terms]
    written += [t.E for line in derivation.lines for t in line.terms] + [derivation.gradient]
    written += [d.args[0] for d in definitions(derivation.f, derivation.gradient)]
    for E, meant in zip(written, evaluate_all(written, values), strict=True):
        printed = read(latex(E), known)
        assert printed.shape == meant.shape
        assert np.linalg.norm(printed - meant) <= 1e-10 * np.linalg.norm(meant), latex(E)
