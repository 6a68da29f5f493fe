// What is wider than the page scrolls within its own box: let the keyboard reach those boxes, and only those.
(() => {
  "use strict";
  const BOXES = ".formula, div.highlight pre, .pst-scrollable-table-container, div.cell_output .output, .anywidget-static";

  function mark() {
    for (const box of document.querySelectorAll(BOXES)) {
      const style = getComputedStyle(box);
      const scrolls = box.scrollWidth > box.clientWidth + 1 && /auto|scroll/.test(style.overflowX);
      if (scrolls) box.tabIndex = 0;
      else if (box.getAttribute("tabindex") === "0") box.removeAttribute("tabindex");
    }
  }

  let waiting = 0;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(mark, 50);
  };
  document.addEventListener("DOMContentLoaded", () => {
    mark();
    new ResizeObserver(soon).observe(document.body);
  });
  window.addEventListener("load", mark);
  window.addEventListener("resize", soon);
  document.fonts?.addEventListener("loadingdone", soon);
  document.addEventListener("toggle", soon, true);
  document.addEventListener("change", soon); // a switch that shows other formulas

  // Paper is white: print in the light theme whatever is on the screen.
  const root = document.documentElement;
  let theme = null;
  window.addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    if (theme) root.dataset.theme = theme;
  });
})();
