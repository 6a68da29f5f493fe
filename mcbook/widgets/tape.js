// A small calculation as a graph: values forward, cotangents back, and the forecast of a nudge beside the truth.
const WIDE = 340, BOX = { width: 160, height: 74 }, ROW = 104, LEFT = [2, 178], REACH = 1;

const times = (A, B) => A.map((row) => B[0].map((_, j) => row.reduce((s, a, k) => s + a * B[k][j], 0)));
const turned = (A) => A[0].map((_, j) => A.map((row) => row[j]));
const each = (A, f) => A.map((row, i) => row.map((a, j) => f(a, i, j)));
const plus = (A, B) => each(A, (a, i, j) => a + B[i][j]);
const by = (A, s) => each(A, (a) => a * s);
const total = (A) => A.flat().reduce((s, a) => s + a, 0);

// Each step: its value, and what it sends back to each of the nodes that it uses (ȳ, its value, theirs).
const OPS = {
  "product": [(A, B) => times(A, B), (g, y, A, B) => times(g, turned(B)), (g, y, A) => times(turned(A), g)],
  "product with transpose": [(A, B) => times(A, turned(B)), (g, y, A, B) => times(g, B), (g, y, A) => times(turned(g), A)],
  "inner": [(u, v) => times(turned(u), v), (g, y, u, v) => by(v, g[0][0]), (g, y, u) => by(u, g[0][0])],
  "difference": [(a, b) => plus(a, by(b, -1)), (g) => g, (g) => by(g, -1)],
  "tanh": [(X) => each(X, Math.tanh), (g, y) => each(g, (a, i, j) => a * (1 - y[i][j] ** 2))],
  "half square": [(r) => [[total(each(r, (a) => a * a)) / 2]], (g, y, r) => by(r, g[0][0])],
};

// Values of all nodes, and after each edge of the way back the cotangents that have arrived so far.
function walk(vertices, inputs) {
  const values = { ...inputs };
  vertices.filter((v) => v.op).forEach((v) => { values[v.name] = OPS[v.op][0](...v.uses.map((name) => values[name])); });
  const last = vertices[vertices.length - 1].name, edges = [], arrived = [{ [last]: [[1]] }];
  [...vertices].reverse().filter((v) => v.op).forEach((v) => v.uses.forEach((to, k) => {
    const bars = arrived[arrived.length - 1];
    const share = OPS[v.op][k + 1](bars[v.name], values[v.name], ...v.uses.map((name) => values[name]));
    edges.push({ from: v.name, to, words: v.words[k + 1], share, again: to in bars });
    arrived.push({ ...bars, [to]: to in bars ? plus(bars[to], share) : share });
  }));
  return { values, edges, arrived };
}

const middle = (v) => [LEFT[v.at[0]] + BOX.width / 2, 8 + v.at[1] * ROW + BOX.height / 2];

// From the rim of one box to that of another.
function between(a, b) {
  const [ax, ay] = middle(a), [bx, by_] = middle(b), dx = bx - ax, dy = by_ - ay;
  const cut = Math.min(BOX.width / 2 / Math.max(Math.abs(dx), 1e-9), BOX.height / 2 / Math.max(Math.abs(dy), 1e-9));
  return [[ax + dx * cut, ay + dy * cut], [bx - dx * cut, by_ - dy * cut]];
}

function arrow([[ax, ay], [bx, by_]], side) {
  const dx = bx - ax, dy = by_ - ay, long = Math.hypot(dx, dy), u = dx / long, v = dy / long;
  const [px, py, qx, qy] = [ax - v * side, ay + u * side, bx - v * side, by_ + u * side];
  const wing = (s) => [qx - 7 * u - 4 * s * v, qy - 7 * v + 4 * s * u];
  return path([[px, py], [qx, qy]]) + path([wing(1), [qx, qy], wing(-1)]);
}

function drawnGraph(vertices) {
  const find = Object.fromEntries(vertices.map((v) => [v.name, v]));
  const rows = Math.max(...vertices.map((v) => v.at[1])) + 1, high = rows * ROW - ROW + BOX.height + 16;
  const edges = vertices.filter((v) => v.op).flatMap((v) => v.uses.map((to) => ({ from: v.name, to, ends: between(find[to], v) })));
  const ahead = edges.map((e) => svg("path", { class: "road", d: arrow(e.ends, 4) }));
  const back = edges.map((e) => svg("path", { class: "road back", d: arrow([e.ends[1], e.ends[0]], 4) }));
  const boxes = vertices.map((v) => {
    const [x, y] = [LEFT[v.at[0]], 8 + v.at[1] * ROW];
    const rim = svg("rect", { class: v.op ? "node" : "node given", x, y, width: BOX.width, height: BOX.height, rx: 6 });
    const name = svg("text", { class: "name", x: x + 8, y: y + 18, text: v.name }), bar = svg("text", { class: "bar-name", x: x + 84, y: y + 18 });
    const lines = [0, 1].map((i) => [svg("text", { class: "value", x: x + 6, y: y + 40 + 20 * i }), svg("text", { class: "cotangent", x: x + 84, y: y + 40 + 20 * i })]);
    return { v, rim, name, bar, lines, all: svg("g", {}, rim, name, bar, ...lines.flat()) };
  });
  return { edges, ahead, back, boxes, high, content: [...ahead, ...back, ...boxes.map((b) => b.all)] };
}

const macron = (name) => name + "\u0304";
const shortly = (row) => row.map((a) => signed(a, 2)).join(" ");

function render({ model, el }) {
  const graphs = model.get("graphs"), graph = () => graphs[model.get("shown")];
  const choice = radios("Calculation", graphs.map((g) => g.name), (k) => { model.set("entry", 0); model.set("nudge", 0); model.set("shown", k); model.set("step", count(graphs[k])); model.save_changes(); });
  const [rowS, slider, shownS] = labelled("step", { min: 0, step: 1, "aria-label": "Steps walked, forward and then back" });
  const forth = html("button", { type: "button", text: "A step on" }), less = html("button", { type: "button", text: "A step less" }), begin = html("button", { type: "button", text: "From the start" });
  const list = html("select", { "aria-label": "Entry that is nudged" });
  const [rowN, nudge, shownN] = labelled("by", { min: -REACH, max: REACH, step: 0.01, "aria-label": "How far the entry is nudged" });
  const picture = svg("svg", { role: "img" }), steps = html("ol", { class: "walked" }), words = html("p", { class: "words" });
  const numbers = ["f", "f has changed by", "foretold", "the rest"].map((name) => [name, html("output")]);
  const table = html("div", { class: "numbers" }, ...numbers.map(([name, output]) => html("span", {}, html("small", { text: name }), output)));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-tape", role: "group", "aria-label": "A calculation, forward and back" },
    html("div", { class: "bar" }, choice), words, html("div", { class: "turns" }, rowS), html("div", { class: "bar" }, forth, less, begin),
    html("div", { class: "panels" }, html("figure", { class: "panel" }, html("figcaption", { text: "The graph " }, html("small", { text: "values, and in red cotangents" })), picture),
      html("div", { class: "panel" }, steps, html("div", { class: "nudged" }, html("label", {}, "Nudge ", list), rowN), table)), summary);
  el.append(root);

  const count = (g) => g.vertices.filter((v) => v.op).length + g.vertices.reduce((s, v) => s + v.uses.length, 0);
  let drawn = -1, parts, entries, timer = 0;
  const rebuild = () => {
    drawn = model.get("shown");
    const { vertices } = graph();
    parts = drawnGraph(vertices);
    picture.setAttribute("viewBox", `0 0 ${WIDE} ${parts.high}`);
    picture.replaceChildren(...parts.content);
    entries = vertices.filter((v) => !v.op).flatMap((v) => v.value.flatMap((row, i) => row.map((_, j) => ({ name: v.name, i, j, words: row.length > 1 ? `${v.name}, row ${i + 1}, column ${j + 1}` : `${v.name}, entry ${i + 1}` }))));
    list.replaceChildren(...entries.map((e, k) => html("option", { value: k, text: e.words })));
    slider.max = count(graph());
    choice.querySelectorAll("input").forEach((radio, k) => { radio.checked = k === drawn; });
    words.textContent = graph().words;
    const back = [...vertices].reverse().filter((v) => v.op).flatMap((v) => v.words.slice(1).map((text, k) => `${v.name} to ${v.uses[k]}: ${text}`));
    steps.replaceChildren(...vertices.filter((v) => v.op).map((v) => html("li", { text: v.words[0] })), ...back.map((text) => html("li", { class: "backwards", text })));
  };
  const update = () => {
    if (drawn !== model.get("shown")) rebuild();
    const { vertices } = graph(), made = vertices.filter((v) => v.op), step = Math.min(model.get("step"), count(graph())), delta = model.get("nudge");
    const at = entries[Math.min(model.get("entry"), entries.length - 1)];
    const given = Object.fromEntries(vertices.filter((v) => !v.op).map((v) => [v.name, v.value]));
    const moved = { ...given, [at.name]: each(given[at.name], (a, i, j) => a + (i === at.i && j === at.j ? delta : 0)) };
    const base = walk(vertices, given), now = walk(vertices, moved), last = vertices[vertices.length - 1].name;
    const backwards = step - made.length, bars = backwards < 0 ? {} : now.arrived[backwards], current = backwards > 0 ? now.edges[backwards - 1] : null;
    const reached = new Set([...Object.keys(given), ...made.slice(0, step).map((v) => v.name)]);
    parts.boxes.forEach(({ v, rim, bar, lines }) => {
      const on = reached.has(v.name), value = now.values[v.name], cotangent = bars[v.name];
      rim.setAttribute("class", `node${v.op ? "" : " given"}${on ? "" : " waiting"}${current && current.to === v.name ? " now" : !current && made[step - 1] === v ? " now" : ""}`);
      bar.textContent = cotangent ? macron(v.name) : "";
      lines.forEach(([left, right], i) => { left.textContent = on && value[i] ? shortly(value[i]) : ""; right.textContent = cotangent && cotangent[i] ? shortly(cotangent[i]) : ""; });
    });
    parts.edges.forEach((e, k) => {
      const flown = now.edges.findIndex((f) => f.from === e.from && f.to === e.to);
      parts.ahead[k].setAttribute("class", `road${reached.has(e.from) ? " walked" : ""}${step > 0 && backwards <= 0 && made[step - 1].name === e.from ? " now" : ""}`);
      parts.back[k].setAttribute("class", `road back${flown < backwards ? " walked" : ""}${flown === backwards - 1 ? " now" : ""}`);
    });
    [...steps.children].forEach((item, k) => { item.classList.toggle("done", k < step); item.classList.toggle("now", k === step - 1); if (k === step - 1) item.setAttribute("aria-current", "step"); else item.removeAttribute("aria-current"); });
    const f = now.values[last][0][0], change = f - base.values[last][0][0], slope = base.arrived[base.edges.length][at.name][at.i][at.j], told = slope * delta;
    [signed(f, 3), signed(change, 3), signed(told, 3), signed(change - told, 3)].forEach((text, k) => { numbers[k][1].textContent = text; });
    [slider.value, nudge.value, list.value] = [step, delta, entries.indexOf(at)];
    [shownS.textContent, shownN.textContent] = [`${step} of ${count(graph())}`, signed(delta, 2)];
    [less.disabled, forth.disabled] = [step === 0, step === count(graph())];
    const here = !step ? "Only the inputs are known." : current ? `${current.from} sends ${current.words}${current.again ? ", and it is added to what had arrived" : ""}.` : `${made[step - 1].words[0]}.`;
    slider.setAttribute("aria-valuetext", `${step} of ${count(graph())}: ${here}`);
    nudge.setAttribute("aria-valuetext", `${at.words}, by ${signed(delta, 2)}: f changes by ${signed(change, 3)}, foretold ${signed(told, 3)}`);
    picture.setAttribute("aria-label", `The graph of ${graph().words}. ${here} ${[...reached].join(", ")} known; cotangents of ${Object.keys(bars).join(", ") || "none"} have arrived.`);
    Object.assign(root.dataset, { graph: graph().name, step, values: JSON.stringify(now.values), bars: JSON.stringify(bars), f, change, told, slope, current: current ? current.words : "" });
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = delta ? `${here} ${at.words} nudged by ${signed(delta, 2)}: its cotangent before that, ${signed(slope, 3)}, foretold ${signed(told, 3)}, and f changed by ${signed(change, 3)}.` : here; }, 350);
  };
  const go = (step) => { model.set("step", Math.max(0, Math.min(count(graph()), step))); model.save_changes(); };
  slider.addEventListener("input", () => go(Number(slider.value)));
  forth.addEventListener("click", () => go(model.get("step") + 1));
  less.addEventListener("click", () => go(model.get("step") - 1));
  begin.addEventListener("click", () => go(0));
  nudge.addEventListener("input", () => { model.set("nudge", Number(nudge.value)); model.save_changes(); });
  list.addEventListener("change", () => { model.set("entry", Number(list.value)); model.save_changes(); });
  ["shown", "step", "entry", "nudge"].forEach((name) => model.on("change:" + name, update));
  update();
  return () => { clearTimeout(timer); ["shown", "step", "entry", "nudge"].forEach((name) => model.off("change:" + name, update)); };
}

export default { render };
