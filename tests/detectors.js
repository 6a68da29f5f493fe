// Run inside a page by browsertools.py: each function returns what is wrong, as sentences.
({
  rawTex() {
    const command = "begin|end|frac|nabla|mathbb|mathrm|top|lambda|sigma|psi|log|det|left|right|sum|E|R|d|tr|inner|norm";
    const inline = String.raw`(?<![\w$\\])\$(?![\s\d])[^$\n]{1,200}?(?<!\s)\$(?!\d)`;
    const tex = new RegExp(String.raw`\$\$|\\[a-zA-Z]+\{|\\(?:${command})\b|${inline}`);
    const skip = "code, pre, kbd, samp, script, style, template, noscript, textarea, annotation, .highlight";
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let n = walker.nextNode(); n; n = walker.nextNode()) {
      if (tex.test(n.data) && !n.parentElement.closest(skip)) found.push("raw TeX: " + n.data.trim().slice(0, 120));
    }
    for (const e of document.querySelectorAll(".katex-error")) {
      found.push("formula that failed: " + e.textContent.slice(0, 120));
    }
    if (tex.test(document.title)) found.push("raw TeX in the title: " + document.title);
    return found;
  },

  missingAlt() {
    const useless = /^(?:output image|image|figure|picture|plot|alt)?$|output image from code cell|\.(?:png|svg|jpe?g|webp)$/i;
    const furniture = "[aria-hidden='true'], button, summary, .btn, .katex, .toggle-button, .tb-icon, svg svg";
    const found = [];
    const say = (e, why) => found.push(why + ": " + e.outerHTML.slice(0, 140));
    for (const img of document.querySelectorAll("img, [role='img']:not(svg)")) {
      const text = (img.getAttribute("alt") ?? img.getAttribute("aria-label") ?? "").trim();
      if (!img.closest(furniture) && useless.test(text)) say(img, "image without real alt text");
    }
    for (const svg of document.querySelectorAll("svg")) {
      if (svg.closest(furniture)) continue;
      const elsewhere = document.getElementById(svg.getAttribute("aria-labelledby") || "")?.textContent;
      const inside = svg.querySelector(":scope > title")?.textContent;
      const text = (svg.getAttribute("aria-label") ?? elsewhere ?? inside ?? "").trim();
      if (svg.getAttribute("role") !== "img" || useless.test(text)) say(svg, "drawing without role img and real alt text");
    }
    return found;
  },

  /** What a slider is there to change: the drawings beside it, or, where there are none, the text. */
  picture(slider) {
    const box = slider.closest(".widget-place, .anywidget-static, figure, .cell_output") || slider.parentElement;
    const drawn = [...box.querySelectorAll("svg, canvas, img")];
    if (drawn.length) return drawn.map((e) => (e.tagName === "CANVAS" ? e.toDataURL() : e.outerHTML)).join("|");
    const copy = box.cloneNode(true);
    copy.querySelectorAll("input, output").forEach((e) => e.remove());
    return copy.innerHTML;
  },
})
