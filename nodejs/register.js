/**
 * `node --require openreplay-cw-tagging/register app.js`, or `--import`: tags an application whose
 * code does not change. `README.md` lists the environment variables.
 *
 * @module
 */
"use strict";

const { optionsOf } = require("./lib/environment.js");
const { install } = require("./lib/installation.js");

try {
  install(optionsOf(process.env));
} catch (error) {
  // The application starts all the same.
  process.stderr.write(`openreplay-cw-tagging: no line is tagged, ${error.message}\n`);
}
