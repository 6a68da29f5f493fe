"""The schedule bent by hand: the page's numbers are the package's, and the page reacts."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import schedules, widgets

H = np.array([1.0, 0.3, 0.1, 0.03, 0.01])
RATES = np.linspace(1.2, 0.2, 20)


@pytest.fixture(scope="module")
def bend():
    return widgets.BendSchedule(RATES, curvatures=H, noise=0.1)


def quadratic(noise):
    return schedules.NoisyQuadratic(H, sigma=np.sqrt(noise / H), w=1 / np.sqrt(H))


def elasticities(rates, noise, ahead=None):
    """∂ log(loss after `ahead` steps) / ∂ log(rate), with the package's gradient."""
    q, grad = quadratic(noise), np.zeros(len(rates))
    for t in range(len(rates)):
        seen = rates[: len(rates) if ahead is None else t + ahead]
        slope = schedules.grad_expected_excess_rates(q, seen)[t]
        grad[t] = slope * rates[t] / schedules.expected_excess(q, seen)
    return grad


# --- what Python hands over --------------------------------------------------------------------------------


def test_it_says_what_it_is(bend):
    assert repr(bend).startswith("BendSchedule: 20 steps on a noisy quadratic, 5 directions")
    np.testing.assert_allclose(bend.start, 1 / H)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": np.full(7, 0.5)}, "8 to 60 rates"),
        ({"rates": np.full((8, 2), 0.5)}, "8 to 60 rates"),
        ({"rates": np.full(8, 2.1)}, "outside or NaN"),
        ({"rates": np.full(8, np.nan)}, "outside or NaN"),
        ({"curvatures": (1.0, -0.1)}, "curvatures in"),
        ({"noise": 0.3}, "noise ≤ 0.2"),
        ({"noise": float("nan")}, "noise ≤ 0.2"),
        ({"ahead": 3}, "ahead to be one of"),
    ],
)
def test_what_cannot_be_drawn_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        widgets.BendSchedule(**({"rates": RATES} | change))


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path, bend) -> Iterator[Page]:  # noqa: F811
    """The widget on a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, bend) as page:
        yield page


def shown(page):
    """What the page has computed: rates, losses, grad, seen, old, best, met."""
    data = page.locator(".mc-bend").evaluate("e => ({...e.dataset})")
    return {k: np.array([float(v) for v in text.split(",")]) for k, text in data.items()}


def agree(page, rates, noise, ahead=None):
    now, q = shown(page), quadratic(noise)
    expected = {
        "rates": rates,
        "losses": 0.5 * schedules.second_moments(q, rates) @ H,
        "old": schedules.second_moments(quadratic(0.0), rates)[-1],
        "grad": elasticities(rates, noise),
        "seen": elasticities(rates, noise, ahead),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(now[name], value, rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.browser
def test_the_page_computes_as_the_package_does(opened):
    agree(opened, RATES, 0.1)
    opened.get_by_role("radio", name="5 steps").check()
    agree(opened, RATES, 0.1, ahead=5)
    opened.get_by_role("slider", name="Variance").fill("0.02")
    agree(opened, RATES, 0.02, ahead=5)
    assert opened.evaluate("[models[0].get('ahead'), models[0].get('noise')]") == [1, 0.02]


@pytest.mark.browser
def test_one_meta_step_goes_down_the_gradient(opened):
    opened.get_by_role("button", name="One meta-step").click()
    grad = elasticities(RATES, 0.1)
    after = np.clip(RATES * np.exp(-np.clip(grad, -0.25, 0.25)), 0.02, 1.9)
    agree(opened, after, 0.1)
    now = shown(opened)
    assert now["met"] == 1
    assert now["losses"][-1] < schedules.expected_excess(quadratic(0.1), RATES)


@pytest.mark.browser
def test_looking_one_step_ahead_it_comes_to_the_greedy_schedule(opened):
    opened.get_by_role("radio", name="1 step").check()
    play = opened.get_by_role("button", name="Let it learn")
    for _ in range(8):  # without motion, a hundred meta-steps at once
        play.click()
    greedy = schedules.greedy_rates(quadratic(0.1), 20)
    np.testing.assert_allclose(shown(opened)["rates"], greedy, rtol=0.01)
    end = shown(opened)["losses"][-1]
    opened.get_by_role("radio", name="to the end").check()
    for _ in range(4):
        play.click()
    assert shown(opened)["losses"][-1] < 0.6 * end
    opened.wait_for_function(
        "document.querySelector('.mc-bend .summary').textContent.includes('looking to the end')"
    )


@pytest.mark.browser
def test_it_learns_by_itself_and_pauses(opened):
    opened.emulate_media(reduced_motion="no-preference")
    opened.get_by_role("button", name="Let it learn").click()
    opened.wait_for_function("Number(document.querySelector('.mc-bend').dataset.met) >= 3")
    opened.get_by_role("button", name="Pause").click()
    met = shown(opened)["met"][0]
    opened.wait_for_timeout(200)
    assert shown(opened)["met"][0] == met
    opened.get_by_role("button", name="Back", exact=True).click()
    agree(opened, RATES, 0.1)


@pytest.mark.browser
def test_the_best_constant_is_the_best(opened):
    opened.get_by_role("button", name="Best constant").click()
    now, q = shown(opened), quadratic(0.1)
    tried = [schedules.expected_excess(q, np.full(20, eta)) for eta in np.geomspace(0.02, 1.9, 500)]
    assert now["losses"][-1] == now["best"]
    assert now["best"] == pytest.approx(min(tried), rel=1e-3)
    opened.get_by_role("button", name="Best cosine").click()
    wave = shown(opened)["rates"]
    np.testing.assert_allclose(
        wave, np.maximum(0.02, wave[0] * 0.5 * (1 + np.cos(np.pi * np.arange(20) / 20)))
    )


@pytest.mark.browser
def test_it_is_bent_from_the_keyboard_and_by_the_mouse(opened):
    opened.get_by_role("slider", name="Which step").fill("3")
    rate = opened.get_by_role("slider", name="Learning rate").first
    rate.focus()
    for _ in range(5):
        opened.keyboard.press("ArrowRight")
    bent = RATES.copy()
    bent[2] = round(RATES[2], 2) + 0.05
    now = shown(opened)["rates"]
    np.testing.assert_allclose(now, bent, atol=0.006)
    picture = opened.locator(".mc-bend svg").first
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    unit = box["width"] / 340

    def at(t, eta):  # the middle of a bar, as high as its rate
        x, y = 48 + (t + 0.5) * 276 / 20, 216 - eta / 2 * 200
        return box["x"] + unit * x, box["y"] + unit * y

    opened.mouse.move(*at(10, 1.5))
    opened.mouse.down()
    opened.mouse.move(*at(14, 1.5))  # quickly: the bars between are not left out
    opened.mouse.up()
    drawn = shown(opened)["rates"]
    np.testing.assert_allclose(drawn[10:15], 1.5, atol=0.02)
    np.testing.assert_allclose(drawn[15:], RATES[15:])
    assert opened.get_by_role("slider", name="Which step").input_value() == "15"


@pytest.mark.browser
@pytest.mark.parametrize(
    ("clicks", "words"),
    [([], "One per cent more at step 1 would"), (["One meta-step"], "After 1 meta-step, looking")],
)
def test_it_says_what_is_to_be_seen(opened, clicks, words):
    for name in clicks:
        opened.get_by_role("button", name=name).click()
    opened.wait_for_function(
        "words => document.querySelector('.mc-bend .summary').textContent.includes(words)", arg=words
    )


@pytest.mark.browser
def test_it_fits_a_phone(opened):
    check_it_fits(opened)
