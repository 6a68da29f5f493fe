"""The interactive part of the chapter on corrections: what is handed over, and what the page shows of it."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import widgets

SIZES, ANGLES = (5, 10, 20), np.linspace(80, 135, 9)
WATER = np.array([[0.0, 0, 0], [0, 0.76, -0.59], [0, -0.76, -0.59]])
GEOMETRIES = WATER * np.array([0.9, 1.1])[:, None, None]


def parts():
    """A parabola, a shifted one below it, and sweeps that close in on the first by factors of ten."""
    truth = 0.02 * (ANGLES - 105) ** 2
    forces = 10 * GEOMETRIES
    nearer = 10.0 ** -np.arange(3)

    def sweep(size):
        return widgets.SurfaceSweep(
            [truth + size * e for e in nearer],
            [forces * (1 + 0.1 * size * e) for e in nearer],
            size * nearer,
            2 * size * nearer,
        )

    def base(shift):
        return widgets.CheapTheory(
            0.02 * (ANGLES - 105 - shift) ** 2 + 500, forces * (1 + shift / 50), sweep(shift)
        )

    return {
        "sizes": SIZES,
        "angles": ANGLES,
        "truth": (truth, forces),
        "elements": ("O", "H", "H"),
        "positions_angstrom": GEOMETRIES,
        "direct": sweep(8.0),
        "bases": {"HF": base(2.0), "PBE": base(4.0)},
    }


@pytest.fixture(scope="module")
def corrected():
    return widgets.Corrected(**parts(), chosen=1)


def test_it_carries_the_data(corrected):
    assert repr(corrected) == "Corrected: 3 sizes from 5 to 20, base HF or PBE"
    assert min(corrected.truth["cut"]) == pytest.approx(0, abs=0.05)
    assert min(corrected.bases[1]["cut"]) == 0  # a cheap theory has its own zero
    assert np.shape(corrected.bases[0]["composite"]["forces"]) == (3, 2, 3, 2)
    np.testing.assert_allclose(corrected.direct["cut"][2], np.array(corrected.truth["cut"]) + 0.08, atol=1e-4)
    assert corrected.molecules["bonds"] == [(0, 1), (0, 2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"angles": ANGLES[:-1]}, r"truth \(8,\)"),
        ({"positions_angstrom": WATER}, r"positions \(g, 3, 3\)"),
        ({"chosen": 3}, "chosen from 0 to 2"),
        ({"bases": {}}, "0 bases"),
        ({"truth": (np.full(9, np.nan), GEOMETRIES)}, "finite"),
        ({"sizes": (5, 10)}, r"cut \(2, 9\)"),
    ],
)
def test_what_cannot_be_drawn_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        widgets.Corrected(**(parts() | change))


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path, corrected) -> Iterator[Page]:  # noqa: F811
    """The widget on a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, corrected) as page:
        yield page


def shown(page):
    data = page.locator(".mc-corrected").evaluate("e => ({...e.dataset})")
    return {k: np.array([float(v) for v in data[k].split(",")]) for k in ("size", "energy", "force", "miss")}


@pytest.mark.browser
def test_the_page_shows_the_chosen_size_and_base(opened):
    now = shown(opened)
    assert now["size"] == 10
    np.testing.assert_allclose(now["energy"], [0.8, 0.2])
    slider = opened.get_by_role("slider", name="How many geometries are learnt")
    slider.focus()
    opened.keyboard.press("ArrowRight")
    opened.get_by_role("radio", name="PBE").check()
    now = shown(opened)
    assert now["size"] == 20
    np.testing.assert_allclose(now["energy"], [0.08, 0.04])
    np.testing.assert_allclose(now["force"], [0.16, 0.08])
    most = np.abs(10 * GEOMETRIES[0] * 0.1 * 4 * 0.01).max()
    assert now["miss"] == pytest.approx(most, rel=1e-3)
    assert opened.evaluate("models[0].get('chosen')") == 2
    assert "0.04" in slider.get_attribute("aria-valuetext")
    opened.wait_for_function(
        "document.querySelector('.mc-corrected .summary').textContent.includes('20 geometries on top of PBE')"
    )


@pytest.mark.browser
def test_arrows_point_along_the_forces_and_errors_shrink(opened):
    def lengths(kind):
        return opened.eval_on_selector_all(
            f".mc-corrected .arrow.{kind}",
            """all => all.map(a => { const n = (a.getAttribute('d').match(/-?[\\d.]+/g) || []).map(Number);
                 return n.length ? Math.hypot(n[2] - n[0], n[3] - n[1]) : 0; })""",
        )

    size = np.linalg.norm(10 * GEOMETRIES[0], axis=1)
    np.testing.assert_allclose(lengths("truth"), 0.5 * size, atol=0.2)
    np.testing.assert_allclose(lengths("w2"), 0.5 * 1.04 * size, atol=0.2)
    opened.get_by_role("radio", name="errors, 10 times").check()
    assert max(lengths("truth")) == 0
    np.testing.assert_allclose(lengths("w2"), 5 * 0.04 * size, atol=0.2)
    opened.get_by_role("slider", name="Which molecule is shown").fill("1")
    np.testing.assert_allclose(lengths("w2"), 5 * 0.04 * np.linalg.norm(10 * GEOMETRIES[1], axis=1), atol=0.2)


@pytest.mark.browser
def test_it_fits_a_phone(opened):
    check_it_fits(opened)
