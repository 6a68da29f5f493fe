// Descent with momentum on a quadratic: the walk over its level lines, the error beside the rate that theory predicts.
const STEPS = 80, REACH = [2, 1.49], LOGS = [-8, 2], FAR = 1e12, LIFTED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const tens = (p) => (p === 0 ? "1" : "10" + (p < 0 ? "⁻" : "") + [...String(Math.abs(p))].map((c) => LIFTED[c]).join(""));

// |eigenvalues| of [[1 - eta h + beta, -beta], [1, 0]], the larger; and whether the error in that direction changes its sign.
function direction(h, eta, beta) {
  const t = 1 - eta * h + beta, inside = t * t - 4 * beta;
  if (inside < 0) return { rate: Math.sqrt(beta), swings: true };
  const root = Math.sqrt(inside);
  return { rate: Math.max(Math.abs(t + root), Math.abs(t - root)) / 2, swings: t < 0 };
}

// H = (flat direction)(flat direction)ᵀ / c + (steep direction)(steep direction)ᵀ, row by row.
function hessian(c, angle) {
  const [p, q] = [Math.cos(angle * RAD), Math.sin(angle * RAD)];
  return [p * p / c + q * q, p * q * (1 / c - 1), p * q * (1 / c - 1), q * q / c + p * p];
}

function walk(H, eta, beta, start) {
  const points = [start];
  let [x, y] = start, u = 0, v = 0;
  for (let k = 0; k < STEPS; k += 1) {
    const gx = H[0] * x + H[1] * y, gy = H[2] * x + H[3] * y;
    [u, v] = [beta * u - eta * gx, beta * v - eta * gy];
    [x, y] = [x + u, y + v];
    if (Math.hypot(x, y) > FAR) break;
    points.push([x, y]);
  }
  return points;
}

function valleyPanel() {
  const id = "mc" + Math.random().toString(36).slice(2), box = { x: PAD.left, y: PAD.top, width: W - PAD.left - PAD.right, height: H - PAD.top - PAD.bottom };
  const x = scale(-REACH[0], REACH[0], PAD.left, W - PAD.right), y = scale(-REACH[1], REACH[1], H - PAD.bottom, PAD.top), unit = x(1) - x(0);
  const ellipses = [...Array(9).keys()].map(() => svg("ellipse", { class: "level", cx: x(0), cy: y(0) }));
  const line = svg("path", { class: "path" }), dots = svg("path", { class: "steps" }), start = svg("circle", { class: "start", r: 6.5 });
  const bottom = svg("path", { class: "bottom", d: `M${x(0) - 5} ${y(0)}h10M${x(0)} ${y(0) - 5}v10` });
  const figure = panel("The walk", "drag the start", "Level lines of the quadratic, ellipses around the bottom, and the walk from the start, a dot at each step.",
    svg("clipPath", { id }, svg("rect", box)), svg("rect", { class: "frame", ...box }), svg("g", { "clip-path": `url(#${id})` }, ...ellipses, bottom, line, dots, start));
  const draw = (points, c, angle) => {
    ellipses.forEach((e, k) => { // at 2L = r², with r the half axis in the steep direction
      const r = 0.15 * (k + 1) ** 1.4;
      place(e, { rx: unit * r * Math.sqrt(c), ry: unit * r });
      e.setAttribute("transform", `rotate(${-angle} ${x(0).toFixed(1)} ${y(0).toFixed(1)})`);
    });
    const near = points.filter(([a, b]) => Math.hypot(a, b) < 100), at = near.map(([a, b]) => [x(a), y(b)]);
    line.setAttribute("d", path(at));
    dots.setAttribute("d", at.map(([a, b]) => `M${a.toFixed(1)} ${b.toFixed(1)}h0`).join(""));
    place(start, { cx: at[0][0], cy: at[0][1] });
  };
  return [figure, draw, (px, py) => [px, py].map((_, k) => (k ? scale(H - PAD.bottom, PAD.top, -REACH[1], REACH[1])(py) : scale(PAD.left, W - PAD.right, -REACH[0], REACH[0])(px)))];
}

function errorPanel() {
  const id = "mc" + Math.random().toString(36).slice(2), box = { x: PAD.left, y: PAD.top, width: W - PAD.left - PAD.right, height: H - PAD.top - PAD.bottom };
  const x = scale(0, STEPS, PAD.left, W - PAD.right), y = scale(...LOGS, H - PAD.bottom, PAD.top + 6), grid = [];
  for (let p = LOGS[0]; p <= LOGS[1]; p += 2) grid.push(svg("path", { class: "grid", d: `M${PAD.left} ${y(p)}H${W - PAD.right}` }), svg("text", { text: tens(p), x: PAD.left - 6, y: y(p) + 4, "text-anchor": "end" }));
  const ticks = [0, 20, 40, 60, 80].map((k) => svg("text", { text: k, x: x(k), y: H - 16, "text-anchor": "middle" }));
  const found = svg("path", { class: "w1" }), predicted = svg("path", { class: "w2" });
  const figure = panel("Distance from the bottom", "dashed: the predicted rate", "Distance from the bottom at each step, on a logarithmic axis, relative to the start; dashed, a straight line that falls by the predicted rate.",
    svg("clipPath", { id }, svg("rect", box)), ...grid, ...ticks, svg("g", { "clip-path": `url(#${id})` }, predicted, found));
  const log = (v) => y(Math.max(-20, Math.log10(Math.max(v, 1e-20))));
  const draw = (errors, rate) => {
    found.setAttribute("d", path(errors.map((e, k) => [x(k), log(e)])));
    predicted.setAttribute("d", path([0, STEPS].map((k) => [x(k), y(Math.max(-400, k * Math.log10(Math.max(rate, 1e-6))))])));
  };
  return [figure, draw];
}

function render({ model, el }) {
  const NAMES = ["eta", "condition", "beta", "angle", "start"];
  const [rowE, eta, shownE] = labelled("step", { min: 0.02, max: 4, step: 0.01, "aria-label": "Step, in units of one over the largest curvature" });
  const [rowC, cond, shownC] = labelled("condition", { min: 0, max: 3, step: 0.05, "aria-label": "Condition number, logarithm to base 10" });
  const [rowB, beta, shownB] = labelled("momentum", { min: 0, max: 0.98, step: 0.01, "aria-label": "Momentum" });
  const [rowA, angle, shownA] = labelled("angle", { min: 0, max: 90, step: 1, "aria-label": "Angle of the valley, in degrees" });
  const [rowX, across, shownX] = labelled("start, across", { min: -REACH[0], max: REACH[0], step: 0.01, "aria-label": "First coordinate of the start" });
  const [rowY, up, shownY] = labelled("start, up", { min: -REACH[1], max: REACH[1], step: 0.01, "aria-label": "Second coordinate of the start" });
  const best = html("button", { type: "button", text: "Best step, no momentum" }), ball = html("button", { type: "button", text: "Best step and momentum" });
  const [valley, drawValley, toPoint] = valleyPanel(), [error, drawError] = errorPanel();
  const outputs = ["rate, flat direction", "rate, steep direction", "predicted rate", "measured at the end"].map((name) => [name, html("output")]);
  const table = html("div", { class: "numbers" }, ...outputs.map(([name, output]) => html("span", {}, html("small", { text: name }), output)));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-descend", role: "group", "aria-label": "Descent on a quadratic" },
    html("div", { class: "turns" }, rowE, rowC, rowB, rowA), html("div", { class: "bar" }, best, ball),
    html("div", { class: "panels" }, valley, error), table, html("div", { class: "turns still" }, rowX, rowY), summary);
  el.append(root);
  let timer = 0;

  const verdict = (rate, flat, steep, e, b) => {
    const border = 2 * (1 + b), limit = b ? `2(1 + β) = ${border.toFixed(2)}` : "2";
    if (Math.abs(e - border) < 1e-9) return `On the border: at ${limit} over the largest curvature the steep direction swings to and fro for ever.`;
    if (e > border) return `Diverges: the step is beyond ${limit} over the largest curvature, and the steep direction grows by ${steep.rate.toFixed(2)} at every step.`;
    const steps = rate > 0 ? Math.max(1, Math.ceil(Math.log(1e-3) / Math.log(rate))) : 1, digits = `${steps} step${steps === 1 ? "" : "s"} for three digits`;
    const slow = flat.rate >= steep.rate - 1e-12 ? flat : steep;
    if (steps > 200) return `Crawls: ${digits}, held up by the ${slow === flat ? "flat" : "steep"} direction.`;
    const swing = flat.swings ? (steep.swings ? "both directions" : "the flat direction") : "the steep direction";
    if (flat.swings || steep.swings) return `Oscillates, and converges: ${digits}; ${swing} overshoot${flat.swings && steep.swings ? "" : "s"} the bottom.`;
    return `Converges: ${digits}, without overshooting.`;
  };
  const update = () => {
    const e = model.get("eta"), c = model.get("condition"), b = model.get("beta"), a = model.get("angle"), p = model.get("start");
    const points = walk(hessian(c, a), e, b, p), first = Math.hypot(...p) || 1, errors = points.map(([u, v]) => Math.hypot(u, v) / first);
    const flat = direction(1 / c, e, b), steep = direction(1, e, b), rate = Math.max(flat.rate, steep.rate);
    const n = errors.length - 1, span = Math.min(10, n), measured = errors[n] > 0 && errors[n - span] > 0 ? (errors[n] / errors[n - span]) ** (1 / span) : 0;
    drawValley(points, c, a); drawError(errors, rate);
    [eta.value, cond.value, beta.value, angle.value, across.value, up.value] = [e, Math.log10(c), b, a, ...p];
    [[shownE, e.toFixed(2)], [shownC, c >= 10 ? c.toFixed(0) : c.toFixed(1)], [shownB, b.toFixed(2)], [shownA, `${a.toFixed(0)}°`], [shownX, signed(p[0], 2)], [shownY, signed(p[1], 2)]].forEach(([output, text]) => { output.textContent = text; });
    [flat.rate, steep.rate, rate, measured].forEach((v, k) => { outputs[k][1].textContent = v.toFixed(3); });
    const words = verdict(rate, flat, steep, e, b);
    [[eta, `step ${e.toFixed(2)}`], [cond, `condition number ${c.toFixed(1)}`], [beta, `momentum ${b.toFixed(2)}`], [angle, `${a.toFixed(0)} degrees`]].forEach(([slider, text]) => slider.setAttribute("aria-valuetext", `${text}, rate ${rate.toFixed(3)}`));
    Object.assign(root.dataset, { points: points.flat().join(), rate, flat: flat.rate, steep: steep.rate, measured });
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = words; }, 350); // once the hand rests
  };
  const change = (values) => { Object.entries(values).forEach(([name, v]) => model.set(name, v)); model.save_changes(); };
  const within = ([u, v]) => [u, v].map((t, k) => Math.max(-REACH[k], Math.min(REACH[k], t)));
  [[eta, "eta"], [beta, "beta"], [angle, "angle"]].forEach(([slider, name]) => slider.addEventListener("input", () => change({ [name]: Number(slider.value) })));
  cond.addEventListener("input", () => change({ condition: 10 ** Number(cond.value) }));
  [across, up].forEach((slider) => slider.addEventListener("input", () => change({ start: within([Number(across.value), Number(up.value)]) })));
  best.addEventListener("click", () => { const c = model.get("condition"); change({ beta: 0, eta: 2 / (1 + 1 / c) }); });
  ball.addEventListener("click", () => {
    const s = Math.sqrt(1 / model.get("condition")), rate = (1 - s) / (1 + s);
    change({ beta: rate * rate, eta: (2 / (1 + s)) ** 2 });
  });
  const picture = valley.querySelector("svg"), aim = (px, py) => { change({ start: within(toPoint(px, py)) }); return true; };
  picture.classList.add("aim");
  drag(picture, aim, aim);
  NAMES.forEach((name) => model.on("change:" + name, update));
  update();
  return () => { clearTimeout(timer); NAMES.forEach((name) => model.off("change:" + name, update)); };
}

export default { render };
