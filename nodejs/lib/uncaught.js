/**
 * Tag the reports of uncaught errors.
 *
 * The application's listeners run in the session of the error. Node.js prints its own report
 * without `process.stderr`, so the tag goes into the error's stack, unless a listener will see the
 * error.
 *
 * @module
 */
"use strict";

const { count } = require("./counts.js");
const { currentSession, runInSession, sessionOfError } = require("./context.js");
const { tagText } = require("./lines.js");

const REPORTS = ["uncaughtExceptionMonitor", "uncaughtException", "unhandledRejection"];

/** Patch `process` to report uncaught errors in the session that they come from. */
function patchProcess(patches) {
  patches.replace(process, "emit", (original) => {
    return function emit(event, error) {
      const report = () => Reflect.apply(original, this, arguments);
      if (!patches.on || !REPORTS.includes(event)) return report();
      const session = sessionOfError(error);
      if (session === null) return report();
      if (event === "uncaughtExceptionMonitor" && isFatal()) tagStack(error, session);
      return session === currentSession() ? report() : runInSession(session, report);
    };
  });
}

/** Return whether Node.js will print its report and end the process. */
function isFatal() {
  return (
    process.listenerCount("uncaughtException") === 0 &&
    !process.hasUncaughtExceptionCaptureCallback()
  );
}

function tagStack(error, session) {
  try {
    const { stack } = error;
    if (typeof stack !== "string") return;
    const value = tagText(stack, session.tag);
    Object.defineProperty(error, "stack", { value, writable: true, configurable: true });
  } catch {
    // The error is not an object, or is frozen.
    count("untaggedTexts");
  }
}

module.exports = { patchProcess };
