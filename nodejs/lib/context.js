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
const { setImmediate } = require("node:timers");
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
// The errors that ended a session's work just now, with the session: who handles them comes next.
// They are not kept any longer, because an application may throw one error object again.
const failures = new Set();
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
function endWithPromise(scope, promise, end = endScope) {
  return Promise.prototype.then.call(
    promise,
    (value) => {
      end(scope);
      return value;
    },
    (error) => {
      fail(scope, error);
      throw error;
    },
  );
}

/** End a scope because of an error, which is known to be its session's until it is handled. */
function fail(scope, error) {
  const { session } = scope;
  if (session !== null) {
    const failure = { error, session };
    failures.add(failure);
    // Node.js handles rejections before the immediates; Lambda's runtime in one, from 24.x on.
    const forget = () => failures.delete(failure);
    setImmediate(() => setImmediate(forget));
  }
  endScope(scope);
}

/** Forget the errors that ended a session's work: whoever handles them has done so. */
function forgetFailures() {
  failures.clear();
}

/** The session that an uncaught error comes from; null: nobody's, or not known. */
function sessionOfError(error) {
  return onlyOne([...sessionsOfFailures((one) => one === error), lastLeft, currentSession()]);
}

function sessionsOfFailures(isMeant) {
  return [...failures].filter((one) => isMeant(one.error)).map((one) => one.session);
}

/** The session that all of some sessions are; null: there is none, or there are several. */
function onlyOne(sessions) {
  const [first = null, ...rest] = sessions.filter((one) => one !== null);
  return rest.every((one) => one.sessionId === first.sessionId) ? first : null;
}

/** The session of a handler that has just failed, if this is what Lambda's runtime says of it. */
function failedSession(args) {
  // The runtime is nobody's; what an earlier visitor's work has left behind is not.
  if (storage.getStore() !== undefined) return null;
  return onlyOne(sessionsOfFailures((error) => isReport(args, error)));
}

/** Whether Lambda's runtime calls the console with these arguments for an error of a handler. */
function isReport(args, error) {
  const [title, text] = args;
  try {
    if (args.length === 1 && title instanceof Error) {
      return title === error || (!(error instanceof Error) && doesSay(title.message, error));
    }
    if (title !== "Invoke Error" || args.length !== 2 || typeof text !== "string") return false;
    // Of an error that has a `toJSON` or cannot be written as JSON, the runtime says less.
    const { message, errorMessage = message, trace, stack = trace } = JSON.parse(text);
    const own = error instanceof Error ? error.stack : undefined;
    const isOwn = !Array.isArray(stack) || typeof own !== "string" || stack.join("\n") === own;
    return isOwn && doesSay(errorMessage, error);
  } catch {
    return false;
  }
}

/** Whether this is the message of an error, or of the one that the runtime makes of other values. */
function doesSay(message, error) {
  if (error instanceof Error) return message === error.message;
  return (
    message === String(error) || ((error ?? null) === null && ["handled", ""].includes(message))
  );
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
  failedSession,
  forgetFailures,
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
