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
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(mark);
  };
  window.addEventListener("load", soon);
  window.addEventListener("resize", soon);
  document.addEventListener("toggle", soon, true);
  document.addEventListener("DOMContentLoaded", () => {
    soon();
    document.fonts?.ready.then(soon);
  });
})();
