"""Derivations on a page: the lines agree in every layout, KaTeX reads them, and the panel works by itself."""

import html
import json
import re
import sys

import jax
import numpy as np
import pytest
from latexreader import read, read_entries
from test_calculus_engine import with_definitions
from test_widgets import browser  # noqa: F401  (a fixture)

from mcbook import kernels, schedules, sensitivity, unmixing, widgets
from mcbook.calculus import derive, parse, symbols
from mcbook.calculus.boxes import BOXES
from mcbook.calculus.catalogue import CATALOGUE, entry
from mcbook.calculus.engine import LAYOUTS
from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.engine.latex import latex
from mcbook.calculus.engine.layouts import laid_out
from mcbook.calculus.entries import Entry
from mcbook.diffusion import mixtures
from mcbook.schedules.run import step, vjp_step
from mcbook.splice import cells
from mcbook.widgets.derivation import checked
from mcbook.widgets.formulas import for_the_page, glossed

from booktools import ROOT  # isort: skip

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import katex_static

IDS = [row.name for row in BOXES]
FORMULA = re.compile(r'<span class="mc-tex">\\\((.*?)\\\)</span>', re.S)
NEEDS_KATEX = pytest.mark.skipif(
    not (ROOT / "book/node_modules/katex").is_dir(), reason="KaTeX is not installed: run `make book`"
)


# --- five layouts, one tree ------------------------------------------------------------------------------


@pytest.mark.parametrize("row", CATALOGUE, ids=[row.name for row in CATALOGUE])
def test_every_line_says_the_same_in_every_layout(row, rng):
    """A line without its d is Σ⟨C, E⟩, a number: read back from what each layout prints, it is one number."""
    derivation, values = row.derive(), row.sample(rng)
    known = with_definitions(derivation, values)
    pages = {layout: laid_out(derivation, layout) for layout in LAYOUTS}
    for k, line in enumerate(derivation.lines):
        pairs = [np.vdot(*evaluate_all([C, E], values)) for C, E in line.terms]
        for layout, page in pages.items():
            printed = page.rows[k].latex.replace(r"\mathrm{d}", "")
            value = read_entries(printed, known, (1, 1)) if layout == "index" else read(printed, known)
            assert value.item() == pytest.approx(sum(pairs), rel=1e-9, abs=1e-11), (layout, line.rule)


@pytest.mark.parametrize("row", BOXES, ids=IDS)
def test_the_result_in_the_five_layouts(row, rng):
    derivation, values = row.derive(), row.sample(rng)
    known = with_definitions(derivation, values)
    G = evaluate_all([derivation.gradient], values)[0]
    step = rng.standard_normal(G.shape)
    results = {layout: laid_out(derivation, layout).statement.latex for layout in LAYOUTS}
    whole = results["differential"].replace(r"\mathrm{d}" + latex(derivation.X), r"\mathrm{step}")
    for value, meant in [
        (read(results["gradient"], known), G),
        (read(results["denominator"], known), G),
        (read(results["numerator"], known), G.T),
        (read_entries(results["index"], known, G.shape), G),
        (read(whole, known | {"step": step}), [[np.vdot(G, step)]]),
    ]:
        np.testing.assert_allclose(value, meant, rtol=1e-9, atol=1e-11 * np.linalg.norm(G))


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (r"\sum_{i=1}^{5} \sum_{j=1}^{3} X_{ij}\,W_{j}", r"\sum_{i,j} X_{ij}\,W_{j}"),
        (r"\sum_{i=1}^{5} \sum_{j=1}^{3} X_{i}", r"\sum_{i=1}^{5} \sum_{j=1}^{3} X_{i}"),  # j would be lost
        (r"\sum_{t=1}^{3} \delta_{A_{t}}^{\mathsf{T}}", r"\sum_{t=1}^{3} \bar{A}_{t}^{\mathsf{T}}"),
        (r"\delta_{\alpha} - \delta_{W_{h}}", r"\bar{\alpha} - \bar{W}_{h}"),
        (r"\delta_{ij}\,u_{i}", r"\delta_{ij}\,u_{i}"),  # Kronecker's
        (r"\left[\delta_{r}\right]_{i}", r"\bar{r}_{i}"),
        (r"\left[\delta_{A_{2}}\right]_{ki}", r"\left[\bar{A}_{2}\right]_{ki}"),
        (r"\mathbf{1}_{5}\,\mathbf{1}_{3}^{\mathsf{T}} - I_{4}", r"\mathbf{1}\,\mathbf{1}^{\mathsf{T}} - I"),
    ],
)
def test_sizes_go_and_cotangents_wear_bars(printed, shown):
    assert for_the_page(printed) == shown


def test_words_are_explained_where_they_stand():
    assert glossed([r"\operatorname{sym}\left(A\right)"]) == (
        r'<span class="mc-tex">\(\operatorname{sym}(G) = \frac12(G + G^{\mathsf{T}})\)</span>.'
    )
    assert glossed([r"A\,x", r"\mathbf{1}"]).endswith("</span> is a column of ones.")
    assert glossed([r"A\,x"]) == ""


# --- the boxes are what the chapters run on ---------------------------------------------------------------


def test_unmixing(rng):
    values = entry("unmixing-grad").sample(rng)
    W, X = values["W"], values["X"]
    G = entry("unmixing-grad").derive()({**values, "n": len(X)})
    np.testing.assert_allclose(G, unmixing.grad_loss_W(W, X, unmixing.LOG_COSH), rtol=1e-11)
    R = entry("unmixing-relative").derive()(values | {"n": len(X), "E": np.zeros((3, 3))})
    np.testing.assert_allclose(R, G @ W.T, rtol=1e-11)


def test_kernels(rng):
    row = entry("kernels-grad-loo")
    values = row.sample(rng) | {"n": 3.0}
    C, y = values["C"], values["y"]
    B = np.linalg.inv(C)
    np.testing.assert_allclose(row.derive()(values), kernels.grad_loo_loss_C(B, B @ y), rtol=1e-10)
    ell = entry("kernels-grad-evidence").derive()
    np.testing.assert_allclose(ell(values), (B - np.outer(B @ y, B @ y) / (y @ B @ y / 3)) / 2, rtol=1e-10)


def test_the_adjoint(rng):
    values = entry("ridge-adjoint-box, b").sample(rng)
    A = values["K"] + values["kappa_1"] * values["M_1"] + values["kappa_2"] * values["M_2"]
    w, p = np.linalg.solve(A, values["b"]), np.linalg.solve(A, values["w_bar"])
    np.testing.assert_allclose(entry("ridge-adjoint-box, b").derive()(values), p, rtol=1e-10)
    slope = entry("ridge-adjoint-box, kappa").derive()(values)
    np.testing.assert_allclose(slope, -p @ values["M_1"] @ w, rtol=1e-10)


def test_backpropagation_through_time(rng):
    values = entry("splice-bptt, W_h").sample(rng)
    X, h_0 = np.stack([values[f"X_{t}"] for t in (1, 2, 3)]), values["H_0"]
    cell = cells.RNNCell(values["W_x"], values["W_h"], values["b"])
    H = cells.run(cell, X, h_0)
    U = H[-1] @ values["V"].T + values["c"][None]
    U_bar = (jax.nn.softmax(U) - values["E"]) / values["n"]
    back = cells.vjp_rnn(cell, X, H, h_0, None, U_bar @ values["V"]).cell
    for name, meant in (("W_h", back.W_h), ("W_x", back.W_x), ("b", back.b)):
        np.testing.assert_allclose(entry(f"splice-bptt, {name}").derive()(values), meant, rtol=1e-10)


def test_the_gates(rng):
    values = entry("splice-gru-grad, h").sample(rng)
    W_h = np.concatenate([values[f"W_{gate}"] for gate in "rzm"])
    cell = cells.GRUCell(np.zeros((9, 1)), W_h, np.concatenate([values[f"a_{gate}"] for gate in "rzm"]))
    X, h_0 = np.zeros((1, 1, 1)), values["h_0"][None]
    back = cells.vjp_gru(cell, X, cells.run(cell, X, h_0), h_0, None, values["h_bar"][None])
    _, W_z, W_m = np.split(np.asarray(back.cell.W_h), 3)
    for name, meant in (("h", back.h_0[0]), ("W_z", W_z), ("W_m", W_m)):
        np.testing.assert_allclose(entry(f"splice-gru-grad, {name}").derive()(values), meant, rtol=1e-10)


def test_two_blocks(rng):
    values = entry("sensitivity-chain, s").sample(rng)
    first = {block: values[f"W_{block}"] for block in "sm"}
    rest = (values["b_1"], values["W_2"], values["b_2"], values["v"], np.array(0.0))
    X = {block: values[block][None] for block in "sm"}
    back = sensitivity.vjp_predict(sensitivity.Network(first, *rest), X, np.ones(1)).X
    for block in "sm":
        G = entry(f"sensitivity-chain, {block}").derive()(values)
        np.testing.assert_allclose(G, back[block][0], rtol=1e-10)


def test_the_score_of_a_mixture(rng):
    values = entry("diffusion-score").sample(rng)
    mix = mixtures.mixture(np.exp(values["c"]), values["mu"], values["sigma"] ** 2)
    meant = mixtures.score(values["x"][None], mix)[0]
    np.testing.assert_allclose(entry("diffusion-score").derive()(values), meant, rtol=1e-10)


def test_two_steps_with_momentum(rng):
    values = entry("schedules-momentum-grad, lam").sample(rng)
    rows = [(values["H_0"], values["c_0"]), (values["H_1"], values["c_1"])]
    eta_0, eta_1, beta_1, lam_0, lam_1 = (values[k] for k in ("eta_0", "eta_1", "beta_1", "lam_0", "lam_1"))
    hyper = [schedules.Schedule(eta_0, 0.0, lam_0), schedules.Schedule(eta_1, beta_1, lam_1)]

    def loss(w, H, c):
        return w @ H @ w / 2 - c @ w

    states = [(values["w_0"], np.zeros(3))]
    for t in (0, 1):
        states.append(step(loss, states[t], rows[t], hyper[t]))
    X, y = values["X"], values["y"]
    bar, bars = (X.T @ (X @ states[2][0] - y), np.zeros(3)), {}
    for t in (1, 0):
        bar, bars[t] = vjp_step(loss, states[t], rows[t], hyper[t], bar)
    for name, meant in (("lam", bars[0].decays), ("eta", bars[0].rates), ("beta", bars[1].momenta)):
        G = entry(f"schedules-momentum-grad, {name}").derive()(values)
        np.testing.assert_allclose(G, meant, rtol=1e-9)


def test_springs_obey_the_laws(rng):
    values = entry("symmetry-conservation").sample(rng)
    F, X = -entry("symmetry-conservation").derive()(values), values["X"]
    np.testing.assert_allclose(F.sum(axis=0), 0, atol=1e-12 * np.linalg.norm(F))
    np.testing.assert_allclose(F.T @ X, X.T @ F, atol=1e-12 * np.linalg.norm(F) * np.linalg.norm(X))


# --- what Python hands over --------------------------------------------------------------------------------


@pytest.mark.parametrize("row", BOXES, ids=IDS)
def test_every_box_is_checked_when_it_is_made(row):
    panel = widgets.DeriveIt(row.name)
    assert 0 < panel.disagreement < 1e-9
    assert repr(panel).startswith(f"d{panel.letter}".replace("ell", "ℓ"))
    assert "every line agrees with central differences in 6 random directions" in repr(panel)
    shown = panel._repr_html_()
    assert shown.count("<li>") == len(panel.derivation.lines)
    assert all(f'value="{layout}"' in shown for layout in LAYOUTS)
    assert "<script" not in shown


@pytest.mark.parametrize("place", [2, 3, 4])
@pytest.mark.parametrize(
    "change",
    [lambda C: -C, lambda C: 2 * C, lambda C: 1.001 * C, lambda C: C.T if C.shape == (3, 3) else -C.T.T],
    ids=["sign", "factor", "0.1 %", "transpose"],
)
def test_a_planted_error_in_a_line_is_named(change, place):
    D = entry("unmixing-grad").derive()
    line = D.lines[place]
    first, *rest = line.terms
    wrong = line._replace(terms=(first._replace(C=change(first.C)), *rest))
    lines = (*D.lines[:place], wrong, *D.lines[place + 1 :])
    with pytest.raises(ValueError, match=f"line {place + 1} of the derivation is off"):
        checked(D._replace(lines=lines), entry("unmixing-grad").sample, np.random.default_rng(0))


def test_any_derivation_can_be_shown(rng):
    A, x = symbols(A=(3, 3), x=3)
    D = derive(parse("x @ A @ x", A, x), x)
    assert repr(widgets.DeriveIt(D, letter="q")).splitlines()[-2] == "∇q(x) = (A + Aᵀ) x"
    row = Entry("mine", "classics", "log(a) * sqnorm(x)", "a::positive x:3", "a")
    shown = widgets.DeriveIt(row, title="see <how>")._repr_html_()
    assert "see &lt;how&gt;: " in shown
    assert r'It holds for <span class="mc-tex">\(a\)</span> &gt; 0.' in shown
    first, second = (re.search(r'name="(.*?)"', widgets.DeriveIt(D)._repr_html_())[1] for _ in range(2))
    assert first != second  # two switches on a page do not turn one another


def test_other_variables_stand_at_the_end():
    others = ["splice-bptt, W_x", "splice-bptt, b"]
    panel = widgets.DeriveIt("splice-bptt, W_h", also=others)
    assert repr(panel).splitlines()[-3:-1] == [
        "also ∇L(W_x) = δ_A₃ᵀ X₃ + δ_A₂ᵀ X₂ + δ_A₁ᵀ X₁ = Σₜ δ_Aₜᵀ Xₜ,  t = 1 … 3",
        "also ∇L(b) = (δ_A₁ + δ_A₂ + δ_A₃)ᵀ 1",
    ]
    shown = panel._repr_html_()
    back = shown.split("On the same way back:")[1].split("</div>")[0]
    assert back.count("data-in=") == 10  # two results, five layouts
    assert "where" not in back  # the cotangents are those of the lines above
    alone = widgets.DeriveIt("kernels-grad, beta", also=["splice-gru-grad, W_z"])._repr_html_()
    assert 'where <span class="mc-tex">\\(\\displaystyle \\bar{s}_{z} = ' in alone
    assert "here, and of those not shown" in shown


def test_an_index_form_that_nobody_could_read_is_refused_in_words():
    A = symbols(**{f"A_{k}": (2, 2) for k in range(12)})
    D = derive(parse("trace(" + " @ ".join(f"A_{k}" for k in range(12)) + ")", *A), A[0])
    shown = widgets.DeriveIt(D)._repr_html_()
    assert "No index layout: more than 10 indices" in shown
    assert '<input type="radio"' in shown
    assert 'value="index">' not in shown
    with pytest.raises(ValueError, match="index layout cannot be written"):
        widgets.DeriveIt(D, layout="index")


def test_what_cannot_be_shown_is_named():
    with pytest.raises(ValueError, match="the catalogue has no 'nothing'"):
        widgets.DeriveIt("nothing")
    with pytest.raises(ValueError, match="a name of the catalogue or a derivation"):
        widgets.DeriveIt(3)
    with pytest.raises(ValueError, match="a layout is one of"):
        widgets.DeriveIt("unmixing-grad", layout="row")


# --- KaTeX reads it ---------------------------------------------------------------------------------------


def typeset(formulas):
    """The HTML of each formula, or what KaTeX says against it in its strictest mode."""
    worker = katex_static._worker(str(ROOT / "book/node_modules/katex"))
    options = {"displayMode": False, "throwOnError": True, "strict": "error", "output": "htmlAndMathml"}
    answers = {}
    for tex in dict.fromkeys(formulas):
        worker.stdin.write(json.dumps({"tex": tex, "options": options}) + "\n")
        worker.stdin.flush()
        answers[tex] = json.loads(worker.stdout.readline())
    return answers


def formulas_of(row):
    derivation = row.derive()
    shown = widgets.DeriveIt(row)._repr_html_()
    yield from (html.unescape(tex) for tex in FORMULA.findall(shown))
    yield from (derivation.latex(layout) for layout in LAYOUTS)


@NEEDS_KATEX
def test_katex_reads_every_derivation_in_every_layout(monkeypatch):
    monkeypatch.setattr("mcbook.widgets.derivation.checked", lambda *_: 1e-12)  # that is for the tests above
    asked = [tex for row in CATALOGUE for tex in formulas_of(row)]
    faults = {tex: answer["fault"] for tex, answer in typeset(asked).items() if "fault" in answer}
    assert len(set(asked)) > 20 * len(CATALOGUE)
    assert not faults


@NEEDS_KATEX
@pytest.mark.parametrize("planted", [r"\frac{1}{2", r"\nabla_{W} L = \nosuch", r"é"])
def test_katex_is_strict(planted):
    assert "fault" in typeset([planted])[planted]


# --- the static page, in a browser ------------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path):  # noqa: F811
    """Two panels on a page as wide as a phone's, typeset as the book does it, the network cut."""
    shown = "".join(widgets.DeriveIt(name)._repr_html_() for name in ("unmixing-grad", "splice-bptt, W_h"))
    answers = typeset(html.unescape(tex) for tex in FORMULA.findall(shown))
    body = FORMULA.sub(lambda m: answers[html.unescape(m[1])]["html"], shown)
    style = (ROOT / "book/node_modules/katex/dist/katex.min.css").read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Derive it</title><style>{style}</style>"
        "<meta name=viewport content='width=device-width'><body style='font:16px sans-serif'>" + body,
        encoding="utf-8",
    )
    context = browser.new_context(viewport={"width": 390, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{tmp_path}/page.html")
    yield page
    context.close()


def visible(panel):
    """The layouts of the formulas that are to be seen."""
    shown = panel.locator("li [data-in]").all()
    return [set(f.get_attribute("data-in").split()) for f in shown if f.is_visible()]


@NEEDS_KATEX
@pytest.mark.browser
def test_the_switch_works_without_a_script(opened):
    first, second = opened.locator(".mc-derive").all()
    assert not first.locator("li").first.is_visible()
    first.locator("summary").first.focus()
    opened.keyboard.press("Enter")
    assert first.locator("li").first.is_visible()
    assert first.get_by_role("radio", name="gradient").is_checked()
    assert len(visible(first)) == 5
    assert all("gradient" in layouts for layouts in visible(first))
    first.get_by_role("radio", name="gradient").focus()
    for layout in ("numerator", "denominator", "index"):
        opened.keyboard.press("ArrowRight")
        assert first.get_by_role("radio", name=layout).is_checked()
        assert len(visible(first)) == 5
        assert all(layout in layouts for layouts in visible(first))
    second.locator("summary").first.click()
    assert second.get_by_role("radio", name="gradient").is_checked()  # the other panel stays as it was
    assert first.get_by_role("radio", name="index").is_checked()


@NEEDS_KATEX
@pytest.mark.browser
def test_it_fits_a_phone(opened):
    for panel in opened.locator(".mc-derive").all():
        panel.locator("summary").first.click()
        for layout in LAYOUTS:
            panel.get_by_role("radio", name=layout, exact=True).check()
            boxes = [f.bounding_box() for f in panel.locator(".formula").all() if f.is_visible()]
            assert boxes
            assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
        assert all(label.bounding_box()["height"] >= 24 for label in panel.locator("label").all())
