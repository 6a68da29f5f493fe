"""Interactive parts: what Python hands over is right, and the page reacts in a browser without a kernel."""

import base64
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mcbook import widgets
from mcbook.widgets.answer import lock

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
NEEDED = "browser" in os.environ.get("MCBOOK_REQUIRE", "")
RATE, BEST = 4000, 30

# The contract of an anywidget model, in a page without a kernel.
HOST = """
window.errors = []; window.addEventListener("error", (e) => errors.push(e.message));
window.addEventListener("unhandledrejection", (e) => errors.push(String(e.reason)));
const asBytes = (t) => new DataView(Uint8Array.from(atob(t), (c) => c.charCodeAt(0)).buffer);
window.models = []; window.cleanups = [];
(async () => { for (const state of STATES) {
  for (const k of state.__bytes) state[k] = asBytes(state[k]);
  const on = {};
  const model = { get: (k) => state[k], save_changes() {},
    on: (e, f) => (on[e] ||= []).push(f),
    off: (e, f) => { on[e] = (on[e] || []).filter((g) => g !== f); },
    set(k, v) { if (state[k] === v) return;
      state[k] = v; (on["change:" + k] || []).forEach((f) => f(model, v)); } };
  const css = document.createElement("style"); css.textContent = state._css; document.head.append(css);
  const module = await import("data:text/javascript;base64," + state._esm);
  const el = document.createElement("div"); document.querySelector("main").append(el);
  models.push(model); cleanups.push(await module.default.render({ model, el }));
} document.body.dataset.ready = "yes"; })();
"""


def page_of(*shown, theme="light"):
    """A static page that holds the widgets, as a string."""
    states = []
    for widget in shown:
        state = {
            k: v for k, v in widget.get_state().items() if not isinstance(v, str) or not v.startswith("IPY_")
        }
        raw = [k for k, v in state.items() if isinstance(v, bytes | memoryview)]
        state.update({k: base64.b64encode(state[k]).decode() for k in raw})
        state["_esm"] = base64.b64encode(state["_esm"].encode()).decode()
        states.append({**state, "__bytes": raw})
    colours = {"light": "#fff;color:#222832", "dark": "#14181e;color:#ced6dd"}[theme]
    data = json.dumps(states).replace("</", "<\\/")
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Widgets</title>"
        "<meta name=viewport content='width=device-width'>"
        f"<body style='background:{colours};font:16px sans-serif;margin:0 auto;padding:12px;max-width:860px'>"
        f"<main></main><script>const STATES = {data};{HOST}</script>"
    )


def sources(seed=7, seconds=2):
    """Two independent sources with the rise and fall of speech, turned by -BEST degrees, and white."""
    rng = np.random.default_rng(seed)
    t = np.arange(seconds * RATE) / RATE
    S = rng.laplace(size=(len(t), 2)) * (0.4 + np.abs(np.sin(2 * np.pi * t[:, None] * [1.3, 2.1])))
    values, vectors = np.linalg.eigh(S.T @ S / len(S))
    S = S @ vectors / np.sqrt(values) @ vectors.T
    return S @ widgets.rotation(np.deg2rad(BEST))  # so that Z W(BEST)ᵀ = S


def loss(W, Z):
    Y = Z @ W.T
    return (np.logaddexp(Y, -Y) - np.log(2)).sum() / len(Z) - np.linalg.slogdet(W)[1]


def grad(W, Z):
    return np.tanh(Z @ W.T).T @ Z / len(Z) - np.linalg.inv(W).T


@pytest.fixture(scope="module")
def Z():
    return sources()


@pytest.fixture(scope="module")
def unmix(Z):
    return widgets.UnmixByHand(Z, RATE, loss=lambda W: loss(W, Z), grad=lambda W: grad(W, Z), theta=70)


@pytest.fixture(scope="module")
def answer():
    prompt, mistakes = "What is 10 log₁₀ of a factor 100 in power?", {"amplitude stands for power": 40.0}
    return widgets.AnswerBox(prompt, 20.0, mistakes=mistakes, hint="Compare with a factor 10.")


@pytest.fixture(scope="module")
def walk(Z):
    """Forty steps down the gradient, and six down the relative gradient, from a skewed start."""
    X = Z @ np.array([[1.5, 0.4], [0.2, 0.7]]).T

    def descend(step, steps):
        Ws = [np.eye(2)]
        for _ in range(steps):
            Ws.append(Ws[-1] - step(Ws[-1], grad(Ws[-1], X)))
        return np.array(Ws)

    walks = {
        "gradient": descend(lambda W, G: 0.3 * G, 40),
        "relative gradient": descend(lambda W, G: G @ W.T @ W, 6),
    }
    return widgets.GradientWalk(X, walks, loss=lambda W: loss(W, X))


# --- what Python hands over --------------------------------------------------------------------------------


def test_the_likelihood_peaks_where_the_sources_are_apart(unmix):
    best = int(np.argmax(unmix.likelihood[:90]))
    assert abs(best - BEST) <= 2
    assert repr(unmix).endswith(f"peaks at {best}° and {best + 90}°")
    assert abs(unmix.dependence[best]) < 0.06 < 0.2 < max(unmix.dependence)


def test_the_slope_is_the_derivative_of_the_curve(Z):
    curves = widgets.sweep(Z, lambda W: loss(W, Z), lambda W: grad(W, Z))
    central = (curves.likelihood[2:] - curves.likelihood[:-2]) / (2 * np.deg2rad(1.0))
    np.testing.assert_allclose(curves.slope[1:-1], central, atol=2e-3 * np.abs(central).max())
    transposed = widgets.sweep(Z, lambda W: loss(W, Z), lambda W: grad(W, Z).T)
    assert np.abs(transposed.slope[1:-1] - central).max() > 0.1 * np.abs(central).max()


def test_a_quarter_turn_swaps_the_sources(unmix):
    curve = np.array(unmix.likelihood)
    np.testing.assert_allclose(curve[:91], curve[90:], atol=1e-4)  # order and sign cannot be known


def test_samples_carry_the_data(Z, unmix):
    heard = np.frombuffer(unmix.samples, "<i2").reshape(-1, 2) * unmix.scale
    np.testing.assert_allclose(heard, Z[: len(heard)], atol=unmix.scale)
    assert unmix.rate_hz == RATE


def test_sound_is_resampled_to_eight_kilohertz():
    t = np.arange(16000) / 16000
    Z = np.sqrt(2) * np.stack([np.sin(2 * np.pi * 440 * t), np.cos(2 * np.pi * 440 * t)], axis=1)
    made = widgets.UnmixByHand(Z, 16000, loss=lambda W: 0.0, grad=lambda W: np.zeros((2, 2)), seconds=0.5)
    heard = np.frombuffer(made.samples, "<i2").reshape(-1, 2)
    assert (made.rate_hz, len(heard)) == (8000, 4000)
    assert np.argmax(np.abs(np.fft.rfft(heard[:, 0]))) * 2 == 440


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda Z: Z.T, "transpose"),
        (lambda Z: Z @ np.array([[1, 0.5], [0, 1]]), "whiten first"),
        (lambda Z: Z * np.nan, "finite"),
    ],
)
def test_bad_data_is_named(Z, spoil, message):
    with pytest.raises(ValueError, match=message):
        widgets.UnmixByHand(spoil(Z), RATE, loss=lambda W: 0.0, grad=lambda W: np.zeros((2, 2)))


def test_start_beyond_the_end_is_named(Z):
    with pytest.raises(ValueError, match=r"ends at 2\.0 s"):
        widgets.UnmixByHand(Z, RATE, loss=lambda W: 0.0, grad=lambda W: np.zeros((2, 2)), start_s=5.0)


def test_gaps_are_above_the_least_loss(walk):
    assert repr(walk) == "GradientWalk: gradient (40 steps), relative gradient (6 steps)"
    gaps = [np.array(gap) for gap in walk.gaps]
    assert [len(gap) for gap in gaps] == [len(Ws) for Ws in walk.matrices] == [41, 7]
    assert min(gap.min() for gap in gaps) == pytest.approx(1e-12)
    assert gaps[0][0] == gaps[1][0]  # the same start
    assert all(gap[-1] < 0.1 * gap[0] for gap in gaps)
    assert walk.matrices[0][0] == [1, 0, 0, 1]


def test_the_optimum_may_come_from_a_longer_fit(Z):
    losses = iter([3.0, 2.5])
    walk = widgets.GradientWalk(Z, {"a": np.stack([np.eye(2)] * 2)}, loss=lambda W: next(losses), least=2.0)
    assert walk.gaps == [[1.0, 0.5]]


@pytest.mark.parametrize("walks", [{}, {"a": np.eye(2)}, {"a": np.full((3, 2, 2), np.nan)}])
def test_bad_walks_are_named(Z, walks):
    with pytest.raises(ValueError, match="GradientWalk expects"):
        widgets.GradientWalk(Z, walks, loss=lambda W: 0.0)


def test_answers_are_not_readable_at_a_glance(answer):
    assert repr(answer) == "Self-check: What is 10 log₁₀ of a factor 100 in power?"
    assert "amplitude" not in answer.key
    assert json.loads(base64.b64decode(answer.key).decode()[::-1])["answer"] == 20.0
    assert lock({"a": 1}) == lock({"a": 1})


@pytest.mark.parametrize(
    ("value", "mistakes", "rtol"),
    [
        (2.0, {"same": 2.01}, 0.01),
        (2.0, {"a": 3.0, "b": 3.0}, 0.01),
        (float("nan"), {}, 0.01),
        (1.0, {}, 0.0),
    ],
)
def test_ambiguous_questions_are_refused(value, mistakes, rtol):
    with pytest.raises(ValueError, match="AnswerBox expects"):
        widgets.AnswerBox("How much?", value, mistakes=mistakes, rtol=rtol)


def test_nothing_is_loaded_from_elsewhere():
    for file in Path(widgets.__file__).parent.glob("*.*s"):
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        for word in ("http:", "https:", "import ", "fetch(", "XMLHttpRequest", "@import", "autoplay"):
            assert word not in text, (file.name, word)


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None and not NEEDED:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def on_a_phone(browser, folder, *shown):
    """Widgets on a page as wide as a phone's, no motion, the network cut; nothing may have failed."""
    (folder / "page.html").write_text(page_of(*shown), encoding="utf-8")
    context = browser.new_context(
        viewport={"width": 390, "height": 800}, offline=True, reduced_motion="reduce"
    )
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(f"file://{folder}/page.html")
    page.wait_for_selector("body[data-ready]")
    yield page
    assert (problems, page.evaluate("errors")) == ([], [])
    context.close()


def check_it_fits(page, texts=".panel svg text"):
    """No wider than a phone, no lettering too small to read, no button too small to touch (WCAG 2.5.8)."""
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.eval_on_selector_all(
        texts, "all => all.filter(t => t.getBoundingClientRect().height < 11).length"
    )
    assert small == 0
    boxes = [button.bounding_box() for button in page.get_by_role("button").all()]
    assert all(box["height"] >= 24 for box in boxes if box)


@pytest.fixture
def opened(browser, tmp_path, unmix, answer, walk):
    """The page with all widgets, the network cut; closing it checks that nothing failed."""
    (tmp_path / "page.html").write_text(page_of(unmix, answer, walk), encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 800}, offline=True)
    page = context.new_page()
    requests, problems = [], []
    page.on("request", lambda r: requests.append(r.url) if r.url.startswith("http") else None)
    page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
    page.add_init_script(SPY)
    page.goto(f"file://{tmp_path}/page.html")
    page.wait_for_selector("body[data-ready]")
    yield page
    assert (requests, problems, page.evaluate("errors")) == ([], [], [])
    context.close()


# Records the audio graph as it is built: the gains that channels pass through, and what is connected.
SPY = """
window.graph = { contexts: [], gains: [], links: [] };
const Real = window.AudioContext;
window.AudioContext = class extends Real { constructor() { super(); graph.contexts.push(this); } };
const gain = BaseAudioContext.prototype.createGain;
BaseAudioContext.prototype.createGain = function () {
  const g = gain.call(this); graph.gains.push(g); return g;
};
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to) {
  graph.links.push([this.constructor.name, to.constructor.name]); return connect.call(this, to);
};
"""


def pictures(page):
    return page.eval_on_selector_all(".mc-unmix svg", "all => all.map(one => one.innerHTML)")


@pytest.mark.browser
def test_slider_moves_all_pictures_from_the_keyboard(opened, unmix):
    slider = opened.get_by_role("slider", name="Angle θ")
    before = pictures(opened)
    slider.focus()
    opened.keyboard.press("ArrowLeft")
    assert slider.input_value() == "69"
    assert opened.evaluate("models[0].get('theta')") == 69
    assert all(a != b for a, b in zip(before, pictures(opened), strict=True))
    value = unmix.likelihood[69]
    text = slider.get_attribute("aria-valuetext")
    assert text.startswith(f"θ = 69°, mean log-likelihood −{-value:.2f}, slope")
    opened.keyboard.press("Home")
    assert slider.input_value() == "0"
    opened.wait_for_function(
        "document.querySelector('.mc-unmix .summary').textContent.includes('Uphill is to the right')"
    )


@pytest.mark.browser
def test_uphill_steps_climb_to_a_peak_and_stay(opened, unmix):
    slider, button = (
        opened.get_by_role("slider", name="Angle θ"),
        opened.get_by_role("button", name="One step uphill"),
    )
    heights = [unmix.likelihood[int(slider.input_value())]]
    for _ in range(15):
        button.click()
        heights.append(unmix.likelihood[int(slider.input_value())])
    assert np.all(np.diff(heights) >= 0)
    assert heights[-1] > max(unmix.likelihood) - 1e-3
    opened.wait_for_function("document.querySelector('.mc-unmix .summary').textContent.includes('At a peak')")


@pytest.mark.browser
def test_the_kernel_can_turn_it_too(opened):
    opened.evaluate("models[0].set('theta', 30)")
    assert opened.get_by_role("slider", name="Angle θ").input_value() == "30"
    assert opened.locator(".mc-unmix .angle output").inner_text() == "30°"


@pytest.mark.browser
def test_play_mixes_both_channels_with_gains_that_follow_the_angle(opened):
    root = opened.locator(".mc-unmix")
    assert root.get_attribute("data-audio") == "idle"
    assert opened.evaluate("graph.contexts.length") == 0  # nothing plays by itself
    opened.get_by_role("button", name="Play").click()
    assert root.get_attribute("data-audio") == "playing"
    links = opened.evaluate("graph.links")
    assert links.count(["AudioBufferSourceNode", "GainNode"]) == links.count(["GainNode", "GainNode"]) == 2
    assert links.count(["GainNode", "AudioDestinationNode"]) == 1
    for theta, choice in ((70, "y₁"), (30, "y₁"), (30, "y₂")):
        opened.get_by_role("slider", name="Angle θ").fill(str(theta))
        opened.get_by_label(choice, exact=True).check()
        row = widgets.rotation(np.deg2rad(theta))[("y₁", "y₂").index(choice)]
        assert np.allclose([float(v) for v in root.get_attribute("data-gains").split(",")], row, atol=1e-3)
        opened.wait_for_function(
            "row => graph.gains.slice(1).every((g, k) => Math.abs(g.gain.value - row[k]) < 0.01)",
            arg=row.tolist(),
            timeout=1500,
        )
    opened.get_by_role("button", name="Pause").click()
    assert root.get_attribute("data-audio") == "idle"
    opened.wait_for_function("graph.contexts[0].state === 'closed'")


@pytest.mark.browser
def test_sound_stops_at_its_end_and_when_the_view_goes(opened):
    opened.get_by_role("button", name="Play").click()
    opened.wait_for_selector(".mc-unmix[data-audio=idle]", timeout=6000)  # two seconds of sound
    opened.get_by_role("button", name="Play").click()
    opened.evaluate("cleanups[0]()")
    opened.wait_for_function("graph.contexts[1].state === 'closed'")


@pytest.mark.browser
def test_it_fits_a_phone(opened):
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    small = opened.eval_on_selector_all(
        ".mc-unmix svg text", "all => all.filter(t => t.getBoundingClientRect().height < 11).length"
    )
    assert small == 0
    opened.evaluate("window.scrollTo(0, 500)")  # the slider stays in view over the pictures that it moves
    assert 0 <= opened.get_by_role("slider", name="Angle θ").bounding_box()["y"] < 60
    boxes = [button.bounding_box() for button in opened.get_by_role("button").all()]
    assert min(box["height"] for box in boxes) >= 24  # WCAG 2.5.8


@pytest.mark.browser
def test_the_answer_box_answers_back(opened):
    field, status = opened.get_by_label("What is 10 log₁₀"), opened.locator(".mc-answer [role=status]")
    for typed, verdict, words in [
        ("", "unread", "Type a number"),
        ("20", "right", "Right"),
        ("20.1", "right", "Right"),
        ("20,05", "right", "Right"),
        ("40/2", "right", "Right"),
        (" 2e1 ", "right", "Right"),
        ("20.5", "unknown", "Compare with a factor 10."),
        ("−20", "unknown", "Not yet"),
        ("40", "mistake", "amplitude stands for power"),
        ("log(100)", "unread", "numbers and fractions"),
        ("1/0", "unread", "numbers and fractions"),
        ("1,000.5", "unread", "numbers and fractions"),
    ]:
        field.fill(typed)
        field.press("Enter")
        assert status.get_attribute("data-verdict") == verdict, typed
        assert words in status.inner_text(), typed


@pytest.mark.browser
def test_walking_moves_the_cloud_and_methods_can_be_compared(opened, walk):
    slider, cloud = opened.get_by_role("slider", name="Iteration"), opened.locator(".mc-walk .cloud")
    start = cloud.get_attribute("d")
    slider.focus()
    opened.keyboard.press("ArrowRight")
    one = cloud.get_attribute("d")
    opened.get_by_role("radio", name="relative gradient").check()
    assert len({start, one, cloud.get_attribute("d")}) == 3
    assert slider.get_attribute("aria-valuetext").startswith("relative gradient, after 1 step:")
    opened.keyboard.press("Tab")
    slider.fill("40")
    assert slider.get_attribute("aria-valuetext").endswith("(it has stopped)")
    first = np.frombuffer(walk.points, "<f4")[:2]
    W = np.array(walk.matrices[1][6]).reshape(2, 2)
    x, y = map(float, cloud.get_attribute("d")[1:].split("h")[0].split())
    np.testing.assert_allclose([(x - 170) / 26, (125 - y) / 26], W @ first, atol=0.01)
