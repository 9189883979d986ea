/**
 * Loggers that the application loads, before or after the tagging is installed.
 *
 * @module
 */
"use strict";

const Module = require("node:module");
const { count } = require("./counts.js");
const { patchLogger } = require("./loggers.js");

// The name itself, or a file of that package, which is what `import` asks for.
const A_LOGGER = /(?:^|[\\/]node_modules[\\/])(?:pino|winston|bunyan)(?:$|[\\/])/;

/** Have pino, winston and bunyan tagged wherever the application gets them from. */
function patchModules(patches) {
  for (const [name, module] of Object.entries(require.cache)) {
    if (module?.loaded) look(patches, name, module.exports);
  }
  patches.replace(Module, "_load", (original) => {
    return function (request) {
      const loaded = Reflect.apply(original, this, arguments);
      if (patches.on) look(patches, request, loaded);
      return loaded;
    };
  });
}

function look(patches, name, loaded) {
  try {
    if (typeof name === "string" && A_LOGGER.test(name)) patchLogger(patches, loaded);
  } catch {
    count("untaggedTexts");
  }
}

module.exports = { patchModules };
