"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { run } = require("./helpers/run.js");
const { ANNA, BERT, linesOf, ownerOf } = require("./helpers/visitors.js");

const KINDS = [
  ...["thrown", "in_a_timer", "in_a_stream", "rejected", "rejected_text"],
  // By useSessionToken(), where the work has ended by then.
  ...["used", "used_later"],
];

/** The lines of a report, by whose they are. */
function owners(stderr) {
  const lines = linesOf(stderr);
  assert.ok(!lines.some((line) => ownerOf(line) === BERT), stderr);
  return lines.filter((line) => ownerOf(line) === ANNA);
}

for (const kind of KINDS) {
  test(`Node's own report of an error that was ${kind}`, async () => {
    const { stderr, code } = await run("uncaught.js", { env: { KIND: kind } });
    const plain = await run("uncaught.js", { env: { KIND: kind }, flags: [] });
    assert.equal(code, plain.code);
    const tagged = owners(stderr);
    assert.match(tagged[0], /anna fails/);
    assert.ok(tagged.length > 1 || !plain.stderr.includes("\n    at "), stderr);
    // The line of the application that threw it, and not one of this package.
    if (!kind.startsWith("used")) assert.equal(linesOf(stderr)[0], linesOf(plain.stderr)[0]);
  });

  test(`the application's listener for an error that was ${kind}`, async () => {
    const { stderr, code } = await run("uncaught.js", { env: { KIND: kind, LISTEN: "yes" } });
    assert.equal(code, 0, stderr);
    assert.match(owners(stderr)[0], /heard .*anna fails/);
    assert.equal(owners(stderr).length, linesOf(stderr).length, stderr);
  });
}

for (const kind of ["caught", "shared"]) {
  test(`an error of nobody's that is thrown after a visitor's was ${kind}`, async () => {
    const { stderr } = await run("uncaught.js", { env: { KIND: kind } });
    assert.match(stderr, /nobody fails/);
    assert.deepEqual(owners(stderr), []);
  });
}

test("errors that cannot be written to end the process as before", async () => {
  for (const kind of ["frozen", "hostile", "primitive"]) {
    const { stderr, code } = await run("uncaught.js", { env: { KIND: kind } });
    const plain = await run("uncaught.js", { env: { KIND: kind }, flags: [] });
    assert.equal(code, plain.code);
    assert.equal(linesOf(stderr)[0], linesOf(plain.stderr)[0]);
  }
});

test("warnings", async () => {
  const { stderr } = await run("uncaught.js", { env: { KIND: "warning" } });
  assert.match(owners(stderr)[0], /Warning: anna fails/);
});
