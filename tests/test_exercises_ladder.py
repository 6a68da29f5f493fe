"""The ladder of hints, what is said of code that does not work, and the pages' stubs and solutions."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

from mcbook import exercises
from mcbook.questions import Loss, Question, opening

ROOT = Path(__file__).parents[1]
QUESTIONS = {name: q for chapter in exercises.CHAPTERS for name, q in chapter.QUESTIONS.items()}
WITH_LOSS = {name: q for name, q in QUESTIONS.items() if q.loss}
PAGES = sorted(
    path
    for path in ROOT.glob("book/**/*.ipynb")
    if "exercises.check(" in path.read_text(encoding="utf-8") and "_build" not in path.parts
)
LOGDET = Question(
    "the gradient of log|det W|",
    lambda W: np.linalg.inv(W).T,
    mistakes={"the inverse is not transposed": np.linalg.inv},
    inputs=lambda rng: (rng.normal(size=(3, 3)),),
    loss=Loss("logdet(W)", "W", "W"),
)


def off(question, size, seed=1):
    """The right answer with noise added: no mistake that has a name, the same at every call."""

    def answer(*args):
        A = np.asarray(question.truth(*args), dtype=float)
        return A + size * (1 + np.linalg.norm(A)) * np.random.default_rng(seed).normal(size=A.shape)

    return answer


@pytest.fixture(autouse=True)
def forgotten():
    """Every test begins with no hint open."""
    exercises._asked.clear()


# --- every question --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_ladder_has_three_different_hints(name):
    hints = QUESTIONS[name].ladder()
    assert len(hints) == 3
    assert len({hint.strip() for hint in hints} - {""}) == 3
    assert all(20 < len(hint) < 400 for hint in hints)


@pytest.mark.parametrize("name", QUESTIONS)
def test_wrong_answers_open_one_hint_after_the_other(name):
    question = QUESTIONS[name]
    for k in (1, 2, 3):
        verdict = exercises.check(name, off(question, 0.1 * k))
        assert not verdict
        assert len(verdict.open) == k
        assert len(set(verdict.hints)) == 3
        assert f"Hint {k} of 3: {verdict.hints[k - 1]}" in repr(verdict)
        assert f"Hint {k + 1} of" not in repr(verdict)


@pytest.mark.parametrize("name", WITH_LOSS)
def test_the_loss_is_the_one_whose_gradient_is_asked_for(name):
    question = WITH_LOSS[name]
    for seed in range(3):
        args = question.inputs(np.random.default_rng([seed, 4]))
        truth = np.asarray(question.truth(*args), dtype=float)
        G = np.reshape(question.loss.derive(args)(question.loss.values(args)), truth.shape)
        assert np.linalg.norm(G - truth) <= 1e-11 * max(np.linalg.norm(truth), 1e-3)


def test_the_checker_finds_most_of_the_mistakes_by_itself():
    """What the authors wrote down by hand, found from the derivation alone."""
    found = []
    for question in WITH_LOSS.values():
        truth = question._values(question.truth)
        for mistake in question.mistakes.values():
            verdict = question._replace(mistakes={})._wrong(question._values(mistake), truth)
            assert not verdict
            assert len(set(verdict.hints)) == 3
            found.append("the checker sees why" in verdict.message)
    assert sum(found) >= 0.7 * len(found)


def test_there_are_many_of_either_kind():
    assert len(WITH_LOSS) >= 20
    assert len(QUESTIONS) - len(WITH_LOSS) >= 15


# --- how the ladder is climbed -----------------------------------------------------------------------------


def test_a_repeated_answer_opens_nothing_and_a_right_one_closes_all():
    name, question = "ridge-work", QUESTIONS["ridge-work"]
    wrong = off(question, 0.1)
    assert len(exercises.check(name, wrong).open) == 1
    assert len(exercises.check(name, wrong).open) == 1
    assert len(exercises.check(name, off(question, 0.2)).open) == 2
    assert exercises.check(name, question.truth)
    assert len(exercises.check(name, wrong).open) == 1


def test_hints_can_be_asked_for():
    first, second = exercises.hint("ridge-cell"), exercises.hint("ridge-cell")
    assert (len(first.open), len(second.open)) == (1, 2)
    assert first.hints == QUESTIONS["ridge-cell"].hints
    exercises.hint("ridge-cell")
    assert len(exercises.hint("ridge-cell").open) == 3
    with pytest.raises(ValueError, match="no exercise is called"):
        exercises.hint("ridge-nothing")


def test_a_hint_after_a_wrong_answer_belongs_to_it():
    name = "unmixing-quartic"
    answer = lambda W, X: 2 * QUESTIONS[name].truth(W, X)  # noqa: E731
    exercises.check(name, answer)
    verdict = exercises.hint(name)
    assert len(verdict.open) == 2
    assert verdict.hints == QUESTIONS[name].check(answer).hints
    assert "2" in verdict.hints[2]


def test_a_mistake_by_name_comes_with_its_line():
    verdict = LOGDET.check(np.linalg.inv)
    assert "the inverse is not transposed" in verdict.message
    assert "line 1, log determinant" in verdict.message


def test_a_mistake_without_a_name_is_found_in_the_derivation():
    verdict = LOGDET.check(np.transpose)
    first, second, third = verdict.hints
    assert "shape is right" in first
    assert "⟨" in second
    assert "line 1, log determinant" in third
    assert "the inverse forgotten" in third


def test_the_derivation_s_own_hints_open_slowly():
    loss = Loss("sqnorm(X @ w - y) / 2", "w", "X w y")
    hints = opening(loss.derive((np.ones((4, 2)), np.ones(2), np.ones(4))))
    answer = "Xᵀ (X w − y)"
    assert "squared norm, product" in hints[0]
    assert all(answer not in hint for hint in hints[:2])


def test_jupyter_folds_the_hints_and_text_stays_text():
    formatter = DisplayFormatter()
    shown, _ = formatter.format(LOGDET.check(lambda W: W * W)._replace(shown=2))
    assert shown["text/html"].count("<details>") == 2
    assert shown["text/plain"].count("Hint") == 2
    for verdict in (LOGDET.check(None), LOGDET.check(LOGDET.truth)):
        assert set(formatter.format(verdict)[0]) == {"text/plain"}


# --- the reader's code -------------------------------------------------------------------------------------


def writes(W):
    """Right, but the matrix that it was given is gone."""
    A = np.linalg.inv(W).T
    W[:] = 0
    return A


def stops(W):
    """Divides by zero, on its second line."""
    zero = 0
    return W / [1][1] if zero else 1 / zero


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (stops, "your code stops with ZeroDivisionError: division by zero (line "),
        (lambda W: W[5], "your code stops with IndexError"),
        (lambda W: stops.nothing, "AttributeError"),
        (lambda W, X: W, "hands it 1 argument, and it takes others: missing a required argument: 'X'"),
        (writes, "it changes its input; copy an array before you write into it"),
        (lambda W: None, "is a `return` missing?"),
        (lambda W: W * np.nan, "9 of 9 entries of what it returns are NaN or infinite"),
        (lambda W: W[0], "the shape should be (3, 3), got (3,)."),
        (lambda W: W + 0j, "is complex, and real numbers are asked for"),
        (lambda W: [[1, 2], [3]], "its rows have different lengths"),
        (lambda W: "inv(W)", "must be numbers, got str"),
        (lambda W: W.astype(object) * None if W is None else {"G": W}, "must be numbers, got dict"),
        (lambda W: np.linalg.inv(W).T.astype(np.float16), "right to the few digits of float16"),
        (lambda W: np.trunc(np.linalg.inv(W).T).astype(int), "cuts off the decimals"),
        (np.eye(3), "a function is asked for, got ndarray"),
    ],
)
def test_what_goes_wrong_in_the_code_is_said_kindly(answer, words):
    verdict = LOGDET.check(answer)
    assert not verdict
    assert words in verdict.message
    assert "Hint" not in repr(verdict)


def test_a_transposed_shape_is_said():
    question = Question(
        "aᵀ", lambda a: a, inputs=lambda rng: (rng.normal(size=(2, 3)),), hints=("a", "b", "c")
    )
    assert "is it transposed?" in question.check(np.transpose).message


def test_code_that_stops_uses_up_no_hint():
    exercises.check("ridge-work", off(QUESTIONS["ridge-work"], 0.1))
    assert len(exercises.check("ridge-work", lambda K, M, b, kappa: 1 / 0).open) == 1
    assert len(exercises.check("ridge-work", off(QUESTIONS["ridge-work"], 0.1)).open) == 1


def test_single_precision_that_is_good_enough_is_right():
    assert LOGDET.check(lambda W: np.linalg.inv(W).T.astype(np.float32))


# --- the pages -------------------------------------------------------------------------------------------


def cells(path):
    nb = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in nb["cells"] if c["cell_type"] == "code"]


def defined(sources):
    """The imports and functions of a page, without what it runs."""
    space: dict = {}
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef)
    for source in sources:
        if re.search(r"^\s*[%!]", source, re.M):
            continue
        for node in ast.parse(source).body:
            if isinstance(node, kinds):
                exec(compile(ast.Module([node], []), "page", "exec"), space)
    return space


def outcome(source, space):
    """The value of a cell's last line."""
    body = ast.parse(source).body
    exec(compile(ast.Module(body[:-1], []), "cell", "exec"), space)
    return eval(compile(ast.Expression(body[-1].value), "cell", "eval"), space)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_every_stub_fails_before_and_its_solution_passes_after(path):
    sources = cells(path)
    space = defined(sources)
    asked: dict[str, list[bool]] = {}
    for source in sources:
        last = source.rpartition("\n")[2]
        for name in re.findall(r'^exercises\.check\("([\w-]+)"', last):
            verdict = outcome(source, space)
            if not asked.get(name):
                assert verdict.message.startswith("Not answered yet"), f"{name}: the stub has an answer"
            asked.setdefault(name, []).append(bool(verdict))
    assert asked
    for name, verdicts in asked.items():
        assert verdicts == [False, True], f"{name}: {verdicts}"


def test_every_question_is_asked_on_a_page():
    asked = {
        n
        for p in PAGES
        for n in re.findall(r'exercises\.check\(\s*\\"([\w-]+)', p.read_text(encoding="utf-8"))
    }
    assert asked == set(QUESTIONS)
