/**
 * Tag what is written to `process.stderr` and `process.stdout`.
 *
 * Several scopes may write pieces of lines at the same time. A session's pieces are held until the
 * line is complete and then written at once, so no line has two tags or mixes two sessions. A line
 * is also written when its scope ends, when the process exits, and after a second. Text without a
 * session is written immediately.
 *
 * @module
 */
"use strict";

const { isUtf8 } = require("node:buffer");
const { clearTimeout, setTimeout } = require("node:timers");
const { count } = require("./counts.js");
const { onScopeEnd, ongoingScope } = require("./context.js");
const { tagText } = require("./lines.js");

const MAX_HELD = 65_536;
const IDLE_MS = 1000;
const UTF8 = new Set([undefined, null, "utf8", "utf-8", "UTF8", "UTF-8", "buffer"]);

const writers = new Set();
let consoleCalls = 0;

/** Call a console method, and tag what it writes to either stream. */
function runInConsole(callback) {
  consoleCalls += 1;
  try {
    return callback();
  } finally {
    consoleCalls -= 1;
  }
}

/**
 * Patch a stream to tag the lines that are written to it.
 *
 * @param {Patches} patches
 * @param {NodeJS.WriteStream} stream
 * @param {() => boolean} isTagged returns true to tag all text, false to tag only console output
 */
function patchStream(patches, stream, isTagged) {
  patches.replace(stream, "write", (original) => {
    const lines = new Lines(stream, original);
    writers.add(lines);
    patches.onUndo(() => {
      lines.flush();
      writers.delete(lines);
    });
    return function write(chunk, encoding, callback) {
      if (!patches.on || this !== stream) return Reflect.apply(original, this, arguments);
      try {
        const scope = consoleCalls > 0 || isTagged() ? ongoingScope() : undefined;
        const hasNoSession = scope === undefined || scope.session === null;
        if (hasNoSession && !lines.isOpen) {
          lines.trackEnd(chunk);
          return Reflect.apply(original, this, arguments);
        }
        const text = textOf(chunk, encoding);
        const done = typeof encoding === "function" ? encoding : callback;
        if (text !== null) return lines.write(hasNoSession ? null : scope, text, done);
      } catch {
        count("untaggedTexts");
      }
      return Reflect.apply(original, this, arguments);
    };
  });
}

/** The incomplete lines of one stream. */
class Lines {
  #stream;
  #write;
  // By scope: the held text of its line, and the timer that writes it if the rest does not come.
  #held = new Map();
  // The scope of the last line in the stream if that line has not ended. null: the line has no
  // scope. undefined: the line has ended.
  #open = undefined;

  constructor(stream, write) {
    this.#stream = stream;
    this.#write = write;
  }

  /** Whether the last line in the stream belongs to a scope and has not ended. */
  get isOpen() {
    return this.#open !== undefined && this.#open !== null;
  }

  /** Note whether text that is written without a scope ends its line. */
  trackEnd(chunk) {
    const last = typeof chunk === "string" ? chunk.charCodeAt(chunk.length - 1) : chunk?.at?.(-1);
    if (last !== undefined && !Number.isNaN(last)) this.#open = last === 10 ? undefined : null;
  }

  /** Write a piece of text for a scope, or for none if it is null. */
  write(scope, text, done) {
    if (scope === null) return this.#put(null, text, done);
    const held = this.#held.get(scope);
    if (held !== undefined) this.#drop(scope, held);
    const line = held === undefined ? text : held.text + text;
    const end = line.length > MAX_HELD ? line.length : line.lastIndexOf("\n") + 1;
    if (end < line.length) this.#hold(scope, line.slice(end));
    if (end > 0) return this.#put(scope, line.slice(0, end), done);
    if (typeof done === "function") process.nextTick(done);
    return true;
  }

  /** Write the held text of a scope, and end its line. */
  endScope(scope) {
    this.#release(scope);
    if (this.#open === scope) this.#end();
  }

  /** Write all held text. */
  flush() {
    for (const scope of [...this.#held.keys()]) this.#release(scope);
  }

  #hold(scope, text) {
    const timer = setTimeout(() => this.#release(scope), IDLE_MS);
    timer.unref();
    // Store the session as well: a scope loses it when it ends.
    this.#held.set(scope, { text, timer, session: scope.session });
  }

  #drop(scope, held) {
    clearTimeout(held.timer);
    this.#held.delete(scope);
  }

  #release(scope) {
    const held = this.#held.get(scope);
    if (held === undefined) return;
    this.#drop(scope, held);
    this.#put(scope, held.text, undefined, held.session);
  }

  #put(scope, text, done, session = scope === null ? null : scope.session) {
    let line = text;
    if (this.#open !== undefined && this.#open !== scope) {
      line = `\n${tagged(text, session)}`;
    } else if (this.#open === undefined || scope === null) {
      line = tagged(text, session);
    } else {
      // First the rest of a line that already has its tag, then whole lines.
      const end = text.indexOf("\n") + 1;
      line = end === 0 ? text : text.slice(0, end) + tagged(text.slice(end), session);
    }
    if (text !== "") this.#open = text.endsWith("\n") ? undefined : scope;
    return Reflect.apply(this.#write, this.#stream, done === undefined ? [line] : [line, done]);
  }

  #end() {
    this.#open = undefined;
    Reflect.apply(this.#write, this.#stream, ["\n"]);
  }
}

function tagged(text, session) {
  return session === null ? text : tagText(text, session.tag);
}

/** Return a chunk as text; null if it is not UTF-8 or not a valid chunk. */
function textOf(chunk, encoding) {
  const name = typeof encoding === "function" ? undefined : encoding;
  if (typeof chunk === "string") return UTF8.has(name) ? chunk : null;
  if (!(chunk instanceof Uint8Array) || !isUtf8(chunk)) return null;
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString();
}

/** Write the held text of all streams. */
function flushLines() {
  for (const lines of writers) lines.flush();
}

onScopeEnd((scope) => {
  for (const lines of writers) lines.endScope(scope);
});
process.on("exit", flushLines);

module.exports = { patchStream, runInConsole };
