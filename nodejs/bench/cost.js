/**
 * Measure the cost of tagging a pino line, a console line and a request.
 *
 * Run `npm run bench`. Each measurement runs in separate processes, which alternate; the minimum
 * counts. "mixin" is the usual do-it-yourself solution: an AsyncLocalStorage and a pino mixin.
 */
"use strict";

const { spawnSync } = require("node:child_process");
const path = require("node:path");

const TURNS = 5;
const REGISTER = path.join(__dirname, "..", "register.js");
const PROGRAM = path.join(__dirname, "measured.js");

const WAYS = {
  pino: ["plain", "mixin", "tagged"],
  console: ["plain", "tagged"],
  request: ["plain", "mixin", "no session", "tagged"],
};

/** Return the nanoseconds of one call or request, measured in a new process. */
function measure(what, way) {
  const flags = way === "tagged" || way === "no session" ? ["--require", REGISTER] : [];
  const stdio = ["ignore", "ignore", "inherit", "pipe"];
  const { output } = spawnSync(process.execPath, [...flags, PROGRAM, what, way], { stdio });
  return Number(output[3]);
}

/** Return the CPU milliseconds of an empty program. */
function startUp(flags) {
  const source = "const { user, system } = process.cpuUsage(); console.log(user + system)";
  const { stdout } = spawnSync(process.execPath, [...flags, "--eval", source]);
  return Number(stdout) / 1000;
}

/** Return the minimum of several measurements for each way. The ways alternate. */
function least(ways, measured) {
  const found = ways.map(() => Infinity);
  for (let turn = 0; turn < TURNS; turn++) {
    ways.forEach((way, index) => (found[index] = Math.min(found[index], measured(way))));
  }
  return found;
}

for (const [what, ways] of Object.entries(WAYS)) {
  const found = least(ways, (way) => measure(what, way));
  const [plain] = found;
  ways.forEach((way, index) => {
    const ratio = (found[index] / plain).toFixed(2);
    console.log(`${what}, ${way}: ${Math.round(found[index])} ns, ${ratio} x plain`);
  });
  const mixin = ways.indexOf("mixin");
  if (mixin > 0)
    console.log(`${what}: tagged is ${(found.at(-1) / found[mixin]).toFixed(2)} x the mixin`);
}
const [bare, registered] = least([[], ["--require", REGISTER]], startUp);
console.log(`start-up: ${bare.toFixed(0)} ms, ${registered.toFixed(0)} ms with --require`);
