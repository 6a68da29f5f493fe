"""The string on springs: the page's numbers are the package's, and the page reacts."""

from collections.abc import Iterator

import numpy as np
import pytest
import scipy.sparse as sp
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import ridge, widgets

XS = np.array([0.08, 0.20, 0.31, 0.52, 0.60, 0.90])
YS = np.array([0.5, 0.9, 0.4, -0.6, -0.9, 0.7])


@pytest.fixture(scope="module")
def string():
    return widgets.OnSprings(XS, YS, kappa=100.0, lam=0.01, place=0.4, elements=16)


def matrices(n, springs):
    """K and the springs' matrix for kappa = 1, from the package."""
    mesh = ridge.mesh_interval(n)
    S = {"consistent": ridge.mass, "lumped": ridge.lumped_mass}.get(springs)
    ends = np.where(np.arange(n + 1) % n == 0, 0.5, 1.0)  # half a spring at an end, as the lumped ones have
    return mesh, ridge.stiffness(mesh), S(mesh) if S else sp.diags_array(ends / 16)


def dip(n, springs, kappa, place):
    mesh, K, S = matrices(n, springs)
    hats = ridge.interpolation(mesh, np.array([place])).toarray()[0]
    w = np.linalg.solve((K + kappa * S).toarray(), hats)
    return w, hats @ w


def fit(n, springs, kappa, lam, ys):
    mesh, K, S = matrices(n, springs)
    N = ridge.interpolation(mesh, XS).toarray()
    return np.linalg.solve(N.T @ N + lam * (K + kappa * S).toarray(), N.T @ ys)


def freedom(n, springs, kappa):
    _, K, S = matrices(n, springs)
    return ridge.effective_dof(ridge.spectrum(K, S).mu, 1 / kappa)


# --- what Python hands over --------------------------------------------------------------------------------


def test_points_are_ordered_and_named():
    shuffled = widgets.OnSprings(XS[::-1], YS[::-1])
    assert shuffled.x == XS.tolist()
    assert repr(shuffled).startswith("OnSprings: κ = 100, 64 elements, 6 points")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.linspace(0, 1, 13), "y": np.zeros(13)}, "4 to 12 points"),
        ({"x": np.arange(6.0)}, "outside or NaN"),
        ({"y": np.full(6, np.nan)}, "outside or NaN"),
        ({"x": np.full(6, 0.5)}, "distinct"),
        ({"kappa": 0.0}, "≤ kappa ≤"),
        ({"lam": 100.0}, "≤ lam ≤"),
        ({"place": 1.5}, "≤ place ≤"),
        ({"elements": 7}, "elements to be one of"),
        ({"springs": "rubber"}, "springs to be one of"),
    ],
)
def test_what_cannot_be_drawn_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        widgets.OnSprings(**({"x": XS, "y": YS} | change))


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path, string) -> Iterator[Page]:  # noqa: F811
    """The widget on a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, string) as page:
        yield page


def shown(page):
    """What the page has computed: w, fit, alpha, dip, df, and the settings."""
    data = page.locator(".mc-bedding").evaluate("e => ({...e.dataset})")
    return {k: np.array([float(v) for v in text.split(",")]) for k, text in data.items()}


def agree(page, n, springs, kappa, lam, place, ys=YS):
    now = shown(page)
    w, depth = dip(n, springs, kappa, place)
    expected = {
        "w": w,
        "dip": depth,
        "fit": fit(n, springs, kappa, lam, ys),
        "df": freedom(n, springs, kappa),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(now[name], np.atleast_1d(value), rtol=1e-8, atol=1e-11, err_msg=name)


@pytest.mark.browser
def test_the_page_solves_as_the_package_does(opened):
    agree(opened, 16, "consistent", 100.0, 0.01, 0.4)
    opened.get_by_role("slider", name="Bedding").fill("3.4")
    opened.get_by_role("slider", name="Place of the finger").fill("0.155")
    opened.get_by_role("slider", name="Penalty").fill("-3")
    opened.get_by_role("radio", name="8", exact=True).check()
    agree(opened, 8, "consistent", 10**3.4, 1e-3, 0.155)
    assert np.any(shown(opened)["w"] < 0)  # κh² = 39: it goes up and down
    opened.get_by_role("radio", name="κM lumped").check()
    agree(opened, 8, "lumped", 10**3.4, 1e-3, 0.155)
    assert np.all(shown(opened)["w"] > 0)
    opened.get_by_role("radio", name="λI").check()
    opened.get_by_role("radio", name="64").check()
    agree(opened, 64, "identity", 10**3.4, 1e-3, 0.155)
    assert opened.evaluate("[models[0].get('elements'), models[0].get('springs')]") == [64, "identity"]


@pytest.mark.browser
def test_the_dashed_lines_are_exact(opened):
    green = np.stack([ridge.green_interval(XS, z, 100.0) for z in XS])
    alpha = np.linalg.solve(green + 0.01 * np.eye(6), YS)
    np.testing.assert_allclose(shown(opened)["alpha"], alpha, rtol=1e-9)
    exact = float(ridge.green_interval(np.array([0.4]), 0.4, 100.0)[0])
    numbers = opened.locator(".mc-bedding .numbers output").all_inner_texts()
    assert numbers[2].endswith(f"({exact:.4f})")


@pytest.mark.browser
def test_points_move_from_the_keyboard_and_come_back(opened):
    opened.get_by_role("slider", name="Which point").fill("4")
    height = opened.get_by_role("slider", name="Height y")
    height.focus()
    for _ in range(5):
        opened.keyboard.press("ArrowRight")
    moved = YS.copy()
    moved[3] += 0.1
    agree(opened, 16, "consistent", 100.0, 0.01, 0.4, moved)
    opened.get_by_role("button", name="Points back").click()
    agree(opened, 16, "consistent", 100.0, 0.01, 0.4)


@pytest.mark.browser
def test_finger_and_points_follow_the_mouse(opened):
    pictures = opened.locator(".mc-bedding svg")

    def at(k, x, y):  # the drawing's own coordinates
        box = pictures.nth(k).bounding_box()
        unit = box["width"] / 340
        return box["x"] + unit * x, box["y"] + unit * y

    pictures.nth(0).scroll_into_view_if_needed()
    opened.mouse.move(*at(0, 48 + 0.4 * 276, 100))
    opened.mouse.down()
    opened.mouse.move(*at(0, 48 + 0.75 * 276, 100), steps=3)
    opened.mouse.up()
    assert shown(opened)["place"][0] == pytest.approx(0.75, abs=0.01)
    pictures.nth(1).scroll_into_view_if_needed()
    opened.mouse.move(*at(1, 48 + XS[1] * 276, 216 - (YS[1] + 1.25) / 2.5 * 206))
    opened.mouse.down()
    opened.mouse.move(*at(1, 48 + XS[1] * 276, 216 - (0 + 1.25) / 2.5 * 206), steps=3)
    opened.mouse.up()
    assert opened.get_by_role("slider", name="Which point").input_value() == "2"
    assert float(opened.get_by_role("slider", name="Height y").input_value()) == pytest.approx(0, abs=0.03)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"elements": 64, "kappa": 100.0}, "down to 5 % of the dip"),
        ({"elements": 8, "kappa": 1000.0}, "is beyond 6"),
        ({"elements": 8, "kappa": 200.0}, "wider than the length"),
        ({"elements": 256, "springs": "identity"}, "more nodes are more springs"),
        ({"elements": 64, "kappa": 5.0}, "the ends of the string feel the finger"),
    ],
)
def test_it_says_what_is_to_be_seen(opened, settings, words):
    for name, value in settings.items():
        opened.evaluate("([name, value]) => models[0].set(name, value)", [name, value])
    opened.wait_for_function(
        "words => document.querySelector('.mc-bedding .summary').textContent.includes(words)", arg=words
    )


@pytest.mark.browser
def test_it_fits_a_phone(opened):
    check_it_fits(opened)
