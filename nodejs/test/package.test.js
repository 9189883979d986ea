"use strict";

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const tagging = require("openreplay-cw-tagging");
const { ROOT } = require("./helpers/run.js");

const PACKAGE = require("openreplay-cw-tagging/package.json");
const text = (name) => fs.readFileSync(path.join(ROOT, name), "utf8");

test("npm pack contains the expected files", () => {
  const packed = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: ROOT,
  });
  const files = JSON.parse(packed)[0].files.map((file) => file.path);
  const expected = [
    ...[
      "LICENSE",
      "README.md",
      "package.json",
      "index.js",
      "index.mjs",
      "index.d.ts",
      "index.d.mts",
    ],
    ...["register.js", "register.d.ts", "lambda.mjs"],
    ...fs.readdirSync(path.join(ROOT, "lib")).map((name) => `lib/${name}`),
  ];
  assert.deepEqual(files.sort(), expected.sort());
});

test("the package has no dependencies", () => {
  for (const kind of ["dependencies", "peerDependencies", "optionalDependencies"]) {
    assert.equal(PACKAGE[kind], undefined);
  }
  for (const name of fs.readdirSync(path.join(ROOT, "lib"))) {
    for (const [, required] of text(`lib/${name}`).matchAll(/require\("([^"]+)"\)/g)) {
      assert.match(required, /^(node:|\.\/)/, name);
    }
  }
});

test("the types and the ES module export every name", () => {
  const declared = [
    ...text("index.d.ts").matchAll(/^export declare (?:const|function|class) (\w+)/gm),
  ];
  const exported = [...text("index.mjs").matchAll(/^ {2}(\w+),$/gm)];
  for (const names of [declared, exported]) {
    assert.deepEqual(names.map(([, name]) => name).sort(), Object.keys(tagging).sort());
  }
});

test("the types compile", { timeout: 120_000 }, () => {
  const compiler = path.join(ROOT, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [compiler, "--project", path.join(__dirname, "types")], {
    stdio: "inherit",
  });
});

test("the README names every environment variable", () => {
  const readme = text("README.md");
  for (const [name] of text("lib/environment.js").matchAll(/OPENREPLAY_\w+/g)) {
    assert.ok(readme.includes(name), name);
  }
});

test("no module has more than 300 lines", () => {
  for (const name of fs.readdirSync(path.join(ROOT, "lib"))) {
    assert.ok(text(`lib/${name}`).split("\n").length <= 300, name);
  }
});
