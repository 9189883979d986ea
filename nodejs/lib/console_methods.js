/**
 * The session tag on what the console's methods write, to stdout as well.
 *
 * @module
 */
"use strict";

const { currentSession, runAsNobody } = require("./context.js");
const { isLambdaConsole, patchLambdaConsole } = require("./lambda_console.js");
const { runInConsole } = require("./streams.js");

const LEVEL_BY_METHOD = {
  debug: 20,
  info: 30,
  log: 30,
  dir: 30,
  dirxml: 30,
  table: 30,
  group: 30,
  groupCollapsed: 30,
  count: 30,
  timeEnd: 30,
  timeLog: 30,
  countReset: 40,
  warn: 40,
  assert: 40,
  error: 50,
  trace: 50,
};

/** Have the lines of the global console tagged. */
function patchConsole(patches) {
  if (isLambdaConsole()) patchLambdaConsole(patches);
  else patchStreamConsole(patches);
}

function patchStreamConsole(patches) {
  for (const [method, level] of Object.entries(LEVEL_BY_METHOD)) {
    patches.replace(console, method, (original) => {
      return function (...args) {
        if (!patches.on || currentSession() === null) return Reflect.apply(original, this, args);
        const write = () => Reflect.apply(original, this, args);
        return level < patches.level ? runAsNobody(write) : runInConsole(write);
      };
    });
  }
}

module.exports = { patchConsole };
