/**
 * The session tag on reports of errors that nobody caught.
 *
 * What handles such an error, the application's own listeners or Node.js, does so as part of the
 * work that the error comes from. Node.js prints its report without JavaScript's streams: the tag
 * is put into the error's stack, where nobody else is to see the error any more.
 *
 * @module
 */
"use strict";

const { count } = require("./counts.js");
const { currentSession, runIn, sessionOfError } = require("./context.js");
const { tagText } = require("./lines.js");

const REPORTS = ["uncaughtExceptionMonitor", "uncaughtException", "unhandledRejection"];

/** Have uncaught errors reported as part of the work that they come from. */
function patchProcess(patches) {
  patches.replace(process, "emit", (original) => {
    return function emit(event, error) {
      const report = () => Reflect.apply(original, this, arguments);
      if (!patches.on || !REPORTS.includes(event)) return report();
      const session = sessionOfError(error);
      if (session === null) return report();
      if (event === "uncaughtExceptionMonitor" && isFatal()) tagStack(error, session);
      return session === currentSession() ? report() : runIn(session, report);
    };
  });
}

/** Whether Node.js prints the report and ends the process. */
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
    // Not an object, or a frozen one.
    count("untaggedTexts");
  }
}

module.exports = { patchProcess };
