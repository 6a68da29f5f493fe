// Molecules and their nearest neighbours in a kernel. Coordinates, bonds, similarities and energies come from Python.

const CARD = [150, 110], NEAREST = 5;
const RADIUS = { H: 0.24, other: 0.36 };

// Ball and stick: turned by `angle` about the vertical axis, tilted a little, the far ones drawn first.
function sketch(picture, [wide, high], { elements, coords, bonds }, angle, unit) {
  const c = Math.cos(angle), s = Math.sin(angle), tilt = 0.35;
  const turned = coords.map(([x, y, z]) => { const depth = -s * x + c * z; return [c * x + s * z, y * Math.cos(tilt) - depth * Math.sin(tilt), y * Math.sin(tilt) + depth * Math.cos(tilt)]; });
  const at = turned.map(([x, y, z]) => [wide / 2 + unit * x, high / 2 - unit * y, z]);
  const size = (i) => RADIUS[elements[i]] || RADIUS.other;
  const parts = bonds.map(([i, j]) => { // from surface to surface, so that no stick crosses the ball it comes from
    const length = Math.hypot(...turned[i].map((v, k) => turned[j][k] - v)), from = (0.8 * size(i)) / length, to = 1 - (0.8 * size(j)) / length;
    const [x1, y1, x2, y2] = [from, to].flatMap((t) => [0, 1].map((k) => (at[i][k] + t * (at[j][k] - at[i][k])).toFixed(1)));
    return [(at[i][2] + at[j][2]) / 2, svg("line", { class: "bond", x1, y1, x2, y2, "stroke-width": (0.16 * unit).toFixed(1) })];
  });
  elements.forEach((element, i) => {
    const r = unit * size(i), group = svg("g", { class: `atom atom-${element}` }, svg("circle", { cx: at[i][0].toFixed(1), cy: at[i][1].toFixed(1), r: r.toFixed(1) }));
    if (element !== "H" && r > 7) group.append(svg("text", { text: element, x: at[i][0].toFixed(1), y: (at[i][1] + 0.36 * r * 1.1).toFixed(1), "text-anchor": "middle", style: `font-size:${(1.1 * r).toFixed(1)}px` }));
    parts.push([at[i][2], group]);
  });
  picture.replaceChildren(...parts.sort((a, b) => a[0] - b[0]).map((part) => part[1]));
}

// The unit of length that fits a molecule into a drawing at every angle.
function room([wide, high], { coords }) {
  const across = Math.max(...coords.map(([x, , z]) => Math.hypot(x, z))) + 0.5, up = Math.max(...coords.map(([x, y, z]) => Math.abs(y) * 0.95 + 0.34 * Math.hypot(x, z))) + 0.5;
  return Math.min(wide / (2 * across), high / (2 * up), 42);
}

function likenessPanel(count) {
  const dots = [...Array(count).keys()].map(() => svg("circle", { class: "other", r: 3.4 })), title = svg("text", { x: PAD.left, y: H - 2 });
  const levels = [0, 1, 2].map(() => svg("text", { x: PAD.left - 6, "text-anchor": "end" })), lines = levels.map(() => svg("path", { class: "grid" }));
  const marks = [0, 1, 2].map((k) => svg("text", { x: PAD.left + (k * (W - PAD.left - PAD.right)) / 2, y: H - 18, "text-anchor": ["start", "middle", "end"][k] }));
  const figure = panel("Likeness and difference", "", "Scatter: for every other molecule its likeness to the chosen one, across, and how much their binding differs from it beyond what the composition says, up.",
    ...lines, ...levels, ...marks, ...dots, title);
  title.textContent = "likeness across; difference in kcal/mol up";
  const draw = (chosen, likeness, residual, near) => {
    const gaps = residual.map((v) => Math.abs(v - residual[chosen])), most = Math.max(...gaps, 1), step = [1, 2, 5, 10, 20, 50, 100].find((v) => 2.2 * v >= most) || 200;
    const from = Math.min(0.9, Math.floor(10 * Math.min(...likeness)) / 10), x = scale(from, 1, PAD.left, W - PAD.right), y = scale(0, Math.max(most, 2 * step), H - PAD.bottom - 4, PAD.top);
    marks.forEach((mark, k) => { mark.textContent = (from + (k * (1 - from)) / 2).toFixed(2); });
    levels.forEach((level, k) => { level.textContent = k * step; place(level, { y: y(k * step) + 4 }); lines[k].setAttribute("d", `M${PAD.left} ${y(k * step)}H${W - PAD.right}`); });
    dots.forEach((dot, i) => { place(dot, { cx: x(likeness[i]), cy: y(gaps[i]), r: near.includes(i) ? 5 : 3.4 }); dot.classList.toggle("near", near.includes(i)); dot.style.display = i === chosen ? "none" : ""; });
  };
  return [figure, draw];
}

function render({ model, el }) {
  const molecules = model.get("molecules"), kernels = model.get("kernels"), names = model.get("kernel_names");
  const residual = molecules.map((m) => m.residual), motion = window.matchMedia("(prefers-reduced-motion: reduce)");
  const list = html("select", { "aria-label": "Molecule" }, ...molecules.map((m, i) => html("option", { value: i, text: m.name })));
  const previous = html("button", { type: "button", text: "‹", "aria-label": "Previous molecule" }), next = html("button", { type: "button", text: "›", "aria-label": "Next molecule" });
  const angle = html("input", { type: "range", min: 0, max: 360, step: 5, value: 30, "aria-label": "Turn the molecule, in degrees" }), degrees = html("output");
  let kernel = 0, timer = 0, frame = 0, drawn = -1;
  const choice = radios("Likeness by", names, (k) => { kernel = k; update(); });
  const figure = panel("", "", "The chosen molecule as balls and sticks."), picture = figure.querySelector("svg"), caption = figure.querySelector("figcaption");
  const [likeness, drawLikeness] = likenessPanel(molecules.length);
  const cards = [...Array(NEAREST).keys()].map(() => {
    const drawing = svg("svg", { viewBox: `0 0 ${CARD[0]} ${CARD[1]}`, "aria-hidden": "true" }), name = html("b"), value = html("span"), gap = html("span");
    const card = html("button", { type: "button", class: "card" }, drawing, name, value, gap);
    return { card, drawing, name, value, gap };
  });
  const row = html("div", { class: "cards", role: "group", "aria-label": "Its nearest relatives, the nearest first" }, ...cards.map(({ card }) => card));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-relatives", role: "group", "aria-label": "A molecule and its relatives" },
    html("div", { class: "bar" }, html("span", { class: "choose" }, previous, list, next), choice),
    html("div", { class: "panels" }, figure, likeness), row, summary);
  figure.append(html("div", { class: "turn" }, html("span", { text: "turn" }), angle, degrees));
  el.append(root);

  const chosen = () => Number(list.value);
  const near = () => kernels[kernel][chosen()].map((v, i) => [v, i]).filter(([, i]) => i !== chosen()).sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, NEAREST).map(([, i]) => i);
  const kcal = (v) => signed(v, 1) + " kcal/mol";
  const turn = (to) => { sketch(picture, [W, H], molecules[chosen()], to * RAD, room([W, H], molecules[chosen()])); degrees.textContent = Math.round(Number(angle.value)) + "°"; };
  const glide = () => { // a newly chosen molecule turns in, unless motion is unwelcome
    cancelAnimationFrame(frame);
    const to = Number(angle.value);
    if (motion.matches) return turn(to);
    const begun = performance.now(), run = (now) => { const t = Math.min(1, Math.max(0, (now - begun) / 450)); turn(to - 60 * (1 - t) ** 3); if (t < 1) frame = requestAnimationFrame(run); };
    run(begun);
  };
  const update = () => {
    const i = chosen(), m = molecules[i], row_ = kernels[kernel][i], relatives = near();
    caption.firstChild.textContent = m.name + " ";
    caption.lastChild.textContent = m.formula;
    picture.setAttribute("aria-label", `The molecule ${m.name}, ${m.formula}, as balls and sticks.`);
    cards.forEach(({ card, drawing, name, value, gap }, k) => {
      const j = relatives[k], other = molecules[j], unit = room(CARD, other);
      sketch(drawing, CARD, other, 30 * RAD, unit);
      name.textContent = other.name;
      value.textContent = "likeness " + row_[j].toFixed(3);
      gap.textContent = `differs by ${Math.abs(other.residual - m.residual).toFixed(1)}`;
      card.onclick = () => pick(j);
    });
    drawLikeness(i, row_, residual, relatives);
    if (drawn !== i) glide();
    drawn = i;
    Object.assign(root.dataset, { chosen: i, near: relatives.join() });
    clearTimeout(timer);
    timer = setTimeout(() => {
      summary.textContent = `${m.name}: atomisation energy ${kcal(m.energy)}, of which composition explains all but ${kcal(m.residual)}. Left out of the fit and predicted from the others, ${kcal(m.predicted[kernel])}: off by ${kcal(m.predicted[kernel] - m.energy)}.`;
    }, 350);
  };
  const pick = (i) => { list.value = (i + molecules.length) % molecules.length; model.set("chosen", chosen()); model.save_changes(); update(); };
  list.addEventListener("change", () => pick(chosen()));
  previous.addEventListener("click", () => pick(chosen() - 1));
  next.addEventListener("click", () => pick(chosen() + 1));
  angle.addEventListener("input", () => { cancelAnimationFrame(frame); turn(Number(angle.value)); });
  const follow = () => { if (model.get("chosen") !== chosen()) { list.value = model.get("chosen"); update(); } };
  model.on("change:chosen", follow);
  list.value = model.get("chosen");
  update();
  return () => { clearTimeout(timer); cancelAnimationFrame(frame); model.off("change:chosen", follow); };
}

export default { render };
