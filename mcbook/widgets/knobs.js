// What is moved by hand: sliders with labels, a pointer in a drawing's own units, axes. Put after draw.js; no import, no export.
function labelled(text, attributes) {
  const slider = html("input", { type: "range", ...attributes }), shown = html("output");
  return [html("div", { class: "turn" }, html("span", { text }), slider, shown), slider, shown];
}

// Where a pointer is in a drawing's own units; `moved` is called while it is down.
function drag(picture, down, moved) {
  const at = (event) => {
    const box = picture.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * W, ((event.clientY - box.top) / box.height) * H];
  };
  let held = false;
  picture.addEventListener("pointerdown", (event) => {
    held = down(...at(event));
    if (held) { picture.setPointerCapture(event.pointerId); event.preventDefault(); }
  });
  picture.addEventListener("pointermove", (event) => { if (held) moved(...at(event)); });
  ["pointerup", "pointercancel"].forEach((name) => picture.addEventListener(name, () => { held = false; }));
}

function axes(x, y, xs, ys, digits) {
  return [...ys.flatMap((v) => [svg("path", { class: "grid", d: `M${PAD.left} ${y(v)}H${W - PAD.right}` }), svg("text", { text: signed(v, digits), x: PAD.left - 6, y: y(v) + 4, "text-anchor": "end" })]),
    ...xs.map(([v, text]) => svg("text", { text, x: x(v), y: H - 16, "text-anchor": "middle" }))];
}
