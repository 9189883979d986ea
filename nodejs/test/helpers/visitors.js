/** Two visitors, and assertions about the lines of their requests. */
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

/** Return the non-blank lines of a text. */
function linesOf(text) {
  return text.split("\n").filter((line) => line.trim() !== "");
}

/** Return the visitor whose token a line contains, or null. Fails if it has several tokens. */
function visitorOf(line) {
  const found = VISITORS.flatMap((visitor) =>
    Array(line.split(visitor.token).length - 1).fill(visitor),
  );
  assert.ok(found.length <= 1, `several tags: ${line}`);
  return found[0] ?? null;
}

/**
 * Assert that every line has the tag of the visitor that it names: "anna", "bert" or "nobody".
 *
 * @param {string} text
 * @param {{missing?: RegExp[]}} options `missing` matches lines that must have no tag
 * @returns {string[]} the non-blank lines
 */
function checkVisitors(text, { missing = [] } = {}) {
  const names = new Map([
    ["anna", ANNA],
    ["bert", BERT],
    ["nobody", null],
  ]);
  const lines = linesOf(text);
  for (const line of lines) {
    const name = /\b(anna|bert|nobody)\b/.exec(line)?.[0];
    assert.ok(name, `no visitor is named in: ${line}`);
    const isMissing = missing.some((pattern) => pattern.test(line));
    assert.equal(visitorOf(line), isMissing ? null : names.get(name), line);
  }
  return lines;
}

module.exports = { ANNA, BERT, SECRET, VISITORS, checkVisitors, linesOf, visitorOf };
