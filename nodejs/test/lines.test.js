"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { setField, tagJsonLine, tagText } = require("../lib/lines.js");
const { Session } = require("openreplay-cw-tagging");
const { ANNA, BERT } = require("./helpers/visitors.js");

const { tag, field } = ANNA;
const session = Session.ofToken(ANNA.token);

// tests/nodejs/test_vectors.py compares many more texts with Python's tag_text().
const TEXTS = [
  ["error", `${tag} error`],
  ["a\nb", `${tag} a\n${tag} b`],
  ["a\n\n  \nb\n", `${tag} a\n\n  \n${tag} b\n`],
  ["", ""],
  ["  at x", `${tag}   at x`],
  [`ERROR ${tag} x`, `ERROR ${tag} x`],
  [`he wrote ${BERT.tag} to ${tag}`, `${tag} he wrote ${BERT.tag} to `],
  ['{"message":"hi"}\n', `{${field}, "message":"hi"}\n`],
  ["{}", `{${field}}`],
  ["{ a: 1 }", `${tag} { a: 1 }`],
  ['{"a":1', `${tag} {"a":1`],
  [`{"a":1,"openReplaySessionToken":"${BERT.token}"}`, `{"a":1,${field}}`],
  [`{"a":1,"openReplaySession\\u0054oken" : "${BERT.token}"}`, `{"a":1,${field}}`],
  [`{"a": 1, "openReplaySession.id": "7", "b": 2}`, `{"a": 1, ${field}, "b": 2}`],
  [
    `{${field}, "openReplaySession": {"id": "${ANNA.id}"}}`,
    `{${field}, "openReplaySession": {"id": "${ANNA.id}"}}`,
  ],
  [`{"openReplaySession": {"id": "7", "id": "${ANNA.id}"}}`, `{${field}}`],
  [`{${field}, "a": 1 , ${field} }`, `{${field}, "a": 1 }`],
];

test("tags every line once, and JSON with a field", () => {
  for (const [text, tagged] of TEXTS) {
    assert.equal(tagText(text, tag), tagged);
    assert.equal(tagText(tagged, tag), tagged);
  }
});

test("tags a line of a JSON logger like any other JSON", () => {
  for (const text of [
    '{"a":1}\n',
    '{"a":"\\u001b"}\n',
    `{"openReplaySession.id":"7"}\n`,
    `{"openReplay\\u0053essionToken":"${BERT.token}"}\n`,
  ]) {
    assert.equal(tagJsonLine(text, session), tagText(text, tag));
  }
});

test("deep nesting and huge texts neither throw nor take quadratic time", () => {
  const before = performance.now();
  for (const text of [
    "{".repeat(200_000),
    `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
    `{"a":${"1".repeat(200_000)},"openReplaySession.id":"7"}`,
    `{"a":"${"\\\\".repeat(200_000)}"}`,
    `{${'"openReplaySession.id":"7",'.repeat(20_000)}"a":1}`,
    "x\n".repeat(100_000),
  ]) {
    const lines = tagText(text, tag)
      .split("\n")
      .filter((line) => line !== "");
    assert.ok(lines.every((line) => line.split(ANNA.token).length === 2));
  }
  assert.ok(performance.now() - before < 5000);
});

test("tags JSON that Python's parser rejects as text", () => {
  const deep = `{"a":${"[".repeat(300)}${"]".repeat(300)}}`;
  const long = `{"a":${"1".repeat(5000)}}`;
  for (const text of [deep, long]) assert.equal(tagText(text, tag), `${tag} ${text}`);
});

test("deletes fields of a record that name another session", () => {
  const record = {
    openReplaySessionToken: BERT.token,
    "openReplaySession.id": ANNA.id,
    openReplaySession: { id: BERT.id },
  };
  setField(record, session);
  assert.deepEqual(record, {
    openReplaySessionToken: ANNA.token,
    "openReplaySession.id": ANNA.id,
  });
});
