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
  runWithin,
} = require("./context.js");
const { count } = require("./counts.js");
const { valuesOf } = require("./headers.js");
const { HeaderReader } = require("./session.js");

const DEFAULT = new HeaderReader();

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
  function taggedHandler(...args) {
    // The runtime has reported the one before.
    forgetFailures();
    const scope = new Scope(sessionOfEvent(args[0], reader), ongoingScope());
    const given = withEndings(scope, args);
    let result;
    try {
      result = runWithin(scope, () => Reflect.apply(handler, this, given));
    } catch (error) {
      fail(scope, error);
      throw error;
    }
    if (types.isPromise(result)) return endWithPromise(scope, result);
    if (given === args) endScope(scope);
    return result;
  }
  // The runtime goes by these: the number of arguments, and what streamifyResponse() has noted.
  for (const key of Reflect.ownKeys(handler)) {
    if (key === "prototype" || key === "arguments" || key === "caller") continue;
    Object.defineProperty(taggedHandler, key, Object.getOwnPropertyDescriptor(handler, key));
  }
  return taggedHandler;
}

/** The arguments of a handler, with answers that end a scope; the same where it has none. */
function withEndings(scope, args) {
  const [event, second, third, ...rest] = args;
  if (typeof second?.write === "function" && typeof second.once === "function") {
    for (const name of ["finish", "close"]) second.once(name, () => endScope(scope));
    return [...args];
  }
  if (typeof third !== "function") return args;
  const ending = (answer, doesFail = (error) => error !== undefined && error !== null) =>
    function (...given) {
      if (doesFail(given[0])) fail(scope, given[0]);
      else endScope(scope);
      return Reflect.apply(answer, this, given);
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
