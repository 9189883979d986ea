"use strict";
// Handlers that end in different ways or never, and work that outlives them.
const { Readable } = require("node:stream");
const { pipeline, finished } = require("node:stream/promises");
const { setTimeout: sleep } = require("node:timers/promises");

let interval;

// Never responds: the runtime does when the event loop is empty.
exports.never = () => {
  interval ??= setInterval(() => console.error("flush"), 15).unref();
  setTimeout(() => {}, 60);
};

exports.unsettled = async () => {
  exports.never();
  await new Promise(() => {});
};

let reject;
const shared = new Promise((_, given) => (reject = given));
shared.catch(() => {});

exports.shared = async (event) => {
  if (event.who === "bert") {
    // Outlives this invocation, and logs the error of the next visitor's invocation.
    shared.catch(async (error) => {
      for (let turn = 0; turn < 4; turn += 1) await null;
      console.error(error);
    });
    return "ok";
  }
  setTimeout(() => reject(new Error("pool down")), 10);
  await shared;
};

class Lazy extends Promise {
  then(...given) {
    console.error("begins");
    return new Promise((resolve) => resolve("lazy")).then(...given);
  }
}
exports.lazy = () => new Lazy(() => {});

exports.thenable = () => ({
  then(resolve) {
    console.error("begins");
    resolve("thenable");
  },
});

const streamed = awslambda.streamifyResponse(async (event, response) => {
  await pipeline(Readable.from(["one ", "two"]), response);
  console.error("after the answer");
  if (event.fail) throw new Error(`failed of ${event.who}`);
});
exports.streamed = streamed;

// A wrapper that inherits the mark of streamifyResponse().
exports.wrapped = Object.setPrototypeOf((...args) => streamed(...args), streamed);

exports.produced = awslambda.streamifyResponse(async (event, response) => {
  const produce = async () => {
    await sleep(5);
    console.error("produced");
    response.end("done");
  };
  produce();
  await finished(response);
});

// By default the runtime sends the response when the event loop is empty.
exports.calledBack = (event, context, callback) => {
  setTimeout(() => console.error("timer"), 10);
  callback(null, "done");
  console.error("after the callback");
};

const FAILURES = {
  nothing: () => undefined,
  object: () => ({ message: "a plain object" }),
  number: () => 42,
  false: () => false,
  serializable: () => Object.assign(new Error("hidden"), { toJSON: () => ({ message: "hidden" }) }),
  circular: () => {
    const error = new Error("circular");
    error.self = error;
    return error;
  },
  big: () => Object.assign(new Error("big"), { id: 5n }),
};

exports.failing = async (event) => {
  throw FAILURES[event.fail]();
};
