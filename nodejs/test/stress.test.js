"use strict";

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const path = require("node:path");
const { test } = require("node:test");
const { REGISTER } = require("./helpers/run.js");
const { checkVisitors, linesOf } = require("./helpers/visitors.js");

const PROGRAM = path.join(__dirname, "programs", "stress.js");

/** Run the program and return its exit code, stdout, stderr and the summary from descriptor 3. */
function stress() {
  const stdio = ["ignore", "pipe", "pipe", "pipe"];
  const child = spawn(process.execPath, ["--require", REGISTER, PROGRAM], { stdio });
  const written = ["", "", "", ""];
  for (const number of [1, 2, 3]) {
    child.stdio[number].setEncoding("utf8").on("data", (text) => (written[number] += text));
  }
  return new Promise((resolve) =>
    child.on("close", (code) => resolve([code, ...written.slice(1)])),
  );
}

test(
  "no line of thousands of concurrent requests has a wrong tag",
  { timeout: 120_000 },
  async () => {
    const [code, stdout, stderr, summary] = await stress();
    assert.equal(code, 0, stderr.slice(0, 2000));
    const { lines, callbacks } = JSON.parse(summary);
    // Only callbacks of a shared connection have no tag.
    const missing = { missing: [/ callback/] };
    const all = [...checkVisitors(stdout, missing), ...checkVisitors(stderr, missing)];
    const numbers = all.flatMap(
      (line) => /(?:"order":|\w )(\d+)\b/.exec(line.replace(/\[.*?\]/, ""))?.[1] ?? [],
    );
    const ofWinston = linesOf(stdout).filter(
      (line) => !/\d$/.test(line) && !line.includes('"order"'),
    );
    assert.equal(all.filter((line) => line.includes("callback")).length, callbacks);
    // A winston record has two lines and no number.
    assert.equal(new Set(numbers).size + (ofWinston.length - callbacks) / 2, lines);
    assert.ok(lines > 10_000);
  },
);
