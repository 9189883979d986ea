/**
 * The scope of a request: from its headers until its answer has been sent or given up.
 *
 * @module
 */
"use strict";

const { setImmediate } = require("node:timers");
const { count } = require("./counts.js");
const { Scope, currentSession, endScope, runWithin } = require("./context.js");

// Requests, streams and sockets whose scope has begun, and that scope.
const scopes = new WeakMap();
const NOBODY = Object.freeze(new Scope(null, undefined));

/** The scope that a request, its answer, stream or socket has; undefined: none has begun. */
function scopeOf(emitter) {
  return typeof emitter === "object" && emitter !== null ? scopes.get(emitter) : undefined;
}

/**
 * Begin the scope of a request. Its session is that of nothing around it.
 *
 * @param {Session | null} session
 * @param {object[]} emitters the request's own event emitters, whose listeners belong to it. The
 *   last one emits "close" when the request is over.
 * @returns {Scope | undefined} undefined where nothing is to be done: no session is at hand
 */
function beginRequest(session, emitters) {
  if (session === null) return currentSession() === null ? undefined : NOBODY;
  const scope = new Scope(session, undefined);
  const ending = emitters.at(-1);
  for (const emitter of emitters) {
    scopes.set(emitter, scope);
    bindListeners(emitter, scope, emitter === ending);
  }
  return scope;
}

/** Have the listeners of an emitter called in a scope: sockets emit in a context of their own. */
function bindListeners(emitter, scope, isEnding) {
  const own = Object.getOwnPropertyDescriptor(emitter, "emit");
  const original = emitter.emit;
  function emit(event) {
    try {
      return runWithin(scope, () => Reflect.apply(original, this, arguments));
    } finally {
      // Listeners of "close" write their access log, some of them after a promise.
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
