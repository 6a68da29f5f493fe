// Step through the iterations of several methods; the matrices and losses come from Python.
function points(view) {
  const n = view.byteLength / 8;
  return [...Array(n).keys()].map((k) => [view.getFloat32(8 * k, true), view.getFloat32(8 * k + 4, true)]);
}

// 0.51, or 5.1 × 10⁻⁷ where it is small.
function inWords(v) {
  if (v >= 1e-3) return v.toPrecision(2);
  const [digits, exponent] = v.toExponential(1).split("e");
  return `${digits} × 10${[...exponent].map((c) => "⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹"["-+0123456789".indexOf(c)]).join("")}`;
}

function cloudPanel(X) {
  const unit = 26, x0 = W / 2, y0 = H / 2, cloud = svg("path", { class: "cloud" });
  const figure = panel("Unmixed so far", "y₁ across, y₂ up", "Scatter of the two outputs y1 and y2 after so many steps; independent sources fill a cross along the axes.",
    svg("path", { class: "grid", d: `M0 ${y0}H${W}M${x0} 0V${H}` }), cloud,
    svg("text", { text: "y₁", x: W - 16, y: y0 - 6 }), svg("text", { text: "y₂", x: x0 + 6, y: 14 }));
  const draw = ([a, b, c, d]) => {
    cloud.setAttribute("d", X.map(([u, v]) => `M${(x0 + unit * (a * u + b * v)).toFixed(1)} ${(y0 - unit * (c * u + d * v)).toFixed(1)}h0`).join(""));
  };
  return [figure, draw];
}

function gapPanel(gaps, names) {
  const logs = gaps.map((gap) => gap.map((v) => Math.log10(v))), last = Math.max(...logs.map((g) => g.length)) - 1;
  const low = Math.floor(Math.min(...logs.flat())), high = Math.ceil(Math.max(...logs.flat()));
  const x = scale(0, last, PAD.left, W - PAD.right), y = scale(low, Math.max(high, low + 1), H - PAD.bottom, PAD.top + 8);
  const every = Math.max(1, Math.ceil((high - low) / 5)), levels = [];
  for (let p = high; p >= low; p -= every) {
    const exponent = svg("tspan", { text: signed(p, 0), dy: -5, "font-size": 9 }), label = svg("text", { text: "10", x: PAD.left - 22, y: y(p) + 5, "text-anchor": "middle" });
    label.append(exponent);
    levels.push(svg("path", { class: "grid", d: `M${PAD.left} ${y(p)}H${W - PAD.right}` }), label);
  }
  const ticks = [0, Math.round(last / 2), last].map((v) => svg("text", { text: v, x: x(v), y: H - 16, "text-anchor": "middle" }));
  const curves = logs.map((g, k) => svg("path", { class: `walk walk${k + 1}`, d: path(g.map((v, t) => [x(t), y(v)])) }));
  const dot = svg("circle", { class: "dot", r: 5.5 });
  const figure = panel("Loss above the least", "over iterations", `Loss less the least loss, on a logarithmic scale, over the iterations of ${names.join(", ")}.`,
    ...levels, ...ticks, ...curves, dot);
  const draw = (k, t) => {
    curves.forEach((curve, j) => curve.classList.toggle("chosen", j === k));
    place(dot, { cx: x(t), cy: y(logs[k][t]) });
  };
  return [figure, draw];
}

function render({ model, el }) {
  const names = model.get("names"), matrices = model.get("matrices"), gaps = model.get("gaps");
  const slider = html("input", { type: "range", min: 0, max: Math.max(...gaps.map((g) => g.length)) - 1, step: 1, value: model.get("iteration"), "aria-label": "Iteration" });
  const count = html("output"), summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const [cloud, drawCloud] = cloudPanel(points(model.get("points"))), [gap, drawGap] = gapPanel(gaps, names);
  let method = 0, timer = 0;
  const words = (t, v) => `${names[method]}, after ${t} ${t === 1 ? "step" : "steps"}: ${v < 1e-11 ? "at the least loss" : inWords(v) + " above the least loss"}`;
  const update = () => {
    const t = Math.min(Number(slider.value), gaps[method].length - 1), done = Number(slider.value) > t ? " (it has stopped)" : "";
    drawCloud(matrices[method][t]);
    drawGap(method, t);
    count.textContent = slider.value;
    slider.setAttribute("aria-valuetext", words(t, gaps[method][t]) + done);
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = words(t, gaps[method][t]) + done + "."; }, 350);
  };
  const choice = radios("Method", names, (k) => { method = k; update(); });
  choice.querySelectorAll("label").forEach((label, k) => label.insertBefore(
    make(SVG, "svg", { viewBox: "0 0 30 10", class: "key", "aria-hidden": "true" }, [svg("path", { class: `walk walk${k + 1} chosen`, d: "M0 5H30" })]), label.lastChild));
  el.append(html("div", { class: "mc-widget mc-walk", role: "group", "aria-label": "Walk down with the gradient" },
    html("div", { class: "angle" }, html("span", { text: "Iteration" }), slider, count),
    html("div", { class: "bar" }, choice), html("div", { class: "panels" }, cloud, gap), summary));
  slider.addEventListener("input", () => { model.set("iteration", Number(slider.value)); model.save_changes(); update(); });
  const follow = () => { if (model.get("iteration") !== Number(slider.value)) { slider.value = model.get("iteration"); update(); } };
  model.on("change:iteration", follow);
  update();
  return () => { clearTimeout(timer); model.off("change:iteration", follow); };
}

export default { render };
