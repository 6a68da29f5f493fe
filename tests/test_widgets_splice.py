"""The splice chapter's interactive parts: what Python hands over is right, and the page reacts."""

import os

import browsertools as tools
import numpy as np
import pytest
from test_widgets import page_of

from mcbook import widgets

REQUIRED = "browser" in os.environ.get("MCBOOK_REQUIRE", "")
RADII = np.round(np.arange(0.5, 1.51, 0.05), 2)
T = 30


def one_hot(letters):
    return np.eye(4)[["ACGT".index(letter) for letter in letters]]


WINDOWS = {"first": one_hot("ACGGTAAGTC"), "second": one_hot("TTTTAGGCAT")}
WEIGHTS = np.random.default_rng(3).normal(size=(10, 4))


def score(X):
    """A bent score: what is linear in x passes through a tanh."""
    return 4 * np.tanh((X * WEIGHTS).sum(axis=(1, 2)) / 4)


def grad(x):
    return WEIGHTS / np.cosh((x * WEIGHTS).sum() / 4) ** 2


@pytest.fixture(scope="module")
def memory():
    """A linear recurrence with W_h = ρ Q, Q orthogonal, keeps exactly ρ^(T-t); another one keeps all."""
    distance = T - np.arange(T + 1)
    norms = {"linear network": 3.0 * RADII[:, None] ** distance, "gated": np.ones((len(RADII), T + 1))}
    eigenvalues = np.exp(2j * np.pi * np.arange(8) / 8)
    return widgets.GradientMemory(RADII, norms, eigenvalues=eigenvalues, radius=0.8)


@pytest.fixture(scope="module")
def mutate():
    return widgets.MutateByHand(WINDOWS, score=score, grad=grad, label="donor score")


# --- what Python hands over --------------------------------------------------------------------------------


def test_norms_are_relative_and_logarithmic(memory):
    logs = np.array(memory.logs)
    assert logs.shape == (2, len(RADII), T + 1)
    np.testing.assert_allclose(logs[0][:, 0], T * np.log10(RADII), atol=1e-3)
    np.testing.assert_allclose(logs[0][:, -1], 0)
    np.testing.assert_allclose(logs[1], 0)
    assert memory.radii[memory.stop] == 0.8
    assert repr(memory).endswith("over 30 steps, for a spectral radius from 0.5 to 1.5")


def test_a_gradient_that_dies_is_drawn_at_a_floor():
    norms = {"dead": np.array([[0.0, 0.5, 1.0], [1.0, 1.0, 1.0]])}
    made = widgets.GradientMemory([0.5, 1.0], norms, eigenvalues=[1.0])
    assert made.logs[0][0][0] == -30


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r, n, e: (r[::-1], n, e), "increasing radii"),
        (lambda r, n, e: (r, {}, e), "one to three networks, got 0"),
        (lambda r, n, e: (r, {"a": n["a"].T}, e), "transpose"),
        (lambda r, n, e: (r, {"a": n["a"] * np.nan}, e), "finite norms"),
        (lambda r, n, e: (r, {"a": n["a"] * [1, 1, 1, 0]}, e), "last column"),
        (lambda r, n, e: (r, n, 2 * e), "rescale it"),
    ],
)
def test_bad_norms_are_named(spoil, message):
    radii, norms, eigenvalues = spoil(np.array([0.5, 1.0, 1.5]), {"a": np.ones((3, 4))}, np.array([1.0, 0.2]))
    with pytest.raises(ValueError, match=message):
        widgets.GradientMemory(radii, norms, eigenvalues=eigenvalues)


def test_every_single_mutant_is_scored_and_foretold():
    x = WINDOWS["first"]
    found = widgets.single_mutants(x, score, grad)
    assert found.score == pytest.approx(score(x[None])[0])
    for t, b in ((0, 1), (4, 2), (9, 0)):
        mutant = x.copy()
        mutant[t] = np.eye(4)[b]
        assert found.actual[t, b] == pytest.approx(score(mutant[None])[0])
        assert found.predicted[t, b] == pytest.approx(found.score + np.sum(grad(x) * (mutant - x)))
    own = x.argmax(axis=1)
    assert np.allclose(found.actual[np.arange(10), own], found.score)
    assert np.allclose(found.predicted[np.arange(10), own], found.score)


def test_the_prediction_is_of_first_order():
    """Shrink the weights, and the error of the prediction falls with the square of the effect."""
    errors, x = [], WINDOWS["first"]
    for small in (1.0, 0.5, 0.25):
        found = widgets.single_mutants(
            x,
            lambda X, s=small: np.tanh(s * (X * WEIGHTS).sum(axis=(1, 2)) + 1.0),
            lambda x, s=small: s * WEIGHTS / np.cosh(s * (x * WEIGHTS).sum() + 1.0) ** 2,
        )
        errors.append(np.abs(found.actual - found.predicted).max())
    assert errors[2] < errors[1] / 2.5
    wrong = widgets.single_mutants(x, score, lambda x: -grad(x))
    right = widgets.single_mutants(x, score, grad)
    assert np.abs(wrong.actual - wrong.predicted).max() > 3 * np.abs(right.actual - right.predicted).max()


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ({}, "one to five windows"),
        ({"a": one_hot("ACGTA")}, "even length"),
        ({"a": one_hot("ACGT")[None]}, "one window"),
        ({"a": np.full((4, 4), 0.25)}, "ambiguity"),
        ({"a": one_hot("ACGT"), "b": one_hot("ACGTAC")}, "one length"),
    ],
)
def test_bad_windows_are_named(windows, message):
    with pytest.raises(ValueError, match=message):
        widgets.MutateByHand(windows, score=lambda X: np.zeros(len(X)), grad=np.zeros_like)


def test_a_gradient_of_another_shape_is_named():
    with pytest.raises(ValueError, match="finite gradient"):
        widgets.single_mutants(WINDOWS["first"], score, lambda x: grad(x).T)


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    if tools.chromium() is None and not REQUIRED:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = tools.launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path, memory, mutate):
    """The page with both widgets, the network cut; closing it checks that nothing failed."""
    (tmp_path / "page.html").write_text(page_of(memory, mutate), encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 800}, offline=True)
    page, problems = context.new_page(), []
    page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(f"file://{tmp_path}/page.html")
    page.wait_for_selector("body[data-ready]")
    yield page
    assert (problems, page.evaluate("errors")) == ([], [])
    context.close()


@pytest.mark.browser
def test_the_radius_bends_the_path(opened, memory):
    slider = opened.get_by_role("slider", name="Spectral radius")
    curve, ring = opened.locator(".mc-memory .panels .walk1"), opened.locator(".mc-memory circle.w2")
    before, radius = curve.get_attribute("d"), float(ring.get_attribute("r"))
    slider.focus()
    opened.keyboard.press("ArrowRight")
    assert opened.evaluate("models[0].get('stop')") == memory.stop + 1
    assert curve.get_attribute("d") != before
    assert float(ring.get_attribute("r")) / radius == pytest.approx(0.85 / 0.8, abs=2e-3)
    words = f"ρ = 0.85; linear network keeps {0.85**T:.2g}"
    assert slider.get_attribute("aria-valuetext").startswith(words.replace("0.0076", "8 × 10⁻³"))
    opened.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext").startswith(
        "ρ = 1.50; linear network keeps 2 × 10⁵, gated keeps 1"
    )
    opened.evaluate("models[0].set('stop', 10)")
    assert opened.locator(".mc-memory .angle output").inner_text() == "1.00"
    opened.wait_for_function(
        "document.querySelector('.mc-memory .summary').textContent.startsWith('ρ = 1.00')"
    )


@pytest.mark.browser
def test_a_letter_is_mutated_from_the_keyboard(opened, mutate):
    cells = opened.locator(".mc-mutate dd")
    opened.get_by_role("button", name="position +1: ").focus()
    opened.keyboard.press("ArrowLeft")
    opened.keyboard.press("c")
    assert opened.evaluate("models[1].get('position')") == 4
    key = opened.get_by_role("button", name="position −1: C, was T")
    assert key.get_attribute("aria-pressed") == "true"
    told = [float(text.replace("−", "-")) for text in cells.all_inner_texts()[:3]]
    t, b = 4, "ACGT".index("C")
    own = mutate.actual[0][t]["ACGT".index("T")]
    np.testing.assert_allclose(told, [own, mutate.actual[0][t][b], mutate.predicted[0][t][b]], atol=0.006)
    opened.wait_for_function(
        "document.querySelector('.mc-mutate .summary[role]').textContent.startsWith('T at −1 becomes C')"
    )
    opened.keyboard.press("End")
    assert opened.evaluate("models[1].get('position')") == 9


@pytest.mark.browser
def test_windows_and_letters_can_be_clicked(opened, mutate):
    seen = opened.locator(".mc-mutate .seen")
    places = {(seen.get_attribute("cx"), seen.get_attribute("cy"))}
    opened.get_by_role("radio", name="second").check()
    places.add((seen.get_attribute("cx"), seen.get_attribute("cy")))
    opened.get_by_role("button", name="position −1: ").click()
    opened.get_by_role("button", name="change to T").click()
    places.add((seen.get_attribute("cx"), seen.get_attribute("cy")))
    assert len(places) == 3
    assert opened.get_by_role("button", name="position −1: T, was A").is_visible()
    opened.get_by_role("button", name="change to A").click()
    assert opened.locator(".mc-mutate dd").all_inner_texts()[3:] == ["0.00", "0.00"]


@pytest.mark.browser
def test_both_fit_a_phone(opened):
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    small = opened.eval_on_selector_all(
        ".mc-widget svg text", "all => all.filter(t => t.getBoundingClientRect().height < 11).length"
    )
    assert small == 0
    boxes = [button.bounding_box() for button in opened.get_by_role("button").all()]
    assert min(min(box["height"], box["width"]) for box in boxes) >= 20
