"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { run } = require("./helpers/run.js");
const { ANNA, BERT, linesOf, visitorOf } = require("./helpers/visitors.js");

const KINDS = [
  ...["thrown", "in_a_timer", "in_a_stream", "rejected", "rejected_text"],
  // Thrown in useSessionToken(), whose scope has ended when Node.js reports the error.
  ...["used", "used_later"],
];

/** Return the lines of a report that have Anna's tag; no line may have Bert's. */
function taggedLines(stderr) {
  const lines = linesOf(stderr);
  assert.ok(!lines.some((line) => visitorOf(line) === BERT), stderr);
  return lines.filter((line) => visitorOf(line) === ANNA);
}

for (const kind of KINDS) {
  test(`Node.js reports an error with the tag of its session: ${kind}`, async () => {
    const { stderr, code } = await run("uncaught.js", { env: { KIND: kind } });
    const plain = await run("uncaught.js", { env: { KIND: kind }, flags: [] });
    assert.equal(code, plain.code);
    const tagged = taggedLines(stderr);
    assert.match(tagged[0], /anna fails/);
    assert.ok(tagged.length > 1 || !plain.stderr.includes("\n    at "), stderr);
    // The first line names the application's code that threw, not this package.
    if (!kind.startsWith("used")) assert.equal(linesOf(stderr)[0], linesOf(plain.stderr)[0]);
  });

  test(`the application's listener runs in the session of an error: ${kind}`, async () => {
    const { stderr, code } = await run("uncaught.js", { env: { KIND: kind, LISTEN: "yes" } });
    assert.equal(code, 0, stderr);
    assert.match(taggedLines(stderr)[0], /heard .*anna fails/);
    assert.equal(taggedLines(stderr).length, linesOf(stderr).length, stderr);
  });
}

for (const kind of ["caught", "shared"]) {
  test(`an error without a session has no tag after a visitor's error was ${kind}`, async () => {
    const { stderr } = await run("uncaught.js", { env: { KIND: kind } });
    assert.match(stderr, /nobody fails/);
    assert.deepEqual(taggedLines(stderr), []);
  });
}

test("errors whose stack cannot be changed end the process as before", async () => {
  for (const kind of ["frozen", "hostile", "primitive"]) {
    const { stderr, code } = await run("uncaught.js", { env: { KIND: kind } });
    const plain = await run("uncaught.js", { env: { KIND: kind }, flags: [] });
    assert.equal(code, plain.code);
    assert.equal(linesOf(stderr)[0], linesOf(plain.stderr)[0]);
  }
});

test("warnings have the tag of the request that emits them", async () => {
  const { stderr } = await run("uncaught.js", { env: { KIND: "warning" } });
  assert.match(taggedLines(stderr)[0], /Warning: anna fails/);
});
