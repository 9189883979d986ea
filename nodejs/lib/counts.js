/**
 * Count ignored headers and failures instead of logging them.
 *
 * @module
 */
"use strict";

const counts = { ignoredHeaders: 0, unverifiedHeaders: 0, untaggedTexts: 0, failedCleanups: 0 };

/** Increment a counter. */
function count(name) {
  counts[name] += 1;
}

/** Return the counters of this process; see `index.d.ts`. */
function taggingCounts() {
  return { ...counts };
}

module.exports = { count, taggingCounts };
