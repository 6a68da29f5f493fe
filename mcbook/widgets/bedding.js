// A taut string on a bed of springs, and a ridge fit with the same matrices: (K + κS) w = f is tridiagonal.
// K: stiffness, S: the springs (mass matrix, lumped mass, or h₀I), on a uniform mesh of [0, 1] with free ends.

const STIFF = [0.6, 4], PRICE = [-5, 0], MESHES = [8, 16, 64, 256], COARSE = 1 / 16; // log₁₀ κ, log₁₀ λ; elements; h₀
const SPRINGS = ["consistent", "lumped", "identity"], PATTERNS = 24, REACH = 1.25;
const list = (n, f) => [...Array(n).keys()].map(f);

// Diagonal and off-diagonal of a·K + b·S on n elements.
function bands(n, kind, a, b) {
  const h = 1 / n, [on, off] = { consistent: [h / 3, h / 6], lumped: [h / 2, 0], identity: [COARSE / 2, 0] }[kind]; // of one element
  return { diagonal: list(n + 1, (i) => (a / h + b * on) * (i % n ? 2 : 1)), beside: list(n, () => -a / h + b * off) };
}

// Thomas' elimination for a symmetric tridiagonal system.
function tridiagonal({ diagonal, beside }, right) {
  const d = diagonal.slice(), w = right.slice(), n = d.length;
  for (let i = 1; i < n; i++) { const m = beside[i - 1] / d[i - 1]; d[i] -= m * beside[i - 1]; w[i] -= m * w[i - 1]; }
  for (let i = n - 1; i >= 0; i--) w[i] = (w[i] - (i < n - 1 ? beside[i] * w[i + 1] : 0)) / d[i];
  return w;
}

// The element that holds x, and the two hat functions there.
function hats(n, x) {
  const e = Math.min(n - 1, Math.floor(x * n)), t = x * n - e;
  return [[e, 1 - t], [e + 1, t]];
}
const value = (w, x) => hats(w.length - 1, x).reduce((total, [i, weight]) => total + weight * w[i], 0);

function press(n, kind, kappa, at) {
  const right = list(n + 1, () => 0);
  hats(n, at).forEach(([i, weight]) => { right[i] += weight; });
  return tridiagonal(bands(n, kind, 1, kappa), right);
}

// The exact answer to a unit force at z on the string with free ends: its Green's function.
function green(x, z, kappa) {
  const c = Math.sqrt(kappa);
  return (Math.cosh(c * Math.min(x, z)) * Math.cosh(c * (1 - Math.max(x, z)))) / (c * Math.sinh(c));
}

// min ½ Σ (u(xᵢ) − yᵢ)² + ½ λ wᵀ(K + κS)w: every point adds its hats to two diagonals.
function fitted(n, kind, kappa, lam, xs, ys) {
  const A = bands(n, kind, lam, lam * kappa), right = list(n + 1, () => 0);
  xs.forEach((x, k) => {
    const [[i, a], [j, b]] = hats(n, x);
    A.diagonal[i] += a * a; A.diagonal[j] += b * b; A.beside[i] += a * b;
    right[i] += a * ys[k]; right[j] += b * ys[k];
  });
  return tridiagonal(A, right);
}

// Kernel ridge regression with the Green's function as kernel: α of (G + λI) α = y, by elimination.
function weights(kappa, lam, xs, ys) {
  const A = xs.map((x, i) => [...xs.map((z, j) => green(x, z, kappa) + (i === j ? lam : 0)), ys[i]]), n = xs.length;
  for (let i = 0; i < n; i++) for (let r = i + 1; r < n; r++) {
    const m = A[r][i] / A[i][i];
    for (let k = i; k <= n; k++) A[r][k] -= m * A[i][k];
  }
  const alpha = ys.slice();
  for (let i = n - 1; i >= 0; i--) { alpha[i] = A[i][n]; for (let j = i + 1; j < n; j++) alpha[i] -= A[i][j] * alpha[j]; alpha[i] /= A[i][i]; }
  return alpha;
}

// κ/(κ + μ) for each pattern cos(jπx), with μ the pattern's own K/S on this mesh.
function shares(n, kind, kappa) {
  const h = 1 / n;
  return list(n + 1, (j) => {
    const c = Math.cos((j * Math.PI) / n), k = (2 / h) * (1 - c), s = { consistent: (h / 3) * (2 + c), lumped: h, identity: COARSE }[kind];
    return (kappa * s) / (kappa * s + k);
  });
}

// A spring as a zigzag between two heights.
function zigzag(x, from, to) {
  const turns = 8, step = (to - from) / (turns + 2);
  return path([[x, from], [x, from + step], ...list(turns, (k) => [x + (k % 2 ? -3.5 : 3.5), from + (k + 1.5) * step]), [x, to - step], [x, to]]);
}

function stringPanel() {
  const x = scale(0, 1, PAD.left, W - PAD.right), y = scale(0, 1.1, 70, 165), floor = H - PAD.bottom - 2, fine = list(201, (k) => k / 200);
  const string = svg("path", { class: "w1" }), exact = svg("path", { class: "curve exact" }), coils = list(21, () => svg("path", { class: "coil" }));
  const nodes = svg("path", { class: "nodes" }), finger = svg("path", { class: "finger" }), reach = svg("path", { class: "reach" }), told = svg("text", { text: "1/√κ", "text-anchor": "middle" });
  const figure = panel("The string, pressed", "drag the arrow along", "A string on a bed of springs dips under an arrow and comes back to rest within a few lengths one over root kappa. Solid: the solution on the mesh. Dashed: the exact one.",
    svg("path", { class: "grid", d: `M${PAD.left} ${y(0)}H${W - PAD.right}` }), svg("path", { class: "frame", d: `M${PAD.left} ${floor}H${W - PAD.right}` }), ...coils, exact, string, nodes, finger, reach, told,
    ...[0, 0.5, 1].map((v) => svg("text", { text: v, x: x(v), y: H - 16, "text-anchor": "middle" })));
  const draw = (w, kappa, at) => {
    const top = green(at, at, kappa), n = w.length - 1, depth = (v) => y(Math.max(-0.6, Math.min(1.5, v / top)));
    string.setAttribute("d", path(w.map((v, i) => [x(i / n), depth(v)])));
    exact.setAttribute("d", path(fine.map((t) => [x(t), depth(green(t, at, kappa))])));
    nodes.setAttribute("d", n > 64 ? "" : w.map((v, i) => `M${x(i / n).toFixed(1)} ${depth(v).toFixed(1)}h0`).join(""));
    coils.forEach((coil, k) => coil.setAttribute("d", zigzag(x((k + 0.5) / 21), depth(value(w, (k + 0.5) / 21)), floor)));
    const tip = Math.max(y(0) - 10, depth(value(w, at)) - 4), across = x(at).toFixed(1);
    finger.setAttribute("d", `M${across} 14V${tip.toFixed(1)}m-6 -9l6 9l6 -9`);
    const length = 1 / Math.sqrt(kappa), way = at + length <= 1 ? 1 : -1;
    reach.setAttribute("d", `M${across} 40H${x(Math.max(0, at + way * length)).toFixed(1)}m${-5 * way} -4l${5 * way} 4l${-5 * way} 4`);
    place(told, { x: Math.min(W - 40, Math.max(PAD.left + 12, (x(at) + x(at + way * length)) / 2)), y: 32 });
  };
  return [figure, draw, scale(PAD.left, W - PAD.right, 0, 1)];
}

function fitPanel(count) {
  const x = scale(0, 1, PAD.left, W - PAD.right), y = scale(-REACH, REACH, H - PAD.bottom, PAD.top), fine = list(201, (k) => k / 200);
  const curve = svg("path", { class: "w1" }), kernel = svg("path", { class: "curve exact" }), stems = svg("path", { class: "stems" }), dots = list(count, () => svg("circle", { class: "point", r: 5 }));
  const figure = panel("The ridge fit, same springs", "drag the points up and down", "Points and the curve that is fitted to them by ridge regression with the same matrices. Away from the points it goes back to zero within a few lengths one over root kappa. Dashed: kernel ridge regression with the exact Green's function.",
    ...axes(x, y, [0, 0.5, 1].map((v) => [v, v]), [-1, 0, 1], 0), stems, kernel, curve, ...dots);
  const draw = (w, xs, ys, kappa, lam, chosen) => {
    const n = w.length - 1, alpha = weights(kappa, lam, xs, ys), high = (v) => y(Math.max(-1.4, Math.min(1.4, v)));
    curve.setAttribute("d", path(w.map((v, i) => [x(i / n), high(v)])));
    kernel.setAttribute("d", path(fine.map((t) => [x(t), high(xs.reduce((total, z, k) => total + alpha[k] * green(t, z, kappa), 0))])));
    stems.setAttribute("d", xs.map((v, k) => `M${x(v).toFixed(1)} ${y(ys[k]).toFixed(1)}V${high(value(w, v)).toFixed(1)}`).join(""));
    xs.forEach((v, k) => { place(dots[k], { cx: x(v), cy: y(ys[k]), r: k === chosen ? 7 : 5 }); dots[k].classList.toggle("chosen", k === chosen); });
    return alpha;
  };
  const nearest = (px, py, xs, ys) => {
    const far = xs.map((v, k) => Math.hypot(x(v) - px, y(ys[k]) - py)), near = far.indexOf(Math.min(...far));
    return far[near] < 26 ? near : -1;
  };
  return [figure, draw, nearest, scale(H - PAD.bottom, PAD.top, -REACH, REACH)];
}

function sharesPanel() {
  const x = scale(0, PATTERNS, PAD.left, W - PAD.right), y = scale(0, 1, H - PAD.bottom, PAD.top + 6), bars = list(PATTERNS, (k) => svg("rect", { class: "area1", x: x(k) + 1.5, width: x(1) - x(0) - 3 }));
  const figure = panel("What the springs keep", "κ/(κ + μ), pattern by pattern", "One bar for each pattern of the string, slowest first: the share of the pattern that the springs keep. They add up to the effective degrees of freedom.",
    ...axes(x, y, [[0.5, 0], [10.5, 10], [20.5, 20]], [0, 0.5, 1], 1), ...bars);
  const draw = (kept) => bars.forEach((bar, k) => place(bar, { y: y(kept[k] || 0), height: y(0) - y(kept[k] || 0) }));
  return [figure, draw];
}

function decayPanel() {
  const x = scale(0, 1, PAD.left, W - PAD.right), y = scale(-4, 0.3, H - PAD.bottom, PAD.top), fine = list(401, (k) => k / 400);
  const string = svg("path", { class: "w1" }), exact = svg("path", { class: "curve exact" });
  const figure = panel("How fast it forgets", "the dip, logarithmic", "The size of the dip on a logarithmic scale: away from the finger both lines are straight. Solid: the solution on the mesh. Dashed: the exact one, of slope root kappa.",
    ...axes(x, y, [0, 0.5, 1].map((v) => [v, v]), [], 0), ...[[0, "1"], [-2, "10⁻²"], [-4, "10⁻⁴"]].flatMap(([v, text]) => [svg("path", { class: "grid", d: `M${PAD.left} ${y(v)}H${W - PAD.right}` }), svg("text", { text, x: PAD.left - 6, y: y(v) + 4, "text-anchor": "end" })]), exact, string);
  const draw = (w, kappa, at) => {
    const top = green(at, at, kappa), n = w.length - 1, size = (v) => Math.log10(Math.abs(v) / top + 1e-9);
    const line = (points) => points.map(([t, v], i) => (v < -4 ? "" : `${i && points[i - 1][1] >= -4 ? "L" : "M"}${x(t).toFixed(1)} ${y(v).toFixed(1)}`)).join(""); // no more than is seen
    string.setAttribute("d", line(w.map((v, i) => [i / n, size(v)])));
    exact.setAttribute("d", line(fine.map((t) => [t, size(green(t, at, kappa))])));
  };
  return [figure, draw];
}

function advice({ n, kind, kappa, place, w }) {
  const kh = kappa / (n * n), length = 1 / Math.sqrt(kappa);
  if (kind === "identity" && n !== 16) return `λI: one spring of fixed strength at every node, so ${n > 16 ? "more nodes are more springs" : "fewer nodes are fewer springs"}. The length is ${(length * Math.sqrt(16 / n)).toFixed(3)} on this mesh, not ${length.toFixed(3)}.`;
  if (kind === "consistent" && kh > 6) return `κh² = ${kh.toFixed(1)} is beyond 6: the string goes up and down from node to node. From one node to the next it is ${Math.sqrt(kh).toFixed(1)} lengths 1/√κ.`;
  if (kh > 1) return `κh² = ${kh.toFixed(1)}: the mesh is wider than the length 1/√κ = ${length.toFixed(3)}, and does not see how the string bends.`;
  const there = place + 3 * length <= 1 ? place + 3 * length : place - 3 * length;
  if (there < 0) return `The length is ${length.toFixed(3)}: the ends of the string feel the finger.`;
  return `Three lengths away (${(3 * length).toFixed(2)}) the string is down to ${(100 * value(w, there) / value(w, place)).toFixed(0)} % of the dip; e⁻³ is 5 %.`;
}

function render({ model, el }) {
  const xs = model.get("x").slice(), ys = model.get("y").slice(), start = ys.slice();
  const [rowK, stiff, shownK] = labelled("κ", { min: STIFF[0], max: STIFF[1], step: 0.01, value: Math.log10(model.get("kappa")), "aria-label": "Bedding κ, logarithmic" });
  const [rowZ, where, shownZ] = labelled("finger", { min: 0, max: 1, step: 0.005, value: model.get("place"), "aria-label": "Place of the finger" });
  const [rowL, price, shownL] = labelled("λ of the fit", { min: PRICE[0], max: PRICE[1], step: 0.02, value: Math.log10(model.get("lam")), "aria-label": "Penalty λ of the fit, logarithmic" });
  const [rowP, which, shownP] = labelled("point", { min: 1, max: xs.length, step: 1, value: 1, "aria-label": "Which point is chosen" });
  const [rowH, height, shownH] = labelled("its y", { min: -1.2, max: 1.2, step: 0.02, value: ys[0], "aria-label": "Height y of the chosen point" });
  const choose = (name, options) => (k) => { model.set(name, options[k]); model.save_changes(); };
  const mesh = radios("Elements", MESHES.map(String), choose("elements", MESHES)), bed = radios("Springs", ["κM", "κM lumped", "λI"], choose("springs", SPRINGS));
  const reset = html("button", { type: "button", text: "Points back" });
  const [string, drawString, toPlace] = stringPanel(), [fit, drawFit, nearest, toHeight] = fitPanel(xs.length), [decay, drawDecay] = decayPanel(), [bars, drawBars] = sharesPanel();
  const numbers = ["length 1/√κ", "κh²", "dip (exact)", "degrees of freedom"].map((name) => [name, html("output")]);
  const table = html("div", { class: "numbers" }, ...numbers.map(([name, output]) => html("span", {}, html("small", { text: name }), output)));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-bedding", role: "group", "aria-label": "A string on a bed of springs, and a ridge fit" },
    html("div", { class: "turns" }, rowK, rowZ), html("div", { class: "bar" }, mesh, bed), table,
    html("div", { class: "panels" }, string, fit, decay, bars), html("div", { class: "turns still" }, rowL, rowP, rowH), html("div", { class: "bar" }, reset), summary);
  el.append(root);

  let timer = 0;
  const chosen = () => Number(which.value) - 1;
  const update = () => {
    const n = model.get("elements"), kind = model.get("springs"), kappa = 10 ** Number(stiff.value), lam = 10 ** Number(price.value), spot = Number(where.value);
    const w = press(n, kind, kappa, spot), u = fitted(n, kind, kappa, lam, xs, ys), kept = shares(n, kind, kappa), df = kept.reduce((a, b) => a + b, 0), dip = value(w, spot), length = 1 / Math.sqrt(kappa);
    drawString(w, kappa, spot); drawDecay(w, kappa, spot); drawBars(kept);
    const alpha = drawFit(u, xs, ys, kappa, lam, chosen());
    [shownK.textContent, shownZ.textContent, shownL.textContent, shownP.textContent] = [kappa.toFixed(kappa < 100 ? 1 : 0), spot.toFixed(2), lam.toFixed(lam < 1e-3 ? 5 : 3), which.value];
    height.value = ys[chosen()]; shownH.textContent = signed(ys[chosen()], 2);
    [length.toFixed(3), (kappa / (n * n)).toPrecision(2), `${dip.toPrecision(3)} (${green(spot, spot, kappa).toPrecision(3)})`, df.toFixed(1)].forEach((text, k) => { numbers[k][1].textContent = text; });
    stiff.setAttribute("aria-valuetext", `κ = ${kappa.toPrecision(2)}, length ${length.toFixed(3)}`);
    where.setAttribute("aria-valuetext", `finger at ${spot.toFixed(2)}, dip ${dip.toPrecision(2)}`);
    price.setAttribute("aria-valuetext", `λ = ${lam.toPrecision(2)}`);
    height.setAttribute("aria-valuetext", `y = ${signed(ys[chosen()], 2)}, fitted ${signed(value(u, xs[chosen()]), 2)}`);
    Object.assign(root.dataset, { kappa, lam, place: spot, w: w.join(), fit: u.join(), alpha: alpha.join(), df, dip });
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = advice({ n, kind, kappa, place: spot, w }); }, 350); // once the hand rests
  };
  const settle = () => { model.set("kappa", 10 ** Number(stiff.value)); model.set("place", Number(where.value)); model.set("lam", 10 ** Number(price.value)); model.save_changes(); update(); };
  const lift = (v) => { ys[chosen()] = Math.min(1.2, Math.max(-1.2, v)); update(); };
  [stiff, where, price].forEach((slider) => slider.addEventListener("input", settle));
  which.addEventListener("input", update);
  height.addEventListener("input", () => lift(Number(height.value)));
  reset.addEventListener("click", () => { start.forEach((v, k) => { ys[k] = v; }); update(); });
  const follow = (px) => { where.value = toPlace(px); settle(); return true; };
  drag(string.querySelector("svg"), follow, follow);
  drag(fit.querySelector("svg"), (px, py) => { const k = nearest(px, py, xs, ys); if (k >= 0) { which.value = k + 1; update(); } return k >= 0; }, (px, py) => lift(toHeight(py)));
  const mark = () => { [[mesh, MESHES.indexOf(model.get("elements"))], [bed, SPRINGS.indexOf(model.get("springs"))]].forEach(([row, k]) => { row.querySelectorAll("input")[k].checked = true; }); };
  const told = () => { [stiff.value, where.value, price.value] = [Math.log10(model.get("kappa")), model.get("place"), Math.log10(model.get("lam"))]; mark(); update(); };
  const names = ["kappa", "place", "lam", "elements", "springs"];
  names.forEach((name) => model.on("change:" + name, told));
  mark(); update();
  return () => { clearTimeout(timer); names.forEach((name) => model.off("change:" + name, told)); };
}

export default { render };
