// A molecule to turn, and the forces that networks find for it. The networks are evaluated here; their weights come from Python.

const STEP = 1e-4, ARROW = 1 / 45, SWEEP = 73; // Å of the central differences; Å drawn per kcal/mol/Å; angles of the curve
const BALL = { H: 0.24, other: 0.36 };

const silu = (x) => x / (1 + Math.exp(-x));
const times = (A, B) => A.map((row) => B[0].map((_, k) => row.reduce((sum, a, j) => sum + a * B[j][k], 0)));
const transposed = (A) => A[0].map((_, k) => A.map((row) => row[k]));

function affine([W, b], x, out) {
  for (let o = 0; o < b.length; o++) { let sum = b[o]; for (let i = 0; i < x.length; i++) sum += x[i] * W[i][o]; out[o] = sum; }
  return out;
}
const mlp = ([W1, b1, W2, b2], x) => affine([W2, b2], affine([W1, b1], x, new Float64Array(b1.length)).map(silu), new Float64Array(b2.length));

// The equivariant network: messages between atoms, then an update of each by itself. X is (a, 3); the energy is less its offset.
function messagePassing(net) {
  const f = net.embedding[0].length, a = net.species.length;
  return (X) => {
    const pairs = [];
    for (let i = 0; i < a; i++) for (let j = 0; j < a; j++) {
      const d = [0, 1, 2].map((x) => X[j][x] - X[i][x]), r = Math.hypot(...d), t = r / net.cutoff;
      if (i === j || t >= 1) continue;
      const c = (1 - t ** 3 * (10 - 15 * t + 6 * t * t)) / r;
      pairs.push([i, j, d.map((v) => v / r), net.layers[0].w.map((_, k) => c * Math.sin((k + 1) * Math.PI * t))]);
    }
    let s = net.species.map((e) => Float64Array.from(net.embedding[e])), V = s.map(() => new Float64Array(3 * f));
    for (const { phi, w, mix, gate } of net.layers) {
      const heard = s.map((row) => mlp(phi, row)), s1 = s.map((row) => row.slice()), V1 = V.map((row) => row.slice());
      for (const [i, j, u, radial] of pairs) for (let k = 0; k < 3 * f; k++) {
        let g = 0;
        for (let n = 0; n < radial.length; n++) g += radial[n] * w[n][k];
        g *= heard[j][k];
        const m = k % f;
        if (k < f) s1[i][m] += g;
        else for (let x = 0; x < 3; x++) V1[i][3 * m + x] += g * (k < 2 * f ? u[x] : V[j][3 * m + x]);
      }
      s = s1; V = V1;
      for (let i = 0; i < a; i++) {
        const PQ = new Float64Array(6 * f);
        for (let g = 0; g < 2 * f; g++) for (let m = 0; m < f; m++) for (let x = 0; x < 3; x++) PQ[3 * g + x] += mix[g][m] * V[i][3 * m + x];
        const dot = (p, q) => PQ[3 * p] * PQ[3 * q] + PQ[3 * p + 1] * PQ[3 * q + 1] + PQ[3 * p + 2] * PQ[3 * q + 2];
        const input = new Float64Array(2 * f);
        for (let m = 0; m < f; m++) { input[m] = s[i][m]; input[f + m] = Math.sqrt(dot(f + m, f + m) + net.eps); }
        const g = mlp(gate, input);
        for (let m = 0; m < f; m++) {
          s[i][m] += g[m] + g[f + m] * dot(m, f + m);
          for (let x = 0; x < 3; x++) V[i][3 * m + x] += g[2 * f + m] * PQ[3 * m + x];
        }
      }
    }
    return net.scale * s.reduce((sum, row) => sum + mlp(net.readout, row)[0], 0);
  };
}

// The plain network on raw coordinates.
function plain(net) {
  const layer = (W, b, z) => b.map((v, o) => Math.tanh(W[o].reduce((sum, weight, i) => sum + weight * z[i], v)));
  return (X) => {
    const z = X.flat().map((v, i) => (v - net.center[i]) / net.width[i]), h = layer(net.W2, net.b2, layer(net.W1, net.b1, z));
    return net.scale * net.w.reduce((sum, weight, o) => sum + weight * h[o], 0);
  };
}

// F = −∇E by central differences, coordinate by coordinate.
function forces(energy, X) {
  return X.map((row, i) => row.map((_, x) => {
    const at = (h) => energy(X.map((r, k) => (k === i ? r.map((v, y) => (y === x ? v + h : v)) : r)));
    return -(at(STEP) - at(-STEP)) / (2 * STEP);
  }));
}

// R = Rz Rx Ry: about the vertical axis first, then the horizontal one, then the line of sight.
function rotation([up, across, sight]) {
  const about = (k, angle) => { const c = Math.cos(angle), s = Math.sin(angle), [i, j] = [(k + 1) % 3, (k + 2) % 3], R = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]; R[i][i] = c; R[j][j] = c; R[i][j] = -s; R[j][i] = s; return R; };
  return times(about(2, sight), times(about(0, across), about(1, up)));
}

// Ball, stick and arrows, the far ones drawn first; z points at the reader.
function sketch(picture, elements, bonds, X, truth, found, unit) {
  const at = ([x, y, z]) => [W / 2 + unit * x, H / 2 - unit * y, z], size = (i) => BALL[elements[i]] || BALL.other, parts = [];
  for (const [i, j] of bonds) {
    const [p, q] = [at(X[i]), at(X[j])];
    parts.push([(p[2] + q[2]) / 2 - 0.2, svg("line", { class: "bond", x1: p[0].toFixed(1), y1: p[1].toFixed(1), x2: q[0].toFixed(1), y2: q[1].toFixed(1), "stroke-width": (0.15 * unit).toFixed(1) })]);
  }
  elements.forEach((element, i) => {
    const [x, y, z] = at(X[i]), r = unit * size(i), ball = svg("g", { class: `atom atom-${element}` }, svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: r.toFixed(1) }));
    if (element !== "H") ball.append(svg("text", { text: element, x: x.toFixed(1), y: (y + 0.38 * r).toFixed(1), "text-anchor": "middle", style: `font-size:${Math.max(11, 1.05 * r).toFixed(1)}px` }));
    parts.push([z, ball]);
    [["truth", truth[i]], ["found", found[i]]].forEach(([kind, F]) => {
      const tip = at(X[i].map((v, k) => v + ARROW * F[k])), long = Math.hypot(tip[0] - x, tip[1] - y);
      if (long < 2) return;
      const [ex, ey] = [(tip[0] - x) / long, (tip[1] - y) / long], head = Math.min(8, 0.6 * long), back = [tip[0] - head * ex, tip[1] - head * ey];
      const wings = [1, -1].map((side) => `${(back[0] - side * 0.5 * head * ey).toFixed(1)} ${(back[1] + side * 0.5 * head * ex).toFixed(1)}`);
      parts.push([Math.max(z, tip[2]) + 0.4 + (kind === "found" ? 0.01 : 0), svg("path", { class: "force " + kind, d: `M${x.toFixed(1)} ${y.toFixed(1)}L${tip[0].toFixed(1)} ${tip[1].toFixed(1)}M${wings[0]}L${tip[0].toFixed(1)} ${tip[1].toFixed(1)}L${wings[1]}` })]);
    });
  });
  picture.replaceChildren(...parts.sort((p, q) => p[0] - q[0]).map((part) => part[1]));
}

function sweepPanel() {
  const x = scale(-180, 180, PAD.left + 6, W - PAD.right), curve = svg("path", { class: "w1" }), truth = svg("path", { class: "gauss" }), dot = svg("circle", { class: "dot", r: 5.5 });
  const marks = [0, 1, 2, 3, 4].map(() => svg("text", { x: PAD.left, "text-anchor": "end" })), lines = marks.map(() => svg("path", { class: "grid" }));
  const figure = panel("Energy along one turn", "about the vertical axis, kcal/mol", "Curve: the energy that the chosen network finds as the molecule turns once about the vertical axis; dashed and level, the true one.",
    ...lines, ...marks, ...[-180, -90, 0, 90, 180].map((v) => svg("text", { text: signed(v, 0) + "°", x: x(v), y: H - 14, "text-anchor": v === 180 ? "end" : "middle" })), truth, curve, dot);
  const draw = (angles, energies, right, angle, now) => {
    const low = Math.min(right, ...energies), high = Math.max(right, ...energies), step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((v) => 3.6 * v >= high - low) || 2000, from = Math.floor(Math.min(low, right - step) / step) * step;
    const y = scale(from, from + 5 * step, H - PAD.bottom, PAD.top + 4);
    marks.forEach((mark, k) => { mark.textContent = signed(from + k * step, 0); place(mark, { y: y(from + k * step) + 4 }); lines[k].setAttribute("d", `M${PAD.left + 6} ${y(from + k * step)}H${W - PAD.right}`); });
    curve.setAttribute("d", path(angles.map((v, k) => [x(v), y(energies[k])])));
    truth.setAttribute("d", `M${x(-180)} ${y(right).toFixed(1)}H${x(180)}`);
    place(dot, { cx: x(angle), cy: y(now) });
  };
  return [figure, draw];
}

function render({ model, el }) {
  const networks = model.get("networks"), elements = model.get("elements"), bonds = model.get("bonds"), X0 = model.get("coords"), F0 = model.get("forces"), E0 = model.get("energy"), swap = model.get("swap");
  const energies = networks.map((net) => ({ "message passing": messagePassing, plain }[net.kind])(net)), motion = window.matchMedia("(prefers-reduced-motion: reduce)");
  const names = [["up", "Turn about the vertical axis, in degrees"], ["across", "Turn about the horizontal axis, in degrees"], ["sight", "Turn about the line of sight, in degrees"]];
  const sliders = names.map(([, label]) => html("input", { type: "range", min: -180, max: 180, step: 1, value: 0, "aria-label": label }));
  const shown = sliders.map(() => html("output"));
  const rows = sliders.map((slider, k) => html("div", { class: "turn" }, html("span", { text: ["vertical", "horizontal", "sight"][k] }), slider, shown[k]));
  const [mirror, change] = ["Mirror", "Swap two H"].map((text) => html("button", { type: "button", text, "aria-pressed": "false" })), reset = html("button", { type: "button", text: "Upright again" });
  let chosen = 0, mirrored = false, swapped = false, timer = 0, frame = 0;
  const choice = radios("Network", networks.map((net) => net.name), (k) => { chosen = k; model.set("chosen", k); model.save_changes(); update(); });
  const figure = panel("Forces", "grey: quantum chemistry; red: the network. Drag to turn", "The molecule as balls and sticks, with two arrows on each atom: the true force, which turns with the molecule, and the one that the chosen network finds."), picture = figure.querySelector("svg");
  const [sweep, drawSweep] = sweepPanel();
  const numbers = ["energy, off by", "forces, off by (mean length)", "net force", "net torque"].map((name) => [name, html("output")]);
  const table = html("div", { class: "numbers" }, ...numbers.map(([name, output]) => html("span", {}, html("small", { text: name }), output)));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-turn", role: "group", "aria-label": "A molecule to turn, and its forces" },
    html("div", { class: "bar" }, choice), html("div", { class: "turns" }, ...rows), html("div", { class: "bar" }, mirror, change, reset), table,
    html("div", { class: "panels" }, figure, sweep), summary);
  el.append(root);

  const unit = Math.min(H / 2, W / 2) / (Math.max(...X0.map((row) => Math.hypot(...row))) + 1.1);
  const angles = () => sliders.map((slider) => Number(slider.value));
  // The molecule as it stands: numbered anew, mirrored (x ↦ −x), turned; and the true forces with it.
  const placed = (rows, degrees) => {
    const order = rows.map((_, i) => (swapped && swap.includes(i) ? swap[1 - swap.indexOf(i)] : i));
    const flat = order.map((i) => [mirrored ? -rows[i][0] : rows[i][0], rows[i][1], rows[i][2]]);
    return times(flat, transposed(rotation(degrees.map((v) => v * RAD))));
  };
  const turning = [...Array(SWEEP).keys()].map((k) => -180 + (360 * k) / (SWEEP - 1));
  const update = () => {
    const at = angles(), energy = energies[chosen], offset = networks[chosen].offset, X = placed(X0, at), truth = placed(F0, at), E = energy(X) + offset, F = forces(energy, X);
    const off = F.reduce((sum, row, i) => sum + Math.hypot(...row.map((v, k) => v - truth[i][k])), 0) / F.length; // a length: it does not turn
    const net = [0, 1, 2].map((k) => F.reduce((sum, f) => sum + f[k], 0)), torque = [0, 1, 2].map((k) => F.reduce((sum, f, i) => sum + X[i][(k + 1) % 3] * f[(k + 2) % 3] - X[i][(k + 2) % 3] * f[(k + 1) % 3], 0));
    sketch(picture, elements, bonds, X, truth, F, unit);
    drawSweep(turning, turning.map((v) => energy(placed(X0, [v, at[1], at[2]])) + offset - E0), 0, at[0], E - E0);
    shown.forEach((output, k) => { output.textContent = signed(at[k], 0) + "°"; });
    sliders.forEach((slider, k) => slider.setAttribute("aria-valuetext", `${at[k]} degrees; the forces are off by ${off.toFixed(1)}`));
    [`${signed(E - E0, 1)} kcal/mol`, `${off.toFixed(1)} kcal/mol/Å`, `${Math.hypot(...net).toFixed(1)} kcal/mol/Å`, `${Math.hypot(...torque).toFixed(1)} kcal/mol`].forEach((text, k) => { numbers[k][1].textContent = text; });
    Object.assign(root.dataset, { energy: E, forces: F.flat().join(), positions: X.flat().join(), truth: truth.flat().join(), off });
    clearTimeout(timer);
    timer = setTimeout(() => {
      const how = [at.some(Boolean) && "turned", mirrored && "mirrored", swapped && "with two hydrogens swapped"].filter(Boolean).join(", ") || "upright, as in training";
      summary.textContent = `${networks[chosen].name}, the molecule ${how}: the energy is off by ${signed(E - E0, 1)} kcal/mol, the forces by ${off.toFixed(1)} kcal/mol/Å.`;
    }, 350); // once the hand rests
  };
  const soon = () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(update); };
  const toggle = (button, on) => button.setAttribute("aria-pressed", String(on));
  sliders.forEach((slider) => slider.addEventListener("input", update));
  mirror.addEventListener("click", () => { mirrored = !mirrored; toggle(mirror, mirrored); update(); });
  change.addEventListener("click", () => { swapped = !swapped; toggle(change, swapped); update(); });
  const glide = (from, began) => (now) => { // back upright, unless motion is unwelcome
    const t = motion.matches ? 1 : Math.min(1, (now - began) / 500);
    sliders.forEach((slider, k) => { slider.value = from[k] * (1 - t) ** 2; });
    update();
    if (t < 1) frame = requestAnimationFrame(glide(from, began));
  };
  reset.addEventListener("click", () => { mirrored = swapped = false; toggle(mirror, false); toggle(change, false); cancelAnimationFrame(frame); glide(angles(), performance.now())(performance.now()); });
  let held = null;
  const wrap = (v) => ((((v + 180) % 360) + 360) % 360) - 180;
  picture.addEventListener("pointerdown", (event) => { held = [event.clientX, event.clientY, ...angles()]; picture.setPointerCapture(event.pointerId); event.preventDefault(); });
  picture.addEventListener("pointermove", (event) => {
    if (!held) return;
    sliders[0].value = wrap(held[2] + 0.6 * (event.clientX - held[0]));
    sliders[1].value = wrap(held[3] + 0.6 * (event.clientY - held[1]));
    soon();
  });
  ["pointerup", "pointercancel"].forEach((name) => picture.addEventListener(name, () => { held = null; }));
  const follow = () => { if (model.get("chosen") !== chosen) { chosen = model.get("chosen"); root.querySelectorAll("input[type=radio]")[chosen].checked = true; update(); } };
  model.on("change:chosen", follow);
  update();
  follow();
  return () => { clearTimeout(timer); cancelAnimationFrame(frame); model.off("change:chosen", follow); };
}

export default { render };
