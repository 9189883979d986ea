"use strict";

const assert = require("node:assert/strict");
const { Writable } = require("node:stream");
const { afterEach, test } = require("node:test");
const tagging = require("openreplay-cw-tagging");
const { ANNA, BERT, linesOf, ownerOf } = require("./helpers/visitors.js");

const bunyan = require("bunyan");
const pino = require("pino");
const winston = require("winston");

const { useSessionToken } = tagging;
const asAnna = (action) => useSessionToken(ANNA.token, action);
const { format } = winston;

/** A stream, and the text that has been written to it. */
function sink() {
  const stream = new Writable({
    write(chunk, _encoding, callback) {
      stream.text += chunk;
      callback();
    },
  });
  stream.text = "";
  return stream;
}

/** Each way to log: how a logger is made that writes to a stream. */
const LOGGERS = {
  pino: (stream) => pino({ level: "debug" }, stream),
  "a child of pino": (stream) =>
    pino({ level: "debug" }, stream).child({ openReplaySessionToken: BERT.token }),
  "pino with a mixin": (stream) =>
    pino({ level: "debug", mixin: () => ({ openReplaySessionToken: BERT.token }) }, stream),
  "pino in a nested key": (stream) => pino({ level: "debug", nestedKey: "payload" }, stream),
  winston: (stream) => winstonTo(stream),
  "winston with the transport's format": (stream) =>
    winston.createLogger({
      level: "debug",
      transports: [new winston.transports.Stream({ stream, format: format.json() })],
    }),
  "a child of winston": (stream) => winstonTo(stream).child({ "openReplaySession.id": BERT.id }),
  "winston with text": (stream) =>
    winstonTo(
      stream,
      format.printf(({ message }) => `${message}\n  more`),
    ),
  "winston with simple text": (stream) => winstonTo(stream, format.simple()),
  "winston with errors": (stream) =>
    winstonTo(stream, format.combine(format.errors({ stack: true }), format.json())),
  bunyan: (stream) => bunyan.createLogger({ name: "x", level: "debug", stream }),
  "a child of bunyan": (stream) =>
    bunyan
      .createLogger({ name: "x", level: "debug", stream })
      .child({ openReplaySessionToken: BERT.token }),
};

function winstonTo(stream, used = format.json()) {
  const transports = [new winston.transports.Stream({ stream })];
  return winston.createLogger({ level: "debug", format: used, transports });
}

// Where the object that is logged comes: first, or second.
const isFieldFirst = (name) => !name.includes("winston");

function log(logger, name, object, level = "error") {
  if (isFieldFirst(name)) logger[level](object, "words");
  else logger[level]("words", object);
}

afterEach(() => tagging.uninstall());

for (const [name, make] of Object.entries(LOGGERS)) {
  test(`${name}: every line has the tag once, and a visitor's data does not count`, () => {
    const stream = sink();
    const early = make(stream);
    tagging.install();
    const late = make(stream);
    for (const logger of [early, late]) {
      asAnna(() => {
        log(logger, name, { order: 7 });
        log(logger, name, { openReplaySessionToken: BERT.token, "openReplaySession.id": BERT.id });
        log(logger, name, { openReplaySession: { id: BERT.id } });
        logger.error(new Error("fails"));
      });
    }
    const lines = linesOf(stream.text);
    assert.ok(lines.length >= 8);
    const isData = ["winston with simple text", "pino in a nested key"].includes(name);
    for (const line of lines) {
      // What is logged stands behind the tag, or in an object of its own.
      if (isData && line.includes(BERT.token))
        assert.ok(line.indexOf(ANNA.token) < line.indexOf(BERT.token));
      else assert.equal(ownerOf(line), ANNA, line);
    }
    if (name.includes("text")) return;
    for (const record of lines.map((line) => JSON.parse(line))) {
      assert.equal(record.openReplaySessionToken, ANNA.token);
      assert.ok(!JSON.stringify({ ...record, payload: 0 }).includes(BERT.id));
    }
  });

  test(`${name}: nobody's lines, and those below the level, are left alone`, () => {
    const plain = sink();
    const stream = sink();
    const object = { time: 1 };
    log(make(plain), name, object, "info");
    tagging.install({ level: "warn" });
    const logger = make(stream);
    log(logger, name, object, "info");
    asAnna(() => log(logger, name, object, "info"));
    const same = (text) => text.replace(/"time":\s*[^,}]+,/g, "");
    assert.equal(same(stream.text), same(plain.text).repeat(2));
  });

  test(`${name}: an id, and nothing after uninstall()`, () => {
    const stream = sink();
    tagging.install({ tag: "id" });
    const logger = make(stream);
    asAnna(() => log(logger, name, {}));
    assert.ok(stream.text.includes(ANNA.id) && !stream.text.includes(ANNA.token));
    if (!name.includes("text")) {
      assert.equal(JSON.parse(linesOf(stream.text)[0])["openReplaySession.id"], ANNA.id);
    }
    tagging.uninstall();
    stream.text = "";
    asAnna(() => log(logger, name, {}));
    assert.ok(!stream.text.includes(ANNA.id) && !stream.text.includes(ANNA.token));
  });
}

test("winston: a record that waits keeps its session, and an error that is logged twice has none", async () => {
  const written = [];
  const waiting = [];
  class Slow extends require("winston-transport") {
    log(info, callback) {
      written.push(info);
      waiting.push(callback);
    }
  }
  tagging.install();
  const logger = winston.createLogger({ transports: [new Slow({ highWaterMark: 1 })] });
  const error = new Error("shared");
  for (let turn = 0; turn < 40; turn++) {
    const token = [ANNA.token, BERT.token, undefined][turn % 3];
    useSessionToken(token, () => logger.info("words", { turn }));
  }
  while (waiting.length > 0) {
    useSessionToken(BERT.token, () => waiting.shift()());
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(written.length, 40);
  for (const { turn, openReplaySessionToken } of written) {
    assert.equal(openReplaySessionToken, [ANNA.token, BERT.token, undefined][turn % 3]);
  }
  const stream = sink();
  const direct = winstonTo(stream);
  asAnna(() => direct.error(error));
  direct.error(error);
  assert.deepEqual(linesOf(stream.text).map(ownerOf), [ANNA, null]);
  assert.deepEqual(Object.keys(error), ["level"]);
  const record = { level: "error", message: "shared" };
  asAnna(() => direct.log(record));
  direct.log(record);
  assert.deepEqual(linesOf(stream.text).map(ownerOf), [ANNA, null, ANNA, null]);
});

test("records that cannot be read do not throw, and are not lost", () => {
  const hostile = {
    getter: Object.defineProperty({}, "x", {
      enumerable: true,
      get: () => {
        throw new Error("trap");
      },
    }),
    proxy: new Proxy(
      {},
      {
        get: () => 1,
        ownKeys: () => {
          throw new Error("trap");
        },
      },
    ),
    frozen: Object.freeze({ a: 1 }),
    symbol: { [Symbol("x")]: Symbol("y") },
    bigint: { a: 1n },
  };
  hostile.circular = { hostile: {} };
  hostile.circular.self = hostile.circular;
  for (const [name, make] of Object.entries(LOGGERS)) {
    for (const [kind, object] of Object.entries(hostile)) {
      const outcome = (stream) => {
        try {
          log(make(stream), name, object);
          return linesOf(stream.text).length;
        } catch (error) {
          return error.message;
        }
      };
      const before = outcome(sink());
      tagging.install();
      assert.deepEqual(
        asAnna(() => outcome(sink())),
        before,
        `${name}, ${kind}`,
      );
      tagging.uninstall();
    }
  }
});
