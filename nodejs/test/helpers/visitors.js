/** Two visitors, and what must be true of every line of theirs. */
"use strict";

const assert = require("node:assert/strict");

const ANNA = {
  id: "4118144119896553030",
  token: "vacw97eg4wna.11.mwtr1uo0.2f7cCkTdioBMXoRRByw76Uv3EKq9FzsQ9U11UxzHcxjG",
};
const BERT = {
  id: "16086839093308416",
  token: "4eeb3uua1hc.-5.mwtr1uo0.C3QL65Smf2PL9UUndLbQ4oAwhtKKJeTGqK6Rr2gYt8cJ",
};
const VISITORS = [ANNA, BERT];
const SECRET = "a-secret-for-tests";

for (const visitor of VISITORS) {
  visitor.headers = { "X-OpenReplay-SessionToken": visitor.token };
  visitor.tag = `[openReplaySessionToken=${visitor.token}]`;
  visitor.field = `"openReplaySessionToken": "${visitor.token}"`;
}

/** The lines of a text that are not blank. */
function linesOf(text) {
  return text.split("\n").filter((line) => line.trim() !== "");
}

/** Whose a line is by the tag, or the field, that it has once; null: nobody's. */
function ownerOf(line) {
  const found = VISITORS.flatMap((one) => Array(line.split(one.token).length - 1).fill(one));
  assert.ok(found.length <= 1, `several tags: ${line}`);
  return found[0] ?? null;
}

/**
 * Every line that says whose it is must be that visitor's: the word "anna", "bert" or "nobody".
 *
 * @returns {string[]} the lines
 */
function checkOwners(text, { missing = [] } = {}) {
  const names = new Map([
    ["anna", ANNA],
    ["bert", BERT],
    ["nobody", null],
  ]);
  const lines = linesOf(text);
  for (const line of lines) {
    const name = /\b(anna|bert|nobody)\b/.exec(line)?.[0];
    assert.ok(name, `nobody knows whose this is: ${line}`);
    const isMissing = missing.some((pattern) => pattern.test(line));
    assert.equal(ownerOf(line), isMissing ? null : names.get(name), line);
  }
  return lines;
}

module.exports = { ANNA, BERT, SECRET, VISITORS, checkOwners, linesOf, ownerOf };
