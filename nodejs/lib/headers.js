/**
 * Pass the session to job queues, worker threads and your other services.
 *
 * @module
 */
"use strict";

const { currentSession, runInSession } = require("./context.js");
const { HEADER_NAME, HeaderReader } = require("./session.js");

const READER = new HeaderReader();

/** Return headers that name the current session; see `index.d.ts`. */
function outgoingHeaders() {
  const token = currentSession()?.token ?? null;
  return token === null ? {} : { [HEADER_NAME]: token };
}

/** Run a function in the session that headers name; see `index.d.ts`. */
function useHeaders(headers, callback) {
  return runInSession(
    READER.read((name) => valuesOf(headers, name)),
    callback,
  );
}

/** Return all values of a header in an object, ignoring case. */
function valuesOf(headers, wanted) {
  if (typeof headers !== "object" || headers === null) return [];
  return Object.entries(headers).flatMap(([name, value]) =>
    name.toLowerCase() === wanted ? value : [],
  );
}

/** Return names for `Access-Control-Allow-Headers`; see `index.d.ts`. */
function corsAllowHeaders(...others) {
  const names = new Map();
  for (const name of [...others, HEADER_NAME]) {
    if (!names.has(name.toLowerCase())) names.set(name.toLowerCase(), name);
  }
  return [...names.values()];
}

module.exports = { corsAllowHeaders, outgoingHeaders, useHeaders, valuesOf };
