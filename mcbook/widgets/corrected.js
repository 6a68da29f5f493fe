// A cheap surface, a learnt correction, and the truth. Every number comes from Python; here they are only drawn.

const FLOOR = -5, TOP = 2; // powers of ten of the errors shown
const TENS = { "-4": "10⁻⁴", "-2": "0.01", 0: "1", 2: "100" };

// Energies along the cut: truth, cheap theory, direct and composite.
function cutPanel(angles) {
  const x = scale(angles[0], angles[angles.length - 1], PAD.left, W - PAD.right);
  const lines = ["curve", "cheap", "w2", "w1"].map((name) => svg("path", { class: name })), grid = [0, 1, 2, 3, 4].map(() => svg("path", { class: "grid" })), marks = grid.map(() => svg("text", { x: PAD.left - 6, "text-anchor": "end" }));
  const ticks = [0, 0.5, 1].map((t) => angles[0] + t * (angles[angles.length - 1] - angles[0])).map((v) => svg("text", { text: v.toFixed(0) + "°", x: x(v), y: H - 16, "text-anchor": "middle" }));
  const figure = panel("Energy along the bend", "kcal/mol", "Energy against the angle between the bonds: CCSD(T), the cheap theory with its own minimum at zero, the surface learnt directly and the composite.", ...grid, ...marks, ...ticks, ...lines);
  const draw = (curves, most) => {
    const step = [5, 10, 20, 50].find((v) => 4 * v >= most) || 100, y = scale(-0.25 * step, 4.4 * step, H - PAD.bottom, PAD.top), keep = (v) => Math.max(-0.25 * step, Math.min(4.4 * step, v));
    marks.forEach((mark, k) => { mark.textContent = k * step; place(mark, { y: y(k * step) + 4 }); grid[k].setAttribute("d", `M${PAD.left} ${y(k * step).toFixed(1)}H${W - PAD.right}`); });
    lines.forEach((line, k) => line.setAttribute("d", path(curves[k].map((v, i) => [x(angles[i]), y(keep(v))]))));
  };
  return [figure, draw];
}

// Their distance from the truth, logarithmic.
function errorPanel(angles) {
  const x = scale(angles[0], angles[angles.length - 1], PAD.left, W - PAD.right), y = scale(FLOOR, TOP, H - PAD.bottom, PAD.top);
  const lines = ["w2", "w1"].map((name) => svg("path", { class: name })), powers = Object.keys(TENS).map(Number);
  const figure = panel("How far from the truth", "kcal/mol, logarithmic", "Absolute error of the direct surface and of the composite against the angle, on a logarithmic scale.",
    ...powers.flatMap((p) => [svg("path", { class: "grid", d: `M${PAD.left} ${y(p).toFixed(1)}H${W - PAD.right}` }), svg("text", { text: TENS[p], x: PAD.left - 6, y: y(p) + 4, "text-anchor": "end" })]),
    ...[0, angles.length - 1].map((i) => svg("text", { text: angles[i].toFixed(0) + "°", x: x(angles[i]), y: H - 16, "text-anchor": "middle" })), ...lines);
  const level = (v) => Math.max(FLOOR, Math.min(TOP, Math.log10(Math.abs(v) + 1e-12)));
  const draw = (truth, ...curves) => curves.forEach((curve, k) => lines[k].setAttribute("d", path(curve.map((v, i) => [x(angles[i]), y(level(v - truth[i]))]))));
  return [figure, draw];
}

// Arrows on the atoms; z points up.
function forcePanel({ elements, coords, bonds }) {
  const kinds = ["truth", "w2", "w1"], unit = 105, at = ([y, z]) => [W / 2 + unit * y, 115 - unit * z];
  const sticks = bonds.map(() => svg("line", { class: "bond", "stroke-width": 7 })), balls = elements.map((e) => svg("g", { class: `atom atom-${e}` }, svg("circle", { r: e === "H" ? 11 : 17 })));
  const arrows = kinds.map((kind) => elements.map(() => svg("path", { class: `arrow ${kind}` })));
  const figure = panel("Forces on the atoms", "", "The molecule with an arrow for the force on each atom: wide and grey for CCSD(T), dashed and red for the cheap theory, blue for the composite.", ...sticks, ...balls, ...arrows.flat());
  const head = ([x, y], [dx, dy]) => {
    const size = Math.hypot(dx, dy), tip = Math.min(8, 0.5 * size), [ux, uy] = size ? [dx / size, dy / size] : [0, 0], [ex, ey] = [x + dx, y + dy];
    const side = (s) => `M${ex.toFixed(1)} ${ey.toFixed(1)}l${(tip * (-ux + s * 0.5 * uy)).toFixed(1)} ${(tip * (-uy - s * 0.5 * ux)).toFixed(1)}`;
    return size < 0.6 ? "" : `M${x.toFixed(1)} ${y.toFixed(1)}L${ex.toFixed(1)} ${ey.toFixed(1)}${side(1)}${side(-1)}`;
  };
  const draw = (g, forces, per) => {
    const X = coords[g], mid = [0, 1].map((k) => (Math.max(...X.map((v) => v[k])) + Math.min(...X.map((v) => v[k]))) / 2), spots = X.map((v) => at([v[0] - mid[0], v[1] - mid[1]]));
    bonds.forEach(([i, j], k) => place(sticks[k], { x1: spots[i][0], y1: spots[i][1], x2: spots[j][0], y2: spots[j][1] }));
    balls.forEach((ball, i) => place(ball.firstChild, { cx: spots[i][0], cy: spots[i][1] }));
    arrows.forEach((row, k) => row.forEach((arrow, i) => { const [fy, fz] = forces[k] ? forces[k][i] : [0, 0]; arrow.setAttribute("d", head(spots[i], [per * fy, -per * fz])); }));
  };
  return [figure, draw];
}

const few = (v) => (v >= 10 ? v.toFixed(0) : v >= 0.1 ? v.toFixed(2) : v >= 0.001 ? v.toFixed(4) : v.toFixed(5));

function render({ model, el }) {
  const sizes = model.get("sizes"), angles = model.get("angles"), truth = model.get("truth"), bases = model.get("bases"), direct = model.get("direct"), molecules = model.get("molecules");
  const row = (text, attributes) => { const slider = html("input", { type: "range", step: 1, min: 0, ...attributes }), output = html("output"); return [html("div", { class: "turn" }, html("span", { text }), slider, output), slider, output]; };
  const [rowN, size, shownN] = row("learnt", { max: sizes.length - 1, value: model.get("chosen"), "aria-label": "How many geometries are learnt" });
  const [rowG, which, shownG] = row("molecule", { max: molecules.coords.length - 1, value: 0, "aria-label": "Which molecule is shown" });
  let base = 0, errors = false, timer = 0;
  const choice = radios("Cheap theory", bases.map((b) => b.name), (k) => { base = k; update(); }), mode = radios("Arrows", ["forces", "errors, 10 times"], (k) => { errors = k === 1; update(); });
  const [cut, drawCut] = cutPanel(angles), [gap, drawGap] = errorPanel(angles), [arrows, drawArrows] = forcePanel(molecules);
  const names = ["energy, direct", "energy, composite", "force, direct", "force, composite"], numbers = names.map(() => html("output"));
  const table = html("div", { class: "numbers" }, ...names.map((name, k) => html("span", {}, html("small", { text: name }), numbers[k])));
  const key = html("p", { class: "legend" }, ...[["curve", "CCSD(T)"], ["cheap", "the cheap theory"], ["w2", "learnt directly"], ["w1", "composite"]].map(([name, text]) => html("span", {}, svg("svg", { viewBox: "0 0 30 10", class: "key", "aria-hidden": "true" }, svg("path", { class: name, d: "M0 5H30" })), text)));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-corrected", role: "group", "aria-label": "A cheap theory and its correction" },
    html("div", { class: "turns" }, rowN), html("div", { class: "bar" }, choice), table, key, html("div", { class: "panels" }, cut, gap, arrows), html("div", { class: "bar" }, mode), html("div", { class: "turns still" }, rowG), summary);
  el.append(root);

  const less = (A, B) => A.map((row, i) => row.map((v, k) => v - B[i][k]));
  const update = () => {
    const s = Number(size.value), g = Number(which.value), cheap = bases[base], both = cheap.composite;
    drawCut([truth.cut, cheap.cut, direct.cut[s], both.cut[s]], Math.max(...truth.cut));
    drawGap(truth.cut, direct.cut[s], both.cut[s]);
    const [F, Fcheap, Fboth] = [truth.forces[g], cheap.forces[g], both.forces[s][g]];
    drawArrows(g, errors ? [null, less(Fcheap, F), less(Fboth, F)] : [F, Fcheap, Fboth], errors ? 5 : 0.5);
    arrows.querySelector("small").textContent = errors ? "what is missing to CCSD(T), ten times as long" : "CCSD(T) wide, the cheap theory dashed, composite blue";
    shownN.textContent = sizes[s]; shownG.textContent = `${g + 1} of ${molecules.coords.length}`;
    [direct.energy[s], both.energy[s], direct.force[s], both.force[s]].forEach((v, k) => { numbers[k].textContent = few(v) + (k < 2 ? " kcal/mol" : " kcal/mol/Å"); });
    size.setAttribute("aria-valuetext", `${sizes[s]} geometries learnt: error ${few(both.energy[s])} with the correction, ${few(direct.energy[s])} without, in kcal/mol`);
    which.setAttribute("aria-valuetext", `molecule ${g + 1}`);
    Object.assign(root.dataset, { size: sizes[s], base: cheap.name, energy: [direct.energy[s], both.energy[s]].join(), force: [direct.force[s], both.force[s]].join(), miss: Math.max(...less(Fboth, F).flat().map(Math.abs)) });
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = `From ${sizes[s]} geometries on top of ${cheap.name}: the composite misses CCSD(T) by ${few(both.energy[s])} kcal/mol, the direct surface by ${few(direct.energy[s])}: ${(direct.energy[s] / both.energy[s]).toFixed(0)} times as much.`; }, 350);
  };
  size.addEventListener("input", () => { model.set("chosen", Number(size.value)); model.save_changes(); update(); });
  which.addEventListener("input", update);
  const follow = () => { size.value = model.get("chosen"); update(); };
  model.on("change:chosen", follow);
  update();
  return () => { clearTimeout(timer); model.off("change:chosen", follow); };
}

export default { render };
