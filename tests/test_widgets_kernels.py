"""The interactive parts of the chapter on kernels: their numbers are NumPy's, and the page reacts."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import widgets
from mcbook.widgets.relatives import bonds, formula, principal

CH = 1.09 / np.sqrt(3)
METHANE = (list("CHHHH"), CH * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]))


@pytest.fixture(scope="module")
def ridge():
    rng = np.random.default_rng(4)
    x = np.linspace(0.5, 9.5, 13) + rng.uniform(-0.3, 0.3, 13)
    return widgets.RidgeByHand(x, np.sin(x) + 0.2 * rng.standard_normal(13), sigma=0.8, lam=0.1, chosen=3)


@pytest.fixture(scope="module")
def relatives():
    """Nine chains of carbon; likeness falls with the difference of their lengths under one kernel only."""
    n, rng = 9, np.random.default_rng(5)
    chains = [
        (f"chain {k}", ["C"] * (k + 2), [[1.5 * j, 0.3 * (j % 2), 0.1] for j in range(k + 2)])
        for k in range(n)
    ]
    length = np.arange(n)
    S = np.exp(-np.abs(length[:, None] - length) / 4)
    F = rng.normal(size=(n, 3))
    other = np.exp(-((F[:, None] - F) ** 2).sum(-1) / 8)
    energy = -100.0 * length
    return widgets.Relatives(
        chains,
        energy=energy,
        residual=2.0 * length,
        kernels={"by length": S, "by chance": other},
        predicted={"by length": energy + 1, "by chance": energy - 7},
        chosen=4,
    )


def closed_form(x, y, sigma, lam):
    """Leave-one-out error, degrees of freedom, log evidence, weights and residuals, by plain inversion."""
    K = np.exp(-((x[:, None] - x) ** 2) / (2 * sigma**2))
    C = K + lam * np.eye(len(x))
    M = np.linalg.inv(C)
    left = M @ y / np.diag(M)
    evidence = -0.5 * (y @ M @ y + np.linalg.slogdet(C)[1] + len(x) * np.log(2 * np.pi))
    return (left @ left) / len(x), np.trace(K @ M), evidence, M @ y, left


# --- what Python hands over --------------------------------------------------------------------------------


def test_points_are_ordered_and_named(ridge):
    assert np.all(np.diff(ridge.x) > 0)
    assert repr(ridge).startswith("RidgeByHand: 13 points, σ = 0.8, λ = 0.1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.arange(30.0)}, "4 to 20 points"),
        ({"x": np.arange(5.0) + 7}, "outside or NaN"),
        ({"y": np.full(5, np.nan)}, "outside or NaN"),
        ({"x": np.ones(5)}, "distinct"),
        ({"sigma": 0.0}, "≤ sigma ≤"),
        ({"lam": 100.0}, "≤ lam ≤"),
        ({"chosen": 5}, "chosen from 0 to 4"),
    ],
)
def test_points_that_cannot_be_drawn_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        widgets.RidgeByHand(**({"x": np.arange(5.0), "y": np.zeros(5)} | change))


def test_bonds_are_the_near_pairs():
    assert bonds(*METHANE) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    with pytest.raises(ValueError, match="not Xe"):
        bonds(["Xe"], [[0, 0, 0]])


@pytest.mark.parametrize(
    ("elements", "text"),
    [("HCHHH", "CH₄"), ("OHH", "H₂O"), ("CCHHHHHHO", "C₂H₆O"), ("NCHHHHH", "CH₅N"), ("NHHH", "H₃N")],
)
def test_formulas_are_in_hill_order(elements, text):
    assert formula(list(elements)) == text


def test_drawn_molecules_are_turned_and_never_mirrored(rng):
    X = rng.normal(size=(6, 3)) * [1, 3, 2]
    Y = principal(X)
    assert np.all(np.diff(Y.std(axis=0)) < 0)
    distance = [np.linalg.norm(A[:, None] - A, axis=-1) for A in (X, Y)]
    np.testing.assert_allclose(*distance, atol=1e-12)
    hand = [np.linalg.det((A - A[0])[1:4]) for A in (X, Y)]
    assert hand[0] == pytest.approx(hand[1])


def test_relatives_carry_the_data(relatives):
    assert repr(relatives) == "Relatives: 9 molecules, likeness by by length or by chance"
    assert relatives.molecules[3]["formula"] == "C₅"
    assert relatives.molecules[3]["predicted"] == [-299.0, -307.0]
    assert len(relatives.molecules[3]["bonds"]) == 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda k: k | {"energy": k["energy"][:-1]}, "7 finite numbers for energy"),
        (lambda k: k | {"residual": k["residual"] * np.nan}, "finite numbers for residual"),
        (lambda k: k | {"kernels": {"a": 2 * k["kernels"]["a"]}}, "roots of its diagonal"),
        (lambda k: k | {"kernels": {"a": np.eye(3)}}, "finite likeness"),
        (lambda k: k | {"kernels": {"b": np.eye(7)}}, "same names"),
        (lambda k: k | {"chosen": 7}, "chosen"),
    ],
)
def test_bad_relatives_are_named(spoil, message):
    good = {"energy": np.zeros(7), "residual": np.zeros(7), "kernels": {"a": np.eye(7)}, "chosen": 0}
    with pytest.raises(ValueError, match=message):
        widgets.Relatives([("methane", *METHANE)] * 7, predicted={"a": np.zeros(7)}, **spoil(good))


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path, ridge, relatives) -> Iterator[Page]:  # noqa: F811
    """Both widgets on a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, ridge, relatives) as page:
        yield page


def shown(page):
    """What the page has computed: loo, df, evidence, alpha, left, slope."""
    data = page.locator(".mc-ridge").evaluate("e => ({...e.dataset})")
    return {k: np.array([float(v) for v in text.split(",")]) for k, text in data.items()}


def agree(page, x, y, sigma, lam):
    """The page's numbers are the closed form's, and its slope the closed form's central differences."""
    now = shown(page)
    names, h = ("loo", "df", "evidence", "alpha", "left"), 1e-5
    for name, value in zip(names, closed_form(x, y, sigma, lam), strict=True):
        np.testing.assert_allclose(now[name], np.atleast_1d(value), rtol=1e-7, atol=1e-9, err_msg=name)
    for k, (a, b) in enumerate(((np.exp(h), 1.0), (1.0, np.exp(h)))):
        ends = [closed_form(x, y, sigma * a**s, lam * b**s)[0] for s in (1, -1)]
        assert now["slope"][k] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-4, abs=1e-8)


@pytest.mark.browser
def test_the_page_solves_as_numpy_does(opened, ridge):
    x, y = np.array(ridge.x), np.array(ridge.y)
    agree(opened, x, y, 10**-0.1, 10**-1.0)  # the sliders' nearest steps to 0.8 and 0.1
    opened.get_by_role("slider", name="Width σ").fill("0.25")
    opened.get_by_role("slider", name="Penalty λ").fill("-3.5")
    agree(opened, x, y, 10**0.25, 10**-3.5)
    opened.get_by_role("slider", name="Which point").fill("7")
    opened.get_by_role("slider", name="Height y").fill("-1.5")
    y[6] = -1.5
    agree(opened, x, y, 10**0.25, 10**-3.5)
    assert abs(opened.evaluate("models[0].get('lam')") - 10**-3.5) < 1e-12
    opened.get_by_role("button", name="Points back").click()
    agree(opened, x, np.array(ridge.y), 10**0.25, 10**-3.5)


@pytest.mark.browser
def test_the_bars_add_up_to_the_degrees_of_freedom(opened):
    heights = opened.eval_on_selector_all(
        ".mc-ridge .area1", "all => all.map(bar => Number(bar.getAttribute('height')))"
    )
    full = 250 - 34 - (10 + 6)  # the drawing's height less its margins
    assert sum(heights) / full == pytest.approx(shown(opened)["df"][0], abs=0.01)
    assert heights == sorted(heights, reverse=True)


@pytest.mark.browser
def test_steps_downhill_never_climb_and_come_to_rest(opened):
    errors = [shown(opened)["loo"][0]]
    for _ in range(12):
        opened.get_by_role("button", name="One step downhill").click()
        errors.append(shown(opened)["loo"][0])
    assert np.all(np.diff(errors) <= 0)
    assert errors[-1] < 0.95 * errors[0]
    assert errors[-1] > 0.99 * errors[-2]


@pytest.mark.browser
def test_points_and_the_map_follow_the_mouse(opened, ridge):
    picture = opened.locator(".mc-ridge svg").first
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    unit = box["width"] / 340

    def place(x, y):  # the drawing's own coordinates
        return (
            box["x"] + unit * (48 + x * (340 - 64) / 10),
            box["y"] + unit * (216 - (y + 2.4) / 4.8 * (216 - 10)),
        )

    opened.mouse.move(*place(ridge.x[8], ridge.y[8]))
    opened.mouse.down()
    opened.mouse.move(*place(ridge.x[8], 1.9), steps=3)
    opened.mouse.up()
    assert opened.get_by_role("slider", name="Which point").input_value() == "9"
    moved = shown(opened)
    y = np.array(ridge.y)
    y[8] = 1.9
    assert moved["alpha"][8] == pytest.approx(closed_form(np.array(ridge.x), y, 10**-0.1, 0.1)[3][8], rel=0.1)
    before = opened.get_by_role("slider", name="Width σ").input_value()
    opened.locator(".mc-ridge svg").nth(1).click(position={"x": 60 * unit, "y": 40 * unit})
    assert opened.get_by_role("slider", name="Width σ").input_value() != before


@pytest.mark.browser
def test_relatives_are_the_nearest_in_the_chosen_kernel(opened, relatives):
    root = opened.locator(".mc-relatives")
    likeness = [np.array(S) for S in relatives.kernels]

    def nearest(kernel, i):
        order = np.argsort(-likeness[kernel][i], kind="stable")
        return ",".join(str(j) for j in order if j != i)[:9]

    assert root.get_attribute("data-near") == nearest(0, 4)
    opened.get_by_role("radio", name="by chance").check()
    assert root.get_attribute("data-near") == nearest(1, 4)
    opened.get_by_role("button", name="Next molecule").click()
    assert (root.get_attribute("data-chosen"), root.get_attribute("data-near")) == ("5", nearest(1, 5))
    first = int(nearest(1, 5)[0])
    opened.locator(".mc-relatives .card").first.click()
    assert root.get_attribute("data-chosen") == str(first)
    opened.get_by_role("combobox", name="Molecule").select_option(str(2))
    opened.wait_for_function(
        "document.querySelector('.mc-relatives .summary').textContent.includes('off by −7.0 kcal/mol')"
    )


@pytest.mark.browser
def test_turning_moves_the_atoms(opened):
    atoms = "() => document.querySelector('.mc-relatives .panel svg').innerHTML"
    before = opened.evaluate(atoms)
    slider = opened.get_by_role("slider", name="Turn the molecule")
    slider.focus()
    opened.keyboard.press("ArrowRight")
    assert opened.evaluate(atoms) != before
    assert opened.locator(".mc-relatives .panel circle").first.count() == 1


@pytest.mark.browser
def test_both_fit_a_phone(opened):
    check_it_fits(opened, ".panel svg text:not(.atom text)")
