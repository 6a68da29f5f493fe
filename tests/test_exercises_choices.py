"""Multiple choice: every wrong answer is wrong, unlike the others, explained as the checker explains it."""

from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Page
from test_widgets import browser, page_of  # noqa: F401  (browser is a fixture)

from mcbook import exercises, widgets
from mcbook.calculus import derive, diagnose, parse, symbols
from mcbook.calculus.catalogue import CATALOGUE
from mcbook.calculus.engine import evaluate, latex
from mcbook.calculus.engine.mathml import mathml
from mcbook.calculus.marking.mutants import mutant
from mcbook.calculus.marking.strong import prepared
from mcbook.exercises.choices import Choice, options, seed_of, shown

CHOICES = {name: c for chapter in exercises.CHAPTERS for name, c in chapter.CHOICES.items()}
RIDGE = CHOICES["ridge-choice"]


def answers(name):
    return options(CHOICES[name], seed_of(name))


def values(choice, formula, seed):
    return evaluate(formula, choice.entry.sample(np.random.default_rng([seed, 99])))


# --- the formulas ----------------------------------------------------------------------------------------


def test_every_chapter_has_one():
    chapters = [c for c in exercises.CHAPTERS if not c.__name__.endswith("thread")]
    assert all(chapter.CHOICES for chapter in chapters)
    assert len(CHOICES) >= 9


@pytest.mark.parametrize("name", CHOICES)
def test_one_answer_is_the_gradient_and_the_others_are_not_and_all_differ(name):
    choice = CHOICES[name]
    G = derive(choice.entry.f, choice.entry.declared[choice.wrt]).gradient
    assert sum(answer.correct for answer in answers(name)) == 1
    assert len(answers(name)) == 1 + choice.wrong
    for seed in range(4):
        truth = np.asarray(values(choice, G, seed))
        found = [np.asarray(values(choice, answer.formula, seed)) for answer in answers(name)]
        for answer, A in zip(answers(name), found, strict=True):
            assert A.shape == truth.shape
            assert bool(np.linalg.norm(A - truth) <= 1e-11 * np.linalg.norm(truth)) is answer.correct
        gaps = [np.linalg.norm(A - B) for k, A in enumerate(found) for B in found[:k]]
        assert min(gaps) > 1e-6 * np.linalg.norm(truth)


@pytest.mark.parametrize("name", CHOICES)
def test_the_checker_says_of_each_wrong_answer_what_the_page_says(name):
    choice = CHOICES[name]
    f, X = choice.entry.f, choice.entry.declared[choice.wrt]
    classes = []
    for answer in answers(name):
        found = diagnose(f, answer.formula, X, rng=np.random.default_rng(77))
        assert (found.verdict == "correct") is answer.correct
        assert found.classes == answer.classes
        if not answer.correct:
            assert found.cause in answer.words
            assert found.line is None or f"line {found.line}, " in answer.words
            classes += answer.classes
    assert len(set(classes)) == len(classes), "two wrong answers of one class"


def test_the_order_depends_on_the_name_alone():
    order = [answer.formula for answer in answers("ridge-choice")]
    options.cache_clear()
    assert [answer.formula for answer in answers("ridge-choice")] == order
    places = {[a.correct for a in options(RIDGE, seed)].index(True) for seed in range(12)}
    assert places == {0, 1, 2, 3}


@pytest.mark.parametrize("entry", CATALOGUE[::7], ids=lambda e: e.name)
def test_without_a_slip_the_mutant_is_the_gradient(entry):
    _, graph, _ = prepared(entry.f, entry.declared[entry.wrt])
    v = entry.sample(np.random.default_rng(3))
    G, H = entry.derive()(v), evaluate(mutant(graph), v)
    assert np.linalg.norm(np.ravel(G) - np.ravel(H)) <= 1e-11 * np.linalg.norm(G)


def test_a_mutant_is_what_its_slip_says():
    (X,) = symbols(X=(3, 3))
    _, graph, slips = prepared(parse("logdet(X)", X), X)
    formulas = {slip.what: mutant(graph, (slip,)) for slip in slips}
    assert formulas["the transpose of A⁻ᵀ forgotten"] is parse("inv(X)", X)
    assert formulas["the sign of log|det X|"] is parse("-inv(X).T", X)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice("a @ x", "a:3 x:3", "x", wrong=9), "expects 9 wrong answers .* found"),
        (RIDGE._replace(also=("X.T @ (X @ w - y) / n + lam * w",)), "not met twice"),
        (RIDGE._replace(also=("w * w * w",)), "have a name"),
        (RIDGE._replace(also=("X.T @ X",)), r"of the shape \(3, 1\)"),
    ],
)
def test_what_cannot_be_asked_is_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        options(choice, 0)


def test_an_answer_of_the_author_comes_with_its_explanation():
    found = options(RIDGE._replace(also=("X.T @ (X @ w - y) + lam * w",)), 1)
    own = next(a for a in found if a.formula.free and "1/n" in a.words)
    assert own.classes == ("mean",)
    assert len(found) == 4


def test_an_unknown_name_is_named():
    with pytest.raises(ValueError, match="no exercise is called 'ridge-nothing'"):
        exercises.choice("ridge-nothing")


# --- MathML, held against the LaTeX that the engine's tests read back --------------------------------------


@pytest.mark.parametrize("entry", CATALOGUE[::3], ids=lambda e: e.name)
def test_mathml_is_well_formed_and_says_what_the_text_says(entry):
    G = entry.derive().gradient
    root = ElementTree.fromstring(mathml(G))
    arity = {"msup": 2, "msub": 2, "mfrac": 2, "msubsup": 3}
    for node in root.iter():
        tag = node.tag.rpartition("}")[2]
        assert len(node) == arity.get(tag, len(node))
        assert len(node) == 0 or not (node.text or "").strip()
        assert not (node.tail or "").strip(), "characters outside of an element"
    tex = latex(G)
    assert tex.count(r"\frac") == len(root.findall(".//{*}mfrac"))
    assert tex.count(r"\mathsf{T}") == sum(
        n.text == "T" and n.get("mathvariant") == "normal" for n in root.iter()
    )
    assert tex.count(r"\left(") == sum(n.text == "(" for n in root.iter())
    assert tex.count(r"\circ") == sum(n.text == "∘" for n in root.iter())
    assert tex.count("-") == sum(n.text == "−" for n in root.iter())
    assert tex.count("+") == sum(n.text == "+" for n in root.iter())


# --- the page --------------------------------------------------------------------------------------------


def test_nothing_is_given_away_at_a_glance():
    widget = exercises.choice("unmixing-choice")
    state = str({k: v for k, v in widget.get_state().items() if k not in ("_esm", "_css")})
    assert "Right" not in state
    assert "Not this one" not in state
    assert repr(widget) == "Multiple choice, 4 answers: Which is the gradient with respect to W?"


@pytest.mark.parametrize(
    ("formulas", "verdicts"),
    [
        (["<math/>"], [(True, "")]),
        (["<math/>", "<math/>"], [(True, ""), (False, "")]),
        (["<math>1</math>", "<math>2</math>"], [(True, ""), (True, "")]),
        (["<math>1</math>", "<math>2</math>"], [(True, "")]),
    ],
)
def test_a_choice_has_exactly_one_right_answer(formulas, verdicts):
    with pytest.raises(ValueError, match="exactly one right one"):
        widgets.MultipleChoice("?", formulas, verdicts)


@pytest.fixture
def opened(browser, tmp_path) -> Page:  # noqa: F811
    path = tmp_path / "page.html"
    path.write_text(
        page_of(shown("ridge-choice", RIDGE), shown("unmixing-choice", CHOICES["unmixing-choice"]))
    )
    page = browser.new_page(viewport={"width": 860, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]")
    yield page
    assert page.evaluate("window.errors") == []
    page.close()


def test_a_choice_answers_at_once_with_the_explanation(opened):
    box, found = opened.locator(".mc-choice").first, answers("ridge-choice")
    for k, answer in enumerate(found):
        box.locator("input").nth(k).check()
        said = box.locator("[role=status]")
        assert answer.words in said.inner_text()
        assert said.get_attribute("data-verdict") == ("right" if answer.correct else "mistake")
        assert said.get_attribute("aria-live") == "polite"
    assert box.locator("label[data-verdict]").count() == len(found)


def test_a_choice_works_from_the_keyboard(opened):
    box, found = opened.locator(".mc-choice").first, answers("ridge-choice")
    box.locator("input").first.focus()
    opened.keyboard.press("Space")
    assert found[0].words in box.locator("[role=status]").inner_text()
    opened.keyboard.press("ArrowDown")
    assert found[1].words in box.locator("[role=status]").inner_text()
    assert opened.locator(".mc-choice").nth(1).locator("[role=status]").inner_text() == ""


def test_formulas_are_set_by_the_browser(opened):
    assert opened.locator(".mc-choice label math").count() == 8
    raised = (
        "n => n.children[1].getBoundingClientRect().bottom < n.children[0].getBoundingClientRect().bottom"
    )
    assert opened.locator(".mc-choice msup").first.evaluate(raised)
    assert opened.locator("legend").first.inner_text() == "Which is the gradient with respect to w?"
