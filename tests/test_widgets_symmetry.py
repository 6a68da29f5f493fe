"""The molecule that is turned by hand: the page's networks are the package's, and it reacts."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import Page
from symmetry_problems import ETHANOL, NUMBERS, SPECIES, net
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import widgets
from mcbook.symmetry import dense, network

X = np.round(ETHANOL - ETHANOL.mean(axis=0), 5)
FORCE = np.round(np.random.default_rng(2).normal(scale=20, size=(9, 3)), 4)
FORCE -= FORCE.mean(axis=0)
SWAP = (3, 4)


def rounded(params):
    """Parameters as the page has them."""
    return jax.tree.map(lambda v: jnp.asarray(widgets.turn._short(v)), params)


@pytest.fixture(scope="module")
def networks():
    Z = np.random.default_rng(1).normal(size=(9, 27)) * 0.1 + X.reshape(-1)
    raw = dense.init(jax.random.key(2), Z, hidden=6, scale_kcal=20.0, offset_kcal=-5.0)
    return {"equivariant": net(offset_kcal=-5.0), "raw coordinates": raw}


@pytest.fixture(scope="module")
def turn(networks):
    options = {"numbers": NUMBERS, "species": SPECIES, "swap": SWAP}
    return widgets.TurnMolecule(networks, X, energy=-4.0, force=FORCE, **options)


def test_it_names_its_networks(turn):
    assert repr(turn) == "TurnMolecule: 9 atoms; networks: equivariant, raw coordinates"
    assert len(turn.bonds) == 8
    assert turn.networks[0]["kind"] == "message passing"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"force": FORCE[:3]}, "finite X and force"),
        ({"X": X * np.nan}, "finite X and force"),
        ({"swap": (0, 8)}, "one element"),
        ({"swap": (3, 3)}, "one element"),
        ({"networks": {"it": np.eye(3)}}, "'it' is something else"),
    ],
)
def test_what_cannot_be_shown_is_named(change, message, networks):
    good = {"networks": networks, "X": X, "energy": 0.0, "force": FORCE, "numbers": NUMBERS}
    with pytest.raises(ValueError, match=message):
        widgets.TurnMolecule(**(good | {"species": SPECIES, "swap": SWAP} | change))


def test_a_network_on_distances_is_refused(networks):
    pairs = dense.init(jax.random.key(0), np.random.default_rng(0).normal(size=(3, 36)), hidden=4)
    options = {"energy": 0.0, "force": FORCE, "numbers": NUMBERS, "species": SPECIES, "swap": SWAP}
    with pytest.raises(ValueError, match="27 raw coordinates"):
        widgets.TurnMolecule({"distances": pairs}, X, **options)


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path, turn) -> Iterator[Page]:  # noqa: F811
    """On a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, turn) as page:
        yield page


def shown(page):
    """What the page has computed, as arrays."""
    found = page.locator(".mc-turn").evaluate("e => ({...e.dataset})")
    return {
        k: np.array([float(v) for v in text.split(",")]).reshape(-1, 3 if "," in text else 1)
        for k, text in found.items()
    }


def place(page, **degrees):
    for name, value in degrees.items():
        page.get_by_role("slider", name=name).fill(str(value))


@pytest.mark.browser
@pytest.mark.parametrize("which", ["equivariant", "raw coordinates"])
def test_the_page_evaluates_what_the_package_does(which, opened, networks):
    opened.get_by_role("radio", name=which).check()
    place(opened, vertical=35, horizontal=-70, sight=110)
    now, p = shown(opened), rounded(networks[which])
    at = jnp.asarray(now["positions"])
    E, F = (
        network.energy_and_forces(p, at, SPECIES)
        if which == "equivariant"
        else dense.energy_and_forces_raw(p, at)
    )
    assert now["energy"].item() == pytest.approx(float(E), abs=1e-8)
    np.testing.assert_allclose(now["forces"], F, atol=1e-6 * float(abs(F).max()))
    off = np.linalg.norm(np.asarray(F) - now["truth"], axis=1).mean()
    assert now["off"].item() == pytest.approx(off, rel=1e-6)


@pytest.mark.browser
def test_turning_mirroring_and_swapping_are_what_they_say(opened):
    place(opened, vertical=90)
    np.testing.assert_allclose(shown(opened)["positions"], X[:, [2, 1, 0]] * [1, 1, -1], atol=1e-12)
    np.testing.assert_allclose(shown(opened)["truth"], FORCE[:, [2, 1, 0]] * [1, 1, -1], atol=1e-4)
    place(opened, vertical=0, horizontal=90)
    np.testing.assert_allclose(shown(opened)["positions"], X[:, [0, 2, 1]] * [1, -1, 1], atol=1e-12)
    place(opened, horizontal=0, sight=90)
    np.testing.assert_allclose(shown(opened)["positions"], X[:, [1, 0, 2]] * [-1, 1, 1], atol=1e-12)
    opened.get_by_role("button", name="Upright again").click()
    opened.get_by_role("button", name="Mirror").click()
    np.testing.assert_allclose(shown(opened)["positions"], X * [-1, 1, 1], atol=1e-12)
    opened.get_by_role("button", name="Swap two H").click()
    order = [0, 1, 2, 4, 3, 5, 6, 7, 8]
    np.testing.assert_allclose(shown(opened)["positions"], X[order] * [-1, 1, 1], atol=1e-12)
    assert opened.get_by_role("button", name="Mirror").get_attribute("aria-pressed") == "true"


@pytest.mark.browser
def test_equivariant_forces_turn_and_raw_ones_do_not(opened):
    first = shown(opened)
    place(opened, vertical=120, horizontal=25)
    opened.get_by_role("button", name="Mirror").click()
    opened.get_by_role("button", name="Swap two H").click()
    then = shown(opened)
    assert then["energy"] == pytest.approx(first["energy"], abs=1e-9)
    assert then["off"] == pytest.approx(first["off"], rel=1e-5)
    opened.get_by_role("button", name="Upright again").click()
    opened.get_by_role("radio", name="raw coordinates").check()
    raw = shown(opened)
    place(opened, vertical=120)
    assert abs(shown(opened)["energy"] - raw["energy"]).item() > 0.1
    opened.wait_for_function(
        "document.querySelector('.mc-turn .summary').textContent"
        ".startsWith('raw coordinates, the molecule turned:')"
    )


@pytest.mark.browser
def test_mouse_and_keyboard_turn_it(opened):
    picture = opened.locator(".mc-turn svg").first
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    opened.mouse.move(box["x"] + 100, box["y"] + 100)
    opened.mouse.down()
    opened.mouse.move(box["x"] + 150, box["y"] + 80, steps=3)
    opened.mouse.up()
    assert opened.get_by_role("slider", name="vertical").input_value() == "30"
    assert opened.get_by_role("slider", name="horizontal").input_value() == "-12"
    opened.get_by_role("slider", name="sight").focus()
    opened.keyboard.press("ArrowRight")
    assert opened.get_by_role("slider", name="sight").input_value() == "1"


@pytest.mark.browser
def test_it_fits_a_phone_and_follows_the_model(opened):
    check_it_fits(opened, ".panel svg text:not(.atom text)")
    opened.evaluate("models[0].set('chosen', 1)")
    assert opened.get_by_role("radio", name="raw coordinates").is_checked()
