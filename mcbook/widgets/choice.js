// Multiple choice that works with no kernel: a radio group of formulas, and what is right or wrong with each.
function piece(text) { // plain text, or a <math> element that Python wrote
  if (!text.startsWith("<math")) return document.createTextNode(text);
  const holder = document.createElement("template");
  holder.innerHTML = text;
  return holder.content.firstChild;
}

function element(tag, name, ...children) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...children);
  return node;
}

function render({ model, el }) {
  const verdicts = JSON.parse([...atob(model.get("key"))].reverse().join(""));
  const root = element("div", "mc-choice"), group = element("fieldset"), legend = element("legend", "", model.get("prompt"));
  const feedback = element("p", "verdict"), name = "mc-choice-" + Math.random().toString(36).slice(2);
  feedback.setAttribute("role", "status");
  feedback.setAttribute("aria-live", "polite");
  group.append(legend);
  if (model.get("given")) group.append(element("div", "given", piece(model.get("given"))));
  for (const note of model.get("notes")) group.append(element("p", "note", ...note.map(piece)));
  const labels = model.get("formulas").map((formula, k) => {
    const input = element("input"), label = element("label", "", input, element("span", "letter", "ABCDEFGH"[k]), element("span", "formula", piece(formula)));
    Object.assign(input, { type: "radio", name, value: k });
    input.addEventListener("change", () => choose(k));
    return label;
  });
  group.append(...labels);
  function choose(k) {
    const [right, words] = verdicts[k];
    labels.forEach((label, j) => { if (j === k) label.dataset.verdict = right ? "right" : "mistake"; });
    feedback.dataset.verdict = right ? "right" : "mistake";
    feedback.textContent = `${"ABCDEFGH"[k]} ${right ? "✓" : "✗"} ${words}`;
  }
  root.append(group, feedback);
  el.append(root);
}

export default { render };
