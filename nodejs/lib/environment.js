/**
 * Read the options of `install()` from environment variables.
 *
 * @module
 */
"use strict";

const { levelNumber } = require("./levels.js");
const { HeaderReader } = require("./session.js");

const VARIABLES = {
  OPENREPLAY_TAG_STDOUT: (value) => ({ stdout: value === "true" }),
  OPENREPLAY_TAG: (value) => ({ tag: value === "id" ? "id" : "token" }),
  OPENREPLAY_TAG_LEVEL: (value) => ({ level: levelNumber(value) }),
  OPENREPLAY_SESSION_TOKEN_HEADER: (value) => checked({ headerName: value }),
  OPENREPLAY_TOKEN_SECRET: (value) => checked({ tokenSecret: value }),
};

/**
 * Return the options that an environment sets.
 *
 * @throws {TypeError} a value is invalid. The message names the variable and omits the value, which
 *   may be the secret.
 */
function optionsOf(environment) {
  const options = {};
  for (const [name, read] of Object.entries(VARIABLES)) {
    if (!environment[name]) continue;
    try {
      Object.assign(options, read(environment[name]));
    } catch {
      throw new TypeError(`${name} has an invalid value`);
    }
  }
  return options;
}

function checked(options) {
  new HeaderReader(options);
  return options;
}

module.exports = { optionsOf };
