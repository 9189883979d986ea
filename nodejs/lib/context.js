/**
 * The session of the work at hand: an AsyncLocalStorage, and how it ends.
 *
 * A context sticks to whatever is made in it: a timer, a socket of a pool, an interval that runs
 * for ever. What they find is then a scope that has ended, and they belong to nobody.
 *
 * @module
 */
"use strict";

const { AsyncLocalStorage } = require("node:async_hooks");
const { types } = require("node:util");
const { count } = require("./counts.js");
const { Session, sessionOfToken } = require("./session.js");

/** One piece of work, from where it begins until it ends. */
class Scope {
  constructor(session, outer) {
    this.session = session;
    this.outer = outer;
    this.ended = false;
  }
}

const storage = new AsyncLocalStorage();
const leaving = [];
// The sessions in whose work errors were thrown, after that work has ended.
const origins = new WeakMap();
// The session whose request let an exception through in the piece of JavaScript that runs just now.
let lastLeft = null;

/** The scope of the work at hand that has not ended. */
function ongoingScope() {
  let scope = storage.getStore();
  while (scope !== undefined && scope.ended) scope = scope.outer;
  return scope;
}

/** The session of the work at hand; null outside a request that named one, and after it. */
function currentSession() {
  const scope = ongoingScope();
  return scope === undefined ? null : scope.session;
}

/** Have a function called with every scope that ends. */
function onLeaving(callback) {
  leaving.push(callback);
}

/** End a scope: from here on it is nobody's, wherever its context has got to. */
function endScope(scope) {
  if (scope.ended) return;
  for (const callback of scope.session === null ? [] : leaving) {
    try {
      callback(scope);
    } catch {
      // The application's answer is not to be replaced by an error of this package.
      count("failedCleanups");
    }
  }
  scope.ended = true;
  // A context may be kept for ever, and a token need not be.
  scope.session = null;
}

/** Call a function as nobody's work. */
function runAsNobody(callback) {
  return storage.run(undefined, callback);
}

/** Call a function in a scope that ends elsewhere. */
function runWithin(scope, callback) {
  return storage.run(scope, callback);
}

/**
 * Call a function in the scope of a request, which ends later.
 *
 * The exception is not caught, so that Node.js reports the line that threw it.
 */
function runRequest(scope, callback) {
  let isThrown = true;
  try {
    const result = storage.run(scope, callback);
    isThrown = false;
    return result;
  } finally {
    if (isThrown) {
      lastLeft = scope.session;
      process.nextTick(forgetLeft);
    }
  }
}

function forgetLeft() {
  lastLeft = null;
}

/**
 * Call a function as part of a session's work; null: of nobody's.
 *
 * The work ends when the function returns, or when the promise that it returns is settled.
 */
function runIn(session, callback) {
  const scope = new Scope(session, ongoingScope());
  let result;
  try {
    result = storage.run(scope, callback);
  } catch (error) {
    fail(scope, error);
    throw error;
  }
  // Other objects with a `then` may begin their work when it is called, as query builders do.
  if (types.isPromise(result)) return endWithPromise(scope, result);
  endScope(scope);
  return result;
}

/** A promise that ends a scope before it is settled as another one is. */
function endWithPromise(scope, promise) {
  return Promise.prototype.then.call(
    promise,
    (value) => {
      endScope(scope);
      return value;
    },
    (error) => {
      fail(scope, error);
      throw error;
    },
  );
}

/** End a scope because of an error, which is known to be its session's from here on. */
function fail(scope, error) {
  const isObject = (typeof error === "object" && error !== null) || typeof error === "function";
  if (isObject && scope.session !== null && !origins.has(error)) origins.set(error, scope.session);
  endScope(scope);
}

/** The session that an uncaught error comes from; null: nobody's, or not known. */
function sessionOfError(error) {
  const isObject = (typeof error === "object" && error !== null) || typeof error === "function";
  return (isObject ? origins.get(error) : undefined) ?? lastLeft ?? currentSession();
}

/** Work for a session while a function runs; see `index.d.ts`. */
function useSession(session, callback) {
  return runIn(session instanceof Session ? session : null, callback);
}

/** Work for the session of a token while a function runs; see `index.d.ts`. */
function useSessionToken(token, callback) {
  return runIn(sessionOfToken(token), callback);
}

/** A function that works for the session of whoever made it; see `index.d.ts`. */
function carry(callback) {
  const session = currentSession();
  return function carried(...args) {
    return runIn(session, () => Reflect.apply(callback, this, args));
  };
}

module.exports = {
  Scope,
  carry,
  currentSession,
  endScope,
  endWithPromise,
  fail,
  onLeaving,
  ongoingScope,
  runAsNobody,
  runIn,
  runRequest,
  runWithin,
  sessionOfError,
  useSession,
  useSessionToken,
};
