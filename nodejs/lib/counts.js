/**
 * What went wrong without a notice: counted in this process, never logged.
 *
 * @module
 */
"use strict";

const counts = { ignoredHeaders: 0, unverifiedHeaders: 0, untaggedTexts: 0, failedCleanups: 0 };

/** Count one more. */
function count(name) {
  counts[name] += 1;
}

/** What has been counted in this process, by name; see `index.d.ts`. */
function taggingCounts() {
  return { ...counts };
}

module.exports = { count, taggingCounts };
