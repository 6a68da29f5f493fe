"""The map and its linear part: its numbers are the package's, and it follows hand and keyboard."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import calculus, widgets
from mcbook.differentials.maps import MAPS, square_slice, window

CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
EVERY = pytest.mark.parametrize("shown", MAPS, ids=lambda m: m.name)


def inside(shown, rng):
    """A point of the window, with room around it for the largest square."""
    x0, x1, y0, y1 = window(shown.domain)
    return np.array([rng.uniform(x0 + 0.36, x1 - 0.36), rng.uniform(y0 + 0.36, y1 - 0.36)])


# --- the maps --------------------------------------------------------------------------------------------


@EVERY
def test_jacobians_are_jax_s_and_agree_with_differences(shown, rng):
    for _ in range(3):
        p = inside(shown, rng)
        J = shown.jacobian(p)
        np.testing.assert_allclose(J, jax.jacobian(shown.F)(jnp.asarray(p)), rtol=1e-12, atol=1e-13)
        calculus.check_jvp(shown.F, lambda p, v: shown.jacobian(p) @ v, p, rng=rng)


@pytest.mark.parametrize("wrong", [lambda J: J.T, lambda J: -J, lambda J: 1.001 * J])
def test_a_wrong_jacobian_fails(wrong, rng):
    shown = MAPS[3]
    with pytest.raises(AssertionError):
        calculus.check_jvp(shown.F, lambda p, v: wrong(shown.jacobian(p)) @ v, inside(shown, rng), rng=rng)


def test_the_slices_are_of_matrices(rng):
    x, y = inside(MAPS[3], rng)
    M = np.array([[x, y], [y, 1.0]])
    np.testing.assert_allclose(square_slice(np.array([x, y])), (M @ M)[0], rtol=1e-13)
    x, y = p = inside(MAPS[4], rng)
    inverse = np.linalg.inv([[x, 0.5], [0.5, y]])
    np.testing.assert_allclose(MAPS[4].F(p), np.diag(inverse), rtol=1e-12)
    np.testing.assert_allclose(MAPS[4].jacobian(p), -(inverse**2), rtol=1e-12)


@EVERY
def test_the_start_lies_in_the_window_and_its_image_is_seen(shown):
    for point, seen in ((np.array(shown.start), shown.domain), (shown.F(np.array(shown.start)), shown.image)):
        x0, x1, y0, y1 = window(seen)
        assert x0 < point[0] < x1
        assert y0 < point[1] < y1


# --- what Python hands over ------------------------------------------------------------------------------


def test_the_widget_knows_every_map():
    widget = widgets.Linearise(shown="polar")
    assert [m["name"] for m in widget.maps] == [m.name for m in MAPS]
    assert repr(widget) == "Linearise: bend, z², polar, matrix squared, matrix inverse; polar first"


@pytest.mark.parametrize(
    ("change", "message"), [({"shown": "mercator"}, "a map among bend"), ({"size": 2.0}, "≤ size ≤")]
)
def test_what_cannot_be_drawn_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        widgets.Linearise(**change)


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path) -> Iterator[Page]:  # noqa: F811
    """The widget on a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, widgets.Linearise()) as page:
        yield page


def numbers(page):
    data = page.locator(".mc-linearise").evaluate("e => ({...e.dataset})")
    return {k: np.array([float(v) for v in text.split(",")]) for k, text in data.items() if k != "map"}


def expected(shown, p, s):
    J, image = np.asarray(shown.jacobian(p)), np.asarray(shown.F(p))
    truth = np.array([shown.F(p + s * c) for c in CORNERS])
    linear = image + s * CORNERS @ J.T
    rest = np.linalg.norm(truth - linear, axis=1).max()
    return {"jacobian": J.ravel(), "image": image, "truth": truth.ravel(), "linear": linear.ravel()}, rest


@pytest.mark.browser
def test_the_page_computes_what_the_package_does(opened, rng):
    for k, shown in enumerate(MAPS):
        opened.get_by_role("radio", name=shown.name, exact=True).check()
        p, size = np.round(inside(shown, rng), 2), -1.5 - k
        opened.evaluate(
            "([p, s]) => { models[0].set('point', p); models[0].set('size', s); }", [p.tolist(), size]
        )
        now, s = numbers(opened), 2.0**size
        there, rest = expected(shown, p, s)
        np.testing.assert_allclose(now["point"], p, atol=1e-12)
        for name, value in there.items():
            np.testing.assert_allclose(now[name], value, rtol=1e-10, atol=1e-12, err_msg=name)
        assert now["rest"][0] == pytest.approx(rest, rel=1e-7)
        half = expected(shown, p, s / 2)[1]
        assert now["ratio"][0] == pytest.approx(half / rest, rel=1e-6)


@pytest.mark.browser
def test_the_ratio_goes_to_a_quarter(opened):
    halve = opened.get_by_role("button", name="Halve the square")
    ratios = [numbers(opened)["ratio"][0]]
    for _ in range(4):
        halve.click()
        ratios.append(numbers(opened)["ratio"][0])
    assert abs(ratios[-1] - 0.25) < 0.01
    assert opened.get_by_role("slider", name="Half the side").input_value() == "-5.5"
    halve.click()
    assert numbers(opened)["half"][0] == 2.0**-6  # as small as it gets


@pytest.mark.browser
def test_the_keyboard_moves_the_point_and_the_square_stays_in_the_picture(opened):
    slider = opened.get_by_role("slider", name="First coordinate")
    slider.focus()
    for _ in range(3):
        opened.keyboard.press("ArrowRight")
    assert numbers(opened)["point"][0] == pytest.approx(0.83)
    opened.keyboard.press("End")
    assert numbers(opened)["point"][0] == pytest.approx(window(MAPS[0].domain)[1] - 2**-1.5)


@pytest.mark.browser
def test_it_follows_the_pointer_pressed_or_not(opened):
    picture = opened.locator(".mc-linearise svg").first
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    unit = box["width"] / 340

    def move(px, py):
        opened.mouse.move(box["x"] + unit * px, box["y"] + unit * py)
        x0, x1, y0, y1 = window(MAPS[0].domain)
        return x0 + (px - 48) / 276 * (x1 - x0), y0 + (216 - py) / 206 * (y1 - y0)

    np.testing.assert_allclose(move(180, 120), numbers(opened)["point"], atol=0.02)
    opened.mouse.down()
    np.testing.assert_allclose(move(210, 90), numbers(opened)["point"], atol=0.02)
    opened.mouse.up()
    assert opened.evaluate("models[0].get('point')") == pytest.approx(numbers(opened)["point"].tolist())


@pytest.mark.browser
@pytest.mark.parametrize(
    ("shown", "point", "words"),
    [
        (0, [0.0, 0.0], "all but a line"),
        (1, [0.7, 0.5], "leaves 0.25 of it"),
        (3, [-0.9, 0.7], "turned over"),
        (4, [1.6, 1.4], "% of the parallelogram's reach"),
    ],
)
def test_it_says_what_is_to_be_seen(opened, shown, point, words):
    opened.evaluate("([k, p]) => { models[0].set('shown', k); models[0].set('point', p); }", [shown, point])
    opened.wait_for_function(
        "words => document.querySelector('.mc-linearise .summary').textContent.includes(words)", arg=words
    )


@pytest.mark.browser
def test_it_fits_a_phone(opened):
    check_it_fits(opened)
