/**
 * Install the tagging without changing the application's code.
 *
 * Run `node --require openreplay-cw-tagging/register app.js`; `--import` works too. `README.md`
 * lists the environment variables.
 *
 * @module
 */
"use strict";

const { optionsOf } = require("./lib/environment.js");
const { install } = require("./lib/installation.js");

try {
  install(optionsOf(process.env));
} catch (error) {
  // An invalid option must not keep the application from starting.
  process.stderr.write(`openreplay-cw-tagging: tagging is disabled: ${error.message}\n`);
}
