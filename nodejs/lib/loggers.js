/**
 * Add the session field to the records of pino, winston and bunyan.
 *
 * The field goes into the finished record, so that data from a visitor cannot override it. The
 * logged object would override a field from a pino mixin.
 *
 * @module
 */
"use strict";

const { count } = require("./counts.js");
const { currentSession, runWithoutSession } = require("./context.js");
const { numberOfRecord } = require("./levels.js");
const { setField, tagJsonLine, tagText } = require("./lines.js");

const MESSAGE = Symbol.for("message");
const SESSION = Symbol("openReplaySession");

const KINDS = [
  [isPino, patchPino],
  [isWinston, patchWinston],
  [isBunyan, patchBunyan],
];

/** Return whether a value is the module `pino`, `winston` or `bunyan`. */
function isLogger(found) {
  return KINDS.some(([matches]) => matches(found));
}

/** Patch a logger module to tag its records; ignore any other value. */
function patchLogger(patches, logger) {
  KINDS.find(([matches]) => matches(logger))?.[1](patches, logger);
}

function isPino(found) {
  return typeof found === "function" && typeof found.symbols?.asJsonSym === "symbol";
}

function isWinston(found) {
  return (
    typeof found?.createLogger === "function" &&
    typeof found.Logger?.prototype?.write === "function"
  );
}

function isBunyan(found) {
  return typeof found?.createLogger === "function" && typeof found.prototype?._emit === "function";
}

function patchPino(patches, pino) {
  const asJson = pino.symbols.asJsonSym;
  let prototype = pino({ enabled: false }, { write() {} });
  while (prototype !== null && !Object.hasOwn(prototype, asJson)) {
    prototype = Object.getPrototypeOf(prototype);
  }
  patches.replace(prototype, pino.symbols.writeSym, (original) => {
    return function (object, message, level) {
      const write = () => Reflect.apply(original, this, arguments);
      return patches.on && level < patches.level ? runWithoutSession(write) : write();
    };
  });
  patches.replace(prototype, asJson, (original) => {
    return function () {
      const line = Reflect.apply(original, this, arguments);
      const session = patches.on ? currentSession() : null;
      return session === null || typeof line !== "string" ? line : tagJsonLine(line, session);
    };
  });
}

function patchBunyan(patches, bunyan) {
  patches.replace(bunyan.prototype, "_emit", (original) => {
    return function (record) {
      const emit = () => Reflect.apply(original, this, arguments);
      const session = patches.on ? currentSession() : null;
      if (session === null) return emit();
      if (record?.level < patches.level) return runWithoutSession(emit);
      attempt(() => setField(record, session));
      return emit();
    };
  });
}

/**
 * Patch winston to tag its records.
 *
 * A record may wait in winston's stream until another session is current. So a copy of the record
 * stores its session, and the transport writes the tag after all formats have run.
 */
function patchWinston(patches, winston) {
  patches.replace(winston.Logger.prototype, "write", (original) => {
    return function (info, ...rest) {
      const write = (record) => Reflect.apply(original, this, [record, ...rest]);
      const session = patches.on ? currentSession() : null;
      if (session === null || typeof info !== "object" || info === null) return write(info);
      if (numberOfRecord(info.level) < patches.level) return runWithoutSession(() => write(info));
      attempt(() => {
        for (const transport of this.transports) patchTransport(patches, transport);
      });
      if (isPlain(info)) return write(attempt(() => ({ ...info, [SESSION]: session })) ?? info);
      attempt(() => (info[SESSION] = session));
      try {
        return write(info);
      } finally {
        // The application may log the same object again in another session.
        attempt(() => delete info[SESSION]);
      }
    };
  });
}

/** Return whether a record can be copied: errors and class instances are more than their fields. */
function isPlain(info) {
  return Object.getPrototypeOf(info) === Object.prototype;
}

function patchTransport(patches, transport) {
  let owner = transport;
  while (owner !== null && !Object.hasOwn(owner, "log")) owner = Object.getPrototypeOf(owner);
  patches.replace(owner, "log", (original) => {
    return function (info, ...rest) {
      const session = patches.on ? info?.[SESSION] : undefined;
      if (session !== undefined) attempt(() => tagInfo(info, session));
      return Reflect.apply(original, this, [info, ...rest]);
    };
  });
}

function tagInfo(info, session) {
  if (typeof info[MESSAGE] === "string") info[MESSAGE] = tagText(info[MESSAGE], session.tag);
  // Some transports send the record itself. Errors belong to the application and stay unchanged.
  if (isPlain(info)) setField(info, session);
}

function attempt(action) {
  try {
    return action();
  } catch {
    count("untaggedTexts");
    return undefined;
  }
}

module.exports = { isLogger, patchLogger };
