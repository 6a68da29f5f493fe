// Draw me a seven: pictures that Python drew beforehand, for each class and strength of guidance.
const GAP = 2, COLUMNS = 4; // pixels between pictures; pictures in a row

function render({ model, el }) {
  const [classes, levels, count, tall, wide] = model.get("shape"), view = model.get("pixels"), strengths = model.get("strengths"), recognised = model.get("recognised"), spread = model.get("spread");
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength), columns = Math.min(COLUMNS, count), rows = Math.ceil(count / columns);
  const sheet = html("canvas", { width: columns * (wide + GAP) - GAP, height: rows * (tall + GAP) - GAP, role: "img" }), brush = sheet.getContext("2d");
  const [row, slider, shown] = labelled("guidance", { min: 0, max: levels - 1, step: 1, value: model.get("strength"), "aria-label": "Strength of guidance" });
  const keys = [...Array(classes).keys()].map((k) => html("button", { type: "button", text: String(k), "aria-label": `Draw me a ${k}` }));
  const numbers = ["taken for it by a classifier", "difference between two of them"].map((name) => [name, html("output")]);
  const table = html("div", { class: "numbers" }, ...numbers.map(([name, output]) => html("span", {}, html("small", { text: name }), output)));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-digits", role: "group", "aria-label": "Draw me a digit" },
    html("div", { class: "choices", role: "group", "aria-label": "Which digit" }, html("span", { text: "Draw me a" }), ...keys), html("div", { class: "turns" }, row), sheet, table, summary);
  el.append(root);
  let timer = 0;
  const paint = (k, s) => {
    const size = tall * wide, start = (k * levels + s) * count * size;
    brush.clearRect(0, 0, sheet.width, sheet.height);
    for (let i = 0; i < count; i++) {
      const picture = brush.createImageData(wide, tall);
      for (let p = 0; p < size; p++) picture.data.set([255, 255, 255].map(() => bytes[start + i * size + p]).concat(255), 4 * p);
      brush.putImageData(picture, (i % columns) * (wide + GAP), Math.floor(i / columns) * (tall + GAP));
    }
    return bytes.slice(start, start + count * size);
  };
  const words = (k, s) => {
    const w = strengths[s], share = Math.round(100 * recognised[k][s]);
    const how = w === 0 ? "the class was not asked for" : w <= 1 ? "the class was asked for, and no more" : w < 3 ? "leaning towards what is typical" : "what is typical of it, again and again";
    return `Digit ${k}, strength ${w}: ${how}. A classifier takes ${share} % for a ${k}.`;
  };
  const update = () => {
    const k = model.get("klass"), s = Number(slider.value), drawn = paint(k, s);
    keys.forEach((key, j) => key.setAttribute("aria-pressed", String(j === k)));
    shown.textContent = signed(strengths[s], 1);
    [`${Math.round(100 * recognised[k][s])} %`, spread[k][s].toFixed(2)].forEach((text, j) => { numbers[j][1].textContent = text; });
    sheet.setAttribute("aria-label", `${count} pictures drawn as a ${k} with guidance ${strengths[s]}`);
    slider.setAttribute("aria-valuetext", `strength ${strengths[s]}, ${Math.round(100 * recognised[k][s])} % recognised`);
    Object.assign(root.dataset, { klass: k, strength: strengths[s], pixels: [...drawn].join() });
    clearTimeout(timer);
    timer = setTimeout(() => { summary.textContent = words(k, s); }, 350);
  };
  keys.forEach((key, k) => key.addEventListener("click", () => { model.set("klass", k); model.save_changes(); update(); }));
  slider.addEventListener("input", () => { model.set("strength", Number(slider.value)); model.save_changes(); update(); });
  const follow = () => { slider.value = model.get("strength"); update(); };
  ["klass", "strength"].forEach((name) => model.on("change:" + name, follow));
  update();
  return () => { clearTimeout(timer); ["klass", "strength"].forEach((name) => model.off("change:" + name, follow)); };
}

export default { render };
