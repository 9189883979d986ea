"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { run } = require("./helpers/run.js");
const { checkVisitors } = require("./helpers/visitors.js");

for (const kind of ["tcp", "tls", "worker"]) {
  test(`a ${kind} pool does not keep the session of the request that opened it`, async () => {
    const { stdout, stderr, code } = await run("pools.js", { env: { KIND: kind } });
    assert.equal(code, 0, stderr);
    const lines = checkVisitors(stdout, { missing: [/in a callback/] });
    assert.equal(lines.filter((line) => line.includes("bert in a callback")).length, 3, stdout);
    assert.equal(lines.filter((line) => line.includes("bert promised")).length, 3, stdout);
  });
}

test("outgoing requests over keep-alive connections keep their session", async () => {
  const { stdout, stderr, code } = await run("keep_alive.js");
  assert.equal(code, 0, stderr);
  const lines = checkVisitors(stdout);
  for (const [word, times] of Object.entries({
    answered: 60,
    fetched: 60,
    refused: 60,
    served: 120,
  })) {
    assert.equal(lines.filter((line) => line.includes(word)).length, times, word);
  }
});

test("a worker thread has no session without useHeaders()", async () => {
  const { stdout, stderr, code } = await run("worker_threads.js");
  assert.equal(code, 0, stderr);
  assert.equal(checkVisitors(stdout).length, 3);
});
