"""The graph that is walked by hand: the page's arithmetic is the tape's, and it follows hand and keyboard."""

import json
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import Page
from test_widgets import browser, check_it_fits, on_a_phone  # noqa: F401  (browser is a fixture)

from mcbook import widgets
from mcbook.chain_rule.graphs import GRAPHS, roads, walked

EVERY = pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: g.name)
BY_JAX = {
    "least squares": lambda X, w, y: 0.5 * jnp.sum((X @ w - y) ** 2),
    "two layers": lambda X, W, v, y: 0.5 * jnp.sum((jnp.tanh(X @ W.T) @ v - y) ** 2),
    "diamond": lambda x, A: jnp.sum(x * (A @ x)),
}


def forward_steps(graph):
    return sum(bool(v.op) for v in graph.vertices)


# --- the graphs ------------------------------------------------------------------------------------------


@EVERY
def test_values_and_cotangents_are_jax_s(graph, rng):
    inputs = {name: rng.normal(size=value.shape) for name, value in graph.inputs.items()}
    found, f = walked(graph, inputs), BY_JAX[graph.name]
    value, grads = jax.value_and_grad(f, argnums=tuple(range(len(inputs))))(
        *map(jnp.asarray, inputs.values())
    )
    assert found.values[graph.vertices[-1].name][0, 0] == pytest.approx(float(value), rel=1e-12)
    for name, G in zip(inputs, grads, strict=True):
        np.testing.assert_allclose(found.bars[name], G, rtol=1e-11, atol=1e-13)


@EVERY
def test_every_edge_has_its_words_and_its_place(graph):
    names = [v.name for v in graph.vertices]
    for k, vertex in enumerate(graph.vertices):
        assert len(vertex.words) == (len(vertex.uses) + 1 if vertex.op else 0)
        assert set(vertex.uses) <= set(names[:k])  # a node is computed from what is known
    assert len({v.at for v in graph.vertices}) == len(names)
    assert len(roads(graph)) == sum(len(v.uses) for v in graph.vertices)


def test_what_a_graph_does_not_have_is_named():
    with pytest.raises(ValueError, match="inputs among X, w, y"):
        walked(GRAPHS[0], {"u": np.ones(2)})
    with pytest.raises(ValueError, match="shape"):
        walked(GRAPHS[0], {"w": np.ones(3)})
    with pytest.raises(ValueError, match="a graph among least squares"):
        widgets.Tape(shown="pyramid")
    with pytest.raises(ValueError, match="0 ≤ step ≤ 8"):
        widgets.Tape(step=9)


def test_the_widget_knows_every_graph_and_begins_where_it_is_told():
    widget = widgets.Tape(shown="diamond")
    assert repr(widget) == "Tape: least squares, two layers, diamond; diamond first"
    assert widget.step == 6
    assert widgets.Tape(step=2).step == 2


# --- the static page, in a browser -----------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path) -> Iterator[Page]:  # noqa: F811
    """The widget on a page as wide as a phone's, the network cut; nothing may fail."""
    with on_a_phone(browser, tmp_path, widgets.Tape()) as page:
        yield page


def state(page):
    data = page.locator(".mc-tape").evaluate("e => ({...e.dataset})")
    arrays = {k: {n: np.array(v) for n, v in json.loads(data[k]).items()} for k in ("values", "bars")}
    return (
        arrays
        | {k: float(data[k]) for k in ("step", "f", "change", "told", "slope")}
        | {"now": data["current"]}
    )


def nudged(page, entry, amount):
    page.evaluate("([k, d]) => { models[0].set('entry', k); models[0].set('nudge', d); }", [entry, amount])


@pytest.mark.browser
def test_the_page_computes_what_the_tape_does(opened, rng):
    for graph in GRAPHS:
        opened.get_by_role("radio", name=graph.name, exact=True).check()
        entries = [(n, *at) for n, value in graph.inputs.items() for at in np.ndindex(value.shape)]
        for k in rng.choice(len(entries), size=3, replace=False):
            name, *at = entries[k]
            amount = round(float(rng.uniform(-1, 1)), 2)
            nudged(opened, int(k), amount)
            moved = graph.inputs[name]
            moved[tuple(at)] += amount
            there, base, now = walked(graph, {name: moved}), walked(graph), state(opened)
            for side, theirs in (("values", there.values), ("bars", there.bars)):
                assert set(now[side]) == set(theirs)
                for node, value in theirs.items():
                    np.testing.assert_allclose(now[side][node], value, rtol=1e-11, atol=1e-12, err_msg=node)
            last = graph.vertices[-1].name
            change = (there.values[last] - base.values[last])[0, 0]
            assert now["change"] == pytest.approx(change, rel=1e-9, abs=1e-12)
            assert now["told"] == pytest.approx(base.bars[name][tuple(at)] * amount, rel=1e-9, abs=1e-12)


@pytest.mark.browser
def test_steps_go_forward_and_then_back_edge_by_edge(opened):
    graph = GRAPHS[2]
    opened.get_by_role("radio", name=graph.name, exact=True).check()
    opened.get_by_role("button", name="From the start").click()
    assert state(opened)["bars"] == {}
    on, seen = opened.get_by_role("button", name="A step on"), []
    for _ in range(forward_steps(graph) + len(roads(graph))):
        on.click()
        seen.append(state(opened))
    assert on.is_disabled()
    assert [s["now"] for s in seen] == ["", "", *(words for _, _, words in roads(graph))]
    x, A = (graph.inputs[name] for name in "xA")
    np.testing.assert_allclose(seen[2]["bars"]["x"], A @ x)  # the first share
    np.testing.assert_allclose(seen[-1]["bars"]["x"], (A + A.T) @ x)  # and the second is added
    opened.get_by_role("button", name="A step less").click()
    np.testing.assert_allclose(state(opened)["bars"]["x"], A @ x)


@pytest.mark.browser
def test_the_keyboard_walks_and_nudges(opened):
    slider = opened.get_by_role("slider", name="Steps walked")
    slider.focus()
    opened.keyboard.press("Home")
    opened.keyboard.press("ArrowRight")
    assert state(opened)["step"] == 1
    assert "a = X w" in slider.get_attribute("aria-valuetext")
    opened.get_by_role("combobox", name="Entry that is nudged").select_option(label="w, entry 2")
    by = opened.get_by_role("slider", name="How far")
    by.focus()
    opened.keyboard.press("End")
    now = state(opened)
    assert now["told"] == pytest.approx(walked(GRAPHS[0]).bars["w"][1, 0])
    assert now["change"] - now["told"] == pytest.approx(0.5 * (0.5**2 + 2.0**2))  # f is quadratic in w
    opened.wait_for_function(
        "() => document.querySelector('.mc-tape .summary').textContent.includes('foretold')"
    )


@pytest.mark.browser
def test_it_fits_a_phone(opened):
    for graph in GRAPHS:
        opened.get_by_role("radio", name=graph.name, exact=True).check()
        check_it_fits(opened, ".panel svg text:not(:empty)")
