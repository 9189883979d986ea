/**
 * Patch the loggers that the application loads, before or after `install()`.
 *
 * @module
 */
"use strict";

const Module = require("node:module");
const { count } = require("./counts.js");
const { patchLogger } = require("./loggers.js");

// The package name or, as `import` requests it, the path of a file in the package.
const LOGGER_PATH = /(?:^|[\\/]node_modules[\\/])(?:pino|winston|bunyan)(?:$|[\\/])/;

/** Patch all copies of pino, winston and bunyan, whether loaded now or later. */
function patchModules(patches) {
  for (const [name, module] of Object.entries(require.cache)) {
    if (module?.loaded) patchIfLogger(patches, name, module.exports);
  }
  patches.replace(Module, "_load", (original) => {
    return function (request) {
      const loaded = Reflect.apply(original, this, arguments);
      if (patches.on) patchIfLogger(patches, request, loaded);
      return loaded;
    };
  });
}

function patchIfLogger(patches, name, loaded) {
  try {
    if (typeof name === "string" && LOGGER_PATH.test(name)) patchLogger(patches, loaded);
  } catch {
    count("untaggedTexts");
  }
}

module.exports = { patchModules };
