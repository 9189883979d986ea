"use strict";
// A function without any code for session tokens. The event selects how it writes and fails.
const { setTimeout: sleep } = require("node:timers/promises");

const SHARED = new Error("one error for everybody");

const WRITES = {
  text: (who) => console.error("no card of %s\nand more", who),
  levels: (who) => {
    for (const level of ["trace", "debug", "info", "log", "warn", "error", "fatal"]) {
      console[level](`${level} of ${who}`);
    }
  },
  object: (who) => console.log({ who, openReplaySessionToken: "1.2.3.4", nested: { a: [1] } }),
  array: (who) => console.log([who, 1]),
  several: (who) => console.warn({ who }, "and", [1]),
  error: (who) => console.error(Object.assign(new RangeError(`error of ${who}`), { code: 7 })),
  context: (who) => console.error(`error of ${who}`, new RangeError("nested")),
  json: (who) => console.error(JSON.stringify({ who, openReplaySession: { id: "1" } })),
  stderr: (who) => process.stderr.write(`first of ${who}\nsecond of ${who}\n`),
  table: (who) => console.table([{ who }]),
  percent: (who) => console.error("100 % of %s", who),
  preloaded: () => console.error(`preloaded: ${globalThis.preloaded}`),
  nothing: () => console.error(),
};

const FAILS = {
  thrown: (who) => {
    throw new TypeError(`no stock\nfor ${who}`);
  },
  text: (who) => Promise.reject(`text of ${who}`),
  shared: () => {
    throw SHARED;
  },
  late: async (who) => {
    await sleep(5);
    throw new TypeError(`late for ${who}`);
  },
  uncaught: (who) =>
    new Promise(() =>
      setTimeout(() => {
        throw new Error(`uncaught of ${who}`);
      }, 1),
    ),
  rejected: (who) => {
    Promise.reject(new Error(`rejected of ${who}`));
    return new Promise(() => {});
  },
};

exports.handler = async (event) => {
  WRITES[event.write]?.(event.who);
  if (event.after) setTimeout(() => console.error(`left by ${event.who}`), 10);
  if (event.wait) await sleep(event.wait);
  await FAILS[event.fail]?.(event.who);
  return { statusCode: 200, body: event.who };
};

exports.nested = {
  callback: (event, context, callback) => {
    context.callbackWaitsForEmptyEventLoop = false;
    setTimeout(() => {
      console.error(`called of ${event.who}`);
      callback(event.fail ? new Error(`failed of ${event.who}`) : null, "done");
    }, 2);
  },
};

exports.succeeding = (event, context) => {
  console.error(`called of ${event.who}`);
  event.fail ? context.fail(new Error(`failed of ${event.who}`)) : context.succeed("done");
};

exports.throwing = (event) => {
  throw new Error(`failed of ${event.who}`);
};

exports.streaming = awslambda.streamifyResponse(async (event, response) => {
  console.error(`called of ${event.who}`);
  response.write("one ");
  await sleep(2);
  if (event.fail) throw new Error(`failed of ${event.who}`);
  response.end("two");
});
