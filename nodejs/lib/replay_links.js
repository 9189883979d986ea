/**
 * Link to the replay of the current session, for error pages, tickets and error trackers.
 *
 * @module
 */
"use strict";

const { currentSession } = require("./context.js");

const PLACEHOLDER = "{session}";
const INVALID_TEMPLATE =
  `replayUrl must be an https:// URL that contains ${PLACEHOLDER} once, such as ` +
  "https://openreplay.example/5/session/{session}";

let template;

/** Set the template of replay links; undefined selects the environment variable. */
function setReplayUrl(given) {
  template = given === undefined ? undefined : checked(given);
}

/** Return the link to the replay of the current session; see `index.d.ts`. */
function replayUrl() {
  const session = currentSession();
  if (session === null) return null;
  try {
    const found = template ?? checked(process.env.OPENREPLAY_REPLAY_URL ?? "");
    return found.replace(PLACEHOLDER, session.sessionId);
  } catch {
    return null;
  }
}

/**
 * Return a template without surrounding whitespace.
 *
 * @throws {TypeError} the template is invalid. The message does not quote it.
 */
function checked(given) {
  const text = typeof given === "string" ? given.trim() : "";
  const pieces = text.split(PLACEHOLDER);
  let url;
  try {
    url = new URL(pieces.join("0"));
  } catch {
    throw new TypeError(INVALID_TEMPLATE);
  }
  const isAddress =
    url.protocol === "https:" && url.hostname !== "" && /^https:\/\/[^/]+[/?#]/.test(text);
  const authority = text.slice("https://".length).split(/[/?#]/)[0];
  const hasOthers = /[\s{@]/.test(pieces.join("")) || authority.includes("{");
  if (pieces.length !== 2 || !isAddress || hasOthers) throw new TypeError(INVALID_TEMPLATE);
  return text;
}

module.exports = { replayUrl, setReplayUrl };
