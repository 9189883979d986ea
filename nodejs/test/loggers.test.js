"use strict";

const assert = require("node:assert/strict");
const { Writable } = require("node:stream");
const { afterEach, test } = require("node:test");
const tagging = require("openreplay-cw-tagging");
const { ANNA, BERT, linesOf, visitorOf } = require("./helpers/visitors.js");

const bunyan = require("bunyan");
const pino = require("pino");
const winston = require("winston");

const { useSessionToken } = tagging;
const asAnna = (action) => useSessionToken(ANNA.token, action);
const { format } = winston;

/** Create a stream that collects the written text in `text`. */
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

/** Functions that create a logger for a stream. */
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

// Whether the logger takes the object before the message.
const isObjectFirst = (name) => !name.includes("winston");

function log(logger, name, object, level = "error") {
  if (isObjectFirst(name)) logger[level](object, "words");
  else logger[level]("words", object);
}

afterEach(() => tagging.uninstall());

for (const [name, make] of Object.entries(LOGGERS)) {
  test(`${name}: tags every line once, whatever the visitor's data`, () => {
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
      // The logged data follows the tag, or is in a nested object.
      if (isData && line.includes(BERT.token))
        assert.ok(line.indexOf(ANNA.token) < line.indexOf(BERT.token));
      else assert.equal(visitorOf(line), ANNA, line);
    }
    if (name.includes("text")) return;
    for (const record of lines.map((line) => JSON.parse(line))) {
      assert.equal(record.openReplaySessionToken, ANNA.token);
      assert.ok(!JSON.stringify({ ...record, payload: 0 }).includes(BERT.id));
    }
  });

  test(`${name}: leaves lines without a session or below the level unchanged`, () => {
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

  test(`${name}: writes the id, and nothing after uninstall()`, () => {
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

test("winston: a waiting record keeps its session, and a logged object does not", async () => {
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
  assert.deepEqual(linesOf(stream.text).map(visitorOf), [ANNA, null]);
  assert.deepEqual(Object.keys(error), ["level"]);
  const record = { level: "error", message: "shared" };
  asAnna(() => direct.log(record));
  direct.log(record);
  assert.deepEqual(linesOf(stream.text).map(visitorOf), [ANNA, null, ANNA, null]);
});

test("unreadable records are logged as without the package", () => {
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
