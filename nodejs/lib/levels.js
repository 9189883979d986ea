/**
 * Log levels as numbers on the scale of pino and bunyan.
 *
 * @module
 */
"use strict";

const { inspect } = require("node:util");

const LEVELS = {
  // pino, bunyan
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  // winston: the names of npm and syslog
  silly: 10,
  verbose: 25,
  http: 27,
  notice: 35,
  warning: 40,
  crit: 55,
  alert: 57,
  emerg: 60,
};

/**
 * Return the number of a level.
 *
 * @param {unknown} level a number on pino's scale, also as text, or a name in any case
 * @throws {TypeError} the level is neither
 */
function levelNumber(level) {
  if (typeof level === "number" && level >= 0) return level;
  const name = typeof level === "string" ? level.toLowerCase() : "";
  if (Object.hasOwn(LEVELS, name)) return LEVELS[name];
  if (/^[0-9]{1,9}$/.test(name)) return Number(name);
  throw new TypeError(
    'level must be a level of pino, bunyan or winston, such as "warn" or 40, not ' +
      inspect(level, { depth: 0 }).slice(0, 40),
  );
}

/** Return the number of a record's level; Infinity if it is unknown, so that it is tagged. */
function numberOfRecord(level) {
  if (typeof level === "number") return level;
  return (typeof level === "string" && Object.hasOwn(LEVELS, level) && LEVELS[level]) || Infinity;
}

module.exports = { levelNumber, numberOfRecord };
