/**
 * From one process to another: job queues, worker threads, and requests to your other services.
 *
 * @module
 */
"use strict";

const { currentSession, runIn } = require("./context.js");
const { HEADER_NAME, HeaderReader } = require("./session.js");

const READER = new HeaderReader();

/** Headers that name the session of the work at hand; see `index.d.ts`. */
function outgoingHeaders() {
  const token = currentSession()?.token ?? null;
  return token === null ? {} : { [HEADER_NAME]: token };
}

/** Work for the session that a job's headers name, while a function runs; see `index.d.ts`. */
function useHeaders(headers, callback) {
  return runIn(
    READER.read((name) => valuesOf(headers, name)),
    callback,
  );
}

/** All values of a header in an object, whatever the case of its name. */
function valuesOf(headers, wanted) {
  if (typeof headers !== "object" || headers === null) return [];
  return Object.entries(headers).flatMap(([name, value]) =>
    name.toLowerCase() === wanted ? value : [],
  );
}

/** Headers for `Access-Control-Allow-Headers`: yours and the session token's, each once. */
function corsAllowHeaders(...others) {
  const names = new Map();
  for (const name of [...others, HEADER_NAME]) {
    if (!names.has(name.toLowerCase())) names.set(name.toLowerCase(), name);
  }
  return [...names.values()];
}

module.exports = { corsAllowHeaders, outgoingHeaders, useHeaders, valuesOf };
