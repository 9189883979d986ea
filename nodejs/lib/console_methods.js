/**
 * Tag what console methods write, to stdout as well as stderr.
 *
 * @module
 */
"use strict";

const { currentSession, runWithoutSession } = require("./context.js");
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

/** Patch the global console to tag its lines. */
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
        return level < patches.level ? runWithoutSession(write) : runInConsole(write);
      };
    });
  }
}

module.exports = { patchConsole };
