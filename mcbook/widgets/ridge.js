// Kernel ridge regression by hand: points, width and lambda move; the curve, alpha and the errors follow.
// C = K + λI with K = exp(−(x−x')²/2σ²);  M = C⁻¹, α = M y, r = α / diag M (leave-one-out), all from one Cholesky.

const SPAN = [0, 10], REACH = 2.4, CELLS = [25, 18]; // the abscissae, the ordinates, the map's cells across and up
const WIDTHS = [-0.8, 0.7], PENALTIES = [-6, 1]; // log₁₀ σ and log₁₀ λ at the sliders' ends
const gauss = (a, b, sigma) => Math.exp(-((a - b) ** 2) / (2 * sigma * sigma));
const sum = (values) => values.reduce((total, v) => total + v, 0);
const dot = (a, b) => a.reduce((total, v, i) => total + v * b[i], 0);

// The lower factor L of C = L Lᵀ, and M = L⁻ᵀ L⁻¹.
function invert(C) {
  const n = C.length, L = C.map((row) => row.slice()), R = C.map(() => new Array(n).fill(0));
  for (let j = 0; j < n; j++) for (let i = j; i < n; i++) {
    let s = L[i][j];
    for (let k = 0; k < j; k++) s -= L[i][k] * L[j][k];
    L[i][j] = i === j ? Math.sqrt(s) : s / L[j][j];
  }
  for (let j = 0; j < n; j++) for (let i = j; i < n; i++) { // R = L⁻¹, column by column
    let s = i === j ? 1 : 0;
    for (let k = j; k < i; k++) s -= L[i][k] * R[k][j];
    R[i][j] = s / L[i][i];
  }
  const M = C.map((_, i) => C.map((__, j) => { let s = 0; for (let k = Math.max(i, j); k < n; k++) s += R[k][i] * R[k][j]; return s; }));
  return { M, logdet: 2 * sum(L.map((row, i) => Math.log(row[i]))) };
}

function fit(x, y, sigma, lam) {
  const K = x.map((a) => x.map((b) => gauss(a, b, sigma)));
  const { M, logdet } = invert(K.map((row, i) => row.map((v, j) => v + (i === j ? lam : 0))));
  const alpha = M.map((row) => dot(row, y)), left = alpha.map((a, i) => a / M[i][i]), n = x.length;
  return { K, M, alpha, left, loo: sum(left.map((r) => r * r)) / n, train: (lam * lam * dot(alpha, alpha)) / n,
    df: n - lam * sum(M.map((row, i) => row[i])), evidence: -0.5 * (dot(y, alpha) + logdet + n * Math.log(2 * Math.PI)) };
}

// d(LOO error) for log σ and log λ: ∇_C = (2/n) (M diag(v) M − M u αᵀ), u = r/m, v = r²/m, then ⟨∇_C, ∂C⟩.
function slopes(x, sigma, lam, { K, M, alpha, left }) {
  const n = x.length, u = left.map((r, i) => r / M[i][i]), v = left.map((r, i) => (r * r) / M[i][i]), Mu = M.map((row) => dot(row, u));
  let wide = 0, smooth = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
    let g = -Mu[i] * alpha[j];
    for (let k = 0; k < n; k++) g += M[i][k] * v[k] * M[k][j];
    wide += g * K[i][j] * ((x[i] - x[j]) / sigma) ** 2;
    if (i === j) smooth += g * lam;
  }
  return [(2 / n) * wide, (2 / n) * smooth];
}

// Eigenvalues of a small symmetric matrix by Jacobi's rotations, greatest first.
function eigenvalues(K) {
  const A = K.map((row) => row.slice()), n = A.length;
  for (let sweep = 0; sweep < 12; sweep++) for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) {
    if (Math.abs(A[p][q]) < 1e-14) continue;
    const theta = (A[q][q] - A[p][p]) / (2 * A[p][q]), t = Math.sign(theta || 1) / (Math.abs(theta) + Math.hypot(theta, 1));
    const c = 1 / Math.hypot(t, 1), s = t * c;
    for (let k = 0; k < n; k++) { const [a, b] = [A[k][p], A[k][q]]; A[k][p] = c * a - s * b; A[k][q] = s * a + c * b; }
    for (let k = 0; k < n; k++) { const [a, b] = [A[p][k], A[q][k]]; A[p][k] = c * a - s * b; A[q][k] = s * a + c * b; }
  }
  return A.map((row, i) => Math.max(0, row[i])).sort((a, b) => b - a);
}

function fitPanel(n) {
  const x = scale(...SPAN, PAD.left, W - PAD.right), y = scale(-REACH, REACH, H - PAD.bottom, PAD.top), grid = [...Array(121).keys()].map((k) => SPAN[0] + (k * (SPAN[1] - SPAN[0])) / 120);
  const curve = svg("path", { class: "curve" }), without = svg("path", { class: "w2 without" }), stems = svg("path", { class: "stems" });
  const rings = [...Array(n).keys()].map(() => svg("circle", { class: "ring", r: 3.6 })), dots = rings.map(() => svg("circle", { class: "point", r: 5 }));
  const figure = panel("The fit", "drag the points", "Points and the fitted curve; dashed, the curve that is fitted without the chosen point; rings, what is predicted for each point by the others.",
    ...axes(x, y, [0, 5, 10].map((v) => [v, v]), [-2, -1, 0, 1, 2], 0), stems, curve, without, ...rings, ...dots);
  const draw = (xs, ys, sigma, chosen, { alpha, left, M }) => {
    const line = (weights) => path(grid.map((t) => [x(t), y(sum(weights.map((w, i) => w * gauss(t, xs[i], sigma))))]));
    curve.setAttribute("d", line(alpha));
    without.setAttribute("d", line(alpha.map((a, i) => a - left[chosen] * M[i][chosen])));
    stems.setAttribute("d", xs.map((v, i) => `M${x(v).toFixed(1)} ${y(ys[i]).toFixed(1)}V${y(ys[i] - left[i]).toFixed(1)}`).join(""));
    xs.forEach((v, i) => { place(dots[i], { cx: x(v), cy: y(ys[i]), r: i === chosen ? 7 : 5 }); place(rings[i], { cx: x(v), cy: y(ys[i] - left[i]) }); dots[i].classList.toggle("chosen", i === chosen); });
  };
  return [figure, draw, (px, py) => [scale(PAD.left, W - PAD.right, ...SPAN)(px), scale(H - PAD.bottom, PAD.top, -REACH, REACH)(py)], (px, py, xs, ys) => {
    const far = xs.map((v, i) => Math.hypot(x(v) - px, y(ys[i]) - py)), near = far.indexOf(Math.min(...far));
    return far[near] < 26 ? near : -1;
  }];
}

function mapPanel() {
  const x = scale(...WIDTHS, PAD.left, W - PAD.right), y = scale(...PENALTIES, H - PAD.bottom, PAD.top), [across, up] = CELLS;
  const dx = (W - PAD.right - PAD.left) / across, dy = (H - PAD.bottom - PAD.top) / up;
  const centre = (k) => [WIDTHS[0] + ((k % across) + 0.5) * (WIDTHS[1] - WIDTHS[0]) / across, PENALTIES[0] + (Math.floor(k / across) + 0.5) * (PENALTIES[1] - PENALTIES[0]) / up];
  const cells = [...Array(across * up).keys()].map((k) => { const [a, b] = centre(k); return svg("rect", { class: "cell", x: x(a) - dx / 2, y: y(b) - dy / 2, width: dx, height: dy }); });
  const spot = svg("circle", { class: "dot", r: 6 }), arrow = svg("line", { class: "tangent" }), least = svg("path", { class: "least" });
  const figure = panel("Leave-one-out error", "deeper blue is less; λ up, σ across", "Map of the leave-one-out error over the logarithms of width and lambda; a dot marks the present choice, a line leads downhill, a cross marks the least error on the map.",
    ...cells, ...axes(x, y, [0.2, 1, 5].map((v) => [Math.log10(v), v]), [], 0),
    ...[[-6, "10⁻⁶"], [-3, "10⁻³"], [0, "1"]].map(([v, text]) => svg("text", { text, x: PAD.left - 6, y: y(v) + 4, "text-anchor": "end" })), least, arrow, spot);
  const paint = (xs, ys) => {
    const errors = cells.map((_, k) => { const [a, b] = centre(k); return 0.5 * Math.log10(fit(xs, ys, 10 ** a, 10 ** b).loo); });
    const low = Math.min(...errors), k = errors.indexOf(low), [a, b] = centre(k), top = low + 0.9;
    cells.forEach((cell, i) => cell.setAttribute("fill-opacity", (0.85 * (1 - Math.ceil(8 * Math.min(1, (errors[i] - low) / (top - low))) / 8)).toFixed(3)));
    least.setAttribute("d", `M${x(a) - 5} ${y(b) - 5}l10 10m0 -10l-10 10`);
  };
  const draw = (a, b, [ga, gb]) => {
    const along = -ga * (x(1) - x(0)), rise = -gb * (y(1) - y(0)), size = Math.hypot(along, rise) || 1, reach = 34 * Math.min(1, 1.5 * Math.hypot(ga, gb)); // shorter where it is flat
    place(spot, { cx: x(a), cy: y(b) });
    place(arrow, { x1: x(a), y1: y(b), x2: x(a) + (reach * along) / size, y2: y(b) + (reach * rise) / size });
  };
  return [figure, paint, draw, (px, py) => [scale(PAD.left, W - PAD.right, ...WIDTHS)(px), scale(H - PAD.bottom, PAD.top, ...PENALTIES)(py)]];
}

function stemsPanel(n) {
  const x = scale(...SPAN, PAD.left, W - PAD.right), zero = (PAD.top + H - PAD.bottom) / 2, stems = svg("path", { class: "w1" }), heads = [...Array(n).keys()].map(() => svg("circle", { class: "head", r: 3.8 }));
  const marks = [1, -1].map(() => svg("text", { x: PAD.left - 6, "text-anchor": "end" })), lines = marks.map(() => svg("path", { class: "grid" }));
  const figure = panel("The weights α", "f(x) = Σ αᵢ k(x, xᵢ)", "One stem for each point: its weight alpha, at the point's place.",
    ...lines, ...marks, svg("path", { class: "frame", d: `M${PAD.left} ${zero}H${W - PAD.right}` }), svg("text", { text: "0", x: PAD.left - 6, y: zero + 4, "text-anchor": "end" }),
    ...[0, 5, 10].map((v) => svg("text", { text: v, x: x(v), y: H - 16, "text-anchor": "middle" })), stems, ...heads);
  const draw = (xs, alpha, chosen) => {
    const most = Math.max(...alpha.map(Math.abs), 1e-9), power = 10 ** Math.floor(Math.log10(most)), tick = [5, 2, 1].find((v) => v * power <= most) * power;
    const y = scale(-1.1 * most, 1.1 * most, H - PAD.bottom, PAD.top);
    marks.forEach((mark, k) => { const v = k ? -tick : tick; mark.textContent = tick < 1e4 && tick >= 0.01 ? signed(v, tick < 1 ? 2 : 0) : signed(v / power, 0) + "·10" + [...String(Math.log10(power).toFixed(0))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join(""); place(mark, { y: y(v) + 4 }); lines[k].setAttribute("d", `M${PAD.left} ${y(v)}H${W - PAD.right}`); });
    stems.setAttribute("d", xs.map((v, i) => `M${x(v).toFixed(1)} ${zero}V${y(alpha[i]).toFixed(1)}`).join(""));
    heads.forEach((head, i) => { place(head, { cx: x(xs[i]), cy: y(alpha[i]) }); head.classList.toggle("chosen", i === chosen); });
  };
  return [figure, draw];
}

function shrinkPanel(n) {
  const x = scale(0, n, PAD.left, W - PAD.right), y = scale(0, 1, H - PAD.bottom, PAD.top + 6), bars = [...Array(n).keys()].map((k) => svg("rect", { class: "area1", x: x(k) + 2, width: x(1) - x(0) - 4 }));
  const figure = panel("What survives", "sᵢ/(sᵢ + λ) for each eigenvector of K", "One bar for each eigenvector of the kernel matrix, smoothest first: the share of the data along it that the fit keeps. The bars add up to the effective degrees of freedom.",
    ...axes(x, y, [[0.5, 1], [n - 0.5, n]], [0, 0.5, 1], 1), ...bars);
  const draw = (K, lam) => eigenvalues(K).forEach((s, k) => { const share = s / (s + lam); place(bars[k], { y: y(share), height: y(0) - y(share) }); });
  return [figure, draw];
}

function render({ model, el }) {
  const xs = model.get("x").slice(), ys = model.get("y").slice(), n = xs.length, start = [xs.slice(), ys.slice()];
  const logs = () => [Math.log10(model.get("sigma")), Math.log10(model.get("lam"))];
  const [rowS, wide, shownS] = labelled("σ", { min: WIDTHS[0], max: WIDTHS[1], step: 0.01, value: logs()[0], "aria-label": "Width σ of the kernel, logarithmic" });
  const [rowL, smooth, shownL] = labelled("λ", { min: PENALTIES[0], max: PENALTIES[1], step: 0.02, value: logs()[1], "aria-label": "Penalty λ, logarithmic" });
  const [rowP, which, shownP] = labelled("point", { min: 1, max: n, step: 1, value: model.get("chosen") + 1, "aria-label": "Which point is chosen" });
  const [rowH, height, shownH] = labelled("its y", { min: -2.3, max: 2.3, step: 0.05, value: 0, "aria-label": "Height y of the chosen point" });
  const downhill = html("button", { type: "button", text: "One step downhill" }), reset = html("button", { type: "button", text: "Points back" });
  const [curve, drawCurve, toData, nearest] = fitPanel(n), [map, paintMap, drawMap, toLogs] = mapPanel(), [stems, drawStems] = stemsPanel(n), [shrink, drawShrink] = shrinkPanel(n);
  const numbers = ["degrees of freedom", "error on the points", "leave-one-out error", "log evidence"].map((name) => [name, html("output")]);
  const table = html("div", { class: "numbers" }, ...numbers.map(([name, output]) => html("span", {}, html("small", { text: name }), output)));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-ridge", role: "group", "aria-label": "Kernel ridge regression by hand" },
    html("div", { class: "turns" }, rowS, rowL), html("div", { class: "bar" }, downhill, reset), table,
    html("div", { class: "panels" }, curve, map, stems, shrink), html("div", { class: "turns still" }, rowP, rowH), summary);
  el.append(root);

  let timer = 0;
  const chosen = () => Number(which.value) - 1, setting = () => [10 ** Number(wide.value), 10 ** Number(smooth.value)];
  const round = (v) => (v >= 0.1 ? v.toFixed(2) : v >= 1e-3 ? v.toFixed(4) : v.toExponential(1).replace("e-", "·10⁻").replace(/\d$/, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));
  const advice = (now, [ga, gb]) => {
    const i = chosen(), words = `Without point ${i + 1} the fit at its place would be ${signed(ys[i] - now.left[i], 2)}; it is ${signed(ys[i], 2)}.`;
    if (Math.hypot(ga, gb) < 0.02 * now.loo) return words + " The gradient is close to zero here.";
    const ways = [Math.abs(ga) > 0.2 * Math.hypot(ga, gb) && (ga > 0 ? "narrower" : "wider"), Math.abs(gb) > 0.2 * Math.hypot(ga, gb) && (gb > 0 ? "less λ" : "more λ")];
    return `${words} Downhill: ${ways.filter(Boolean).join(", ")}.`;
  };
  const update = (moved) => {
    const [sigma, lam] = setting(), now = fit(xs, ys, sigma, lam), slope = slopes(xs, sigma, lam, now), i = chosen();
    if (moved) paintMap(xs, ys);
    drawCurve(xs, ys, sigma, i, now); drawStems(xs, now.alpha, i); drawShrink(now.K, lam);
    drawMap(Math.log10(sigma), Math.log10(lam), slope.map((g) => g / now.loo));
    [shownS.textContent, shownL.textContent, shownP.textContent] = [round(sigma), round(lam), `${i + 1}`];
    height.value = ys[i]; shownH.textContent = signed(ys[i], 2);
    [`${now.df.toFixed(1)} of ${n}`, Math.sqrt(now.train).toFixed(3), Math.sqrt(now.loo).toFixed(3), signed(now.evidence, 1)].forEach((text, k) => { numbers[k][1].textContent = text; });
    wide.setAttribute("aria-valuetext", `σ = ${round(sigma)}, leave-one-out error ${Math.sqrt(now.loo).toFixed(3)}`);
    smooth.setAttribute("aria-valuetext", `λ = ${round(lam)}, ${now.df.toFixed(1)} degrees of freedom, leave-one-out error ${Math.sqrt(now.loo).toFixed(3)}`);
    height.setAttribute("aria-valuetext", `y = ${signed(ys[i], 2)}, predicted by the others ${signed(ys[i] - now.left[i], 2)}`);
    Object.assign(root.dataset, { loo: now.loo, df: now.df, evidence: now.evidence, alpha: now.alpha.join(), left: now.left.join(), slope: slope.join() });
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = advice(now, slope); }, 350); // once the hand rests
  };
  const settle = () => { const [sigma, lam] = setting(); model.set("sigma", sigma); model.set("lam", lam); model.save_changes(); update(false); };
  const step = () => {
    const [a, b] = [Number(wide.value), Number(smooth.value)], now = fit(xs, ys, 10 ** a, 10 ** b), [ga, gb] = slopes(xs, 10 ** a, 10 ** b, now), size = Math.hypot(ga, gb);
    let best = [now.loo, a, b];
    for (let reach = 1.2; reach > 0.01; reach /= 2) { // of a few lengths along −∇ the best one
      [wide.value, smooth.value] = [a - (reach * ga) / size, b - (reach * gb) / size];
      const { loo } = fit(xs, ys, ...setting());
      if (loo < best[0]) best = [loo, Number(wide.value), Number(smooth.value)];
    }
    [wide.value, smooth.value] = best.slice(1);
    settle();
  };
  const moveTo = (u, v) => { const i = chosen(); xs[i] = Math.min(SPAN[1], Math.max(SPAN[0], u)); ys[i] = Math.min(2.3, Math.max(-2.3, v)); update(true); };
  wide.addEventListener("input", settle); smooth.addEventListener("input", settle);
  which.addEventListener("input", () => { model.set("chosen", chosen()); model.save_changes(); update(false); });
  height.addEventListener("input", () => moveTo(xs[chosen()], Number(height.value)));
  downhill.addEventListener("click", step);
  reset.addEventListener("click", () => { start[0].forEach((v, i) => { xs[i] = v; ys[i] = start[1][i]; }); update(true); });
  drag(curve.querySelector("svg"), (px, py) => { const i = nearest(px, py, xs, ys); if (i >= 0) { which.value = i + 1; update(false); } return i >= 0; }, (px, py) => moveTo(...toData(px, py)));
  const aim = (px, py) => { [wide.value, smooth.value] = toLogs(px, py); settle(); return true; };
  drag(map.querySelector("svg"), aim, aim);
  const follow = () => { [wide.value, smooth.value] = logs(); which.value = model.get("chosen") + 1; update(false); };
  ["sigma", "lam", "chosen"].forEach((name) => model.on("change:" + name, follow));
  update(true);
  return () => { clearTimeout(timer); ["sigma", "lam", "chosen"].forEach((name) => model.off("change:" + name, follow)); };
}

export default { render };
