"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const test = require("node:test");
const { loadHandler } = require("../lib/lambda_function.js");

const FILES = {
  "index.js": "exports.handler = () => 'index'; exports.a = { b: () => 'nested' };",
  "src/deep/orders.cjs": "exports.handler = () => 'cjs';",
  "src/modern.mjs": "await null; export const handler = () => 'mjs';",
  "src/defaulted.mjs": "export default { handler: () => 'default' };",
  plain: "exports.handler = () => 'extensionless';",
  "typed/package.json": '{"type": "module"}',
  "typed/orders.js": "export const handler = () => 'module';",
  "typed/node_modules/own/index.js": "exports.handler = () => 'own package';",
  "node_modules/pk/index.js": "exports.handler = () => 'package';",
  "src/none.js": "exports.other = 1;",
};

const HANDLERS = [
  ["index.handler", "index"],
  ["./index.handler", "index"],
  ["index.a.b", "nested"],
  ["src/deep/orders.handler", "cjs"],
  ["src/modern.handler", "mjs"],
  ["src/defaulted.handler", "default"],
  ["plain.handler", "extensionless"],
  ["typed/orders.handler", "module"],
  ["typed/node_modules/own/index.handler", "own package"],
  ["pk.handler", "package"],
  ["src/pk.handler", "package"],
];

test("finds handlers as Lambda's runtime does", async () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "function-"));
  for (const [name, text] of Object.entries(FILES)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }
  for (const [name, result] of HANDLERS) {
    assert.equal((await loadHandler(root, name))(), result, name);
  }
  assert.equal((await loadHandler("/", `${root}/index.handler`))(), "index");
  for (const name of ["src/none.handler", "src/none.other", "index.a"]) {
    await assert.rejects(loadHandler(root, name), { name: "Runtime.HandlerNotFound" });
  }
  await assert.rejects(loadHandler(root, "missing.handler"), { code: "MODULE_NOT_FOUND" });
  fs.rmSync(root, { recursive: true });
});
