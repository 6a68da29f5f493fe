"""Descent by hand: the page's walk and rates are the package's, its verdicts are those of the theory."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import downhill as dh
from mcbook import widgets


def hessian(condition, angle):
    p, q = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    Q = np.array([[p, -q], [q, p]])
    return Q @ np.diag([1 / condition, 1.0]) @ Q.T


# --- what Python hands over ------------------------------------------------------------------------------


def test_it_says_where_it_starts():
    words = repr(widgets.Descend(condition=50, eta=1.5, beta=0.5))
    assert words.startswith("Descend: condition number 50, step 1.5/h_max, momentum 0.5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eta": -0.5}, "≤ eta ≤"),
        ({"eta": float("nan")}, "≤ eta ≤"),
        ({"condition": 0.5}, "≤ condition ≤"),
        ({"beta": 1.0}, "≤ beta ≤"),
        ({"angle": 120}, "≤ angle ≤"),
        ({"start": (3.0, 0.0)}, r"a start \(2,\) within"),
        ({"start": (0.0, float("nan"))}, "a start"),
        ({"start": (1.0, 1.0, 1.0)}, "a start"),
    ],
)
def test_what_cannot_be_drawn_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        widgets.Descend(**change)


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path) -> Iterator[Page]:  # noqa: F811
    """The widget on a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, widgets.Descend()) as page:
        yield page


def numbers(page):
    data = page.locator(".mc-descend").evaluate("e => ({...e.dataset})")
    return {k: np.array([float(v) for v in text.split(",")]) for k, text in data.items()}


def put(page, **values):
    page.evaluate("v => Object.entries(v).forEach(([k, x]) => models[0].set(k, x))", values)


SETTINGS = [
    {"eta": 1.0, "condition": 10.0, "beta": 0.0, "angle": 20.0},
    {"eta": 1.9, "condition": 40.0, "beta": 0.0, "angle": 75.0},
    {"eta": 1.2, "condition": 300.0, "beta": 0.9, "angle": 0.0},
    {"eta": 0.3, "condition": 5.0, "beta": 0.1, "angle": 90.0},
    {"eta": 2.5, "condition": 3.0, "beta": 0.0, "angle": 45.0},
    {"eta": 1.0, "condition": 1.0, "beta": 0.0, "angle": 30.0},
]


@pytest.mark.browser
def test_the_page_walks_as_the_package_does(opened):
    for setting in SETTINGS:
        put(opened, **setting, start=[1.3, -0.7])
        now = numbers(opened)
        H = hessian(setting["condition"], setting["angle"])
        walked = dh.with_momentum(
            lambda w, H=H: H @ w, [1.3, -0.7], eta=setting["eta"], beta=setting["beta"], steps=80
        ).points
        points = now["points"].reshape(-1, 2)
        both = min(len(points), len(walked))  # the package ends where the gradient is 0
        size = np.abs(walked[:both]).max()
        np.testing.assert_allclose(points[:both], walked[:both], rtol=1e-8, atol=1e-13 * size)
        assert not points[both:].any()
        if len(points) < len(walked):  # the page ends where it is a million million away
            assert np.linalg.norm(walked[len(points)]) > 1e12
        h = dh.curvatures(H)
        for name, curvature in (("flat", h[0]), ("steep", h[1])):
            rate = dh.contraction(curvature, setting["eta"], setting["beta"])
            assert now[name][0] == pytest.approx(rate, rel=1e-7, abs=1e-9)
        assert now["rate"][0] == pytest.approx(dh.contraction(h, setting["eta"], setting["beta"]), abs=1e-9)


@pytest.mark.browser
def test_predicted_and_measured_rates_agree_to_three_digits(opened):
    put(opened, eta=1.3, condition=8.0, beta=0.0, start=[1.5, 1.0])
    now = numbers(opened)
    assert now["measured"][0] == pytest.approx(now["rate"][0], rel=1e-3)


@pytest.mark.browser
@pytest.mark.parametrize("condition", [4.0, 100.0])
def test_the_buttons_set_the_best_step_and_the_best_momentum(opened, condition):
    put(opened, condition=condition)
    opened.get_by_role("button", name="Best step, no momentum").click()
    assert numbers(opened)["rate"][0] == pytest.approx(dh.best_step(1 / condition, 1).rate, rel=1e-9)
    opened.get_by_role("button", name="Best step and momentum").click()
    # at the best momentum two eigenvalues meet: rounding moves them by its root
    assert numbers(opened)["rate"][0] == pytest.approx(dh.best_momentum(1 / condition, 1).rate, rel=1e-6)
    best = dh.best_momentum(1 / condition, 1)
    assert opened.evaluate("[models[0].get('eta'), models[0].get('beta')]") == pytest.approx(
        [best.eta, best.beta]
    )


@pytest.mark.browser
@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"eta": 2.01, "condition": 10.0, "beta": 0.0}, "Diverges: the step is beyond 2 over"),
        ({"eta": 2.0, "condition": 10.0, "beta": 0.0}, "On the border: at 2 over"),
        ({"eta": 3.1, "condition": 10.0, "beta": 0.5}, "beyond 2(1 + β) = 3.00 over"),
        ({"eta": 2.9, "condition": 10.0, "beta": 0.5}, "Oscillates"),
        ({"eta": 1.99, "condition": 10.0, "beta": 0.0}, "held up by the steep direction"),
        ({"eta": 1.0, "condition": 200.0, "beta": 0.0}, "held up by the flat direction"),
        ({"eta": 1.6, "condition": 10.0, "beta": 0.0}, "the steep direction overshoots"),
        ({"eta": 1.0, "condition": 10.0, "beta": 0.8}, "both directions overshoot the"),
        ({"eta": 0.9, "condition": 10.0, "beta": 0.0}, "without overshooting"),
        ({"eta": 1.0, "condition": 1.0, "beta": 0.0}, "1 step for three digits"),
    ],
)
def test_the_verdict_in_words(opened, setting, words):
    put(opened, **setting)
    opened.wait_for_function(
        "words => document.querySelector('.mc-descend .summary').textContent.includes(words)", arg=words
    )


@pytest.mark.browser
def test_the_number_of_steps_is_the_theory_s(opened):
    put(opened, eta=1.0, condition=10.0, beta=0.0)
    steps = int(np.ceil(dh.steps_to(0.9, 1e-3)))
    opened.wait_for_function(
        "words => document.querySelector('.mc-descend .summary').textContent.includes(words)",
        arg=f"{steps} steps for three digits",
    )


@pytest.mark.browser
def test_the_keyboard_moves_it(opened):
    slider = opened.get_by_role("slider", name="Step, in units")
    slider.focus()
    for _ in range(5):
        opened.keyboard.press("ArrowRight")
    assert opened.evaluate("models[0].get('eta')") == pytest.approx(1.05)
    assert "rate 0.895" in slider.get_attribute("aria-valuetext")
    opened.get_by_role("slider", name="Condition number").focus()
    opened.keyboard.press("End")
    assert opened.evaluate("models[0].get('condition')") == pytest.approx(1000)
    opened.get_by_role("slider", name="First coordinate of the start").focus()
    opened.keyboard.press("Home")
    assert numbers(opened)["points"][0] == -2


@pytest.mark.browser
def test_the_start_can_be_dragged(opened):
    picture = opened.locator(".mc-descend svg").first
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    unit = box["width"] / 340
    opened.mouse.move(box["x"] + 200 * unit, box["y"] + 60 * unit)
    opened.mouse.down()
    opened.mouse.move(box["x"] + 250 * unit, box["y"] + 80 * unit)
    opened.mouse.up()
    expected = [-2 + 4 * (250 - 48) / 276, 1.49 - 2.98 * (80 - 10) / 206]
    np.testing.assert_allclose(numbers(opened)["points"][:2], expected, atol=0.03)


@pytest.mark.browser
def test_it_fits_a_phone(opened):
    check_it_fits(opened)
