// A schedule bent by hand: T steps of SGD on a noisy quadratic, in expectation and exactly, and each step's hypergradient.
// A ← (1 − ηh)² A + η² h s² for every direction of curvature h; the loss is ½ Σ h A. Backwards, Ā ← (1 − ηh)² Ā.

const LEAST = 0.02, MOST = 1.9, NOISES = [0, 0.2], LENGTHS = [1, 5, Infinity]; // rates; s²; how far ahead one looks
const list = (n, f) => [...Array(n).keys()].map(f), sum = (values) => values.reduce((total, v) => total + v, 0);
const kept = (rate) => Math.min(MOST, Math.max(LEAST, rate));

// E w² of every direction after 0, 1, …, T steps; with s² = 0 what is left of the start alone.
function moments(rates, h, noise, start) {
  const A = [start.slice()];
  rates.forEach((eta) => A.push(A[A.length - 1].map((a, i) => (1 - eta * h[i]) ** 2 * a + eta * eta * h[i] * noise)));
  return A;
}
const lossOf = (a, h) => 0.5 * sum(a.map((v, i) => v * h[i]));

// ∂ log(loss after at most `ahead` further steps) / ∂ log(rate), for every step.
function elasticities(rates, h, noise, A, ahead) {
  return rates.map((eta, t) => {
    const end = Math.min(rates.length, t + ahead), slope = h.map((c, i) => {
      let bar = 0.5 * c; // Ā at the end, carried back to step t + 1
      for (let j = end - 1; j > t; j--) bar *= (1 - rates[j] * c) ** 2;
      return bar * (2 * eta * c * noise - 2 * c * (1 - eta * c) * A[t][i]);
    });
    return (sum(slope) * eta) / lossOf(A[end], h);
  });
}

const metaStep = (rates, grad) => rates.map((eta, t) => kept(eta * Math.exp(-Math.min(0.25, Math.max(-0.25, grad[t])))));
const SHAPES = { constant: () => 1, cosine: (t, T) => 0.5 * (1 + Math.cos((Math.PI * t) / T)) };

// The best schedule of one shape: its height by a fine search.
function tuned(shape, T, h, noise, start) {
  const tried = list(200, (k) => LEAST * (MOST / LEAST) ** (k / 199)).map((top) => {
    const rates = list(T, (t) => kept(top * SHAPES[shape](t, T)));
    return { rates, losses: moments(rates, h, noise, start).map((a) => lossOf(a, h)) };
  });
  return tried.reduce((best, next) => (next.losses[T] < best.losses[T] ? next : best));
}

const steps = (T, x) => [0, T / 4, T / 2, (3 * T) / 4, T].map((v) => [v, Math.round(v)]);

function ratesPanel(T) {
  const x = scale(0, T, PAD.left, W - PAD.right), y = scale(0, 2, H - PAD.bottom, PAD.top + 6);
  const bars = list(T, (t) => svg("rect", { class: "area1", x: x(t) + 0.6, width: x(1) - x(0) - 1.2 })), constant = svg("path", { class: "curve dashed" });
  const figure = panel("The schedule", "drag to bend it", "One bar for each step: its learning rate, between 0 and the limit of stability, 2. Dashed: the best constant rate.",
    svg("rect", { class: "ground", x: PAD.left, y: PAD.top, width: W - PAD.right - PAD.left, height: H - PAD.bottom - PAD.top }), ...axes(x, y, steps(T), [0, 0.5, 1, 1.5, 2], 1), ...bars, constant);
  const draw = (rates, chosen, best) => {
    rates.forEach((eta, t) => { place(bars[t], { y: y(eta), height: y(0) - y(eta) }); bars[t].classList.toggle("chosen", t === chosen); });
    constant.setAttribute("d", `M${PAD.left} ${y(best).toFixed(1)}H${W - PAD.right}`);
  };
  return [figure, draw, (px, py) => [Math.min(T - 1, Math.max(0, Math.floor(scale(PAD.left, W - PAD.right, 0, T)(px)))), kept(scale(H - PAD.bottom, PAD.top + 6, 0, 2)(py))]];
}

function lossPanel(T) {
  const x = scale(0, T, PAD.left, W - PAD.right), y = scale(-1.3, 0.7, H - PAD.bottom, PAD.top), marks = [[Math.log10(0.1), "0.1"], [0, "1"], [Math.log10(3), "3"], [Math.log10(0.3), "0.3"]];
  const mine = svg("path", { class: "w1" }), constant = svg("path", { class: "curve dashed" }), end = svg("circle", { class: "dot", r: 5 });
  const figure = panel("The loss", "expected, on the way", "The expected loss over the steps, logarithmic: solid with your schedule, dashed with the best constant rate.",
    ...axes(x, y, steps(T), [], 0), ...marks.flatMap(([v, text]) => [svg("path", { class: "grid", d: `M${PAD.left} ${y(v)}H${W - PAD.right}` }), svg("text", { text, x: PAD.left - 6, y: y(v) + 4, "text-anchor": "end" })]), constant, mine, end);
  const line = (losses) => path(losses.map((v, t) => [x(t), y(Math.max(-1.3, Math.log10(v)))]));
  const draw = (losses, best) => {
    mine.setAttribute("d", line(losses));
    constant.setAttribute("d", line(best));
    place(end, { cx: x(T), cy: y(Math.max(-1.3, Math.log10(losses[T]))) });
  };
  return [figure, draw];
}

function gradientPanel(T) {
  const x = scale(0, T, PAD.left, W - PAD.right), zero = (PAD.top + H - PAD.bottom) / 2, reach = zero - PAD.top - 4, unit = x(1) - x(0);
  const bars = list(T, (t) => svg("rect", { x: x(t) + 0.6, width: unit - 1.2 })), short = svg("path", { class: "curve" }), marks = [1, -1].map(() => svg("text", { x: PAD.left - 6, "text-anchor": "end" })), lines = marks.map(() => svg("path", { class: "grid" }));
  const figure = panel("Each step's hypergradient", "up: raise this rate", "One bar for each step: by how many per cent the final loss falls when that step's rate is raised by one per cent. Blue and upwards: raise it. Red and downwards: lower it. The line is what a shorter look ahead says instead.",
    ...lines, ...marks, svg("path", { class: "frame", d: `M${PAD.left} ${zero}H${W - PAD.right}` }), svg("text", { text: "0", x: PAD.left - 6, y: zero + 4, "text-anchor": "end" }), ...steps(T).map(([v, text]) => svg("text", { text, x: x(v), y: H - 16, "text-anchor": "middle" })), ...bars, short);
  const draw = (whole, seen, chosen) => {
    const most = Math.max(...whole.map(Math.abs), ...seen.map(Math.abs), 1e-4), power = 10 ** Math.floor(Math.log10(most)), tick = [5, 2, 1].find((v) => v * power <= most * 1.0001) * power, y = (v) => zero - (reach * v) / most;
    marks.forEach((mark, k) => { const v = k ? -tick : tick; mark.textContent = signed(v, Math.max(0, -Math.floor(Math.log10(tick)))); place(mark, { y: y(v) + 4 }); lines[k].setAttribute("d", `M${PAD.left} ${y(v).toFixed(1)}H${W - PAD.right}`); });
    whole.forEach((g, t) => { place(bars[t], { y: Math.min(zero, y(-g)), height: Math.abs(y(-g) - zero) }); bars[t].setAttribute("class", (g < 0 ? "area1" : "area2") + (t === chosen ? " chosen" : "")); });
    short.setAttribute("d", seen === whole ? "" : seen.map((g, t) => `${t ? "V" : "M" + x(0).toFixed(1) + " "}${y(-g).toFixed(1)}H${x(t + 1).toFixed(1)}`).join(""));
  };
  return [figure, draw];
}

function restPanel(h) {
  const x = scale(0, h.length, PAD.left, W - PAD.right), y = scale(0, 1, H - PAD.bottom, PAD.top + 6), wide = x(1) - x(0) - 16;
  const start = h.map((c, i) => svg("rect", { class: "area1", x: x(i) + 8, width: wide })), noise = h.map((c, i) => svg("rect", { class: "area2", x: x(i) + 8, width: wide })), marks = list(3, () => svg("text", { x: PAD.left - 6, "text-anchor": "end" }));
  const figure = panel("What is left at the end", "blue: start, red: noise", "For each direction, from steep to flat, its part of the final loss: what is left of the start, in blue, and what the noise has brought in, in red on top.",
    ...marks, ...list(3, (k) => svg("path", { class: "grid", d: `M${PAD.left} ${y(k / 2)}H${W - PAD.right}` })), ...h.map((c, i) => svg("text", { text: String(c), x: x(i + 0.5), y: H - 16, "text-anchor": "middle" })), ...start, ...noise);
  const draw = (old, whole) => {
    const most = Math.max(...whole), top = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2].find((v) => v >= most) || 5;
    marks.forEach((mark, k) => { mark.textContent = String((top * k) / 2); place(mark, { y: y(k / 2) + 4 }); });
    h.forEach((c, i) => { place(start[i], { y: y(old[i] / top), height: y(0) - y(old[i] / top) }); place(noise[i], { y: y(whole[i] / top), height: y(old[i] / top) - y(whole[i] / top) }); });
  };
  return [figure, draw];
}

function advice({ F, best, bestRate, grad, chosen, ahead, met, still }) {
  const beside = `The end is ${F.toPrecision(3)}, ${F < best ? "below" : "above"} the ${best.toPrecision(3)} of the best constant rate, ${bestRate.toFixed(2)}.`;
  const claim = `One per cent more at step ${chosen + 1} would ${grad[chosen] < 0 ? "lower" : "raise"} it by ${Math.abs(grad[chosen]).toPrecision(2)} %.`;
  if (!met) return `${beside} ${claim}`;
  const far = ahead === 1 ? "one step ahead" : ahead < Infinity ? `${ahead} steps ahead` : "to the end";
  return `${still ? "At rest after" : "After"} ${met} meta-step${met > 1 ? "s" : ""}, looking ${far}. ${beside}`;
}

function render({ model, el }) {
  const h = model.get("curvatures"), start = model.get("start"), first = model.get("rates").slice(), T = first.length;
  const [rowT, which, shownT] = labelled("step", { min: 1, max: T, step: 1, value: 1, "aria-label": "Which step is chosen" });
  const [rowE, rate, shownE] = labelled("its rate", { min: LEAST, max: MOST, step: 0.01, value: first[0], "aria-label": "Learning rate of the chosen step" });
  const [rowS, loud, shownS] = labelled("noise s²", { min: NOISES[0], max: NOISES[1], step: 0.005, value: model.get("noise"), "aria-label": "Variance s² of the gradient's noise" });
  const button = (text, attributes) => html("button", { type: "button", text, ...attributes });
  const play = button("▶ Let it learn", { class: "play" }), once = button("One meta-step"), flat = button("Best constant"), wave = button("Best cosine"), back = button("Back");
  const look = radios("Look ahead", ["1 step", "5 steps", "to the end"], (k) => { model.set("ahead", k); model.save_changes(); });
  const [schedule, drawRates, toStep] = ratesPanel(T), [course, drawLoss] = lossPanel(T), [claims, drawClaims] = gradientPanel(T), [rest, drawRest] = restPanel(h);
  const numbers = ["loss at the end", "best constant", "norm of the hypergradient", "meta-steps"].map((name) => [name, html("output")]);
  const table = html("div", { class: "numbers" }, ...numbers.map(([name, output]) => html("span", {}, html("small", { text: name }), output)));
  const summary = html("p", { class: "summary", role: "status", "aria-live": "polite" });
  const root = html("div", { class: "mc-widget mc-bend", role: "group", "aria-label": "A learning-rate schedule bent by hand" },
    html("div", { class: "bar" }, play, once, flat, wave, back), html("div", { class: "bar" }, look), table,
    html("div", { class: "panels" }, schedule, course, claims, rest), html("div", { class: "turns still" }, rowT, rowE, rowS), summary);
  el.append(root);

  let rates = first.slice(), met = 0, timer = 0, told = 0, best = null, seen = null, still = false;
  const motion = window.matchMedia("(prefers-reduced-motion: reduce)"), chosen = () => Number(which.value) - 1, ahead = () => LENGTHS[model.get("ahead")], noise = () => Number(loud.value);
  const update = () => {
    const A = moments(rates, h, noise(), start), old = moments(rates, h, 0, start)[T], losses = A.map((a) => lossOf(a, h)), F = losses[T];
    const whole = elasticities(rates, h, noise(), A, Infinity), bestRate = best.rates[0];
    seen = ahead() === Infinity ? whole : elasticities(rates, h, noise(), A, ahead());
    drawRates(rates, chosen(), bestRate); drawLoss(losses, best.losses); drawClaims(whole, seen, chosen());
    drawRest(old.map((a, i) => 0.5 * a * h[i]), A[T].map((a, i) => 0.5 * a * h[i]));
    rate.value = rates[chosen()];
    [shownT.textContent, shownE.textContent, shownS.textContent] = [which.value, rates[chosen()].toFixed(2), noise().toFixed(3)];
    [F.toPrecision(3), `${best.losses[T].toPrecision(3)} (η = ${bestRate.toFixed(2)})`, Math.hypot(...whole).toPrecision(2), met].forEach((text, k) => { numbers[k][1].textContent = text; });
    which.setAttribute("aria-valuetext", `step ${which.value}, rate ${rates[chosen()].toFixed(2)}`);
    rate.setAttribute("aria-valuetext", `rate ${rates[chosen()].toFixed(2)}, loss at the end ${F.toPrecision(3)}`);
    loud.setAttribute("aria-valuetext", `s² = ${noise().toFixed(3)}, loss at the end ${F.toPrecision(3)}`);
    Object.assign(root.dataset, { rates: rates.join(), losses: losses.join(), grad: whole.join(), seen: seen.join(), old: old.join(), best: best.losses[T], met });
    clearTimeout(told);
    told = setTimeout(() => { summary.textContent = advice({ F, best: best.losses[T], bestRate, grad: whole, chosen: chosen(), ahead: ahead(), met, still }); }, 350); // once it rests
  };
  const pause = () => { clearTimeout(timer); timer = 0; play.textContent = "▶ Let it learn"; };
  const set = (next) => { rates = next; met = 0; still = false; model.set("rates", rates.slice()); model.save_changes(); update(); };
  const learn = () => {
    const next = metaStep(rates, seen);
    still = next.every((eta, t) => Math.abs(eta - rates[t]) < 2e-4 * rates[t]);
    rates = next; met += 1;
  };
  const again = () => { learn(); update(); timer = still || met >= 400 ? (pause(), 0) : setTimeout(again, 45); };
  const paint = ([t, eta], from = t) => {
    pause(); which.value = t + 1;
    const [low, high] = [Math.min(t, from), Math.max(t, from)];
    set(rates.map((v, k) => (k >= low && k <= high ? eta : v)));
  };
  const retune = () => { best = tuned("constant", T, h, noise(), start); met = 0; still = false; update(); };
  play.addEventListener("click", () => {
    if (timer) return pause();
    if (!motion.matches) { play.textContent = "■ Pause"; return again(); }
    still = false; // no animation: a hundred meta-steps at once
    for (let k = 0; k < 100 && !still; k++) { learn(); const A = moments(rates, h, noise(), start); seen = elasticities(rates, h, noise(), A, ahead()); }
    update();
  });
  once.addEventListener("click", () => { pause(); learn(); update(); });
  flat.addEventListener("click", () => { pause(); set(best.rates.slice()); });
  wave.addEventListener("click", () => { pause(); set(tuned("cosine", T, h, noise(), start).rates); });
  back.addEventListener("click", () => { pause(); set(first.slice()); });
  which.addEventListener("input", update);
  rate.addEventListener("input", () => paint([chosen(), kept(Number(rate.value))]));
  loud.addEventListener("input", () => { pause(); model.set("noise", noise()); model.save_changes(); });
  let last = 0;
  drag(schedule.querySelector("svg"), (px, py) => { const at = toStep(px, py); last = at[0]; paint(at); return true; }, (px, py) => { const at = toStep(px, py); paint(at, last); last = at[0]; });
  const heard = () => { pause(); loud.value = model.get("noise"); retune(); };
  const turned = () => { look.querySelectorAll("input")[model.get("ahead")].checked = true; met = 0; still = false; update(); };
  const bent = () => { if (model.get("rates").join() !== rates.join()) { rates = model.get("rates").slice(); met = 0; still = false; update(); } };
  const hooks = [["change:noise", heard], ["change:ahead", turned], ["change:rates", bent]];
  hooks.forEach(([name, hook]) => model.on(name, hook));
  retune(); turned();
  return () => { pause(); clearTimeout(told); hooks.forEach(([name, hook]) => model.off(name, hook)); };
}

export default { render };
