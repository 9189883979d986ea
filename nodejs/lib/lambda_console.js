/**
 * The session tag on what the console writes on AWS Lambda.
 *
 * Lambda's runtime replaces the console's methods: their text goes neither to stdout nor to stderr,
 * and each call is one log event, however many lines it has. So the tag is put into the arguments.
 * The runtime is https://github.com/aws/aws-lambda-nodejs-runtime-interface-client (`LogPatch.js`).
 *
 * @module
 */
"use strict";

const { format, inspect, types } = require("node:util");
const { currentSession, failedSession, runAsNobody } = require("./context.js");
const { ANY_TAG, setField, tagJson, tagText } = require("./lines.js");

const LEVEL_BY_METHOD = { trace: 10, debug: 20, info: 30, log: 30, warn: 40, error: 50, fatal: 60 };

/** Whether Lambda's runtime has replaced the console: Node.js itself has no `console.fatal`. */
function isLambdaConsole() {
  return Boolean(process.env.AWS_LAMBDA_RUNTIME_API) && typeof console.fatal === "function";
}

/** Have the log events of Lambda's console tagged. */
function patchLambdaConsole(patches) {
  const isJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON";
  for (const [method, level] of Object.entries(LEVEL_BY_METHOD)) {
    patches.replace(console, method, (original) => {
      return function (...args) {
        // The runtime reports a failed handler when its work has ended.
        const session = patches.on ? (currentSession() ?? failedSession(args)) : null;
        const isTagged = session !== null && level >= patches.level;
        const given = isTagged ? taggedArguments(args, session, isJson) : args;
        return runAsNobody(() => Reflect.apply(original, this, given));
      };
    });
  }
}

/** The arguments of a console method, whose text or object gets the session. Never throws. */
function taggedArguments(args, session, isJson) {
  const { tag } = session;
  try {
    if (isJson && args.length === 1) {
      // The runtime writes a single argument as the `message` of its JSON, an object as an object.
      const value = withoutMethod(args[0]);
      if (typeof value === "string") return [tagJson(value, tag) ?? tagEvent(value, tag)];
      if (Array.isArray(value)) return [[tag, ...value]];
      if (isCopied(value)) return [copyWithField(value, session)];
    }
    const [first, ...rest] = args;
    if (typeof first === "string") return [tagEvent(first, tag), ...rest];
  } catch {
    // A getter, `toJSON` or a proxy has thrown; as text, nothing of it is called.
  }
  // Without an argument the runtime writes "undefined".
  return args.length === 0 ? [tag, undefined] : [tag, ...args];
}

/** What JSON.stringify takes in place of a value that has a `toJSON`. */
function withoutMethod(value) {
  return typeof value?.toJSON === "function" ? value.toJSON("message") : value;
}

/** The text of an event, which the runtime puts behind its own prefix, with the tag in front. */
function tagEvent(text, tag) {
  // Session fields of other visitors, in an object that was logged as text.
  const own = text.includes(ANY_TAG) ? tagText(text, tag) : text;
  return own.startsWith(tag) ? own : `${tag} ${own}`;
}

/** Whether the JSON of an object is that of its own enumerable members. */
function isCopied(value) {
  return typeof value === "object" && value !== null && !types.isBoxedPrimitive(value);
}

function copyWithField(value, session) {
  const copy = { ...value };
  setField(copy, session);
  if (!(value instanceof Error)) return withText(copy, value, session);
  // The runtime asks for the class, the message and the stack of an error.
  const error = Object.create(Object.getPrototypeOf(value));
  for (const name of ["message", "stack"]) {
    Object.defineProperty(error, name, { value: value[name], writable: true, configurable: true });
  }
  return withText(Object.assign(error, copy), value, session);
}

/** The copy, which is written as tagged text where it cannot be written as JSON. */
function withText(copy, value, session) {
  const text = () => `${session.tag} ${format(value)}`;
  return Object.defineProperty(copy, inspect.custom, { value: text });
}

module.exports = { isLambdaConsole, patchLambdaConsole };
