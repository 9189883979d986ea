/**
 * The session tag on what is written to `process.stderr` and `process.stdout`.
 *
 * A line may be written in pieces, by several writers at once. The pieces of a session's line are
 * put together first and written in one: no line has two tags, none is made of two writers' words.
 * A line goes out when it is complete, when its request ends, when the process exits, or after a
 * second. What is nobody's goes out at once.
 *
 * @module
 */
"use strict";

const { isUtf8 } = require("node:buffer");
const { clearTimeout, setTimeout } = require("node:timers");
const { count } = require("./counts.js");
const { onLeaving, ongoingScope } = require("./context.js");
const { tagText } = require("./lines.js");

const MAX_HELD = 65_536;
const IDLE_MS = 1000;
const UTF8 = new Set([undefined, null, "utf8", "utf-8", "UTF8", "UTF-8", "buffer"]);

const writers = new Set();
let callsOfConsole = 0;

/** Tag what a console method writes, to whichever stream. */
function runInConsole(callback) {
  callsOfConsole += 1;
  try {
    return callback();
  } finally {
    callsOfConsole -= 1;
  }
}

/**
 * Have the lines tagged that are written to a stream.
 *
 * @param {Patches} patches
 * @param {NodeJS.WriteStream} stream
 * @param {() => boolean} isTagged whether all is tagged, or only what console methods write
 */
function patchStream(patches, stream, isTagged) {
  patches.replace(stream, "write", (original) => {
    const lines = new Lines(stream, original);
    writers.add(lines);
    patches.onUndo(() => {
      lines.finish();
      writers.delete(lines);
    });
    return function write(chunk, encoding, callback) {
      if (!patches.on || this !== stream) return Reflect.apply(original, this, arguments);
      try {
        const scope = callsOfConsole > 0 || isTagged() ? ongoingScope() : undefined;
        const isNobodys = scope === undefined || scope.session === null;
        if (isNobodys && !lines.isOpen) {
          lines.note(chunk);
          return Reflect.apply(original, this, arguments);
        }
        const text = textOf(chunk, encoding);
        const done = typeof encoding === "function" ? encoding : callback;
        if (text !== null) return lines.write(isNobodys ? null : scope, text, done);
      } catch {
        count("untaggedTexts");
      }
      return Reflect.apply(original, this, arguments);
    };
  });
}

/** The lines of one stream that are not complete yet. */
class Lines {
  #stream;
  #write;
  // By scope: what it has written of a line, and the timer that gives up waiting for the rest.
  #held = new Map();
  // Whose line is not at its end in the stream: a scope; null: nobody's; undefined: none.
  #open = undefined;

  constructor(stream, write) {
    this.#stream = stream;
    this.#write = write;
  }

  /** Whether a visitor has a line that is not complete, or nobody's line is not. */
  get isOpen() {
    return this.#open !== undefined && this.#open !== null;
  }

  /** Note whether nobody's text ends its line. */
  note(chunk) {
    const last = typeof chunk === "string" ? chunk.charCodeAt(chunk.length - 1) : chunk?.at?.(-1);
    if (last !== undefined && !Number.isNaN(last)) this.#open = last === 10 ? undefined : null;
  }

  /** Write a piece of text for a scope; null: nobody's. */
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

  /** Write what a scope has of a line, and end the line. */
  leave(scope) {
    this.#release(scope);
    if (this.#open === scope) this.#end();
  }

  /** Write everything that is held. */
  finish() {
    for (const scope of [...this.#held.keys()]) this.#release(scope);
  }

  #hold(scope, text) {
    const timer = setTimeout(() => this.#release(scope), IDLE_MS);
    timer.unref();
    // Kept with the text: a scope that has ended has no session.
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
      // The rest of a line that has its tag, and whole ones.
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

/** What is written as text; null where it is not UTF-8, or not to be written at all. */
function textOf(chunk, encoding) {
  const name = typeof encoding === "function" ? undefined : encoding;
  if (typeof chunk === "string") return UTF8.has(name) ? chunk : null;
  if (!(chunk instanceof Uint8Array) || !isUtf8(chunk)) return null;
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString();
}

/** Write everything that is held. */
function finishLines() {
  for (const lines of writers) lines.finish();
}

onLeaving((scope) => {
  for (const lines of writers) lines.leave(scope);
});
process.on("exit", finishLines);

module.exports = { patchStream, runInConsole };
