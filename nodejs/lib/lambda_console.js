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

const { types } = require("node:util");
const { currentSession, failedSession, runAsNobody } = require("./context.js");
const { count } = require("./counts.js");
const { ANY_TAG, setField, tagText } = require("./lines.js");

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
  try {
    if (args.length === 0) return args;
    const [first, ...rest] = args;
    if (isJson && rest.length === 0) {
      // The runtime writes a single argument as the `message` of its JSON, an object as an object.
      if (typeof first === "string") return [tagText(first, session.tag)];
      if (isCopied(first)) return [copyWithField(first, session)];
    }
    if (typeof first !== "string") return [session.tag, ...args];
    return [tagEvent(first, session.tag), ...rest];
  } catch {
    count("untaggedTexts");
    return args;
  }
}

/** The text of an event, which the runtime puts behind its own prefix, with the tag in front. */
function tagEvent(text, tag) {
  // Session fields of other visitors, in an object that was logged as text.
  const own = text.includes(ANY_TAG) ? tagText(text, tag) : text;
  return own.startsWith(tag) ? own : `${tag} ${own}`;
}

/** Whether the JSON of an object is that of its own enumerable members. */
function isCopied(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !types.isBoxedPrimitive(value) &&
    !types.isProxy(value) &&
    typeof value.toJSON !== "function"
  );
}

function copyWithField(value, session) {
  const copy = { ...value };
  setField(copy, session);
  if (!(value instanceof Error)) return copy;
  // The runtime asks for the class, the message and the stack of an error.
  const error = Object.create(Object.getPrototypeOf(value));
  for (const name of ["message", "stack"]) {
    Object.defineProperty(error, name, { value: value[name], writable: true, configurable: true });
  }
  return Object.assign(error, copy);
}

module.exports = { isLambdaConsole, patchLambdaConsole };
