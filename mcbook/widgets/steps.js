// Where a few steps land, and where the flow leads. Endpoints and errors come from Python; here they are only drawn.
const UNIT = 41, LIFTED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const tens = (p) => (p === 0 ? "1" : "10" + (p < 0 ? "⁻" : "") + [...String(Math.abs(p))].map((c) => LIFTED[c]).join(""));

function inWords(v) {
  if (v >= 1e-3) return v.toPrecision(2);
  const p = Math.floor(Math.log10(v));
  return `${(v / 10 ** p).toFixed(1)} × ${tens(p)}`;
}

function endsPanel() {
  const at = ([u, v]) => `${(W / 2 + UNIT * u).toFixed(1)} ${(H / 2 - UNIT * v).toFixed(1)}`;
  const aim = svg("path", { class: "aim" }), miss = svg("path", { class: "miss" }), landed = svg("path", { class: "landed" });
  const figure = panel("Where they land", "grey: where the flow leads", "Endpoints of particles after the chosen number of steps, each joined by a line to the place where the exact flow would have left it.", aim, miss, landed);
  const draw = (goal, ends) => {
    aim.setAttribute("d", goal.map((p) => `M${at(p)}h0`).join(""));
    landed.setAttribute("d", ends.map((p) => `M${at(p)}h0`).join(""));
    miss.setAttribute("d", ends.map((p, i) => `M${at(goal[i])}L${at(p)}`).join(""));
  };
  return [figure, draw];
}

function errorPanel(names, evaluations, errors) {
  const logs = errors.map((row) => row.map(Math.log10)), counts = evaluations.map((row) => row.map(Math.log10)), every = evaluations.flat();
  const low = Math.floor(Math.min(...logs.flat())), high = Math.ceil(Math.max(...logs.flat()));
  const x = scale(Math.min(...counts.flat()), Math.max(...counts.flat()), PAD.left, W - PAD.right), y = scale(low, high, H - PAD.bottom, PAD.top + 4), rows = [];
  for (let p = low; p <= high; p += high - low > 5 ? 2 : 1) rows.push(svg("path", { class: "grid", d: `M${PAD.left} ${y(p)}H${W - PAD.right}` }), svg("text", { text: tens(p), x: PAD.left - 6, y: y(p) + 4, "text-anchor": "end" }));
  const ticks = [5, 10, 20, 50, 100, 200, 500].filter((v) => v >= Math.min(...every) && v <= Math.max(...every)).map((v) => svg("text", { text: v, x: x(Math.log10(v)), y: H - 16, "text-anchor": "middle" }));
  const curves = logs.map((row, k) => svg("path", { class: `walk walk${k + 1}`, d: path(row.map((v, t) => [x(counts[k][t]), y(v)])) })), dot = svg("circle", { class: "dot", r: 5.5 });
  const figure = panel("Median miss", "over evaluations of the denoiser", `Median distance to where the flow leads, against the number of evaluations, both logarithmic, for ${names.join(", ")}.`, ...rows, ...ticks, ...curves, dot);
  const draw = (k, t) => {
    curves.forEach((curve, j) => curve.classList.toggle("chosen", j === k));
    place(dot, { cx: x(counts[k][t]), cy: y(logs[k][t]) });
  };
  return [figure, draw];
}

function render({ model, el }) {
  const names = model.get("names"), steps = model.get("steps"), evaluations = model.get("evaluations"), errors = model.get("errors"), unit = model.get("unit"), view = model.get("ends");
  const flat = [...Array(view.byteLength / 2).keys()].map((k) => view.getInt16(2 * k, true) / unit), count = flat.length / 2 / (1 + names.length * steps.length);
  const block = (b) => [...Array(count).keys()].map((i) => [flat[2 * (b * count + i)], flat[2 * (b * count + i) + 1]]), goal = block(0);
  const [row, slider, shown] = labelled("steps", { min: 0, max: steps.length - 1, step: 1, value: model.get("chosen"), "aria-label": "Number of steps" });
  let method = 0, timer = 0;
  const choice = radios("Sampler", names, (k) => { method = k; update(); });
  choice.querySelectorAll("label").forEach((label, k) => label.insertBefore(
    make(SVG, "svg", { viewBox: "0 0 30 10", class: "key", "aria-hidden": "true" }, [svg("path", { class: `walk walk${k + 1} chosen`, d: "M0 5H30" })]), label.lastChild));
  const [ends, drawEnds] = endsPanel(), [error, drawError] = errorPanel(names, evaluations, errors);
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-steps", role: "group", "aria-label": "Samplers, and how far they miss" },
    html("div", { class: "turns" }, row), html("div", { class: "bar" }, choice), html("div", { class: "panels" }, ends, error), summary);
  el.append(root);
  const words = (t) => {
    const mine = errors[method][t], best = names.map((_, k) => errors[k][t]), first = best.indexOf(Math.min(...best));
    return `${names[method]}, ${steps[t]} steps, ${evaluations[method][t]} evaluations: the median miss is ${inWords(mine)}` + (first === method ? "; no other misses by less in so many steps." : `; ${names[first]} misses by ${inWords(best[first])} with ${evaluations[first][t]}.`);
  };
  const update = () => {
    const t = Number(slider.value), now = block(1 + method * steps.length + t);
    drawEnds(goal, now); drawError(method, t);
    shown.textContent = `${steps[t]}`;
    slider.setAttribute("aria-valuetext", `${steps[t]} steps, ${evaluations[method][t]} evaluations, median miss ${inWords(errors[method][t])}`);
    Object.assign(root.dataset, { error: errors[method][t], evaluations: evaluations[method][t], ends: now.flat().join() });
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = words(t); }, 350);
  };
  slider.addEventListener("input", () => { model.set("chosen", Number(slider.value)); model.save_changes(); update(); });
  const follow = () => { if (model.get("chosen") !== Number(slider.value)) { slider.value = model.get("chosen"); update(); } };
  model.on("change:chosen", follow);
  update();
  return () => { clearTimeout(timer); model.off("change:chosen", follow); };
}

export default { render };
