// What the pictures share: elements, scales, panels. Put before each widget's own module; no import, no export.
const SVG = "http://www.w3.org/2000/svg", RAD = Math.PI / 180;
const W = 340, H = 250, PAD = { left: 48, right: 16, top: 10, bottom: 34 };

function make(space, tag, attributes, children) {
  const node = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "text") node.textContent = value;
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...(children || []));
  return node;
}
const html = (tag, attributes, ...children) => make(null, tag, attributes, children);
const svg = (tag, attributes, ...children) => make(SVG, tag, attributes, children);
const scale = (a, b, from, to) => (v) => from + ((v - a) / (b - a)) * (to - from);
const path = (points) => "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
const signed = (v, digits) => v.toFixed(digits).replace("-", "−").replace(/^−(0\.?0*)$/, "$1");

function panel(title, note, alt, ...children) {
  const caption = html("figcaption", { text: title + " " }, html("small", { text: note }));
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": alt }, ...children);
  return html("figure", { class: "panel" }, caption, picture);
}

const place = (node, attributes) => Object.entries(attributes).forEach(([key, v]) => node.setAttribute(key, v.toFixed(1)));

// A labelled row of radio buttons; `changed(index)` on a choice.
function radios(title, names, changed) {
  const group = "mc" + Math.random().toString(36).slice(2);
  const inputs = names.map((name, k) => html("input", { type: "radio", name: group, value: k, checked: k === 0 ? "" : null }));
  inputs.forEach((input, k) => input.addEventListener("change", () => changed(k)));
  const labels = names.map((name, k) => { const label = html("label", {}, inputs[k]); label.append(name); return label; });
  return html("fieldset", {}, html("legend", { text: title }), ...labels);
}
