"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { run } = require("./helpers/run.js");
const { checkOwners } = require("./helpers/visitors.js");

for (const kind of ["tcp", "tls", "worker"]) {
  test(`a pool of ${kind} that one visitor's request opens gives nobody that visitor's tag`, async () => {
    const { stdout, stderr, code } = await run("pools.js", { env: { KIND: kind } });
    assert.equal(code, 0, stderr);
    const lines = checkOwners(stdout, { missing: [/in a callback/] });
    assert.equal(lines.filter((line) => line.includes("bert in a callback")).length, 3, stdout);
    assert.equal(lines.filter((line) => line.includes("bert promised")).length, 3, stdout);
  });
}

test("keep-alive connections to other servers, and their errors", async () => {
  const { stdout, stderr, code } = await run("keep_alive.js");
  assert.equal(code, 0, stderr);
  const lines = checkOwners(stdout);
  for (const [word, times] of Object.entries({
    answered: 60,
    fetched: 60,
    refused: 60,
    served: 120,
  })) {
    assert.equal(lines.filter((line) => line.includes(word)).length, times, word);
  }
});

test("a worker thread has no session unless it is carried", async () => {
  const { stdout, stderr, code } = await run("worker_threads.js");
  assert.equal(code, 0, stderr);
  assert.equal(checkOwners(stdout).length, 3);
});
