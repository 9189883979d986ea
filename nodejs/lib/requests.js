/**
 * The scope of a request: from its headers until its response has been sent or aborted.
 *
 * @module
 */
"use strict";

const { setImmediate } = require("node:timers");
const { count } = require("./counts.js");
const { Scope, currentSession, endScope, runInScope } = require("./context.js");

// The scopes of requests, responses, streams and sockets.
const scopes = new WeakMap();
const NO_SESSION = Object.freeze(new Scope(null, undefined));

/** Return the scope of a request, response, stream or socket, or undefined. */
function scopeOf(emitter) {
  return typeof emitter === "object" && emitter !== null ? scopes.get(emitter) : undefined;
}

/**
 * Begin the scope of a request. It does not inherit a session from the code that emits the request.
 *
 * @param {Session | null} session
 * @param {object[]} emitters the event emitters of this request alone. Their listeners run in the
 *   scope. The last emitter emits "close" when the request is over.
 * @returns {Scope | undefined} undefined if no scope is needed: neither the request nor the current
 *   context has a session
 */
function beginRequest(session, emitters) {
  if (session === null) return currentSession() === null ? undefined : NO_SESSION;
  const scope = new Scope(session, undefined);
  const ending = emitters.at(-1);
  for (const emitter of emitters) {
    scopes.set(emitter, scope);
    bindListeners(emitter, scope, emitter === ending);
  }
  return scope;
}

/** Run an emitter's listeners in a scope: sockets emit events in a context of their own. */
function bindListeners(emitter, scope, isEnding) {
  const own = Object.getOwnPropertyDescriptor(emitter, "emit");
  const original = emitter.emit;
  function emit(event) {
    try {
      return runInScope(scope, () => Reflect.apply(original, this, arguments));
    } finally {
      // Listeners of "close" write access logs, some of them after a promise.
      if (isEnding && event === "close") setImmediate(end);
    }
  }
  function end() {
    endScope(scope);
    if (emitter.emit !== emit) return;
    if (own) Object.defineProperty(emitter, "emit", own);
    else delete emitter.emit;
  }
  try {
    const value = { value: emit, writable: true, configurable: true, enumerable: false };
    Object.defineProperty(emitter, "emit", value);
  } catch {
    count("failedCleanups");
    if (isEnding) emitter.once?.("close", () => setImmediate(end));
  }
}

module.exports = { beginRequest, bindListeners, scopeOf };
