"""The interactive part of the chapter on sensitivity: what travels is what was handed over, and it reacts."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import sensitivity, widgets
from mcbook.widgets.protein import AMINO_ACIDS, UNKNOWN, packed_numbers

LETTERS = "MKTAYIAKQRQISFVKSHFSRQ"
OWN = [AMINO_ACIDS.index(a) for a in LETTERS]


def scan(seed=3, letters=LETTERS, measured=True, first=24, alphabet=AMINO_ACIDS):
    """A protein whose effects are sums of two random parts; every third mutant was not measured."""
    rng = np.random.default_rng(seed)
    L, A, own = len(letters), len(alphabet), [alphabet.index(a) for a in letters]
    parts = rng.normal(size=(L, A, 2))
    parts[np.arange(L), own] = 0
    effect = parts.sum(axis=2)
    seen = effect + 0.2 * rng.normal(size=(L, A))
    seen.ravel()[::3] = np.nan
    return widgets.Scan(letters, effect, 0.6 * effect, parts, seen if measured else None, first, alphabet)


ANOTHER = scan(4, "ABBECDAACEDBADECBBDAECAA", measured=False, first=1, alphabet="ABCDE")


@pytest.fixture(scope="module")
def protein():
    scans = {"one": scan(), "another": ANOTHER}
    return widgets.MutateProtein(scans, label="effect", position=4, letter="W")


def tables(widget, k):
    """The five tables (5, L, A) of scan k, as the page reads them."""
    sizes = [5 * len(s["letters"]) * len(s["alphabet"]) for s in widget.scans]
    raw = np.frombuffer(widget.numbers, "<i2")[sum(sizes[:k]) : sum(sizes[: k + 1])]
    values = np.where(raw == UNKNOWN, np.nan, raw * widget.scans[k]["unit"])
    return values.reshape(5, -1, len(widget.scans[k]["alphabet"]))


# --- what Python hands over --------------------------------------------------------------------------------


def test_the_numbers_survive_the_journey(protein):
    assert repr(protein).startswith("MutateProtein: one (22 residues), another (24 residues)")
    for k, given in enumerate((scan(), ANOTHER)):
        effect, forecast, first, second, measured = tables(protein, k)
        unit = protein.scans[k]["unit"]
        np.testing.assert_allclose(effect, given.effect, atol=unit)
        np.testing.assert_allclose(forecast, given.forecast, atol=unit)
        np.testing.assert_allclose(np.stack([first, second], axis=2), given.parts, atol=unit)
        assert unit < 2e-4
        np.testing.assert_allclose(first + second, effect, atol=2 * unit)
        if given.measured is None:
            assert np.isnan(measured).all()
        else:
            np.testing.assert_allclose(measured, given.measured, atol=unit)


def test_nothing_to_show_is_still_packed():
    raw, unit = packed_numbers(np.zeros((5, 2, 3)))
    assert unit == 1.0
    assert not np.frombuffer(raw, "<i2").any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"letters": LETTERS[:-1] + "X"}, r"letters of .* \['X'\]"),
        ({"forecast": np.zeros((22, 4))}, r"tables \(22, 20\)"),
        ({"parts": np.zeros((22, 20, 3))}, r"tables \(22, 20\)"),
        ({"parts": np.zeros((22, 20, 2))}, "miss the effect by up to"),
        ({"effect": np.full((22, 20), np.nan)}, "finite effects"),
        ({"measured": np.full((22, 20), np.inf)}, "finite effects"),
        ({"effect": np.ones((22, 20))}, "a letter that stays has an effect"),
    ],
)
def test_a_protein_that_cannot_be_shown_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        widgets.MutateProtein({"one": scan()._replace(**change)})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"position": 22}, "a position from 0 to 21"),
        ({"letter": "B"}, "a letter of ACD"),
        ({"blocks": ("one",)}, "two blocks"),
    ],
)
def test_a_start_that_is_not_there_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        widgets.MutateProtein({"one": scan()}, **settings)


def test_no_protein_is_named():
    with pytest.raises(ValueError, match="1 to 4 proteins"):
        widgets.MutateProtein({})


@pytest.fixture(scope="module")
def features():
    """Two blocks for all single mutants of six residues; the rows without a mutation are all alike."""
    rng = np.random.default_rng(8)
    L, own = 6, np.array([0, 3, 2, 4, 1, 0])
    X = {"PS": rng.normal(size=(L * 5, 4)), "MSA": rng.normal(size=(L * 5, 3))}
    for block in X.values():
        block[np.arange(L) * 5 + own] = block[own[0]]
    return "ADCEBA", X, np.arange(L) * 5 + own


def scanned(letters, X, params):
    return widgets.scan_mutants(
        letters,
        X,
        answer=lambda X: sensitivity.predict(params, X),
        gradient=lambda X: sensitivity.vjp_predict(params, X, np.ones(len(X["PS"]))).X,
        alphabet="ABCDE",
    )


def test_a_scan_holds_shapley_s_values_and_the_gradient_s_forecast(features):
    letters, X, own = features
    params = sensitivity.init_network(np.random.default_rng(9), {"PS": 4, "MSA": 3}, hidden=(5, 4))
    found, f = scanned(letters, X, params), sensitivity.as_model(params)
    start = {name: block[own[:1]] for name, block in X.items()}
    orders = sensitivity.shapley(f, X, start)
    np.testing.assert_allclose(found.parts.reshape(-1, 2), orders.values, atol=1e-14)
    np.testing.assert_allclose(found.effect.ravel(), orders.total, atol=1e-14)
    G = sensitivity.gradients(f, start)
    told = sum((X[name] - start[name]) @ G[name][0] for name in X)
    np.testing.assert_allclose(found.forecast.ravel(), told, atol=1e-13)
    assert np.abs(found.forecast - found.effect).max() > 0.01
    assert repr(widgets.MutateProtein({"short": found}, letter="B")).startswith("MutateProtein: short")


def test_the_forecast_is_exact_where_the_model_is_straight(features):
    letters, X, _ = features
    w = {"PS": np.arange(4.0), "MSA": np.array([1.0, -2.0, 3.0])}
    found = widgets.scan_mutants(
        letters,
        X,
        answer=lambda X: sum(X[name] @ w[name] for name in X),
        gradient=lambda X: {name: np.broadcast_to(w[name], X[name].shape) for name in X},
        alphabet="ABCDE",
    )
    np.testing.assert_allclose(found.forecast, found.effect, atol=1e-13)


def test_blocks_that_make_no_scan_are_named(features):
    letters, X, _ = features
    for wrong in ({"PS": X["PS"]}, X | {"MSA": X["MSA"][:-1]}, X | {"more": X["PS"]}):
        with pytest.raises(ValueError, match="two blocks of 30 rows"):
            scanned(letters, wrong, None)


# --- the static page, in a browser -------------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path, protein) -> Iterator[Page]:  # noqa: F811
    """The widget on a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, protein) as page:
        yield page


def agrees(page, given, position, letter):
    """What the page shows of a mutant is what Python handed over."""
    a = given.alphabet.index(letter)
    data = page.locator(".mc-protein").evaluate("e => ({...e.dataset})")
    assert data["mutant"] == f"{given.letters[position]}{given.first + position}{letter}"
    assert float(data["effect"]) == pytest.approx(given.effect[position, a], abs=3e-4)
    assert float(data["forecast"]) == pytest.approx(given.forecast[position, a], abs=3e-4)
    parts = [float(v) for v in data["parts"].split(",")]
    np.testing.assert_allclose(parts, given.parts[position, a], atol=3e-4)
    seen = np.nan if given.measured is None else given.measured[position, a]
    assert (
        data["measured"] == "" if np.isnan(seen) else float(data["measured"]) == pytest.approx(seen, abs=3e-4)
    )


@pytest.mark.browser
def test_the_page_shows_the_mutant_that_is_chosen(opened):
    given = scan()
    agrees(opened, given, 4, "W")
    slider = opened.get_by_role("slider", name="Residue")
    slider.focus()
    opened.keyboard.press("ArrowRight")
    agrees(opened, given, 5, "W")
    assert opened.evaluate("models[0].get('position')") == 5
    opened.get_by_role("button", name="change to P").click()
    agrees(opened, given, 5, "P")
    assert opened.evaluate("models[0].get('letter')") == "P"
    opened.wait_for_function("document.querySelector('.mc-protein .summary').textContent.startsWith('I29P')")


@pytest.mark.browser
def test_letters_are_typed_and_residues_walked_from_the_keyboard(opened):
    strip = opened.locator(".mc-protein .letters")
    strip.locator("button[aria-pressed=true]").focus()
    for key, position, letter in (
        ("g", 4, "G"),
        ("ArrowLeft", 3, "G"),
        ("End", 21, "G"),
        ("PageUp", 11, "G"),
        ("Home", 0, "G"),
        ("ArrowLeft", 0, "G"),
    ):
        opened.keyboard.press(key)
        agrees(opened, scan(), position, letter)
    opened.keyboard.press("M")  # its own letter: nothing changes
    opened.wait_for_function(
        "document.querySelector('.mc-protein .summary').textContent.includes('nothing changes')"
    )


@pytest.mark.browser
def test_pictures_follow_the_mouse(opened):
    profile = opened.locator(".mc-protein .profile")
    box = profile.bounding_box()
    profile.click(position={"x": box["width"] * 10.5 / 22, "y": 20})
    agrees(opened, scan(), 10, "W")
    opened.locator(".mc-protein .door").nth(AMINO_ACIDS.index("H")).click()
    agrees(opened, scan(), 10, "H")


@pytest.mark.browser
def test_bars_are_as_long_as_the_parts(opened):
    """Read back from the drawing: one scale for both blocks and all letters but the own one."""
    others = np.arange(20) != OWN[4]
    drawn = [
        opened.eval_on_selector_all(
            f".mc-protein .panel .part{k}", "all => all.map(bar => Number(bar.getAttribute('height')))"
        )
        for k in range(2)
    ]
    parts = np.abs(scan().parts[4, others]).T
    scale = np.vdot(drawn, parts) / np.vdot(parts, parts)
    np.testing.assert_allclose(drawn, scale * parts, atol=0.11)  # coordinates are rounded to a tenth
    assert scale * parts.max() > 20


@pytest.mark.browser
def test_another_protein_can_be_chosen(opened):
    opened.get_by_role("radio", name="another").check()
    agrees(opened, ANOTHER, 4, "D")  # there is no W in this alphabet: the letter after the own one
    assert opened.get_by_role("button", name="change to").count() == 5
    opened.evaluate("models[0].set('position', 23)")
    agrees(opened, ANOTHER, 23, "D")
    opened.get_by_role("button", name="change to E").click()
    opened.get_by_role("radio", name="one", exact=True).check()
    agrees(opened, scan(), 21, "E")  # the shorter one ends there


@pytest.mark.browser
def test_it_fits_a_phone(opened):
    check_it_fits(opened)
    boxes = [button.bounding_box() for button in opened.get_by_role("button").all()]
    assert min(min(box["height"], box["width"]) for box in boxes if box) >= 24  # WCAG 2.5.8
