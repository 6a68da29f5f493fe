// A map of the plane near a point: the square's true image, the Jacobian's parallelogram, and what is between them.
const SIZES = [-6, -1], GRID = 9;

// Each map and its Jacobian, row by row; the same as in mcbook/differentials/maps.py.
const MAPS = {
  "bend": [([x, y]) => [x + Math.sin(2 * y) / 2, y + Math.sin(2 * x) / 2], ([x, y]) => [1, Math.cos(2 * y), Math.cos(2 * x), 1]],
  "z²": [([x, y]) => [x * x - y * y, 2 * x * y], ([x, y]) => [2 * x, -2 * y, 2 * y, 2 * x]],
  "polar": [([x, y]) => [x * Math.cos(y), x * Math.sin(y)], ([x, y]) => [Math.cos(y), -x * Math.sin(y), Math.sin(y), x * Math.cos(y)]],
  "matrix squared": [([x, y]) => [x * x + y * y, x * y + y], ([x, y]) => [2 * x, 2 * y, y, x + 1]],
  "matrix inverse": [([x, y]) => [y / (x * y - 0.25), x / (x * y - 0.25)], ([x, y]) => { const d = (x * y - 0.25) ** 2; return [-y * y / d, -0.25 / d, -0.25 / d, -x * x / d]; }],
};
const CORNERS = [[-1, -1], [1, -1], [1, 1], [-1, 1]];

// J and F at p, the corners of the square of half side s under F and under its linear part, and the largest gap.
function near([F, jacobian], p, s) {
  const [a, b, c, d] = jacobian(p), [u, v] = F(p);
  const truth = CORNERS.map(([i, j]) => F([p[0] + s * i, p[1] + s * j]));
  const linear = CORNERS.map(([i, j]) => [u + s * (a * i + b * j), v + s * (c * i + d * j)]);
  const rest = Math.max(...truth.map(([x, y], k) => Math.hypot(x - linear[k][0], y - linear[k][1])));
  return { J: [a, b, c, d], image: [u, v], truth, linear, rest, det: a * d - b * c };
}

// The rim of the square, finely, so that its image may curve.
const rim = (p, s) => CORNERS.flatMap(([i, j], k) => { const [m, n] = CORNERS[(k + 1) % 4]; return [...Array(12).keys()].map((t) => [p[0] + s * (i + ((m - i) * t) / 12), p[1] + s * (j + ((n - j) * t) / 12)]); });

// Two to five round numbers between a and b.
const marks = (a, b) => { const step = [0.5, 1, 2].find((v) => (b - a) / v <= 5) || 4, first = Math.ceil(a / step); return [...Array(Math.floor(b / step) - first + 1).keys()].map((k) => (first + k) * step); };

function mesh([x0, x1, y0, y1]) {
  const at = (a, b, k) => a + ((b - a) * k) / (GRID - 1), steps = [...Array(41).keys()], lines = [...Array(GRID).keys()];
  return lines.flatMap((k) => [steps.map((t) => [at(x0, x1, k), y0 + ((y1 - y0) * t) / 40]), steps.map((t) => [x0 + ((x1 - x0) * t) / 40, at(y0, y1, k)])]);
}

function planePanel(title, note, alt, linear) {
  const id = "mc" + Math.random().toString(36).slice(2), box = { x: PAD.left, y: PAD.top, width: W - PAD.left - PAD.right, height: H - PAD.top - PAD.bottom };
  const lines = svg("path", { class: "lines" }), square = svg("path", { class: "square" }), dashed = svg("path", { class: "linear" }), dot = svg("circle", { class: "dot", r: 4.5 });
  const inside = svg("g", { "clip-path": `url(#${id})` }, lines, square, ...(linear ? [dashed] : []), dot);
  const ticks = svg("g");
  const figure = panel(title, note, alt, svg("clipPath", { id }, svg("rect", box)), svg("rect", { class: "frame", ...box }), ticks, inside);
  let x, y;
  const set = ([x0, x1, y0, y1], curves) => {
    [x, y] = [scale(x0, x1, PAD.left, W - PAD.right), scale(y0, y1, H - PAD.bottom, PAD.top)];
    lines.setAttribute("d", curves.map((curve) => path(curve.map(([u, v]) => [x(u), y(v)]))).join(""));
    ticks.replaceChildren(...marks(x0, x1).map((v) => svg("text", { text: signed(v, 1), x: x(v).toFixed(1), y: H - 16, "text-anchor": "middle" })),
      ...marks(y0, y1).map((v) => svg("text", { text: signed(v, 1), x: PAD.left - 6, y: (y(v) + 4).toFixed(1), "text-anchor": "end" })));
  };
  const draw = (rimmed, corners, [u, v]) => {
    const closed = (points) => path(points.map(([a, b]) => [x(a), y(b)])) + "Z";
    square.setAttribute("d", closed(rimmed));
    if (linear) dashed.setAttribute("d", closed(corners));
    place(dot, { cx: x(u), cy: y(v) });
  };
  return [figure, set, draw, (px, py, [x0, x1, y0, y1]) => [scale(PAD.left, W - PAD.right, x0, x1)(px), scale(H - PAD.bottom, PAD.top, y0, y1)(py)]];
}

function render({ model, el }) {
  const maps = model.get("maps"), map = () => maps[model.get("shown")];
  const choice = radios("Map", maps.map((m) => m.name), (k) => { model.set("shown", k); model.set("point", maps[k].start.slice()); model.save_changes(); });
  const [rowX, across, shownX] = labelled("x", { step: 0.01, "aria-label": "First coordinate x of the point" });
  const [rowY, up, shownY] = labelled("y", { step: 0.01, "aria-label": "Second coordinate y of the point" });
  const [rowS, wide, shownS] = labelled("half side", { min: SIZES[0], max: SIZES[1], step: 0.25, value: model.get("size"), "aria-label": "Half the side of the square, base-2 logarithm" });
  const halve = html("button", { type: "button", text: "Halve the square" }), words = html("p", { class: "words" });
  const [plane, setPlane, drawPlane, toPoint] = planePanel("The plane", "move the point", "A grid on the plane, with a square around the chosen point.", false);
  const [image, setImage, drawImage] = planePanel("Its image", "true, and dashed: linear", "The image of the grid; the square's true image, filled, and the parallelogram that the Jacobian makes of the square, dashed.", true);
  const numbers = ["Jacobian J", "det J", "rest", "rest of half the square", "their ratio"].map((name) => [name, html("output")]);
  const table = html("div", { class: "numbers" }, ...numbers.map(([name, output]) => html("span", {}, html("small", { text: name }), output)));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-linearise", role: "group", "aria-label": "A map and its linear part" },
    html("div", { class: "bar" }, choice), words, html("div", { class: "turns" }, rowX, rowY, rowS), html("div", { class: "bar" }, halve),
    html("div", { class: "panels" }, plane, image), table, summary);
  el.append(root);

  let timer = 0, drawn = -1;
  const size = () => 2 ** model.get("size");
  const short = (v) => (v >= 0.01 ? v.toFixed(3) : v < 1e-12 ? "0" : v.toExponential(1).replace(/e-(\d+)/, (_, e) => "·10⁻" + [...e].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]).join("")));
  const inside = ([px, py], s) => { const [x0, x1, y0, y1] = map().domain; return [Math.min(x1 - s, Math.max(x0 + s, px)), Math.min(y1 - s, Math.max(y0 + s, py))]; };
  const told = (now, ratio, span) => {
    const lost = Math.abs(now.det) < 0.02 * now.J.reduce((a, b) => a + b * b, 0);
    const flat = lost ? "The parallelogram is all but a line: to first order a direction is lost here. " : now.det < 0 ? "det J is negative: the square has been turned over. " : "";
    return `${flat}The rest is ${short(now.rest)}, ${(100 * now.rest / span).toFixed(now.rest / span < 0.01 ? 2 : 0)} % of the parallelogram's reach; half the square leaves ${ratio.toFixed(2)} of it.`;
  };
  const update = () => {
    if (drawn !== model.get("shown")) {
      drawn = model.get("shown");
      const curves = mesh(map().domain), [x0, x1, y0, y1] = map().domain;
      setPlane(map().domain, curves); setImage(map().image, curves.map((curve) => curve.map(MAPS[map().name][0])));
      [[across, x0, x1], [up, y0, y1]].forEach(([slider, from, to]) => { slider.min = from.toFixed(2); slider.max = to.toFixed(2); });
      choice.querySelectorAll("input").forEach((radio, k) => { radio.checked = k === drawn; });
      words.textContent = `(x, y) becomes ${map().words}.`;
    }
    const s = size(), p = inside(model.get("point"), s), now = near(MAPS[map().name], p, s), half = near(MAPS[map().name], p, s / 2);
    const ratio = half.rest / now.rest, span = Math.max(...now.linear.map(([u, v]) => Math.hypot(u - now.image[0], v - now.image[1])));
    drawPlane(rim(p, s), null, p);
    drawImage(rim(p, s).map(MAPS[map().name][0]), now.linear, now.image);
    [across.value, up.value, wide.value] = [p[0], p[1], model.get("size")];
    [shownX.textContent, shownY.textContent, shownS.textContent] = [signed(p[0], 2), signed(p[1], 2), short(s)];
    const [a, b, c, d] = now.J.map((v) => signed(v, 2).padStart(6));
    [`${a} ${b}\n${c} ${d}`, signed(now.det, 2), short(now.rest), short(half.rest), ratio.toFixed(3)].forEach((text, k) => { numbers[k][1].textContent = text; });
    [[across, "x", p[0]], [up, "y", p[1]]].forEach(([slider, name, v]) => slider.setAttribute("aria-valuetext", `${name} = ${signed(v, 2)}, rest ${short(now.rest)}`));
    wide.setAttribute("aria-valuetext", `half side ${short(s)}, rest ${short(now.rest)}, a half leaves ${ratio.toFixed(2)} of it`);
    Object.assign(root.dataset, { map: map().name, point: p.join(), half: s, jacobian: now.J.join(), image: now.image.join(), truth: now.truth.flat().join(), linear: now.linear.flat().join(), rest: now.rest, ratio });
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = told(now, ratio, span); }, 350); // once the hand rests
  };
  const moveTo = (p) => { model.set("point", inside(p, size())); model.save_changes(); };
  const picture = plane.querySelector("svg"), aim = (px, py) => { moveTo(toPoint(px, py, map().domain)); return true; };
  picture.classList.add("aim");
  drag(picture, aim, aim);
  picture.addEventListener("pointermove", (event) => { // a mouse need not be pressed
    if (event.pointerType !== "mouse" || event.buttons) return;
    const box = picture.getBoundingClientRect();
    aim(((event.clientX - box.left) / box.width) * W, ((event.clientY - box.top) / box.height) * H);
  });
  [across, up].forEach((slider) => slider.addEventListener("input", () => moveTo([Number(across.value), Number(up.value)])));
  wide.addEventListener("input", () => { model.set("size", Number(wide.value)); model.save_changes(); });
  halve.addEventListener("click", () => { model.set("size", Math.max(SIZES[0], model.get("size") - 1)); model.save_changes(); });
  ["shown", "point", "size"].forEach((name) => model.on("change:" + name, update));
  update();
  return () => { clearTimeout(timer); ["shown", "point", "size"].forEach((name) => model.off("change:" + name, update)); };
}

export default { render };
