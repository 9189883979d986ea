/**
 * The current session, stored in an AsyncLocalStorage, and when it ends.
 *
 * Every resource keeps the context that it was created in: a timer, a pooled socket, an interval
 * that never stops. The context therefore holds a scope that ends with its request. After that, the
 * resource runs without a session.
 *
 * @module
 */
"use strict";

const { AsyncLocalStorage } = require("node:async_hooks");
const { setImmediate } = require("node:timers");
const { types } = require("node:util");
const { count } = require("./counts.js");
const { Session, sessionOfToken } = require("./session.js");

/** A unit of work, such as a request, with its session; the session is null if there is none. */
class Scope {
  constructor(session, outer) {
    this.session = session;
    this.outer = outer;
    this.ended = false;
  }
}

const storage = new AsyncLocalStorage();
const scopeEndListeners = [];
// Errors that have just ended a scope, with its session, until they are handled or reported. They
// are not kept longer, because an application may throw the same error object again.
const failures = new Set();
// The session of the request that threw an exception in the current tick, or null.
let lastThrowingSession = null;

/** Return the innermost scope that has not ended, or undefined. */
function ongoingScope() {
  let scope = storage.getStore();
  while (scope !== undefined && scope.ended) scope = scope.outer;
  return scope;
}

/** Return the current session, or null; see `index.d.ts`. */
function currentSession() {
  const scope = ongoingScope();
  return scope === undefined ? null : scope.session;
}

/** Call a function with every scope that has a session and is about to end. */
function onScopeEnd(callback) {
  scopeEndListeners.push(callback);
}

/** End a scope: code that still runs in its context has no session from now on. */
function endScope(scope) {
  if (scope.ended) return;
  for (const callback of scope.session === null ? [] : scopeEndListeners) {
    try {
      callback(scope);
    } catch {
      // An error of this package must not replace the application's result.
      count("failedCleanups");
    }
  }
  scope.ended = true;
  // A context may live as long as the process; the token must not.
  scope.session = null;
}

/** Call a function without a session. */
function runWithoutSession(callback) {
  return storage.run(undefined, callback);
}

/** Call a function in a scope without ending the scope. */
function runInScope(scope, callback) {
  return storage.run(scope, callback);
}

/**
 * Call a function in the scope of a request, without ending the scope.
 *
 * `finally` notes an exception without catching it: Node.js would report the line that rethrows it.
 */
function runRequest(scope, callback) {
  let isThrown = true;
  try {
    const result = storage.run(scope, callback);
    isThrown = false;
    return result;
  } finally {
    if (isThrown) {
      lastThrowingSession = scope.session;
      process.nextTick(forgetLastThrow);
    }
  }
}

function forgetLastThrow() {
  lastThrowingSession = null;
}

/**
 * Call a function in a session, or without one if it is null.
 *
 * The scope ends when the function returns or, if it returns a promise, when that settles.
 */
function runInSession(session, callback) {
  const scope = new Scope(session, ongoingScope());
  let result;
  try {
    result = storage.run(scope, callback);
  } catch (error) {
    endWithError(scope, error);
    throw error;
  }
  // Do not call `then` of other thenables: query builders start the query when it is called.
  if (types.isPromise(result)) return endWithPromise(scope, result);
  endScope(scope);
  return result;
}

/** Return a promise that ends a scope, then settles like the given promise. */
function endWithPromise(scope, promise, end = endScope) {
  return Promise.prototype.then.call(
    promise,
    (value) => {
      end(scope);
      return value;
    },
    (error) => {
      endWithError(scope, error);
      throw error;
    },
  );
}

/** End a scope with an error, and attribute the error to its session until it is reported. */
function endWithError(scope, error) {
  const { session } = scope;
  if (session !== null) {
    const failure = { error, session };
    failures.add(failure);
    // Node.js reports unhandled rejections before immediates run. From Node.js 24 on, Lambda's
    // runtime reports a failed handler in an immediate.
    const forget = () => failures.delete(failure);
    setImmediate(() => setImmediate(forget));
  }
  endScope(scope);
}

/** Forget the errors that ended scopes: they have been reported. */
function forgetFailures() {
  failures.clear();
}

/** Return the session of an uncaught error; null if it has none or the session is unknown. */
function sessionOfError(error) {
  return commonSession([
    ...sessionsOfFailures((failure) => failure === error),
    lastThrowingSession,
    currentSession(),
  ]);
}

function sessionsOfFailures(isMatch) {
  return [...failures].filter(({ error }) => isMatch(error)).map(({ session }) => session);
}

/** Return the session that all non-null sessions share; null if there is none, or several. */
function commonSession(sessions) {
  const [first = null, ...rest] = sessions.filter((session) => session !== null);
  return rest.every((session) => session.sessionId === first.sessionId) ? first : null;
}

/**
 * Return the session of an error that has just ended a scope, for code that runs outside all scopes.
 *
 * Inside a scope, even an ended one, the application handles the error: return null.
 */
function sessionOfFailure(isMatch) {
  return storage.getStore() === undefined ? commonSession(sessionsOfFailures(isMatch)) : null;
}

/** Run a function in a session; see `index.d.ts`. */
function useSession(session, callback) {
  return runInSession(session instanceof Session ? session : null, callback);
}

/** Run a function in the session of a token; see `index.d.ts`. */
function useSessionToken(token, callback) {
  return runInSession(sessionOfToken(token), callback);
}

/** Bind a function to the current session; see `index.d.ts`. */
function carry(callback) {
  const session = currentSession();
  return function carried(...args) {
    return runInSession(session, () => Reflect.apply(callback, this, args));
  };
}

module.exports = {
  Scope,
  carry,
  currentSession,
  endScope,
  endWithPromise,
  endWithError,
  forgetFailures,
  onScopeEnd,
  ongoingScope,
  runWithoutSession,
  runInSession,
  runRequest,
  runInScope,
  sessionOfError,
  sessionOfFailure,
  useSession,
  useSessionToken,
};
