/**
 * Load the original handler of a Lambda function as Lambda's runtime does.
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
 * @param {string} root the directory of the function's code
 * @param {string} name the path of a module, relative to `root` or absolute, without its extension;
 *   a dot; and the name of an export
 * @returns {Promise<Function>}
 * @throws {Error} `Runtime.HandlerNotFound`: the module does not export such a function. Errors of
 *   the module itself pass through.
 */
async function loadHandler(root, name) {
  const base = path.basename(name);
  const dot = base.indexOf(".");
  const file = path.resolve(root, path.dirname(name), base.slice(0, dot));
  const found = await loadModule(file, root);
  const names = base.slice(dot + 1).split(".");
  // The runtime for Node.js 24 also searches the default export.
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
  // A package, possibly in a layer.
  return require(require.resolve(path.basename(file), { paths: [root, path.dirname(file)] }));
}

function loadScript(require, script) {
  try {
    return require(script);
  } catch (error) {
    // An ES module with top-level await; the runtime for Node.js 24 imports it.
    if (error?.code === "ERR_REQUIRE_ASYNC_MODULE") return importFile(script);
    throw error;
  }
}

function importFile(file) {
  return import(pathToFileURL(file).href);
}

/** Return whether the nearest `package.json` declares `.js` files as ES modules. */
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

/** Return the header options that an environment sets; none if any value is invalid. */
function readerOptions(environment) {
  try {
    const { headerName, tokenSecret } = optionsOf(environment);
    return { headerName, tokenSecret };
  } catch {
    // register.js has reported the error.
    return {};
  }
}

module.exports = { loadHandler, readerOptions };
