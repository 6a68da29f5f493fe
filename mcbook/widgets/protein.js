// Every single mutant of a protein: effect, the gradient's forecast, two blocks' parts. All numbers come from Python.

const WIDE = 700, TALL = 84, AROUND = 10, UNKNOWN = -32768;
const diamond = (x, y, r) => `M${x} ${(y - r).toFixed(1)}L${(x + r).toFixed(1)} ${y}L${x} ${(y + r).toFixed(1)}L${(x - r).toFixed(1)} ${y}Z`;

function unpack(model) {
  const raw = model.get("numbers");
  const view = raw instanceof DataView ? raw : new DataView(raw.buffer || raw);
  let start = 0;
  return model.get("scans").map((scan) => {
    const L = scan.letters.length, A = scan.alphabet.length;
    const tables = [...Array(5).keys()].map((k) => [...Array(L).keys()].map((l) => [...Array(A).keys()].map((a) => {
      const count = view.getInt16(start + 2 * ((k * L + l) * A + a), true);
      return count === UNKNOWN ? null : count * scan.unit;
    })));
    start += 10 * L * A;
    return { ...scan, effect: tables[0], forecast: tables[1], parts: [tables[2], tables[3]], measured: tables[4] };
  });
}

const niceStep = (span) => [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((s) => span / s <= 7) || 100;

// Bars of the letters at one position: what each block adds, the total, the forecast, the measurement.
function lettersPanel(alphabet, label, choose) {
  const A = alphabet.length, slot = (W - PAD.left - PAD.right) / A, at = (a) => PAD.left + (a + 0.5) * slot;
  const axes = svg("g"), bars = svg("g"), band = svg("rect", { class: "band", width: slot.toFixed(1), y: PAD.top, height: H - PAD.top - PAD.bottom }), zero = svg("path", { class: "frame" });
  const names = [...alphabet].map((letter, a) => svg("text", { text: letter, x: at(a).toFixed(1), y: H - 18, "text-anchor": "middle" }));
  const doors = [...alphabet].map((_, a) => { const door = svg("rect", { class: "door", x: (PAD.left + a * slot).toFixed(1), y: 0, width: slot.toFixed(1), height: H }); door.addEventListener("click", () => choose(a)); return door; });
  const figure = panel("At this residue", label, "Bars: for each letter of the alphabet what the two blocks of inputs add to the effect of changing to it, with marks for the total, the gradient's forecast and the measurement.",
    band, axes, bars, zero, ...names, ...doors);
  const draw = (scan, l, chosen) => {
    const ends = [];
    for (let a = 0; a < A; a++) {
      const p = [scan.parts[0][l][a], scan.parts[1][l][a]];
      ends.push(p.reduce((s, v) => s + Math.max(v, 0), 0), p.reduce((s, v) => s + Math.min(v, 0), 0), scan.forecast[l][a], scan.measured[l][a] ?? 0);
    }
    const low = Math.min(...ends, 0), high = Math.max(...ends, 0), span = high - low || 1, y = scale(low - 0.04 * span, high + 0.04 * span, H - PAD.bottom, PAD.top), step = niceStep(span), marks = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9; v += step) marks.push(svg("path", { class: "grid", d: `M${PAD.left} ${y(v).toFixed(1)}H${W - PAD.right}` }), svg("text", { text: signed(v, step < 0.1 ? 2 : step < 1 ? 1 : 0), x: PAD.left - 6, y: (y(v) + 4).toFixed(1), "text-anchor": "end" }));
    axes.replaceChildren(...marks);
    zero.setAttribute("d", `M${PAD.left} ${y(0).toFixed(1)}H${W - PAD.right}`);
    const parts = [];
    for (let a = 0; a < A; a++) {
      let up = 0, down = 0;
      [0, 1].forEach((k) => {
        const v = scan.parts[k][l][a], from = v > 0 ? up : down, to = from + v;
        if (v > 0) up = to; else down = to;
        if (Math.abs(v) > span / 400) parts.push(svg("rect", { class: `part${k}`, x: (at(a) - 0.36 * slot).toFixed(1), width: (0.72 * slot).toFixed(1), y: Math.min(y(from), y(to)).toFixed(1), height: Math.abs(y(to) - y(from)).toFixed(1) }));
      });
      if (alphabet[a] === scan.letters[l]) continue;
      const total = y(scan.effect[l][a]).toFixed(1);
      parts.push(svg("path", { class: "total", d: `M${(at(a) - 0.5 * slot).toFixed(1)} ${total}h${slot.toFixed(1)}` }), svg("path", { class: "forecast", d: diamond(+at(a).toFixed(1), +y(scan.forecast[l][a]).toFixed(1), 3.6) }));
      if (scan.measured[l][a] !== null) parts.push(svg("circle", { class: "measured", cx: at(a).toFixed(1), cy: y(scan.measured[l][a]).toFixed(1), r: 3.8 }));
    }
    bars.replaceChildren(...parts);
    band.setAttribute("x", (PAD.left + chosen * slot).toFixed(1));
    names.forEach((name, a) => { name.classList.toggle("chosen", a === chosen); name.classList.toggle("own", alphabet[a] === scan.letters[l]); });
  };
  return [figure, draw];
}

// The forecast across, the effect up, for every single mutant; on the dashed diagonal the two agree.
function mutantsPanel() {
  const line = svg("path", { class: "gauss" }), cloud = svg("path", { class: "cloud" }), seen = svg("circle", { class: "seen", r: 6 }), axes = svg("g");
  const figure = panel("All single mutants", "forecast across, effect up", "Scatter of the predicted effect of every single mutant over the effect that the gradient forecasts; on the dashed diagonal the two agree.",
    svg("path", { class: "frame", d: `M${PAD.left} ${PAD.top}V${H - PAD.bottom}H${W - PAD.right}` }), axes, cloud, line, seen);
  const load = (scan) => {
    const p = scan.forecast.flat(), q = scan.effect.flat(), low = Math.min(...p, ...q), high = Math.max(...p, ...q), span = high - low || 1;
    const x = scale(low - 0.04 * span, high + 0.04 * span, PAD.left, W - PAD.right), y = scale(low - 0.04 * span, high + 0.04 * span, H - PAD.bottom, PAD.top), step = niceStep(span), marks = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9; v += step) { const text = signed(v, step < 0.1 ? 2 : step < 1 ? 1 : 0); marks.push(svg("text", { text, x: x(v).toFixed(1), y: H - 16, "text-anchor": "middle" }), svg("text", { text, x: PAD.left - 6, y: (y(v) + 4).toFixed(1), "text-anchor": "end" })); }
    axes.replaceChildren(...marks);
    line.setAttribute("d", path([[x(low), y(low)], [x(high), y(high)]]));
    cloud.setAttribute("d", p.map((v, k) => `M${x(v).toFixed(1)} ${y(q[k]).toFixed(1)}h0`).join(""));
    return (l, a) => place(seen, { cx: x(scan.forecast[l][a]), cy: y(scan.effect[l][a]) });
  };
  return [figure, load];
}

function render({ model, el }) {
  const scans = unpack(model), label = model.get("label"), blocks = model.get("blocks");
  let k = 0, alphabet = scans[0].alphabet, l = Math.min(scans[0].letters.length - 1, model.get("position")), to = Math.max(0, alphabet.indexOf(model.get("letter"))), mark = () => {}, drawBars = () => {}, choices = [], timer = 0;
  const scan = () => scans[k], own = () => alphabet.indexOf(scan().letters[l]), number = (i) => scan().first + i;

  const profiles = [0, 1].map((j) => svg("path", { class: `column${j}` })), here = svg("path", { class: "here" });
  const overview = svg("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img", preserveAspectRatio: "none", class: "profile", "aria-label": `The whole protein: for each residue how much ${blocks[0]} (solid) and ${blocks[1]} (open) contribute on average over its mutants.` }, ...profiles, here);
  const slider = html("input", { type: "range", min: 0, step: 1, "aria-label": "Residue" }), residue = html("output");
  const keys = [...Array(2 * AROUND + 1).keys()].map((i) => { const key = html("button", { type: "button" }); key.addEventListener("click", () => move(l + i - AROUND)); return key; });
  const strip = html("div", { class: "letters", role: "group", "aria-label": "The residue and its neighbours" }, ...keys);
  const alphabetRow = html("div", { class: "choices", role: "group", "aria-label": "Change to" }), panels = html("div", { class: "panels" }), [cloud, loadCloud] = mutantsPanel();
  const rows = ["effect, predicted", "forecast by the gradient", `of it ${blocks[0]}`, `of it ${blocks[1]}`, "measured"], cells = rows.map(() => html("b"));
  const numbers = html("div", { class: "numbers" }, ...rows.map((name, i) => html("span", {}, html("small", { text: name }), cells[i])));
  const sample = (kind, name) => html("span", {}, svg("svg", { class: "key", viewBox: "0 0 30 12", "aria-hidden": "true" }, kind), name);
  const legend = html("div", { class: "keys" },
    sample(svg("rect", { class: "part0", x: 4, y: 1, width: 22, height: 10 }), blocks[0]), sample(svg("rect", { class: "part1", x: 4, y: 1, width: 22, height: 10 }), blocks[1]),
    sample(svg("path", { class: "total", d: "M4 6h22" }), "the two together"), sample(svg("path", { class: "forecast", d: diamond(15, 6, 4) }), "forecast"), sample(svg("circle", { class: "measured", cx: 15, cy: 6, r: 4 }), "measured"));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const choice = radios("Protein", scans.map((s) => s.name), (i) => { k = i; load(); tell(); });
  const root = html("div", { class: "mc-widget mc-protein", role: "group", "aria-label": "Mutate a protein by hand" },
    html("div", { class: "bar" }, choice), overview, html("label", { class: "angle" }, html("span", { text: "Residue" }), slider, residue), strip, alphabetRow, numbers,
    legend, panels, summary);
  if (scans.length === 1) choice.parentElement.remove();
  el.append(root);

  const load = () => {
    const from = alphabet[to], [bars, draw] = lettersPanel(scan().alphabet, label, (a) => pick(a));
    [alphabet, drawBars] = [scan().alphabet, draw];
    choices = [...alphabet].map((letter, a) => { const key = html("button", { type: "button", text: letter, "aria-label": `change to ${letter}` }); key.addEventListener("click", () => pick(a)); return key; });
    alphabetRow.replaceChildren(html("span", { text: "change to" }), ...choices);
    panels.replaceChildren(bars, cloud);
    const L = scan().letters.length, A = alphabet.length, mean = [0, 1].map((j) => scan().parts[j].map((row) => row.reduce((s, v) => s + Math.abs(v), 0) / (A - 1)));
    const most = Math.max(...mean[0].map((v, i) => v + mean[1][i])) || 1, wide = WIDE / L, up = (v) => (TALL - 4) * (v / most);
    profiles.forEach((profile, j) => {
      const width = Math.max(1, 0.8 * wide), d = mean[j].map((v, i) => { const base = TALL - (j ? up(mean[0][i]) : 0); return `M${((i + 0.5) * wide - width / 2).toFixed(1)} ${base.toFixed(1)}h${width.toFixed(1)}v${(-up(v)).toFixed(1)}h${(-width).toFixed(1)}Z`; });
      profile.setAttribute("d", d.join(""));
    });
    slider.max = L - 1;
    l = Math.min(l, L - 1);
    to = alphabet.includes(from) && from !== scan().letters[l] ? alphabet.indexOf(from) : (own() + 1) % A;
    mark = loadCloud(scan());
    update();
  };
  const update = () => {
    const L = scan().letters.length, wide = WIDE / L, from = own(), name = `${alphabet[from]}${number(l)}`, mutant = name + alphabet[to];
    const value = scan().effect[l][to], told = scan().forecast[l][to], parts = [0, 1].map((j) => scan().parts[j][l][to]), seen = scan().measured[l][to];
    slider.value = l;
    slider.setAttribute("aria-valuetext", `${name}`);
    residue.textContent = name;
    here.setAttribute("d", `M${((l + 0.5) * wide).toFixed(1)} 0V${TALL}`);
    keys.forEach((key, i) => {
      const j = l + i - AROUND, there = j >= 0 && j < L;
      key.textContent = there ? (i === AROUND ? alphabet[to] : scan().letters[j]) : "";
      key.disabled = !there;
      key.setAttribute("aria-label", there ? `residue ${number(j)}: ${scan().letters[j]}` : "beyond the end");
      key.setAttribute("aria-pressed", i === AROUND);
      key.tabIndex = i === AROUND ? 0 : -1;
    });
    choices.forEach((key, a) => { key.setAttribute("aria-pressed", a === to); key.classList.toggle("own", a === from); });
    [value, told, ...parts].forEach((v, i) => { cells[i].textContent = signed(v, 2); });
    cells[4].textContent = seen === null ? "not measured" : signed(seen, 2);
    drawBars(scan(), l, to);
    mark(l, to);
    Object.assign(root.dataset, { mutant, effect: value.toFixed(4), forecast: told.toFixed(4), parts: parts.map((v) => v.toFixed(4)).join(), measured: seen === null ? "" : seen.toFixed(4) });
    clearTimeout(timer);
    timer = setTimeout(() => {
      const share = (100 * Math.abs(parts[1])) / (Math.abs(parts[0]) + Math.abs(parts[1]) || 1);
      summary.textContent = to === from ? `${name} keeps its letter: nothing changes.` : `${mutant}: predicted effect ${signed(value, 2)}, forecast by the gradient ${signed(told, 2)}. Of the effect, ${blocks[0]} accounts for ${signed(parts[0], 2)} and ${blocks[1]} for ${signed(parts[1], 2)}, ${share.toFixed(0)} % of the two sizes together${seen === null ? "" : `; measured ${signed(seen, 2)}`}.`;
    }, 350);
  };
  const tell = () => { model.set("position", l); model.set("letter", alphabet[to]); model.save_changes(); };
  const pick = (a) => { to = a; update(); tell(); };
  const move = (i, focus) => { l = Math.max(0, Math.min(scan().letters.length - 1, i)); update(); tell(); if (focus) keys[AROUND].focus(); };
  slider.addEventListener("input", () => move(Number(slider.value)));
  overview.addEventListener("click", (event) => { const box = overview.getBoundingClientRect(); move(Math.floor(((event.clientX - box.left) / box.width) * scan().letters.length)); });
  strip.addEventListener("keydown", (event) => {
    const L = scan().letters.length, step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -AROUND, PageDown: AROUND, Home: -L, End: L }[event.key];
    const a = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey ? alphabet.indexOf(event.key.toUpperCase()) : -1;
    if (step === undefined && a < 0) return;
    event.preventDefault();
    if (a >= 0) pick(a); else move(l + step, true);
  });
  const follow = () => { const a = alphabet.indexOf(model.get("letter")); if (model.get("position") !== l || (a >= 0 && a !== to)) { l = Math.min(scan().letters.length - 1, model.get("position")); if (a >= 0) to = a; update(); } };
  model.on("change:position", follow);
  model.on("change:letter", follow);
  load();
  return () => { clearTimeout(timer); model.off("change:position", follow); model.off("change:letter", follow); };
}

export default { render };
