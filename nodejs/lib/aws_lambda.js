/**
 * AWS Lambda: API Gateway (REST and HTTP APIs), load balancers and function URLs.
 *
 * @module
 */
"use strict";

const { types } = require("node:util");
const {
  Scope,
  endScope,
  endWithPromise,
  fail,
  forgetFailures,
  ongoingScope,
  runAsNobody,
  runWithin,
} = require("./context.js");
const { count } = require("./counts.js");
const { valuesOf } = require("./headers.js");
const { HeaderReader } = require("./session.js");

const DEFAULT = new HeaderReader();

// Invocations whose work may go on.
const ongoing = new Set();

/** The session that the headers of a Lambda event name; see `index.d.ts`. */
function sessionOfEvent(event, reader = DEFAULT) {
  return reader.read((name) => {
    for (const key of ["multiValueHeaders", "headers"]) {
      const values = valuesOf(event?.[key], name);
      if (values.length > 0) return values;
    }
    return [];
  });
}

/**
 * Wrap a Lambda handler: it works for the session that the event's header names.
 *
 * The work ends with the promise of the handler, with the first answer to its callback or its
 * context, or with the stream of its answer.
 */
function tagLambdaHandler(handler, options) {
  if (typeof handler !== "function") throw new TypeError("tagLambdaHandler() takes a handler");
  const reader = options === undefined ? DEFAULT : new HeaderReader(options);
  process.removeListener("beforeExit", endAll);
  process.prependListener("beforeExit", endAll);
  function apply(_, self, args) {
    // The runtime has reported the one before.
    forgetFailures();
    const scope = new Scope(sessionOfEvent(args[0], reader), ongoingScope());
    for (const one of ongoing) if (one.ended) ongoing.delete(one);
    ongoing.add(scope);
    const closed = closingOf(args[1]);
    const given = closed === null ? withEndings(scope, args) : args;
    let result;
    try {
      result = runWithin(scope, () => Reflect.apply(handler, self, given));
    } catch (error) {
      fail(scope, error);
      throw error;
    }
    const isAsync = typeof result?.then === "function";
    if (closed !== null) {
      // The runtime waits for both.
      const end = () => closed.then(() => endScope(scope));
      return isAsync ? endWith(scope, result, end) : (end(), result);
    }
    if (isAsync) return endWith(scope, result);
    if (given === args) endScope(scope);
    return result;
  }
  // The runtime goes by the number of arguments, and by what streamifyResponse() has noted.
  return new Proxy(handler, { apply });
}

/** End what is not ended yet: no event is left, and the runtime answers for the handler. */
function endAll() {
  for (const scope of ongoing) endScope(scope);
  ongoing.clear();
}

/** A promise that ends a scope; of an object with a `then`, which the runtime would call. */
function endWith(scope, result, end) {
  const isPlain = types.isPromise(result) && result.then === Promise.prototype.then;
  const promise = isPlain ? result : runWithin(scope, () => Promise.resolve(result));
  return endWithPromise(scope, promise, end);
}

/** When the stream of an answer is over; null: the answer is not streamed. */
function closingOf(stream) {
  if (typeof stream?.write !== "function" || typeof stream.once !== "function") return null;
  return new Promise((resolve) => {
    for (const name of ["finish", "close"]) stream.once(name, resolve);
  });
}

/** The arguments of a handler, with answers that end a scope; the same where it has none. */
function withEndings(scope, args) {
  const [event, second, third, ...rest] = args;
  if (typeof third !== "function") return args;
  const ending = (answer, doesFail = (error) => error !== undefined && error !== null) =>
    function (...given) {
      if (doesFail(given[0])) fail(scope, given[0]);
      // Here the runtime answers when no event is left.
      else if (answer !== third || !second?.callbackWaitsForEmptyEventLoop) endScope(scope);
      // The runtime goes on to the next invocation from here.
      return runAsNobody(() => Reflect.apply(answer, this, given));
    };
  const endings = { done: undefined, succeed: () => false, fail: () => true };
  for (const [name, doesFail] of Object.entries(endings)) {
    if (typeof second?.[name] !== "function") continue;
    attempt(() => (second[name] = ending(second[name], doesFail)));
  }
  return [event, second, ending(third), ...rest];
}

function attempt(action) {
  try {
    action();
  } catch {
    count("failedCleanups");
  }
}

module.exports = { sessionOfEvent, tagLambdaHandler };
