/**
 * Tag Lambda handlers behind API Gateway (REST and HTTP APIs), load balancers and function URLs.
 *
 * @module
 */
"use strict";

const { types } = require("node:util");
const {
  Scope,
  endScope,
  endWithPromise,
  endWithError,
  forgetFailures,
  ongoingScope,
  runWithoutSession,
  runInScope,
} = require("./context.js");
const { count } = require("./counts.js");
const { valuesOf } = require("./headers.js");
const { HeaderReader } = require("./session.js");

const DEFAULT_READER = new HeaderReader();

// The scopes of invocations that may not have ended.
const ongoing = new Set();

/** Return the session that the headers of a Lambda event name; see `index.d.ts`. */
function sessionOfEvent(event, reader = DEFAULT_READER) {
  return reader.read((name) => {
    for (const key of ["multiValueHeaders", "headers"]) {
      const values = valuesOf(event?.[key], name);
      if (values.length > 0) return values;
    }
    return [];
  });
}

/**
 * Wrap a Lambda handler so that it runs in the session that the event's headers name.
 *
 * `index.d.ts` lists what ends the session. If the handler never responds, or if its callback waits
 * for an empty event loop, the session ends on "beforeExit". The listener must precede the
 * runtime's own, which starts the next invocation.
 */
function tagLambdaHandler(handler, options) {
  if (typeof handler !== "function") throw new TypeError("tagLambdaHandler() expects a function");
  const reader = options === undefined ? DEFAULT_READER : new HeaderReader(options);
  process.removeListener("beforeExit", endAllScopes);
  process.prependListener("beforeExit", endAllScopes);
  function apply(_, self, args) {
    // The runtime has already reported the errors of the previous invocation.
    forgetFailures();
    const scope = new Scope(sessionOfEvent(args[0], reader), ongoingScope());
    for (const previous of ongoing) if (previous.ended) ongoing.delete(previous);
    ongoing.add(scope);
    const closed = whenClosed(args[1]);
    const given = closed === null ? withEndingCallbacks(scope, args) : args;
    let result;
    try {
      result = runInScope(scope, () => Reflect.apply(handler, self, given));
    } catch (error) {
      endWithError(scope, error);
      throw error;
    }
    const isAsync = typeof result?.then === "function";
    if (closed !== null) {
      // The runtime waits for both the promise and the stream.
      const end = () => closed.then(() => endScope(scope));
      return isAsync ? endWhenSettled(scope, result, end) : (end(), result);
    }
    if (isAsync) return endWhenSettled(scope, result);
    if (given === args) endScope(scope);
    return result;
  }
  // A proxy keeps the handler's length and the mark of streamifyResponse(): the runtime reads both.
  return new Proxy(handler, { apply });
}

/** End all open scopes: the event loop is empty, so the runtime finishes the invocation. */
function endAllScopes() {
  for (const scope of ongoing) endScope(scope);
  ongoing.clear();
}

/**
 * Return a promise that settles like the handler's result and ends the scope first.
 *
 * A thenable or a promise subclass may start its work in `then`, so `then` is called in the scope.
 */
function endWhenSettled(scope, result, end) {
  const isPlain = types.isPromise(result) && result.then === Promise.prototype.then;
  const promise = isPlain ? result : runInScope(scope, () => Promise.resolve(result));
  return endWithPromise(scope, promise, end);
}

/** Return a promise for the end of a response stream, or null if this is not a stream. */
function whenClosed(stream) {
  if (typeof stream?.write !== "function" || typeof stream.once !== "function") return null;
  return new Promise((resolve) => {
    for (const name of ["finish", "close"]) stream.once(name, resolve);
  });
}

/**
 * Return the handler's arguments with a callback and context methods that end the scope.
 *
 * Without a callback, return the same array.
 */
function withEndingCallbacks(scope, args) {
  const [event, second, third, ...rest] = args;
  if (typeof third !== "function") return args;
  const wrap = (respond, isFailure = (error) => error !== undefined && error !== null) =>
    function (...given) {
      if (isFailure(given[0])) endWithError(scope, given[0]);
      // Otherwise the runtime sends the response when the event loop is empty: see endAllScopes().
      else if (respond !== third || !second?.callbackWaitsForEmptyEventLoop) endScope(scope);
      // From here the runtime goes on to the next invocation.
      return runWithoutSession(() => Reflect.apply(respond, this, given));
    };
  const methods = { done: undefined, succeed: () => false, fail: () => true };
  for (const [name, isFailure] of Object.entries(methods)) {
    if (typeof second?.[name] !== "function") continue;
    attempt(() => (second[name] = wrap(second[name], isFailure)));
  }
  return [event, second, wrap(third), ...rest];
}

function attempt(action) {
  try {
    action();
  } catch {
    count("failedCleanups");
  }
}

module.exports = { sessionOfEvent, tagLambdaHandler };
