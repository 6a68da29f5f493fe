"""The diagnosis by a derivation's own lines: every class of mistakes is planted and must be named.

The answers are written out here, beside those of tests/answers, so that each says what it plants.
"""

import numpy as np
import pytest

from mcbook.calculus import MISTAKES, ParseError, derive, diagnose, parse, symbol, symbols
from mcbook.calculus.entries import Entry
from mcbook.calculus.marking.graph import graph_of
from mcbook.calculus.marking.linear import Draw
from mcbook.calculus.marking.search import Search
from mcbook.calculus.marking.slips import TABLE
from mcbook.calculus.marking.strong import prepared
from mcbook.calculus.marking.whole import all_slips

PROBLEMS = {
    "least squares": ("sqnorm(A @ x - b) / (2 * n) + lam / 2 * sqnorm(x)", "A:5,3 x:3 b:5 n: lam:", "x"),
    "affine": ("sqnorm(A @ X @ B - C) / 2", "A:5,3 X:3,4 B:4,2 C:5,2", "X"),
    "quadratic": ("x @ A @ x", "A:3,3 x:3", "x"),
    "network": (
        "Z = X @ W + b; H = logistic(Z); R = H @ V - Y; sqnorm(R) / (2 * n)",
        "X:5,3 W:3,4 b:4 V:4,2 Y:5,2 n:",
        "W",
    ),
    "bias": ("H = logistic(X @ W + b); R = H @ V - Y; sqnorm(R)", "X:5,3 W:3,4 b:4 V:4,2 Y:5,2", "b"),
    "inverse": ("a @ inv(X) @ b", "X:3,3:invertible a:3 b:3", "X"),
    "volume": ("trace(A @ X) - logdet(X)", "X:3,3:invertible A:3,3", "X"),
    "softmax": ("c @ softmax(A @ x)", "c:4 A:4,3 x:3", "x"),
    "classes": (
        "(sum(logsumexp(X @ W, axis=1)) - sum(Y * (X @ W))) / n",
        "X:5,3 Y:5,4:onehot W:3,4 n:",
        "W",
    ),
    "steps": (
        "h_1 = tanh(U @ h_0 + x_1); h_2 = tanh(U @ h_1 + x_2); h_3 = tanh(U @ h_2 + x_3); "
        "sqnorm(h_3 - y) / 2",
        "U:3,3 h_0:3 x_1:3 x_2:3 x_3:3 y:3",
        "U",
    ),
    "covariance": ("logdet(S) + x @ solve(S, x)", "S:3,3:spd x:3", "S"),
    "factor": ("sqnorm(L @ L.T - A) / 4", "L:3,3:lower A:3,3:spd", "L"),
    "likelihood": ("-logdet(W) + sum(logcosh(X @ W.T)) / n", "W:3,3:invertible X:5,3 n:", "W"),
    "modulus": ("sqnorm(A @ x) / 2 + sum(abs(x))", "A:5,3 x:3", "x"),
    "stiffness": ("u = solve(K + rho * B, q); q @ u", "K:3,3:spd B:3,3:spd rho: q:3", "rho"),
}
BACK = "d_3 = (h_3 - y) * (1 - h_3**2); d_2 = (U.T @ d_3) * (1 - h_2**2); d_1 = (U.T @ d_2) * (1 - h_1**2); "
U = "u = solve(K + rho * B, q); "
PLANTED = [  # problem, answer, classes, verdict
    ("affine", "B @ (A @ X @ B - C).T @ A", "layout"),
    ("steps", BACK + "(outer(d_3, h_2) + outer(d_2, h_1) + outer(d_1, h_0)).T", "layout"),
    ("affine", "2 * A.T @ (A @ X @ B - C) @ B.T", "factor"),
    ("least squares", "A.T @ (A @ x - b) / n + 2 * lam * x", "factor"),
    ("least squares", "A.T @ (A @ x - b) + lam * x", "mean"),
    ("least squares", "(A.T @ (A @ x - b) + lam * x) / n", "mean"),
    ("quadratic", "A @ x", "one-sided"),
    ("quadratic", "2 * A @ x", "one-sided"),
    ("factor", "tril((L @ L.T - A) @ L) / 2", "one-sided factor"),
    ("least squares", "A.T @ (A @ x - b) / n", "penalty"),
    ("likelihood", "tanh(X @ W.T).T @ X / n", "penalty"),
    ("bias", "2 * (R @ V.T) * H * (1 - H)", "batch"),
    ("bias", "2 * sum((R @ V.T) * H * (1 - H), axis=1)", "batch"),
    ("inverse", "-outer(a, b) * inv(X).T * inv(X).T", "hadamard"),
    ("volume", "A.T - 1 / X", "hadamard"),
    ("affine", "A.T @ (C - A @ X @ B) @ B.T", "sign"),
    ("least squares", "A.T @ (A @ x + b) / n + lam * x", "sign"),
    ("volume", "A.T + inv(X).T", "sign"),
    ("softmax", "p = softmax(A @ x); A.T @ (p * (1 - p) * c)", "softmax"),
    ("softmax", "p = softmax(A @ x); A.T @ (p * c)", "softmax"),
    ("classes", "P = softmax(X @ W, axis=1); -X.T @ (Y * (1 - P)) / n", "softmax"),
    ("classes", "X.T @ (exp(X @ W) - Y) / n", "softmax"),
    ("classes", "X.T @ (softmax(X @ W, axis=0) - Y) / n", "softmax"),
    ("network", "X.T @ ((R @ V.T) * logistic(H) * (1 - logistic(H))) / n", "point"),
    ("network", "X.T @ ((R @ V.T) * Z * (1 - Z)) / n", "point"),
    ("likelihood", "tanh(X).T @ X / n - inv(W).T", "point"),
    ("network", "X.T @ (R @ V.T) / n", "activation"),
    ("network", "X.T @ ((R @ V.T) * (H * (1 - H))**2) / n", "activation"),
    ("likelihood", "(1 - tanh(X @ W.T)**2).T @ X / n - inv(W).T", "activation"),
    ("steps", BACK + "outer(d_3, h_2)", "time"),
    ("steps", BACK + "outer(d_3, h_3) + outer(d_2, h_2) + outer(d_1, h_1)", "time"),
    ("steps", BACK + "outer(d_3, h_2) + outer(d_2, h_1)", "time"),
    ("factor", "(L @ L.T - A) @ L", "symmetric"),
    ("covariance", "2 * inv(S) - 2 * inv(S) @ outer(x, x) @ inv(S)", "symmetric factor"),
    ("inverse", "-inv(X).T @ outer(a, b)", "rule"),
    ("inverse", "-inv(X) @ outer(a, b) @ inv(X)", "rule"),
    ("volume", "A.T - inv(X)", "rule"),
    ("covariance", "inv(S) - inv(S) @ outer(x, x)", "rule"),
    ("stiffness", U + "-u @ B @ q", "rule"),
    ("modulus", "A.T @ A @ x + tanh(20 * x)", "check"),
    ("modulus", "A.T @ A @ x + x / sqrt(x**2 + 0.0001)", "check"),
]
DOUBLES = [
    ("least squares", "2 * A.T @ (A @ x - b) / n", {"factor", "penalty"}),
    ("likelihood", "tanh(X @ W.T).T @ X + inv(W).T", {"mean", "sign"}),
    ("network", "-X.T @ ((R @ V.T) * Z * (1 - Z)) / n", {"point", "sign"}),
    ("steps", "d = (y - h_3) * (1 - h_3**2); outer(d, h_2)", {"time", "sign"}),
    ("bias", "(Y - H @ V) @ V.T * 2 * H * (1 - H)", {"batch", "sign"}),
    ("affine", "2 * B @ (A @ X @ B - C).T @ A", {"layout", "factor"}),
]


def entry(name):
    text, declared, wrt = PROBLEMS[name]
    return Entry(name, "planted", text, declared.replace("n: ", "n::positive ").strip(), wrt)


def diagnosed(name, answer, **options):
    e = entry(name)
    draws = [e.sample(np.random.default_rng(seed)) for seed in range(3)]
    for values in draws:
        values |= {k: np.abs(v) + 0.5 for k, v in values.items() if np.ndim(v) == 0}
    return diagnose(e.f, answer, e.declared[e.wrt], **{"values": draws, **options})


@pytest.mark.parametrize(("name", "answer", "classes"), PLANTED)
def test_a_planted_mistake_is_named(name, answer, classes):
    found = diagnosed(name, answer)
    assert found.verdict == "wrong"
    assert len(found.classes) == 1
    assert found.classes[0] in classes.split(), found


def test_all_fifteen_classes_are_planted():
    planted = {label for _, _, classes in PLANTED for label in classes.split()}
    assert planted == MISTAKES.keys() - {"natural", "convention"}
    assert len(planted) == 15


@pytest.mark.parametrize(("name", "answer", "classes"), DOUBLES)
def test_two_mistakes_at_once(name, answer, classes):
    assert set(diagnosed(name, answer).classes) == classes


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_gradient_itself_is_correct(name):
    e = entry(name)
    assert diagnosed(name, e.derive().gradient).verdict == "correct"


def test_what_is_no_mistake_is_named_as_what_it_is():
    G = "G = inv(S) - inv(S) @ outer(x, x) @ inv(S); "
    convention = diagnosed("covariance", G + "2 * G - diag(diag(G))")
    assert (convention.verdict, convention.classes) == ("convention", ("convention",))
    natural = diagnosed("covariance", "S - outer(x, x)")
    assert (natural.verdict, natural.classes) == ("another metric", ("natural",))
    relative = diagnosed("likelihood", "(tanh(X @ W.T).T @ X / n - inv(W).T) @ W.T @ W")
    assert (relative.verdict, relative.classes) == ("another metric", ("natural",))
    step = "x - solve(A.T @ A / n + lam * I(3), A.T @ b / n)"
    assert diagnosed("least squares", step).verdict == "another metric"


NONSENSE = [
    ("affine", "A.T @ (A @ X @ B - C) @ B.T @ B @ B.T"),
    ("least squares", "A.T @ (A @ x - b) * x / n"),
    ("quadratic", "A @ A @ x"),
    ("inverse", "X @ outer(a, b) + inv(X)"),
    ("softmax", "A.T @ (c * c)"),
    ("steps", "outer(h_0, h_0) @ U"),
]


@pytest.mark.parametrize(("name", "answer"), NONSENSE)
def test_what_nobody_does_is_not_explained(name, answer):
    found = diagnosed(name, answer)
    assert (found.verdict, found.classes) == ("not explained", ())
    assert "f changes at the rate" in found.evidence


def test_a_random_wrong_gradient_is_not_explained(rng):
    """45 of them over all problems: noise added to the gradient, or multiplied into its entries."""
    for k in range(45):
        name = list(PROBLEMS)[k % len(PROBLEMS)]
        e = entry(name)
        D, X = e.derive(), e.declared[e.wrt]
        E = rng.standard_normal(X.data.shape)
        answer = lambda **v: D(v) + E if k % 2 else D(v) * E + E  # noqa: B023, E731
        assert diagnosed(name, answer).classes == (), name


def test_a_thousandth_too_much_is_no_named_mistake_but_a_factor():
    found = diagnosed("affine", "1.001 * A.T @ (A @ X @ B - C) @ B.T")
    assert found.classes == ("factor",)
    assert "1.001" in found.cause


# --- the report ------------------------------------------------------------------------------------------


def test_the_line_the_term_and_three_hints():
    found = diagnosed("volume", "A.T - inv(X)")
    D = entry("volume").derive()
    assert D.lines[found.line].rules == ("log determinant",)
    assert "X⁻ᵀ" in found.term
    first, second, third = found.hints
    assert first.startswith("The shape is right")
    assert found.term in second
    assert "log determinant" in third
    assert "A⁻ᵀ" in third
    assert "A⁻ᵀ" not in first + second.replace(found.term, "")


def test_a_wrong_shape_is_said_first():
    found = diagnosed("affine", "B @ (A @ X @ B - C).T @ A")
    assert found.hints[0] == "The shape is not the variable's."
    lost = diagnosed("affine", "A @ X")
    assert lost.verdict == "not explained"
    assert "(3, 4)" in lost.evidence


def test_equal_explanations_are_merged():
    """For x ↦ xᵀx both halves of the product rule are equal: one of them, or half of both."""
    (x,) = symbols(x=3)
    found = diagnose(x @ x, x, x)
    assert found.classes in (("one-sided",), ("factor",))
    assert found.others


def test_an_array_gets_the_weaker_verdict_and_is_told():
    e = entry("volume")
    values = e.sample(np.random.default_rng(5))
    wrong = values["A"].T - np.linalg.inv(values["X"])
    found = diagnose(e.f, wrong, e.declared["X"], values=values)
    assert found.classes == ("rule",)
    assert "one point" in found.note
    assert diagnosed("volume", "A.T - inv(X)").note == ""
    with pytest.raises(ValueError, match="values"):
        diagnose(e.f, wrong, e.declared["X"])


# --- ways to hand an answer in ---------------------------------------------------------------------------


def test_a_function_of_the_symbols_or_of_the_variable():
    by_name = lambda X, A: A.T - np.linalg.inv(X)  # noqa: E731
    assert diagnosed("volume", by_name).classes == ("rule",)
    W, M = symbol("W", (3, 3)), np.random.default_rng(0).standard_normal((3, 3)) + 2 * np.eye(3)
    alone = lambda Z: -np.linalg.inv(Z).T  # noqa: E731
    assert diagnose("logdet(W)", alone, W).classes == ("sign",)
    assert diagnose("logdet(W)", np.linalg.inv(M), "W", values={"W": M}).classes == ("rule",)


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
        *("b @ solve(A, x)", "sum(X)", "trace(A @ solve(X, A))", "trace(X.T @ A)", "trace(X)", "sum(X * X)"),
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
