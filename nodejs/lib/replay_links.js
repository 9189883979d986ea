/**
 * The link of the replay of the current request: for error pages, tickets and error trackers.
 *
 * @module
 */
"use strict";

const { currentSession } = require("./context.js");

const PLACEHOLDER = "{session}";
const FIX =
  `replayUrl must be an https:// address with ${PLACEHOLDER} once, such as ` +
  "https://openreplay.example/5/session/{session}";

let template;

/** Set the template of replay links; undefined: the environment variable has it. */
function setReplayUrl(given) {
  template = given === undefined ? undefined : checked(given);
}

/** The link of the replay of the current request's session; see `index.d.ts`. */
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

/** A template without blanks around it; a TypeError, which does not quote it, where it is none. */
function checked(given) {
  const text = typeof given === "string" ? given.trim() : "";
  const pieces = text.split(PLACEHOLDER);
  let url;
  try {
    url = new URL(pieces.join("0"));
  } catch {
    throw new TypeError(FIX);
  }
  const isAddress =
    url.protocol === "https:" && url.hostname !== "" && /^https:\/\/[^/]+[/?#]/.test(text);
  const authority = text.slice("https://".length).split(/[/?#]/)[0];
  const hasOthers = /[\s{@]/.test(pieces.join("")) || authority.includes("{");
  if (pieces.length !== 2 || !isAddress || hasOthers) throw new TypeError(FIX);
  return text;
}

module.exports = { replayUrl, setReplayUrl };
