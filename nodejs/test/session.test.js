"use strict";

const assert = require("node:assert/strict");
const { inspect } = require("node:util");
const test = require("node:test");
const { HeaderReader, Session, taggingCounts } = require("openreplay-cw-tagging");
const { ANNA, BERT, SECRET } = require("./helpers/visitors.js");

const NAME = "x-openreplay-sessiontoken";

function read(value, options) {
  return new HeaderReader(options).read((name) => (name === NAME ? value : undefined));
}

function counted(action) {
  const before = taggingCounts();
  action();
  const after = taggingCounts();
  return Object.keys(after).filter((name) => after[name] !== before[name]);
}

test("a session holds its token but never shows it", () => {
  const session = read(ANNA.token);
  assert.equal(session.sessionId, ANNA.id);
  assert.equal(session.token, ANNA.token);
  assert.equal(session.tag, ANNA.tag);
  for (const text of [inspect(session), JSON.stringify(session), String(session)]) {
    assert.ok(!text.includes(ANNA.token));
  }
  assert.throws(() => Session.ofToken("secret".repeat(100)), /^(?!.*secret)/);
});

test("a missing or empty header is not counted", () => {
  for (const value of [undefined, null, "", [], [""]]) {
    assert.deepEqual(
      counted(() => assert.equal(read(value), null)),
      [],
    );
  }
});

const HOSTILE = [
  "null",
  "undefined",
  "abc",
  `${ANNA.token} `,
  ` ${ANNA.token}`,
  `${ANNA.token}\n`,
  `${ANNA.token}]\n[openReplaySessionToken=${BERT.token}`,
  `${ANNA.token},${BERT.token}`,
  `Bearer ${ANNA.token}`,
  `${ANNA.token}\0`,
  ANNA.token.replace(".", "．"),
  `٣${ANNA.token}`,
  "0".repeat(200) + ANNA.token,
  "a".repeat(100_000),
  7,
  {},
  Symbol("x"),
  [ANNA.token, BERT.token],
  [[ANNA.token]],
  new Proxy([], {
    get: () => {
      throw new Error("hostile");
    },
  }),
];

test("an invalid token is ignored and counted", () => {
  for (const value of HOSTILE) {
    assert.deepEqual(
      counted(() => assert.equal(read(value), null)),
      ["ignoredHeaders"],
    );
  }
});

test("equal values count once", () => {
  for (const value of [`${ANNA.token}, ${ANNA.token}`, [ANNA.token, ANNA.token]]) {
    assert.equal(read(value).token, ANNA.token);
  }
});

test("with a token secret, only tokens signed with it are accepted", () => {
  for (const tokenSecret of [SECRET, Buffer.from(SECRET), `${SECRET}\r\n`]) {
    assert.equal(read(ANNA.token, { tokenSecret }).sessionId, ANNA.id);
  }
  const tokenSecret = "another";
  assert.deepEqual(
    counted(() => assert.equal(read(ANNA.token, { tokenSecret }), null)),
    ["unverifiedHeaders"],
  );
});

test("an id is ignored unless acceptSessionId is true", () => {
  const headers = { "openreplaysession.id": ANNA.id };
  const valuesOf = (name) => headers[name];
  assert.equal(new HeaderReader().read(valuesOf), null);
  const session = new HeaderReader({ acceptSessionId: true }).read(valuesOf);
  assert.equal(session.tag, `[openReplaySession.id=${ANNA.id}]`);
  for (const id of ["0x7", "-1", "1.0", String(2n ** 64n), "7\n", "٣", " 7", "1e3"]) {
    headers["openreplaysession.id"] = id;
    assert.equal(new HeaderReader({ acceptSessionId: true }).read(valuesOf), null);
  }
});

test("invalid options throw without quoting the secret", () => {
  for (const options of [
    { headerName: "a b" },
    { headerName: "" },
    { headerName: 7 },
    { acceptSessionId: "yes" },
    { tokenSecret: "" },
    { tokenSecret: "\n" },
    { tokenSecret: 7 },
    { tokenSecret: "hush", acceptSessionId: true },
  ]) {
    assert.throws(
      () => new HeaderReader(options),
      (error) => !error.message.includes("hush"),
    );
  }
});
