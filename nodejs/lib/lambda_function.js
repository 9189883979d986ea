/**
 * The original handler of a Lambda function, found as Lambda's runtime finds it.
 *
 * The runtime is https://github.com/aws/aws-lambda-nodejs-runtime-interface-client
 * (`UserFunction.js`).
 *
 * @module
 */
"use strict";

const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { optionsOf } = require("./environment.js");

/**
 * Load the handler that a function's configuration names, such as `dist/orders.handler`.
 *
 * Errors of the module itself pass through.
 *
 * @param {string} root the folder with the function's code
 * @param {string} name a path in that folder or from /, a dot, and the name of an export
 * @returns {Promise<Function>}
 * @throws {Error} `Runtime.HandlerNotFound`: the module does not export the function.
 */
async function loadHandler(root, name) {
  const base = path.basename(name);
  const dot = base.indexOf(".");
  const file = path.resolve(root, path.dirname(name), base.slice(0, dot));
  const found = await loadModule(file, root);
  const names = base.slice(dot + 1).split(".");
  // The runtime for Node.js 24 also looks into the default export.
  const [handler] = [found, found?.default]
    .map((exported) => names.reduce((nested, key) => nested?.[key], exported))
    .filter(Boolean);
  if (typeof handler !== "function") {
    const error = new Error(
      `${name} is ${handler ? "not a function" : "undefined or not exported"}`,
    );
    error.name = "Runtime.HandlerNotFound";
    throw error;
  }
  return handler;
}

function loadModule(file, root) {
  const require = createRequire(path.join(root, "noop.js"));
  if (fs.existsSync(file)) return require(file);
  const script = `${file}.js`;
  if (fs.existsSync(script))
    return isModule(script) ? importFile(script) : loadScript(require, script);
  if (fs.existsSync(`${file}.mjs`)) return importFile(`${file}.mjs`);
  if (fs.existsSync(`${file}.cjs`)) return require(`${file}.cjs`);
  // A package, perhaps in a layer.
  return require(require.resolve(path.basename(file), { paths: [root, path.dirname(file)] }));
}

function loadScript(require, script) {
  try {
    return require(script);
  } catch (error) {
    // An ES module that awaits, which the runtime for Node.js 24 imports.
    if (error?.code === "ERR_REQUIRE_ASYNC_MODULE") return importFile(script);
    throw error;
  }
}

function importFile(file) {
  return import(pathToFileURL(file).href);
}

/** Whether the nearest `package.json` says that scripts are ES modules. */
function isModule(script) {
  for (let folder = path.dirname(script); ; folder = path.dirname(folder)) {
    if (path.basename(folder) === "node_modules") return false;
    const description = path.join(folder, "package.json");
    if (fs.existsSync(description)) {
      try {
        return JSON.parse(fs.readFileSync(description, "utf8"))?.type === "module";
      } catch {
        return false;
      }
    }
    if (folder === path.dirname(folder)) return false;
  }
}

/** The options of the header's reader out of an environment; none where a value cannot be read. */
function readerOptions(environment) {
  try {
    const { headerName, tokenSecret } = optionsOf(environment);
    return { headerName, tokenSecret };
  } catch {
    // The start-up has reported it.
    return {};
  }
}

module.exports = { loadHandler, readerOptions };
