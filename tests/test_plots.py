"""Figures: colours that can be told apart on both themes, honest alternatives, clean inline SVG."""

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

from mcbook import plots
from mcbook.plots import palette
from mcbook.plots.svg import checked_alt

ALT = "Two mixtures against each other: the cloud is a tilted parallelogram."
WHITE, DARK = "#ffffff", "#14181e"
# Deuteranopia and protanopia as linear maps of linear RGB (machado2009, severity 1).
DEFICIENCIES = {
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}


def linear(colour):
    c = np.array(mpl.colors.to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return linear(colour) @ [0.2126, 0.7152, 0.0722]


def contrast(a, b):
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 0))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def drawing(**kwargs):
    with plots.style():
        fig = Canvas(**kwargs)
        ax = fig.subplots()
        ax.plot([0, 1, 2], [1, 3, 2], marker="o", label="loss")
        ax.set_title("$x^2$")
        ax.fill_between([0, 1], [0, 1], color="black")
        ax.legend()
    return fig


@pytest.mark.parametrize("colour", [*plots.COLOURS, palette.GREY])
@pytest.mark.parametrize("background", [WHITE, DARK])
def test_colours_stand_out_on_both_themes(colour, background):
    assert contrast(colour, background) >= 3.0


def test_contrast_is_the_standard_one():
    assert contrast("#000000", WHITE) == pytest.approx(21.0)
    assert contrast("#777777", WHITE) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_the_first_three_colours_differ_for_colour_blind_readers(name):
    seen = [lab(np.clip(np.array(DEFICIENCIES[name]) @ linear(c), 0, 1)) for c in plots.COLOURS[:3]]
    assert (
        min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 20
    )  # a just noticeable step is about 2


def test_colour_never_stands_alone():
    assert len(set(plots.DASHES)) == len(set(plots.MARKERS)) == len(set(plots.COLOURS)) == len(plots.COLOURS)


def test_theme_colours_replace_the_sentinels():
    html = plots.figure(drawing(), alt=ALT)._repr_html_()
    assert "currentColor" in html
    assert f"var(--mc-muted, {palette.GREY})" in html
    for hard in (plots.INK, plots.MUTED, "#000000", "rgb(0", "black"):
        assert hard not in html
    assert re.search(r'<svg[^>]* fill="currentColor"', html)  # matplotlib omits a black fill: it must inherit


def test_nothing_leaks_into_the_page():
    html = plots.figure(drawing(), alt=ALT)._repr_html_()
    for foreign in ("<style", "<metadata", "<?xml", "<!DOCTYPE", "matplotlib", "http://purl.org"):
        assert foreign not in html


def test_svg_is_well_formed_scales_and_speaks():
    figure = plots.figure(drawing(), alt=ALT + ' "x" < y & z', caption="A & B")
    root = ElementTree.fromstring(figure._repr_html_())
    svg = root.find("{http://www.w3.org/2000/svg}svg")
    assert (svg.get("role"), svg.get("aria-label")) == ("img", figure.alt)
    assert svg.get("viewBox").startswith("0 0 ")
    assert svg.get("width") is None
    assert root.find("figcaption").text == "A & B"
    assert "loss" in [text.text for text in svg.findall(".//{*}text")]  # text, not outlines


def test_ids_are_unique_on_a_page_and_all_references_resolve():
    page = "".join(plots.figure(drawing(), alt=ALT)._repr_html_() for _ in range(3))
    page += plots.figure(drawing(), alt=ALT + " Again.")._repr_html_()
    ids = re.findall(r' id="([^"]+)"', page)
    assert ids
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', page)) <= set(ids)


def test_the_same_figure_gives_the_same_bytes():
    first, second = (
        re.sub(r"mc-[0-9a-f]{8}(-\d+)?", "ID", plots.figure(drawing(), alt=ALT).svg) for _ in range(2)
    )
    assert first == second


def test_repr_is_the_alternative():
    assert repr(plots.figure(drawing(), alt=ALT)) == f"Figure: {ALT}"


@pytest.mark.parametrize(
    "alt", ["", "figure", "Figure 1.", "voices.png", "a-rather-long-file-name-of-a-figure.png", "a plot",
            "figure figure figure figure", "Figure 12: image of the plot", "1234567890 1234567890 1234567890"]
)  # fmt: skip
def test_lazy_alternatives_are_refused(alt):
    with pytest.raises(ValueError, match="expects an alt that says"):
        plots.figure(drawing(), alt=alt)


def test_blanks_in_alternatives_are_tidied():
    assert (
        checked_alt("  Two mixtures,\n   one tilted cloud of points. ")
        == "Two mixtures, one tilted cloud of points."
    )


def test_empty_figure_is_refused():
    with pytest.raises(ValueError, match="an empty one"):
        plots.figure(Canvas(), alt=ALT)


def test_pyplot_figures_are_closed():
    import matplotlib.pyplot as plt

    fig = plt.figure()
    fig.subplots().plot([1, 2])
    plots.figure(fig, alt=ALT)
    assert not plt.fignum_exists(fig.number)


def test_style_ends_with_its_block():
    before = dict(mpl.rcParams)
    with plots.style():
        assert mpl.rcParams["text.color"] == plots.INK
    assert dict(mpl.rcParams) == before


def test_many_points_become_pixels_and_few_stay_shapes(rng):
    few, many = (plots.scatter_pair({"a": rng.normal(size=(n, 2))}) for n in (50, 5000))
    assert "<image" not in plots.figure(few, alt=ALT).svg
    assert "<image" in plots.figure(many, alt=ALT).svg


def test_every_drawing_fits_a_page(rng):
    S = rng.laplace(size=(8000, 2))
    figures = {
        "waveforms": plots.waveforms(S, 8000, ["Ada", "Ben"]),
        "scatter": plots.scatter_pair({"a": S, "b": S}, directions={"a": np.eye(2)}),
        "convergence": plots.convergence(
            {"a": [1, 0.1], "b": ([0, 2], [1, 0.01])}, ylabel="norm", target=1e-6
        ),
        "spectrogram": plots.spectrogram(S, 8000, ["Ada", "Ben"]),
        "matrix": plots.matrix([[1, -2, 0.5]], rows=["w"], columns=["a", "b", "c"]),
    }
    weights = {name: len(plots.figure(fig, alt=ALT).svg) for name, fig in figures.items()}
    assert max(weights.values()) < 150_000, weights


def test_waveforms_keep_the_extremes(rng):
    S = rng.normal(size=(5000, 1))
    S[1234] = 40.0  # one sample out of five thousand: thinning would lose it
    (ax,) = plots.waveforms(S, 1000, ["click"]).axes
    assert ax.dataLim.y1 == pytest.approx(40.0)


def test_spectrogram_shows_a_tone_where_it_is():
    t = np.arange(8000) / 8000
    ax = plots.spectrogram(np.sin(2 * np.pi * 1000 * t)[:, None], 8000, ["tone"]).axes[0]
    db = np.asarray(ax.images[0].get_array())
    low, high = ax.images[0].get_extent()[2:]
    assert low + (high - low) * db.mean(1).argmax() / (len(db) - 1) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("draw", [plots.waveforms, plots.spectrogram])
def test_bad_signals_are_named(draw, rng):
    with pytest.raises(ValueError, match="transpose"):
        draw(rng.normal(size=(2, 900)), 8000, ["a", "b"])
    with pytest.raises(ValueError, match="finite"):
        draw(np.full((900, 1), np.nan), 8000, ["a"])
