// Unmixing two sources by hand. Y = Z W(θ)ᵀ with W = [[cos, sin], [-sin, cos]]; the curves come from Python.

function decode(view, factor) {
  const n = view.byteLength / 4, z = [new Float32Array(n), new Float32Array(n)];
  for (let k = 0; k < 2 * n; k++) z[k % 2][k >> 1] = view.getInt16(2 * k, true) * factor;
  return z;
}

// The density of cos·z1 + sin·z2 on 121 points of [-5, 5]: counts, smoothed a little.
const BINS = 121, REACH = 5;
function density([z1, z2], c, s) {
  const counts = new Float64Array(BINS), smooth = new Array(BINS).fill(0), kernel = [0.06, 0.24, 0.4, 0.24, 0.06];
  for (let i = 0; i < z1.length; i++) {
    const k = Math.round(((c * z1[i] + s * z2[i] + REACH) / (2 * REACH)) * (BINS - 1));
    if (k >= 0 && k < BINS) counts[k] += 1;
  }
  const unit = z1.length * ((2 * REACH) / (BINS - 1));
  for (let k = 0; k < BINS; k++) kernel.forEach((w, j) => { smooth[k] += (w * (counts[k + j - 2] || 0)) / unit; });
  return smooth;
}

function peaksOf(values) {
  const n = values.length - 1, at = (k) => values[(k + n) % n];
  const reach = [...Array(9).keys()].slice(1);
  return [...Array(n).keys()].filter((k) => reach.every((j) => at(k) >= at(k - j) && at(k) > at(k + j)));
}

function scatterPanel(z) {
  const unit = 31, x0 = W / 2, y0 = H / 2, step = Math.max(1, Math.floor(z[0].length / 1500));
  let cloud = "";
  for (let i = 0; i < z[0].length; i += step) cloud += `M${(x0 + unit * z[0][i]).toFixed(1)} ${(y0 - unit * z[1][i]).toFixed(1)}h0`;
  const lines = [1, 2].map((k) => svg("line", { class: `w${k}` }));
  const tags = [1, 2].map((k) => svg("text", { text: k === 1 ? "w₁" : "w₂", "text-anchor": "middle", "font-weight": 700 }));
  const cross = svg("path", { class: "grid", d: `M0 ${y0}H${W}M${x0} 0V${H}` });
  const names = [svg("text", { text: "z₁", x: W - 16, y: y0 - 6 }), svg("text", { text: "z₂", x: x0 + 6, y: 14 })];
  const figure = panel("The recordings", "whitened, with w₁ and w₂",
    "Scatter of the two whitened recordings with the directions w1 and w2, which turn with θ.",
    cross, svg("path", { class: "cloud", d: cloud }), ...lines, ...tags, ...names);
  const draw = (c, s) => [[c, s], [-s, c]].forEach(([a, b], k) => {
    const r = 106;
    place(lines[k], { x1: x0 - r * a, y1: y0 + r * b, x2: x0 + r * a, y2: y0 - r * b });
    place(tags[k], { x: x0 + (r + 11) * a, y: y0 - (r + 11) * b + 4 });
  });
  return [figure, draw];
}

function marginalPanel(z, index, top, formula) {
  const h = 150, x = scale(-REACH, REACH, 8, W - 8), y = scale(0, top, h - 24, 8), grid = [...Array(BINS).keys()].map((k) => -REACH + (2 * REACH * k) / (BINS - 1));
  const area = svg("path", { class: `area${index}` });
  const gauss = svg("path", { class: "gauss", d: path(grid.map((v) => [x(v), y(Math.exp(-v * v / 2) / Math.sqrt(2 * Math.PI))])) });
  const ticks = [-4, -2, 0, 2, 4].map((v) => svg("text", { text: signed(v, 0), x: x(v), y: h - 7, "text-anchor": "middle" }));
  const figure = panel(index === 1 ? "y₁" : "y₂", formula, `Density of y${index} as an area, and the Gaussian of the same variance dashed.`,
    area, gauss, svg("path", { class: "frame", d: `M8 ${h - 24}H${W - 8}` }), ...ticks);
  figure.querySelector("svg").setAttribute("viewBox", `0 0 ${W} ${h}`);
  const draw = (c, s) => {
    const p = density(z, c, s);
    area.setAttribute("d", path([[x(-REACH), y(0)], ...p.map((v, k) => [x(grid[k]), y(v)]), [x(REACH), y(0)]]) + "Z");
  };
  return [figure, draw];
}

function likelihoodPanel(values, slopes, peaks) {
  const low = Math.min(...values), high = Math.max(...values), margin = 0.16 * (high - low || 1);
  const x = scale(0, 180, PAD.left, W - PAD.right), y = scale(low - margin, high + margin, H - PAD.bottom, PAD.top);
  const ticks = [0, 45, 90, 135, 180].flatMap((v) => [
    svg("path", { class: "grid", d: `M${x(v)} ${PAD.top}V${H - PAD.bottom}` }),
    svg("text", { text: v + "°", x: x(v), y: H - 16, "text-anchor": "middle" })]);
  const digits = high - low < 0.1 ? 3 : 2, levels = [low, (low + high) / 2, high].map((v) => svg("text", { text: signed(v, digits), x: PAD.left - 6, y: y(v) + 4, "text-anchor": "end" }));
  const marks = peaks.map((k) => svg("path", { class: "peak", d: `M${x(k)} ${y(values[k]) - 5}l-5 -9h10z` }));
  const tangent = svg("line", { class: "tangent" }), dot = svg("circle", { class: "dot", r: 5.5 });
  const figure = panel("Mean log-likelihood", "and its gradient",
    `Mean log-likelihood over the angle from 0 to 180 degrees; it peaks at ${peaks.join(" and ")} degrees.`,
    ...ticks, ...levels, svg("path", { class: "frame", d: `M${PAD.left} ${H - PAD.bottom}H${W - PAD.right}` }),
    svg("path", { class: "curve", d: path(values.map((v, k) => [x(k), y(v)])) }), ...marks, tangent, dot);
  const draw = (k) => {
    const dy = (y(slopes[k] * RAD) - y(0)) / (x(1) - x(0)), run = 34 / Math.hypot(1, dy), [cx, cy] = [x(k), y(values[k])];
    place(tangent, { x1: cx - run, y1: cy - run * dy, x2: cx + run, y2: cy + run * dy });
    place(dot, { cx, cy });
  };
  return [figure, draw];
}

// Both whitened channels play at once, each through its own gain: y = g₁ z₁ + g₂ z₂, changing while one drags.
function mixer(z, rate, changed) {
  let context = null, gains = [], sources = [];
  const stop = () => {
    sources.forEach((source) => { source.onended = null; source.stop(); });
    if (context) context.close();
    context = null; gains = []; sources = [];
    changed(false);
  };
  const start = (levels) => {
    context = new (window.AudioContext || window.webkitAudioContext)();
    const peak = Math.max(...z.map((channel) => channel.reduce((m, v) => Math.max(m, Math.abs(v)), 0)));
    const master = context.createGain();
    master.gain.value = 0.65 / peak;
    master.connect(context.destination);
    gains = levels.map((level) => { const g = context.createGain(); g.gain.value = level; g.connect(master); return g; });
    sources = z.map((channel, k) => {
      const buffer = context.createBuffer(1, channel.length, rate), source = context.createBufferSource();
      buffer.copyToChannel(channel, 0);
      source.buffer = buffer; source.connect(gains[k]); source.start();
      return source;
    });
    sources[0].onended = stop;
    changed(true);
  };
  const set = (levels) => gains.forEach((g, k) => g.gain.setTargetAtTime(levels[k], context.currentTime, 0.015));
  return { start, stop, set, playing: () => context !== null };
}

function render({ model, el }) {
  const z = decode(model.get("samples"), model.get("scale")), values = model.get("likelihood");
  const slopes = model.get("slope"), dependence = model.get("dependence"), names = model.get("names");
  const peaks = peaksOf(values);
  let top = 0.45;
  for (let k = 0; k < 180; k += 5) top = Math.max(top, ...density(z, Math.cos(k * RAD), Math.sin(k * RAD)));
  const bend = Math.max(...slopes.map((s, k) => Math.abs((slopes[k + 1] ?? s) - s))) / RAD || 1; // the curvature sets the step

  const slider = html("input", { type: "range", min: 0, max: 180, step: 1, value: model.get("theta"), "aria-label": "Angle θ in degrees" });
  const degrees = html("output"), play = html("button", { type: "button", class: "play" }), uphill = html("button", { type: "button", text: "One step uphill" });
  let heard = 0;
  const choice = radios("Listen to", names, (k) => { heard = k; update(); });
  const [scatter, drawScatter] = scatterPanel(z), [curve, drawCurve] = likelihoodPanel(values, slopes, peaks);
  const [first, drawFirst] = marginalPanel(z, 1, top * 1.05, "= cos θ z₁ + sin θ z₂"), [second, drawSecond] = marginalPanel(z, 2, top * 1.05, "= −sin θ z₁ + cos θ z₂");
  const fill = html("b"), left = html("output"), summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-unmix", role: "group", "aria-label": "Unmix two sources by hand" },
    html("div", { class: "angle" }, html("span", { text: "θ" }), slider, degrees),
    html("div", { class: "bar" }, play, choice, uphill),
    html("div", { class: "panels" }, scatter, curve, first, second),
    html("div", { class: "meter" }, html("span", { text: "Dependence left, corr(y₁², y₂²)" }), left, html("i", { "aria-hidden": "true" }, fill)), summary);
  el.append(root);

  const theta = () => Number(slider.value);
  const levels = () => { const c = Math.cos(theta() * RAD), s = Math.sin(theta() * RAD); return heard === 0 ? [c, s] : [-s, c]; };
  const sound = mixer(z, model.get("rate_hz"), (on) => {
    play.textContent = on ? "■ Pause" : "▶ Play";
    root.dataset.audio = on ? "playing" : "idle";
  });
  const step = () => (slopes[theta()] / bend) / RAD;
  const advice = () => {
    const near = peaks.find((k) => Math.min(Math.abs(theta() - k), 180 - Math.abs(theta() - k)) <= 2);
    if (near !== undefined) return `At a peak: the two sources are apart, ${Math.abs(dependence[theta()]) < 0.1 ? "and little dependence is left" : "as far as a rotation can take them"}.`;
    return slopes[theta()] > 0 ? "Uphill is to the right: turn θ up." : "Uphill is to the left: turn θ down.";
  };
  let timer = 0;
  const update = () => {
    const k = theta(), c = Math.cos(k * RAD), s = Math.sin(k * RAD);
    drawScatter(c, s); drawCurve(k); drawFirst(c, s); drawSecond(-s, c);
    degrees.textContent = k + "°";
    slider.setAttribute("aria-valuetext", `θ = ${k}°, mean log-likelihood ${signed(values[k], 2)}, slope ${signed(slopes[k], 2)}, dependence ${signed(dependence[k], 2)}`);
    left.textContent = signed(dependence[k], 2);
    fill.style.width = Math.min(100, 100 * Math.abs(dependence[k])) + "%";
    sound.set(levels());
    root.dataset.gains = levels().map((v) => v.toFixed(3)).join(",");
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = advice(); }, 350); // once the hand rests, not on every degree
  };
  const move = (k) => { slider.value = k; model.set("theta", theta()); model.save_changes(); update(); };
  slider.addEventListener("input", () => move(slider.value));
  play.addEventListener("click", () => (sound.playing() ? sound.stop() : sound.start(levels())));
  uphill.addEventListener("click", () => move((theta() + Math.round(step()) + 180) % 180));
  const follow = () => { if (model.get("theta") !== theta()) { slider.value = model.get("theta"); update(); } };
  model.on("change:theta", follow);
  sound.stop();
  update();
  return () => { clearTimeout(timer); sound.stop(); model.off("change:theta", follow); };
}

export default { render };
