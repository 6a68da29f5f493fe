// Typesets formulas for katex_static.py: one JSON request a line on stdin, one JSON answer a line on stdout.
// Usage: node katex_worker.js <folder of the katex package>
"use strict";
const katex = require(process.argv[2]);
const lines = require("node:readline").createInterface({ input: process.stdin });

lines.on("line", (line) => {
  const { tex, options } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(tex, options) };
  } catch (fault) {
    answer = { fault: String((fault && fault.message) || fault) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
