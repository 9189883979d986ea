/** Run test programs in child processes and return their output. */
"use strict";

const { spawn } = require("node:child_process");
const path = require("node:path");

const ROOT = path.join(__dirname, "..", "..");
const REGISTER = path.join(ROOT, "register.js");

/**
 * Run a program of `test/programs`, or source code.
 *
 * @param {string} program the name of a file, or the code itself
 * @param {{flags?: string[], env?: object, isModule?: boolean}} options
 * @returns {Promise<{stdout: string, stderr: string, code: number | null}>}
 */
function run(program, { flags = ["--require", REGISTER], env = {}, isModule = false } = {}) {
  const isFile = /^\w+\.m?js$/.test(program);
  const source = isFile
    ? [path.join(__dirname, "..", "programs", program)]
    : [...(isModule ? ["--input-type=module"] : []), "--eval", program];
  const child = spawn(process.execPath, [...flags, ...source], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (text) => (written[name] += text));
  }
  return new Promise((resolve) => child.on("close", (code) => resolve({ ...written, code })));
}

module.exports = { REGISTER, ROOT, run };
