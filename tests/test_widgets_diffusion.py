"""There and back, steps and misses, draw me a digit: what Python hands over, and that the page shows it."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import widgets

SIGMAS = np.geomspace(0.05, 20.0, 9)
GRID = np.stack(np.meshgrid([-2.0, 0.0, 2.0], [-1.0, 1.0]), axis=-1).reshape(-1, 2)
STEPS, COUNT = (4, 8, 16), 30


@pytest.fixture(scope="module")
def paths():
    random = np.random.default_rng(1)
    start = random.normal(size=(COUNT, 2))
    dice = np.cumsum(random.normal(size=(len(SIGMAS), COUNT, 2)), axis=0) / 3
    lens = np.sqrt(1 + SIGMAS**2)[:, None, None]
    return {"there": (start + dice) * lens, "back along the flow": start * lens}


@pytest.fixture(scope="module")
def pull():
    return np.random.default_rng(2).normal(size=(len(SIGMAS), len(GRID), 2))


@pytest.fixture(scope="module")
def noise(paths, pull):
    groups = {name: np.arange(COUNT) % 5 for name in paths}
    return widgets.ThereAndBack(SIGMAS, paths, grid=GRID, pull=pull, groups=groups)


@pytest.fixture(scope="module")
def runs():
    random = np.random.default_rng(3)
    aim = random.normal(size=(COUNT, 2))
    made = {
        name: [(looks * n, aim + random.normal(size=(COUNT, 2)) / n**order) for n in STEPS]
        for name, looks, order in (("Euler", 1, 1), ("Heun", 2, 2))
    }
    return aim, made


@pytest.fixture(scope="module")
def steps(runs):
    return widgets.StepsAndMisses(runs[1], steps=STEPS, reference=runs[0], chosen=1)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(4).random((3, 4, 10, 8, 8))


@pytest.fixture(scope="module")
def digits(pictures):
    share, spread = np.linspace(0.5, 1, 12).reshape(3, 4), np.linspace(3, 1, 12).reshape(3, 4)
    return widgets.DrawMe(pictures, strengths=(0, 1, 2, 4), recognised=share, spread=spread, chosen=(2, 1))


# --- what Python hands over --------------------------------------------------------------------------------


def test_positions_are_kept_to_a_fraction_of_a_pixel(noise, paths):
    stored = np.frombuffer(noise.places, "<i2").reshape(2, len(SIGMAS), COUNT, 2) / noise.unit[0]
    zoomed = np.stack(list(paths.values())) / np.sqrt(1 + SIGMAS**2)[:, None, None]
    np.testing.assert_allclose(stored, zoomed, atol=0.51 / noise.unit[0])
    assert repr(noise) == "ThereAndBack: 30 particles, noise from 0.05 to 20; there, back along the flow"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigmas": SIGMAS[::-1]}, "reverse them"),
        ({"sigmas": SIGMAS - 1}, "positive noise levels"),
        ({"paths": {"there": np.zeros((9, COUNT, 3))}}, r"positions \(9, n, 2\) for 'there'"),
        ({"paths": {"there": np.full((9, COUNT, 2), np.nan)}}, "finite positions"),
        ({"paths": {"there": np.full((9, COUNT, 2), 300.0)}}, "within ±8"),
        ({"paths": {}, "groups": {}}, "one or more paths"),
        ({"groups": {"elsewhere": np.zeros(COUNT, int)}}, "each with its groups"),
        ({"groups": {"there": np.full(COUNT, 5)}}, "from 0 to 4"),
        ({"groups": {"there": np.zeros(COUNT)}}, "from 0 to 4"),
        ({"pull": np.zeros((9, 5, 2))}, "grid"),
        ({"pull": np.full((9, 6, 2), np.inf)}, "finite arrows"),
    ],
)
def test_a_cloud_that_cannot_be_drawn_is_named(change, message, paths, pull):
    given = {
        "sigmas": SIGMAS,
        "paths": {"there": paths["there"]},
        "groups": {"there": np.zeros(COUNT, int)},
        "pull": pull,
    } | change
    sigmas, some = given.pop("sigmas"), given.pop("paths")
    with pytest.raises(ValueError, match=message):
        widgets.ThereAndBack(sigmas, some, grid=GRID, **given)


def test_misses_are_medians(steps, runs):
    aim, made = runs
    expected = [[np.median(np.linalg.norm(X - aim, axis=1)) for _, X in run] for run in made.values()]
    np.testing.assert_allclose(steps.errors, expected, rtol=5e-3)
    assert steps.evaluations == [[4, 8, 16], [8, 16, 32]]
    assert repr(steps) == "StepsAndMisses: Euler, Heun; 4 to 16 steps"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": np.zeros((COUNT, 3))}, r"a reference \(n, 2\)"),
        ({"steps": (4, 8, 8)}, "increasing"),
        ({"chosen": 3}, "increasing"),
        ({"steps": (4, 8)}, "expects 2 endpoints"),
        ({"runs": {"far": [(1, np.full((COUNT, 2), 9.0))] * 3}}, "within ±8"),
        ({"runs": {"lost": [(1, np.full((COUNT, 2), np.nan))] * 3}}, "or NaN"),
        ({"runs": {"few": [(1, np.zeros((3, 2)))] * 3}}, r"of shapes \{\(3, 2\)\}"),
    ],
)
def test_misses_that_cannot_be_drawn_are_named(change, message, runs):
    given = {"runs": runs[1], "steps": STEPS, "reference": runs[0]} | change
    with pytest.raises(ValueError, match=message):
        widgets.StepsAndMisses(given.pop("runs"), **given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.full((3, 4, 10, 8, 8), 1.5)}, "clip them"),
        ({"images": np.full((3, 4, 10, 8, 8), np.nan)}, "clip them"),
        ({"images": np.zeros((3, 4, 8, 8))}, "expects pictures"),
        ({"strengths": (0, 1, 1, 4)}, "increasing strengths"),
        ({"recognised": np.ones((3, 3))}, "recognised and spread"),
        ({"chosen": (3, 0)}, "that exist"),
    ],
)
def test_pictures_that_cannot_be_shown_are_named(change, message, pictures):
    given = {
        "images": pictures,
        "strengths": (0, 1, 2, 4),
        "recognised": np.ones((3, 4)),
        "spread": np.ones((3, 4)),
    } | change
    with pytest.raises(ValueError, match=message):
        widgets.DrawMe(given.pop("images"), **given)


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path, noise, steps, digits) -> Iterator[Page]:  # noqa: F811
    """The three on a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, noise, steps, digits) as page:
        yield page


def shown(page, widget, name):
    text = page.locator(f".mc-{widget}").get_attribute(f"data-{name}")
    return np.array([float(v) for v in text.split(",")]) if text else None


@pytest.mark.browser
def test_the_cloud_follows_the_noise_and_the_path(opened, paths, pull):
    slider = opened.get_by_role("slider", name="Noise level")
    slider.focus()
    for _ in range(14):  # quarters of a level
        opened.keyboard.press("ArrowRight")
    zoomed = paths["there"] / np.sqrt(1 + SIGMAS**2)[:, None, None]
    between = (zoomed[3] + zoomed[4]) / 2
    np.testing.assert_allclose(shown(opened, "noise", "cloud").reshape(-1, 2), between, atol=1e-3)
    assert shown(opened, "noise", "sigma")[0] == pytest.approx(np.sqrt(SIGMAS[3] * SIGMAS[4]), rel=1e-3)
    arrows = (np.clip(pull[3], -3, 3) + np.clip(pull[4], -3, 3)) / 2
    np.testing.assert_allclose(shown(opened, "noise", "arrows").reshape(-1, 2), arrows, atol=0.02)
    opened.get_by_role("radio", name="back along the flow").check()
    straight = paths["back along the flow"][0] / np.sqrt(1 + SIGMAS[0] ** 2)
    np.testing.assert_allclose(shown(opened, "noise", "cloud").reshape(-1, 2), straight, atol=1e-3)
    assert opened.evaluate("models[0].get('level')") == 3.5


@pytest.mark.browser
def test_play_goes_to_the_end_that_the_path_has(opened):
    slider, play = opened.get_by_role("slider", name="Noise level"), opened.get_by_role("button", name="Play")
    play.click()  # motion is unwelcome here: at once
    assert slider.input_value() == "8"
    opened.get_by_role("radio", name="back along the flow").check()
    play.click()
    assert slider.input_value() == "0"
    opened.emulate_media(reduced_motion="no-preference")
    slider.fill("1")
    play.click()
    opened.wait_for_function("document.querySelector('.mc-noise input[type=range]').value === '0'")
    opened.wait_for_function("document.querySelector('.mc-noise .play').textContent.includes('Play')")


@pytest.mark.browser
def test_the_field_can_be_left_out(opened):
    assert opened.locator(".mc-noise .field").get_attribute("d")
    opened.get_by_role("checkbox", name="score field").uncheck()
    assert opened.locator(".mc-noise .field").get_attribute("d") == ""
    assert shown(opened, "noise", "arrows") is None


@pytest.mark.browser
def test_endpoints_follow_the_sampler_and_the_steps(opened, runs, steps):
    opened.get_by_role("radio", name="Heun").check()
    opened.get_by_role("slider", name="Number of steps").fill("2")
    np.testing.assert_allclose(
        shown(opened, "steps", "ends").reshape(-1, 2), runs[1]["Heun"][2][1], atol=2e-4
    )
    assert shown(opened, "steps", "error")[0] == steps.errors[1][2]
    text = opened.get_by_role("slider", name="Number of steps").get_attribute("aria-valuetext")
    assert text.startswith("16 steps, 32 evaluations, median miss")
    opened.wait_for_function(
        "document.querySelector('.mc-steps .summary').textContent.includes('no other misses by less')"
    )
    assert opened.evaluate("models[1].get('chosen')") == 2


@pytest.mark.browser
def test_a_digit_is_drawn_as_it_was_handed_over(opened, pictures):
    opened.get_by_role("button", name="Draw me a 0").click()
    slider = opened.get_by_role("slider", name="Strength of guidance")
    slider.focus()
    opened.keyboard.press("ArrowRight")
    expected = np.round(255 * pictures[0, 2]).ravel()
    np.testing.assert_array_equal(shown(opened, "digits", "pixels"), expected)
    canvas = opened.locator(".mc-digits canvas")
    seen = canvas.evaluate("c => [...c.getContext('2d').getImageData(10, 20, 8, 8).data]")
    np.testing.assert_array_equal(np.reshape(seen, (64, 4))[:, 0], np.round(255 * pictures[0, 2, 9]).ravel())
    assert canvas.get_attribute("aria-label") == "10 pictures drawn as a 0 with guidance 2"
    assert opened.get_by_role("button", name="Draw me a 0").get_attribute("aria-pressed") == "true"
    opened.wait_for_function(
        "document.querySelector('.mc-digits .summary').textContent.includes('leaning towards')"
    )


@pytest.mark.browser
def test_every_strength_has_its_words(opened):
    slider = opened.get_by_role("slider", name="Strength of guidance")
    said = ("not asked for", "no more", "leaning", "again and again")
    for value, words in zip("0123", said, strict=True):
        slider.fill(value)
        opened.wait_for_function(
            "w => document.querySelector('.mc-digits .summary').textContent.includes(w)", arg=words
        )


@pytest.mark.browser
@pytest.mark.parametrize("path", ["there", "back along the flow"])
def test_every_noise_level_has_its_words(opened, path):
    opened.get_by_role("radio", name=path, exact=True).check()
    said = set()
    for value in ("0", "3", "5", "8"):
        opened.get_by_role("slider", name="Noise level").fill(value)
        opened.wait_for_timeout(450)
        said.add(opened.locator(".mc-noise .summary").inner_text())
    assert len(said) == 4
    assert all(re.fullmatch(r"[A-Z].*[.]", text) for text in said)


@pytest.mark.browser
def test_they_fit_a_phone(opened):
    check_it_fits(opened)
