// Drag the spectral radius of W_h: what is left of the gradient at earlier states. The norms come from Python.
const LEVELS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const power = (p) => "10" + (p < 0 ? "⁻" : "") + [...String(Math.abs(p))].map((c) => LEVELS[c]).join("");

// 3.2, 0.051, 4 × 10⁻⁷: a factor in words, from its logarithm.
function factor(log) {
  if (log > -2 && log < 3) { const v = 10 ** log; return v >= 100 ? v.toFixed(0) : v.toPrecision(2); }
  const p = Math.floor(log), digit = Math.round(10 ** (log - p));
  return digit === 10 ? `1 × ${power(p + 1)}` : `${digit} × ${power(p)}`;
}

function pathPanel(names, logs, steps) {
  const all = logs.flat(2), low = Math.max(-16, 2 * Math.floor(Math.min(...all) / 2)), high = Math.min(12, 2 * Math.ceil(Math.max(...all, 1) / 2));
  const x = scale(0, steps, PAD.left, W - PAD.right), y = scale(low, high, H - PAD.bottom, PAD.top + 4);
  const clip = (v) => Math.min(high, Math.max(low, v)), every = high - low > 12 ? 4 : 2, rows = [];
  for (let p = Math.ceil(low / every) * every; p <= high; p += every) rows.push(
    svg("path", { class: p === 0 ? "frame" : "grid", d: `M${PAD.left} ${y(p)}H${W - PAD.right}` }),
    svg("text", { text: p === 0 ? "1" : power(p), x: PAD.left - 6, y: y(p) + 4, "text-anchor": "end" }));
  const ticks = [0, Math.round(steps / 2), steps].map((t, k) => svg("text", { text: ["h₀", `h${[...String(t)].map((c) => "₀₁₂₃₄₅₆₇₈₉"[c]).join("")}`, "the loss"][k], x: x(t), y: H - 14, "text-anchor": ["start", "middle", "end"][k] }));
  const alone = svg("path", { class: "gauss" }), curves = names.map((_, k) => svg("path", { class: `walk walk${k + 1} chosen` }));
  const figure = panel("What is left of the gradient", "‖h̄ₜ‖ / ‖h̄_T‖, back from the loss",
    `Norm of the gradient at each state, relative to the last, on a logarithmic scale, for ${names.join(" and ")}; dashed, the power of the spectral radius alone.`,
    ...rows, ...ticks, alone, ...curves);
  const draw = (k, rho) => {
    const slope = Math.log10(rho), reach = [...Array(steps + 1).keys()];
    alone.setAttribute("d", path(reach.map((t) => [x(t), y(clip(slope * (steps - t)))])));
    curves.forEach((curve, j) => curve.setAttribute("d", path(logs[j][k].map((v, t) => [x(t), y(clip(v))]))));
  };
  return [figure, draw];
}

function spectrumPanel(values, most) {
  const unit = 108 / Math.max(1, most), x0 = W / 2, y0 = H / 2;
  const dots = values.map(() => svg("circle", { class: "eigenvalue", r: 3.2 })), ring = svg("circle", { class: "w2", cx: x0, cy: y0 });
  const figure = panel("Eigenvalues of W_h", "the solid circle has radius 1",
    "The eigenvalues of the recurrent matrix in the complex plane, with the unit circle and the circle of the spectral radius.",
    svg("path", { class: "grid", d: `M${x0 - 116} ${y0}H${x0 + 116}M${x0} 4V${H - 4}` }),
    svg("circle", { class: "frame", cx: x0, cy: y0, r: unit }), ring, ...dots,
    svg("text", { text: "Re", x: x0 + 104, y: y0 - 6 }), svg("text", { text: "Im", x: x0 + 6, y: 14 }));
  const draw = (rho) => {
    ring.setAttribute("r", (unit * rho).toFixed(1));
    dots.forEach((dot, k) => place(dot, { cx: x0 + unit * rho * values[k][0], cy: y0 - unit * rho * values[k][1] }));
  };
  return [figure, draw];
}

function render({ model, el }) {
  const radii = model.get("radii"), names = model.get("names"), logs = model.get("logs"), steps = logs[0][0].length - 1;
  const slider = html("input", { type: "range", min: 0, max: radii.length - 1, step: 1, value: model.get("stop"), "aria-label": "Spectral radius ρ of W_h" });
  const shown = html("output"), summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const [paths, drawPaths] = pathPanel(names, logs, steps), [spectrum, drawSpectrum] = spectrumPanel(model.get("eigenvalues"), radii[radii.length - 1]);
  const keys = html("p", { class: "keys" }, ...[...names, "ρ to the power of the distance"].map((name, k) => {
    const line = make(SVG, "svg", { viewBox: "0 0 30 10", class: "key", "aria-hidden": "true" }, [svg("path", { class: k < names.length ? `walk walk${k + 1} chosen` : "gauss", d: "M0 5H30" })]);
    const key = html("span", {}, line);
    key.append(" " + name);
    return key;
  }));
  el.append(html("div", { class: "mc-widget mc-memory", role: "group", "aria-label": "The gradient's path through time" },
    html("div", { class: "angle" }, html("span", { text: "ρ" }), slider, shown), keys,
    html("div", { class: "panels" }, paths, spectrum), summary));
  const words = (k) => names.map((name, j) => `${name} keeps ${factor(logs[j][k][0])}`).join(", ");
  let timer = 0;
  const update = () => {
    const k = Number(slider.value), rho = radii[k];
    drawPaths(k, rho);
    drawSpectrum(rho);
    shown.textContent = rho.toFixed(2);
    slider.setAttribute("aria-valuetext", `ρ = ${rho.toFixed(2)}; ${words(k)}`);
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = `ρ = ${rho.toFixed(2)}: of the gradient, ${steps} steps back, ${words(k)}.`; }, 350);
  };
  slider.addEventListener("input", () => { model.set("stop", Number(slider.value)); model.save_changes(); update(); });
  const follow = () => { if (model.get("stop") !== Number(slider.value)) { slider.value = model.get("stop"); update(); } };
  model.on("change:stop", follow);
  update();
  return () => { clearTimeout(timer); model.off("change:stop", follow); };
}

export default { render };
