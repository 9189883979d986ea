/**
 * Recognize how Lambda's runtime reports the error of a failed handler.
 *
 * The runtime is https://github.com/aws/aws-lambda-nodejs-runtime-interface-client (`Errors.js`,
 * `LogPatch.js`). It calls the console outside every scope, after the handler's scope has ended.
 *
 * @module
 */
"use strict";

const { sessionOfFailure } = require("./context.js");

/** Return the session of a failed handler if these console arguments report its error, or null. */
function sessionOfReport(args) {
  return sessionOfFailure((error) => isReportOf(args, error));
}

/** Return whether these console arguments are how Lambda's runtime reports an error. */
function isReportOf(args, error) {
  const [title, text] = args;
  try {
    if (args.length === 1 && title instanceof Error) {
      return title === error || (!(error instanceof Error) && matchesMessage(title.message, error));
    }
    if (title !== "Invoke Error" || args.length !== 2 || typeof text !== "string") return false;
    // If the error has a `toJSON`, the report has the members that it returns. If JSON cannot
    // represent the error, the report has the stack as `trace`, or no stack.
    const { message, errorMessage = message, trace, stack = trace } = JSON.parse(text);
    const own = error instanceof Error ? error.stack : undefined;
    const isOwn = !Array.isArray(stack) || typeof own !== "string" || stack.join("\n") === own;
    return isOwn && matchesMessage(errorMessage, error);
  } catch {
    return false;
  }
}

/** Return whether a reported message is that of a thrown value, which may not be an error. */
function matchesMessage(message, error) {
  if (error instanceof Error) return message === error.message;
  return (
    message === String(error) || ((error ?? null) === null && ["handled", ""].includes(message))
  );
}

module.exports = { sessionOfReport };
