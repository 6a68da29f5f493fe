// Click a letter, mutate it: the network's score, and what the gradient foretold. All scores come from Python.
const ALPHABET = "ACGT";

function scatterPanel(label) {
  const x = scale(0, 1, PAD.left, W - PAD.right), y = scale(0, 1, H - PAD.bottom, PAD.top);
  const line = svg("path", { class: "gauss" }), cloud = svg("g"), seen = svg("circle", { class: "seen", r: 6 }), axes = svg("g");
  const figure = panel("All single mutants", `predicted across, actual ${label} up`,
    "Scatter of the actual score of every single mutant over the score that the gradient predicts; on the dashed diagonal the two agree.",
    svg("path", { class: "frame", d: `M${PAD.left} ${PAD.top}V${H - PAD.bottom}H${W - PAD.right}` }), axes, line, cloud, seen);
  const load = (predicted, actual) => {
    const all = [...predicted.flat(), ...actual.flat()], low = Math.min(...all), high = Math.max(...all), span = high - low || 1;
    const to = (v) => (v - low + 0.04 * span) / (1.08 * span), step = [0.5, 1, 2, 5, 10, 20, 50, 100].find((s) => span / s <= 6) || 200, marks = [];
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) marks.push(
      svg("text", { text: signed(v, step < 1 ? 1 : 0), x: x(to(v)), y: H - 16, "text-anchor": "middle" }),
      svg("text", { text: signed(v, step < 1 ? 1 : 0), x: PAD.left - 6, y: y(to(v)) + 4, "text-anchor": "end" }));
    axes.replaceChildren(...marks);
    line.setAttribute("d", path([[x(0), y(0)], [x(1), y(1)]]));
    cloud.replaceChildren(...predicted.flatMap((row, t) => row.map((p, b) => svg("circle", { class: "mutant", r: 2.4, cx: x(to(p)).toFixed(1), cy: y(to(actual[t][b])).toFixed(1) }))));
    return (p, a) => place(seen, { cx: x(to(p)), cy: y(to(a)) });
  };
  return [figure, load];
}

function render({ model, el }) {
  const names = model.get("names"), letters = model.get("letters"), actual = model.get("actual"), predicted = model.get("predicted");
  const T = letters[0].length, where = (t) => (t < T / 2 ? `−${T / 2 - t}` : `+${t - T / 2 + 1}`);
  let window_ = 0, t = Math.min(T - 1, model.get("position")), to = 0, mark = () => {}, timer = 0;

  const keys = [...Array(T).keys()].map((k) => {
    const bar = html("i", { "aria-hidden": "true" }), key = html("button", { type: "button" }, html("span"), bar);
    key.addEventListener("click", () => move(k));
    return key;
  });
  const grid = html("div", { class: "letters", role: "group", "aria-label": "The sequence; the junction lies in its middle" }, ...keys);
  const mutations = [...ALPHABET].map((letter, b) => { const key = html("button", { type: "button", text: letter, "aria-label": `change to ${letter}` }); key.addEventListener("click", () => { to = b; update(); }); return key; });
  const choice = radios("Window", names, (k) => { window_ = k; load(); });
  const [scatter, loadScatter] = scatterPanel(model.get("label"));
  const cells = Array.from({ length: 5 }, () => html("dd"));
  const numbers = html("dl", { class: "numbers" }, ...["as it is", "after the change", "foretold by the gradient", "the change", "the foretold change"].flatMap((name, k) => [html("dt", { text: name }), cells[k]]));
  const chosen = html("p", { class: "summary" }), summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  el.append(html("div", { class: "mc-widget mc-mutate", role: "group", "aria-label": "Mutate a sequence by hand" },
    html("div", { class: "bar" }, choice), grid,
    html("p", { class: "marks", text: `Positions −${T / 2} to −1, the junction (thick bar), then +1 to +${T / 2}. A solid bar under a letter: the gradient wants to keep it; hatched: to be rid of it.` }),
    html("div", { class: "bar" }, chosen, html("span", { text: "change to" }), ...mutations),
    html("div", { class: "panels" }, html("figure", { class: "panel" }, html("figcaption", { text: "The " + model.get("label") }), numbers), scatter), summary));

  const own = (k) => ALPHABET.indexOf(letters[window_][k]);
  const effect = (k) => { const p = predicted[window_][k]; return p[own(k)] - p.reduce((a, v) => a + v, 0) / 4; }; // own letter against the mean letter
  const load = () => {
    const all = keys.map((_, k) => effect(k)), most = Math.max(...all.map(Math.abs)) || 1;
    keys.forEach((key, k) => {
      key.lastChild.className = all[k] < 0 ? "down" : "up";
      key.lastChild.style.height = `${(48 * Math.abs(all[k])) / most}%`;
    });
    mark = loadScatter(predicted[window_], actual[window_]);
    to = best();
    update();
  };
  // The letter that the gradient fears, or hopes for, most.
  const best = () => { const row = predicted[window_][t], now = row[own(t)]; return row.reduce((b, v, k) => (Math.abs(v - now) > Math.abs(row[b] - now) ? k : b), (own(t) + 1) % 4); };
  const update = () => {
    const from = own(t), score = actual[window_][t][from], after = actual[window_][t][to], told = predicted[window_][t][to];
    keys.forEach((key, k) => {
      const letter = k === t ? ALPHABET[to] : letters[window_][k];
      key.firstChild.textContent = letter;
      key.toggleAttribute("data-changed", k === t && to !== from);
      key.setAttribute("aria-pressed", k === t);
      key.setAttribute("aria-label", `position ${where(k)}: ${letter}${k === t && to !== from ? `, was ${ALPHABET[from]}` : ""}`);
      key.tabIndex = k === t ? 0 : -1;
    });
    mutations.forEach((key, b) => key.setAttribute("aria-pressed", b === to));
    chosen.textContent = `Position ${where(t)}, ${ALPHABET[from]}`;
    [signed(score, 2), signed(after, 2), signed(told, 2), signed(after - score, 2), signed(told - score, 2)].forEach((text, k) => { cells[k].textContent = text; });
    mark(told, after);
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = to === from ? `Position ${where(t)} keeps its ${ALPHABET[from]}: the ${model.get("label")} stays at ${signed(score, 2)}.` : `${ALPHABET[from]} at ${where(t)} becomes ${ALPHABET[to]}: the ${model.get("label")} goes from ${signed(score, 2)} to ${signed(after, 2)}; the gradient foretold ${signed(told, 2)}.`; }, 350);
  };
  const move = (k, focus) => {
    t = Math.max(0, Math.min(T - 1, k));
    to = best();
    model.set("position", t);
    model.save_changes();
    update();
    if (focus) keys[t].focus();
  };
  grid.addEventListener("keydown", (event) => {
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -T, End: T }[event.key];
    const letter = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey ? ALPHABET.indexOf(event.key.toUpperCase()) : -1;
    if (step === undefined && letter < 0) return;
    event.preventDefault();
    if (letter >= 0) { to = letter; update(); } else move(t + step, true);
  });
  const follow = () => { if (model.get("position") !== t) move(model.get("position")); };
  model.on("change:position", follow);
  load();
  return () => { clearTimeout(timer); model.off("change:position", follow); };
}

export default { render };
