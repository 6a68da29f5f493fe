// The map of the book. Pictures, ties and words come from Python; lines are drawn between the pictures where they stand.

function render({ model, el }) {
  const chapters = model.get("chapters"), thread = model.get("thread"), ties = model.get("ties");
  const ending = el.closest(".anywidget-static") ? ".html" : ".ipynb"; // a built page, or a notebook
  const address = (chapter) => model.get("root") + chapter.page + ending;
  const titled = (name) => chapters.find((chapter) => chapter.name === name);
  const link = (chapter) => html("a", { href: address(chapter), text: chapter.title });
  const stops = thread.map((stop) => stop.chapter);
  let mode = 0, timer = 0;

  const lines = svg("svg", { class: "lines", "aria-hidden": "true" });
  const cards = chapters.map((chapter) => {
    const button = html("button", { type: "button", class: "pick", "aria-label": `What ${chapter.title} shares with the others` });
    button.innerHTML = chapter.picture; // drawn by mcbook.plots
    button.firstChild.setAttribute("aria-hidden", "true");
    const card = html("div", { class: "chapter" }, button, link(chapter));
    button.addEventListener("click", () => pick(chapter.name));
    return { chapter, button, card };
  });
  const rows = model.get("acts").map((act) => html("div", { class: "act", role: "group", "aria-label": act },
    html("p", { text: act }), html("div", { class: "shelf" }, ...cards.filter(({ chapter }) => chapter.act === act).map(({ card }) => card))));
  const land = html("div", { class: "land" }, lines, ...rows);
  const choice = radios("Show", ["the one recurrence", "all that is shared"], (k) => { mode = k; update(); });
  const words = html("div", { class: "words", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-chapters", role: "group", "aria-label": "A map of the book" }, html("div", { class: "bar" }, choice), land, words);
  el.append(root);

  // The pairs that are drawn, the chosen chapter's last so that they lie on top.
  const pairs = () => {
    const all = mode ? ties.map((tie) => [tie.one, tie.other]) : stops.slice(1).map((stop, k) => [stops[k], stop]);
    const mine = (pair) => mode && pair.includes(model.get("chosen"));
    return [...all.filter((pair) => !mine(pair)).map((pair) => [...pair, !mode]), ...all.filter(mine).map((pair) => [...pair, true])];
  };
  const draw = () => {
    const box = land.getBoundingClientRect();
    if (!box.width) return;
    lines.setAttribute("viewBox", `0 0 ${box.width.toFixed(0)} ${box.height.toFixed(0)}`);
    const spot = (name) => { const b = cards.find(({ chapter }) => chapter.name === name).button.getBoundingClientRect(); return [b.left - box.left + b.width / 2, b.top - box.top + b.height / 2]; };
    lines.replaceChildren(...pairs().map(([one, other, strong]) => {
      const [[x, y], [u, v]] = [spot(one), spot(other)], bend = Math.abs(y - v) < 9 ? 0 : 0.12;
      const middle = [(x + u) / 2 + bend * (v - y), (y + v) / 2 - bend * (u - x)];
      return svg("path", { class: strong ? "tie strong" : "tie", d: `M${x.toFixed(1)} ${y.toFixed(1)}Q${middle.map((c) => c.toFixed(1)).join(" ")} ${u.toFixed(1)} ${v.toFixed(1)}` });
    }));
  };
  const told = (name) => {
    const chapter = titled(name), stop = thread.find((s) => s.chapter === name), mine = ties.filter((tie) => [tie.one, tie.other].includes(name));
    const head = html("p", {}, link(chapter));
    head.append(" " + chapter.question);
    if (mode) return [head, html("ul", {}, ...mine.map((tie) => { const item = html("li", {}, link(titled(tie.one === name ? tie.other : tie.one))); item.append(": " + tie.words + "."); return item; }))];
    if (!stop) return [head, html("p", { text: model.get("aside")[name] ?? "Not on the thread: its gradient is one step long." })];
    return [head, html("p", { text: `What moves: ${stop.state}. The cotangent is called ${stop.cotangent}. What drops out: ${stop.gradient}.` })];
  };
  const update = () => {
    const name = model.get("chosen"), near = mode ? ties.filter((tie) => [tie.one, tie.other].includes(name)).flatMap((tie) => [tie.one, tie.other]) : stops;
    cards.forEach(({ chapter, button, card }) => {
      button.setAttribute("aria-pressed", chapter.name === name);
      card.classList.toggle("dim", chapter.name !== name && !near.includes(chapter.name));
    });
    draw();
    Object.assign(root.dataset, { chosen: name, mode, drawn: lines.childElementCount, near: [...new Set(near)].filter((n) => n !== name).join() });
    clearTimeout(timer);
    timer = setTimeout(() => words.replaceChildren(...told(name)), words.childElementCount ? 200 : 0);
  };
  const pick = (name) => { model.set("chosen", name); model.save_changes(); };
  model.on("change:chosen", update);
  const watch = new ResizeObserver(draw);
  watch.observe(land);
  update();
  return () => { clearTimeout(timer); watch.disconnect(); model.off("change:chosen", update); };
}

export default { render };
