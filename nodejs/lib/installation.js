/**
 * Install and uninstall the tagging of everything that this process writes.
 *
 * @module
 */
"use strict";

const { syncBuiltinESMExports } = require("node:module");
const { inspect } = require("node:util");
const { patchConsole } = require("./console_methods.js");
const { levelNumber } = require("./levels.js");
const { isLogger, patchLogger } = require("./loggers.js");
const { patchModules } = require("./modules.js");
const { Patches } = require("./patching.js");
const { setReplayUrl } = require("./replay_links.js");
const { patchServers } = require("./servers.js");
const { HeaderReader, setIdTags } = require("./session.js");
const { patchSharedResources } = require("./shared_resources.js");
const { patchStream } = require("./streams.js");
const { patchProcess } = require("./uncaught.js");

const OPTIONS = [
  "stdout",
  "tag",
  "level",
  "servers",
  "loggers",
  "headerName",
  "acceptSessionId",
  "tokenSecret",
  "replayUrl",
];

const patches = new Patches();
let isTaggingStdout = false;
let reader = new HeaderReader();

/** Tag everything that this process writes in a session; see `index.d.ts`. */
function install(options = {}) {
  check(options);
  const { stdout, tag, level, servers = true, loggers = [], replayUrl } = options;
  const number = level === undefined ? undefined : levelNumber(level);
  const isReaderGiven = ["headerName", "acceptSessionId", "tokenSecret"].some(
    (name) => options[name] !== undefined,
  );
  const given = isReaderGiven ? new HeaderReader(options) : reader;
  if (replayUrl !== undefined) setReplayUrl(replayUrl);
  reader = given;
  if (tag !== undefined) setIdTags(tag === "id");
  if (stdout !== undefined) isTaggingStdout = stdout;
  patches.on = true;
  if (number !== undefined) patches.level = number;
  patchStream(patches, process.stderr, () => true);
  patchStream(patches, process.stdout, () => isTaggingStdout);
  patchConsole(patches);
  patchProcess(patches);
  patchSharedResources(patches);
  if (servers) patchServers(patches, () => reader);
  patchModules(patches);
  for (const logger of loggers) patchLogger(patches, logger);
  syncBuiltinESMExports();
}

/** Undo `install()`; see `index.d.ts`. */
function uninstall() {
  patches.undo();
  syncBuiltinESMExports();
  setIdTags(false);
  setReplayUrl(undefined);
  isTaggingStdout = false;
  reader = new HeaderReader();
}

function check(options) {
  if (typeof options !== "object" || options === null) {
    throw new TypeError("install() expects an object of options");
  }
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(
      `install() has no option ${inspect(unknown)}; its options are ${OPTIONS.join(", ")}`,
    );
  }
  const { tag, stdout, servers, loggers } = options;
  if (tag !== undefined && tag !== "token" && tag !== "id") {
    // Quote only the beginning: the value may be a session token.
    throw new TypeError(
      `tag must be "token" or "id", not ${inspect(tag, { depth: 0 }).slice(0, 12)}`,
    );
  }
  for (const [name, value] of Object.entries({ stdout, servers })) {
    if (value !== undefined && typeof value !== "boolean") {
      throw new TypeError(`${name} must be true or false`);
    }
  }
  if (loggers !== undefined && !(Array.isArray(loggers) && loggers.every(isLogger))) {
    throw new TypeError("loggers must be an array of the modules pino, winston or bunyan");
  }
}

module.exports = { install, uninstall };
