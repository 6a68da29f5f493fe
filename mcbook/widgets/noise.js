// A cloud under noise, there and back, with its score field. Positions and arrows come from Python; here they are only drawn.
const UNIT = 41, SHOWN = 10, GROUPS = 5; // pixels for each unit; how many particles have their path drawn

const shorts = (view) => [...Array(view.byteLength / 2).keys()].map((k) => view.getInt16(2 * k, true));
const signedBytes = (view) => [...Array(view.byteLength).keys()].map((k) => view.getInt8(k));
const across = (v) => W / 2 + UNIT * v, upwards = (v) => H / 2 - UNIT * v;

function cloudPanel(grid) {
  const field = svg("path", { class: "field" }), spots = [...Array(GROUPS).keys()].map((k) => svg("path", { class: `spot spot${k + 1}` }));
  const figure = panel("The cloud", "x/√(1 + σ²), as if one stepped back", "Particles in the plane in five colours, one for each spot of the data, over arrows that show the score: at little noise five spots with arrows to each, at much noise one round cloud with all arrows to its middle.", field, ...spots);
  const arrow = ([u, v], [a, b]) => {
    const size = Math.hypot(a, b), long = 0.42 * Math.tanh(size), [ca, cb] = size ? [a / size, b / size] : [0, 0];
    const x = across(u), y = upwards(v), dx = UNIT * long * ca, dy = -UNIT * long * cb, tip = Math.min(4, 0.4 * UNIT * long), px = (s) => (tip * (-ca + s * 0.6 * -cb)).toFixed(1), py = (s) => (tip * (cb + s * 0.6 * -ca)).toFixed(1);
    return long < 0.02 ? "" : `M${x.toFixed(1)} ${y.toFixed(1)}l${dx.toFixed(1)} ${dy.toFixed(1)}l${px(1)} ${py(1)}M${(x + dx).toFixed(1)} ${(y + dy).toFixed(1)}l${px(-1)} ${py(-1)}`;
  };
  const draw = (cloud, groups, arrows) => {
    spots.forEach((spot, k) => spot.setAttribute("d", cloud.map(([u, v], i) => (groups[i] === k ? `M${across(u).toFixed(1)} ${upwards(v).toFixed(1)}h0` : "")).join("")));
    field.setAttribute("d", arrows ? grid.map((point, k) => arrow(point, arrows[k])).join("") : "");
  };
  return [figure, draw];
}

function pathPanel(sigmas) {
  const log = sigmas.map(Math.log10), x = scale(log[0], log[log.length - 1], PAD.left, W - PAD.right), y = scale(-3.2, 3.2, H - PAD.bottom, PAD.top);
  const lines = [...Array(SHOWN).keys()].map(() => svg("path")), now = svg("path", { class: "now" }), dots = [...Array(SHOWN).keys()].map(() => svg("circle", { r: 3.4 }));
  const ticks = [[0.1, "0.1"], [1, "1"], [10, "10"]].filter(([s]) => s >= sigmas[0] && s <= sigmas[sigmas.length - 1]).map(([s, text]) => [Math.log10(s), text]);
  const figure = panel("The paths of ten", "first coordinate, over the noise σ", "The first coordinate of ten particles against the noise level: jagged paths where dice are thrown, smooth ones along the flow.",
    ...axes(x, y, ticks, [-2, 0, 2], 0), ...lines, now, ...dots);
  const lay = (tracks, groups) => lines.forEach((line, i) => {
    line.setAttribute("class", `path spot${groups[i] + 1}`);
    dots[i].setAttribute("class", `bead spot${groups[i] + 1}`);
    line.setAttribute("d", path(tracks[i].map((v, t) => [x(log[t]), y(v)])));
  });
  const draw = (at, cloud) => {
    now.setAttribute("d", `M${x(at).toFixed(1)} ${PAD.top}V${H - PAD.bottom}`);
    dots.forEach((dot, i) => place(dot, { cx: x(at), cy: y(cloud[i][0]) }));
  };
  return [figure, lay, draw];
}

function words(sigma, back, flow) {
  if (sigma > 8) return back ? "Every way back begins here, in a round cloud that knows nothing of the five spots. The score points to the middle, and is right." : "Nothing is to be seen of the five spots any more: the cloud is round, and all that the score knows is where its middle is.";
  if (sigma > 1.2) return back ? "The cloud is still one. What will be the left and the right of the picture is being decided." : "The spots have run into one another; from here on it is one cloud with a lopsided score.";
  if (sigma > 0.25) return flow ? "Here the paths part. Nobody throws dice: which spot a particle ends in was settled by where it began." : back ? "Here the paths part: a particle is pulled to the spots that could have sent it, and the dice decide." : "The noise is as wide as the gaps. From where a particle stands one can no longer tell where it came from.";
  return back ? "Five spots again, in their right proportions: the pull of the score has made order, and paid for the dice." : "Little noise: five spots, and between them ridges from which the score points to either side.";
}

function render({ model, el }) {
  const sigmas = model.get("sigmas"), names = model.get("names"), grid = model.get("grid"), groups = model.get("groups"), [unit, arrowUnit] = model.get("unit"), last = sigmas.length - 1, count = groups[0].length;
  const flat = shorts(model.get("places")), pulls = signedBytes(model.get("arrows")), log = sigmas.map(Math.log10), motion = window.matchMedia("(prefers-reduced-motion: reduce)");
  const spot = (m, t, i) => { const k = 2 * ((m * sigmas.length + t) * count + i); return [flat[k] / unit, flat[k + 1] / unit]; };
  const pull = (t, k) => { const j = 2 * (t * grid.length + k); return [pulls[j] / arrowUnit, pulls[j + 1] / arrowUnit]; };
  const [row, slider, shown] = labelled("noise σ", { min: 0, max: last, step: 0.25, value: model.get("level"), "aria-label": "Noise level, from the data to pure noise" });
  const play = html("button", { type: "button", class: "play", text: "▶ Play" }), tick = html("input", { type: "checkbox", checked: "" }), score = html("label", {}, tick);
  score.append("score field");
  let way = 0, timer = 0, frame = 0;
  const back = () => names[way].startsWith("back");
  const choice = radios("Path", names, (k) => { stop(); way = k; lay(); update(); });
  const [cloud, drawCloud] = cloudPanel(grid), [tracks, layTracks, drawTracks] = pathPanel(sigmas);
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-noise", role: "group", "aria-label": "A cloud of particles under noise, there and back" },
    html("div", { class: "turns" }, row), html("div", { class: "bar" }, play, choice, score), html("div", { class: "panels" }, cloud, tracks), summary);
  el.append(root);

  const between = (f, level) => { // linear between two stored levels
    const t = Math.min(last - 1, Math.floor(level)), part = level - t, a = f(t), b = f(t + 1);
    return a.map(([u, v], i) => [u + part * (b[i][0] - u), v + part * (b[i][1] - v)]);
  };
  const all = [...Array(count).keys()];
  const lay = () => layTracks(all.slice(0, SHOWN).map((i) => sigmas.map((_, t) => spot(way, t, i)[0])), groups[way]);
  const update = () => {
    const level = Number(slider.value), t = Math.min(last - 1, Math.floor(level)), at = log[t] + (level - t) * (log[t + 1] - log[t]), sigma = 10 ** at;
    const now = between((k) => all.map((i) => spot(way, k, i)), level), arrows = tick.checked ? between((k) => grid.map((_, j) => pull(k, j)), level) : null;
    drawCloud(now, groups[way], arrows); drawTracks(at, now);
    shown.textContent = sigma.toPrecision(2);
    slider.setAttribute("aria-valuetext", `σ = ${sigma.toPrecision(2)}, ${names[way]}`);
    Object.assign(root.dataset, { sigma, cloud: now.flat().join(), arrows: arrows ? arrows.flat().join() : "" });
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = words(sigma, back(), names[way].includes("flow")); }, 350); // once the hand rests
  };
  const settle = () => { model.set("level", Number(slider.value)); model.save_changes(); update(); };
  const stop = () => { cancelAnimationFrame(frame); frame = 0; play.textContent = "▶ Play"; };
  const start = () => {
    const end = back() ? 0 : last, from = Number(slider.value) === end ? last - end : Number(slider.value), began = performance.now(), length = 5000 * Math.abs(end - from) / last;
    if (motion.matches) { slider.value = end; settle(); return; } // no motion: the other end at once
    play.textContent = "■ Pause";
    const step = (time) => {
      const part = Math.max(0, Math.min(1, (time - began) / length));
      slider.value = from + part * (end - from); settle();
      if (part < 1) frame = requestAnimationFrame(step); else stop();
    };
    frame = requestAnimationFrame(step);
  };
  play.addEventListener("click", () => (frame ? stop() : start()));
  slider.addEventListener("input", () => { stop(); settle(); });
  tick.addEventListener("change", update);
  const follow = () => { if (model.get("level") !== Number(slider.value)) { slider.value = model.get("level"); update(); } };
  model.on("change:level", follow);
  lay(); update();
  return () => { stop(); clearTimeout(timer); model.off("change:level", follow); };
}

export default { render };
