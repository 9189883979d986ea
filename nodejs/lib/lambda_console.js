/**
 * Tag what the console writes on AWS Lambda.
 *
 * Lambda's runtime replaces the console's methods. They write neither to stdout nor to stderr, and
 * each call is one log event, however many lines it has. So this module puts the tag into the
 * arguments. The runtime is
 * https://github.com/aws/aws-lambda-nodejs-runtime-interface-client (`LogPatch.js`).
 *
 * @module
 */
"use strict";

const { format, inspect, types } = require("node:util");
const { currentSession, runWithoutSession } = require("./context.js");
const { sessionOfReport } = require("./lambda_report.js");
const { ANY_TAG, setField, tagJson, tagText } = require("./lines.js");

const LEVEL_BY_METHOD = { trace: 10, debug: 20, info: 30, log: 30, warn: 40, error: 50, fatal: 60 };

/** Return whether Lambda's runtime has patched the console: it alone adds `console.fatal`. */
function isLambdaConsole() {
  return Boolean(process.env.AWS_LAMBDA_RUNTIME_API) && typeof console.fatal === "function";
}

/** Patch Lambda's console to tag its log events. */
function patchLambdaConsole(patches) {
  const isJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON";
  for (const [method, level] of Object.entries(LEVEL_BY_METHOD)) {
    patches.replace(console, method, (original) => {
      return function (...args) {
        const session = patches.on ? (currentSession() ?? sessionOfReport(args)) : null;
        const isTagged = session !== null && level >= patches.level;
        const given = isTagged ? taggedArguments(args, session, isJson) : args;
        return runWithoutSession(() => Reflect.apply(original, this, given));
      };
    });
  }
}

/** Return a console method's arguments with the session tag or field. Never throws. */
function taggedArguments(args, session, isJson) {
  const { tag } = session;
  try {
    if (isJson && args.length === 1) {
      // The runtime writes a single argument as `message`; an object stays an object.
      const value = serializedValue(args[0]);
      if (typeof value === "string") return [tagJson(value, tag) ?? tagEvent(value, tag)];
      if (Array.isArray(value)) return [[tag, ...value]];
      if (isCopyable(value)) return [copyWithField(value, session)];
    }
    const [first, ...rest] = args;
    if (typeof first === "string") return [tagEvent(first, tag), ...rest];
  } catch {
    // A getter, `toJSON` or a proxy has thrown. util.format() calls none of them.
  }
  // Without arguments the runtime writes "undefined".
  return args.length === 0 ? [tag, undefined] : [tag, ...args];
}

/** Return the value that JSON.stringify would write: the result of `toJSON` if there is one. */
function serializedValue(value) {
  return typeof value?.toJSON === "function" ? value.toJSON("message") : value;
}

/** Return the text of a log event with the tag in front. */
function tagEvent(text, tag) {
  // The text may be JSON with session fields of other visitors; tagText() replaces those.
  const own = text.includes(ANY_TAG) ? tagText(text, tag) : text;
  return own.startsWith(tag) ? own : `${tag} ${own}`;
}

/** Return whether a copy of an object's own enumerable members has the same JSON. */
function isCopyable(value) {
  return typeof value === "object" && value !== null && !types.isBoxedPrimitive(value);
}

function copyWithField(value, session) {
  const copy = { ...value };
  setField(copy, session);
  if (!(value instanceof Error)) return withText(copy, value, session);
  // The runtime writes the class, message and stack of an error.
  const error = Object.create(Object.getPrototypeOf(value));
  for (const name of ["message", "stack"]) {
    Object.defineProperty(error, name, { value: value[name], writable: true, configurable: true });
  }
  return withText(Object.assign(error, copy), value, session);
}

/** Make the copy show as tagged text: the runtime formats it if JSON cannot represent it. */
function withText(copy, value, session) {
  const text = () => `${session.tag} ${format(value)}`;
  return Object.defineProperty(copy, inspect.custom, { value: text });
}

module.exports = { isLambdaConsole, patchLambdaConsole };
