/**
 * The session of a request, and how it is read from the request's headers.
 *
 * A header counts only if its value is exactly a session token. Anything else is ignored and
 * counted, so no client can inject a line break or a second tag into a log. Only the signature
 * proves that OpenReplay issued the token: see `tokenSecret`.
 *
 * @module
 */
"use strict";

const { inspect } = require("node:util");
const { count } = require("./counts.js");
const {
  ID_TAG_NAME,
  MalformedToken,
  TOKEN_TAG_NAME,
  idTag,
  isSignedWith,
  parseSessionId,
  parseToken,
  tokenTag,
} = require("./grammar.js");

/** The header that the tracker sends for `network.sessionTokenHeader: true` (from 5.0.0). */
const HEADER_NAME = "X-OpenReplay-SessionToken";

/** The header of newer OpenReplay pages: a decimal session id, which is not signed. */
const SESSION_ID_HEADER_NAME = "openReplaySession.id";

const HEADER_NAME_PATTERN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// 13 + 14 + 13 + 44 characters and three dots; the rest allows for leading zeros.
const MAX_TOKEN = 128;
// A server may join repeated headers into one value.
const MAX_HEADER = 4 * MAX_TOKEN;
// Stands for a value that is neither a session token nor an id.
const INVALID = "?";

let usesIdTags = false;

/** Choose the id tag or the token tag for every session in this process. */
function setIdTags(isEnabled) {
  usesIdTags = isEnabled;
}

/**
 * A visitor's session. Neither `JSON.stringify` nor `util.inspect` shows the token.
 */
class Session {
  #token;
  #tokenTag = null;
  #idTag = null;
  #tokenField = null;
  #idField = null;

  constructor(sessionId, token) {
    this.sessionId = String(sessionId);
    this.#token = token;
    Object.freeze(this);
  }

  /** The session token, a bearer credential; null if only the id is known. */
  get token() {
    return this.#token;
  }

  /** The session tag for log lines, in the form that `install({ tag })` selects. */
  get tag() {
    if (usesIdTags || this.#token === null) return (this.#idTag ??= idTag(this.sessionId));
    return (this.#tokenTag ??= tokenTag(this.#token));
  }

  /** The session field as the text of a JSON member. */
  get field() {
    if (usesIdTags || this.#token === null) {
      return (this.#idField ??= `"${ID_TAG_NAME}": "${this.sessionId}"`);
    }
    return (this.#tokenField ??= `"${TOKEN_TAG_NAME}": "${this.#token}"`);
  }

  /** Return the session of a token. Throws a MalformedToken if it is not a session token. */
  static ofToken(token) {
    if (token.length > MAX_TOKEN) {
      throw new MalformedToken(`a session token has at most ${MAX_TOKEN} characters`);
    }
    return new Session(parseToken(token).sessionId, token);
  }

  /** Return the session with a decimal id. Throws a RangeError if it is not one. */
  static ofId(sessionId) {
    return new Session(parseSessionId(sessionId), null);
  }

  [inspect.custom]() {
    return `Session { sessionId: '${this.sessionId}' }`;
  }
}

/** Return the session of an untrusted token. Count it and return null if it is invalid. */
function sessionOfToken(token) {
  return parseOrCount(Session.ofToken, token);
}

/** Reads the session from the headers of a request; see `index.d.ts`. */
class HeaderReader {
  #secret = null;

  constructor({ headerName = HEADER_NAME, acceptSessionId = false, tokenSecret } = {}) {
    if (typeof headerName !== "string" || !HEADER_NAME_PATTERN.test(headerName)) {
      throw new TypeError(
        `headerName must be the name of an HTTP header, such as ${HEADER_NAME}, not ` +
          inspect(headerName, { depth: 0 }).slice(0, 60),
      );
    }
    if (typeof acceptSessionId !== "boolean") {
      throw new TypeError("acceptSessionId must be true or false");
    }
    this.headerName = headerName;
    this.acceptSessionId = acceptSessionId;
    if (tokenSecret !== undefined && tokenSecret !== null) {
      this.#secret = secretBytes(tokenSecret);
      if (acceptSessionId) {
        throw new TypeError(
          "tokenSecret has no effect with acceptSessionId: true, which accepts session ids " +
            "without a signature: omit one of them",
        );
      }
    }
  }

  /**
   * Return the session that the headers name, or null. Never throws.
   *
   * @param {(lowerCaseName: string) => unknown} valuesOf returns the value of a header, or an array
   *   of all its values. Different values are ambiguous, so they are ignored.
   */
  read(valuesOf) {
    try {
      let session = singleSession(valuesOf(this.headerName.toLowerCase()), Session.ofToken);
      if (session === null && this.acceptSessionId) {
        session = singleSession(valuesOf(SESSION_ID_HEADER_NAME.toLowerCase()), Session.ofId);
      }
      if (session !== null && !this.#isVerified(session)) {
        count("unverifiedHeaders");
        return null;
      }
      return session;
    } catch {
      // The headers are not an ordinary header object; continue without a session.
      count("ignoredHeaders");
      return null;
    }
  }

  #isVerified(session) {
    if (this.#secret === null || session.token === null) return true;
    return isSignedWith(parseToken(session.token), this.#secret);
  }
}

function secretBytes(tokenSecret) {
  const isBytes = tokenSecret instanceof Uint8Array;
  let secret =
    isBytes || typeof tokenSecret === "string" ? Buffer.from(tokenSecret) : Buffer.alloc(0);
  // A trailing line end comes from the file that held the secret.
  while (secret.length > 0 && (secret.at(-1) === 10 || secret.at(-1) === 13)) {
    secret = secret.subarray(0, -1);
  }
  if (secret.length === 0) {
    throw new TypeError(
      "tokenSecret must be OpenReplay's TOKEN_SECRET, a string or Uint8Array that is not empty; " +
        "omit it to accept tokens without checking their signatures",
    );
  }
  return secret;
}

/** Parse the only distinct value of a header. Count it and return null if it is invalid. */
function singleSession(values, parse) {
  if (values === undefined || values === null) return null;
  // Equal values count once: the tracker adds the header to requests that already have it.
  const found = new Set();
  for (const value of Array.isArray(values) ? values : [values]) {
    if (typeof value !== "string")
      found.add(value === undefined || value === null ? null : INVALID);
    else if (value.length > MAX_HEADER) found.add(INVALID);
    // Servers join values with commas. No session token contains one.
    else if (value.includes(",")) for (const part of value.split(",")) found.add(strip(part));
    else found.add(value);
    if (found.size > 1) {
      count("ignoredHeaders");
      return null;
    }
  }
  return found.size === 0 ? null : parseOrCount(parse, found.values().next().value);
}

function strip(part) {
  return part.replace(/^ +| +$/g, "");
}

function parseOrCount(parse, value) {
  if (value === undefined || value === null || value === "") return null;
  if (typeof value === "string") {
    try {
      return parse(value);
    } catch {
      // The value is counted below.
    }
  }
  count("ignoredHeaders");
  return null;
}

module.exports = {
  HEADER_NAME,
  HeaderReader,
  SESSION_ID_HEADER_NAME,
  Session,
  sessionOfToken,
  setIdTags,
};
