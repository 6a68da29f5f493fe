// A self-check that works with no kernel: reads a number, compares, and names the mistake.
const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function read(text) {
  const parts = text.replace(/\s+/g, "").replace(/[−–]/g, "-").replace(/,/g, ".").split("/");
  if (parts.length > 2 || !parts.every((part) => PLAIN.test(part))) return NaN;
  const value = parts.length === 2 ? Number(parts[0]) / Number(parts[1]) : Number(parts[0]);
  return Number.isFinite(value) ? value : NaN;
}

function judge(text, secret, hint) {
  const value = read(text), near = (b) => Math.abs(value - b) <= secret.rtol * Math.abs(b) + 1e-12;
  if (!text.trim()) return ["unread", "Type a number first."];
  if (Number.isNaN(value)) return ["unread", "This box reads numbers and fractions: 2.5, 2,5, 5/2 or -1e-3."];
  if (near(secret.answer)) return ["right", "✓ Right."];
  const found = secret.mistakes.find(([number]) => near(number));
  return found ? ["mistake", `✗ Not yet. It looks as if ${found[1]}.`] : ["unknown", `✗ Not yet. ${hint}`];
}

function render({ model, el }) {
  const secret = JSON.parse([...atob(model.get("key"))].reverse().join(""));
  const root = document.createElement("div"), form = document.createElement("form"), label = document.createElement("label");
  const input = document.createElement("input"), button = document.createElement("button"), feedback = document.createElement("p");
  root.className = "mc-answer";
  input.id = "mc-answer-" + Math.random().toString(36).slice(2);
  Object.assign(input, { type: "text", inputMode: "text", autocomplete: "off", spellcheck: false });
  label.htmlFor = input.id;
  label.textContent = model.get("prompt");
  Object.assign(button, { type: "submit", textContent: "Check" });
  feedback.setAttribute("role", "status");
  form.append(label, input, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    [feedback.dataset.verdict, feedback.textContent] = judge(input.value, secret, model.get("hint"));
  });
  root.append(form, feedback);
  el.append(root);
}

export default { render };
