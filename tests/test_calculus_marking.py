"""The diagnosis by a derivation's lines: ways to hand an answer in, errors in it, and the search itself."""

import numpy as np
import pytest
from planted import PROBLEMS, diagnosed, entry

from mcbook.calculus import MISTAKES, ParseError, derive, diagnose, parse, symbol, symbols
from mcbook.calculus.marking.graph import graph_of
from mcbook.calculus.marking.linear import Draw
from mcbook.calculus.marking.search import Search
from mcbook.calculus.marking.slips import TABLE
from mcbook.calculus.marking.strong import prepared
from mcbook.calculus.marking.whole import all_slips

# --- ways to hand an answer in ---------------------------------------------------------------------------


def test_a_function_of_the_symbols_or_of_the_variable():
    by_name = lambda X, A: A.T - np.linalg.inv(X)  # noqa: E731
    assert diagnosed("volume", by_name).classes == ("rule",)
    W, M = symbol("W", (3, 3)), np.random.default_rng(0).standard_normal((3, 3)) + 2 * np.eye(3)
    alone = lambda Z: -np.linalg.inv(Z).T  # noqa: E731
    assert diagnose("logdet(W)", alone, W).classes == ("sign",)
    assert diagnose("logdet(W)", np.linalg.inv(M), "W", values={"W": M}).classes == ("rule",)


def test_the_answer_may_use_what_the_loss_defines_and_does_not_use():
    x, A, b = symbols(x=3, A=(4, 3), b=4)
    loss = "r = A @ x - b; H = A.T @ A; s = H @ x; sum(softmax(r, axis=0) * r)"
    right = "p = softmax(r); A.T @ (p * (1 + r - p @ r))"
    assert diagnose(loss, right, x, symbols=(A, b)).verdict == "correct"
    loss = "r = A @ x - b; H = A.T @ A; s = H @ x; sum(r * r)"
    assert diagnose(loss, "2 * (s - A.T @ b)", x, symbols=(A, b)).verdict == "correct"
    assert diagnose(loss, "s = A @ x; 2 * A.T @ (s - b)", x, symbols=(A, b)).verdict == "correct"  # its own s
    assert diagnose(loss, "2 * (A.T @ b - s)", x, symbols=(A, b)).classes == ("sign",)
    assert diagnose(loss, "2 * (t - s)", x, symbols=(A, b)).cause == "cannot be read"


def test_text_needs_its_symbols_and_is_never_run(tmp_path):
    x, A = symbols(x=3, A=(3, 3))
    assert diagnose("x @ A @ x", "(A + A.T) @ x", "x", symbols=(x, A)).verdict == "correct"
    mark = tmp_path / "ran"
    for text in (f"open({str(mark)!r}, 'w')", "__import__('os').getcwd()", "x.__class__", "(lambda: x)()"):
        found = diagnose(x @ A @ x, text, x)
        assert (found.verdict, found.cause) == ("error", "cannot be read")
    assert not mark.exists()
    with pytest.raises(ParseError, match="not declared"):
        diagnose("x @ A @ x", "x", x)
    with pytest.raises(ValueError, match="symbol of the loss"):
        diagnose(x @ A @ x, "x", "y")


def raises(X, A):
    raise KeyError("W")


def writes_into_its_input(X, A):
    X += 1.0
    return A.T


ERRORS = {
    "your code stops": (raises, "KeyError"),
    "changes its input": (writes_into_its_input, "X is no longer"),
    "not finite": (lambda X, A: X * np.nan, "9 of 9"),
    "wrong kind": (lambda X, A: [["a", "b"]], "real numbers"),
    "wrong shape": (lambda X, A: np.zeros((3, 3, 3)), "(3, 3, 3)"),
    "cannot be read": ("A.T - inv(X)) @ A", "left over (column 13)"),
    "no value": ("inv(A - A)", "no inverse"),
}


@pytest.mark.parametrize("cause", ERRORS)
def test_what_is_wrong_with_the_code_is_said_kindly(cause):
    answer, evidence = ERRORS[cause]
    found = diagnosed("volume", answer)
    assert (found.verdict, found.cause) == ("error", cause)
    assert evidence in found.evidence


@pytest.mark.parametrize("cause", ["your code stops", "changes its input", "wrong kind"])
def test_so_it_is_without_a_derivation(cause):
    answer = {
        "your code stops": lambda X: X.no_such_thing,
        "changes its input": lambda X: np.copyto(X, 0.0) or X,
        "wrong kind": lambda X: X + 1j,
    }[cause]
    found = diagnose(lambda X: (X**2).sum(), answer, np.ones((3, 2)) + np.eye(3, 2))
    assert (found.verdict, found.cause) == ("error", cause)


def test_one_verdict_with_and_without_a_derivation(rng):
    A, X = rng.standard_normal((4, 3)), rng.standard_normal((3, 4))
    f = lambda X: np.trace(A @ X)  # noqa: E731
    S, T = symbols(A=(4, 3), X=(3, 4))
    weak, strong = (
        diagnose(f, -A.T, X),
        diagnose(parse("trace(A @ X)", S, T), -A.T, T, values={"A": A, "X": X}),
    )
    assert weak.verdict == strong.verdict == "wrong"
    assert len(weak.hints) == len(strong.hints) == 3
    assert diagnose(f, A.T, X).verdict == "correct"
    assert diagnose(f, A.T + 1, X).verdict == "not explained"


# --- the machinery ---------------------------------------------------------------------------------------


def searched(name):
    e = entry(name)
    graph = prepared(e.f, e.declared[e.wrt])[1]
    draws = [Draw(e.sample(np.random.default_rng(seed))) for seed in range(2)]
    return e, graph, Search(graph, draws, all_slips(graph))


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_graph_is_the_derivation(name):
    """Its paths sum to the gradient, and every edge leads onward."""
    e = entry(name)
    graph = graph_of(e.derive())
    values = e.sample(np.random.default_rng(0))
    values |= {k: np.abs(v) + 0.5 for k, v in values.items() if np.ndim(v) == 0}
    c, L = graph.sweep(graph.matrices(Draw(values)))
    G = np.ravel(e.derive()(values))
    assert np.linalg.norm(c[-1] - G) <= 1e-11 * np.linalg.norm(G)
    assert np.linalg.norm(L[0][:, 0] - G) <= 1e-11 * np.linalg.norm(G)
    assert all(edge.start < edge.end for edge in graph.edges)


@pytest.mark.parametrize("name", ["network", "steps", "covariance"])
def test_a_changed_matrix_is_seen_without_deriving_anew(name):
    """G + L (M′ − M) c against the sweep with the matrix changed; a change by a tenth more is seen."""
    _, _, search = searched(name)
    for changed in search.changes[:60]:
        full = search.swept(changed, 0)
        quick = search.with_changes(changed)
        assert np.linalg.norm(quick - full) <= 1e-9 * max(np.linalg.norm(full), np.linalg.norm(search.G))
        off = {n: 1.1 * M for n, M in changed.items()}
        if any(M.any() for M in changed.values()):
            assert np.linalg.norm(search.swept(off, 0) - full) > 1e-9 * np.linalg.norm(full)


def test_every_row_of_the_table_can_be_met():
    """No row is dead: each is written down for some function, and is not the rule there."""
    x, X, A, b = symbols(x=3, X=(3, 3), A=(3, 3), b=3)
    texts = [
        *(
            "logdet(X)",
            "det(X)",
            "trace(A @ inv(X))",
            "b @ solve(X, b)",
            "trace(X @ X)",
            "norm(X)",
            "sqnorm(X)",
        ),
        *(
            "sum(x**3)",
            "sum(exp(x))",
            "sum(tanh(x))",
            "sum(logistic(x))",
            "sum(logcosh(x))",
            "sum(softplus(x))",
        ),
        *(
            "b @ solve(A, x)",
            "sum(X)",
            "trace(A @ solve(X, A))",
            "trace(X.T @ A)",
            "trace(X)",
            "sum(X * X)",
            "sqrt(x @ x)",
        ),
    ]
    met = set()
    for text in texts:
        f = parse(text, x, X, A, b)
        graph = graph_of(derive(f, x if x in f.free else X))
        met |= {slip.what for slip in all_slips(graph)}
    missing = {row[2] for rows in TABLE.values() for row in rows} - met
    assert missing == set()


def test_every_class_of_a_slip_is_known():
    for name in PROBLEMS:
        graph = graph_of(entry(name).derive())
        assert {slip.label for slip in all_slips(graph)} <= MISTAKES.keys()
