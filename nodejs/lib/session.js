/**
 * The session of a request: what is carried, and how it is read from the request's headers.
 *
 * A header is read only if it is exactly a session token; anything else is ignored and counted. So
 * nothing that a client sends can put a line break or a second tag into a log. Only the signature
 * shows that OpenReplay issued the token: see `tokenSecret`.
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

/** The header that the tracker's `network.sessionTokenHeader: true` sends (tracker 5.0.0 on). */
const HEADER_NAME = "X-OpenReplay-SessionToken";

/** The header of OpenReplay's newer pages: a decimal session id, which nobody signs. */
const SESSION_ID_HEADER_NAME = "openReplaySession.id";

const A_HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// 13 + 14 + 13 + 44 characters and three dots, without leading zeros.
const MAX_TOKEN = 128;
// A server may join the header of a proxy and that of the tracker.
const MAX_HEADER = 4 * MAX_TOKEN;
// Neither a session token nor an id.
const NEITHER = "?";

let isWritingIds = false;

/** Have the tag of every session in this process be the id tag, or the token tag. */
function writeIds(isChosen) {
  isWritingIds = isChosen;
}

/**
 * A visitor's session, as it is carried with the work for one of their requests.
 *
 * Neither `JSON.stringify` nor `util.inspect` shows the token.
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

  /** The session token, a bearer credential of the session; null where only the id is known. */
  get token() {
    return this.#token;
  }

  /** The session tag that log lines get: the one that `install({ tag })` chose. */
  get tag() {
    if (isWritingIds || this.#token === null) return (this.#idTag ??= idTag(this.sessionId));
    return (this.#tokenTag ??= tokenTag(this.#token));
  }

  /** The first member of a JSON line, and what follows it. */
  get field() {
    if (isWritingIds || this.#token === null) {
      return (this.#idField ??= `"${ID_TAG_NAME}": "${this.sessionId}"`);
    }
    return (this.#tokenField ??= `"${TOKEN_TAG_NAME}": "${this.#token}"`);
  }

  /** The session that a session token names; a MalformedToken where it is none. */
  static ofToken(token) {
    if (token.length > MAX_TOKEN) {
      throw new MalformedToken(`a session token has at most ${MAX_TOKEN} characters`);
    }
    return new Session(parseToken(token).sessionId, token);
  }

  /** The session with a decimal id; a RangeError for any other text. */
  static ofId(sessionId) {
    return new Session(parseSessionId(sessionId), null);
  }

  [inspect.custom]() {
    return `Session { sessionId: '${this.sessionId}' }`;
  }
}

/** The session of a token from outside; null, and counted, for anything else. */
function sessionOfToken(token) {
  return checked(Session.ofToken, token);
}

/** Finds the visitor's session in the headers of a request; see `index.d.ts`. */
class HeaderReader {
  #secret = null;

  constructor({ headerName = HEADER_NAME, acceptSessionId = false, tokenSecret } = {}) {
    if (typeof headerName !== "string" || !A_HEADER_NAME.test(headerName)) {
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
          "tokenSecret has no effect together with acceptSessionId: true, which lets anybody " +
            "name a session without a signature: leave one of them out",
        );
      }
    }
  }

  /**
   * The session that the headers name, or null. Never throws.
   *
   * @param {(lowerCaseName: string) => unknown} valuesOf the value of a header, or all of them.
   *   More than one counts as none: nobody knows which of them is the visitor's.
   */
  read(valuesOf) {
    try {
      let session = only(valuesOf(this.headerName.toLowerCase()), Session.ofToken);
      if (session === null && this.acceptSessionId) {
        session = only(valuesOf(SESSION_ID_HEADER_NAME.toLowerCase()), Session.ofId);
      }
      if (session !== null && !this.#isVerified(session)) {
        count("unverifiedHeaders");
        return null;
      }
      return session;
    } catch {
      // Headers of another form than the protocol has: the request goes on without a session.
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
  // Line ends behind a secret are those of the file that it was read from.
  while (secret.length > 0 && (secret.at(-1) === 10 || secret.at(-1) === 13)) {
    secret = secret.subarray(0, -1);
  }
  if (secret.length === 0) {
    throw new TypeError(
      "tokenSecret must be OpenReplay's TOKEN_SECRET, as text or bytes, and not empty; leave it " +
        "out to read tokens without checking their signatures",
    );
  }
  return secret;
}

function only(values, parse) {
  if (values === undefined || values === null) return null;
  // Twice the same is one: the tracker adds the header to requests that have it already.
  const found = new Set();
  for (const value of Array.isArray(values) ? values : [values]) {
    if (typeof value !== "string")
      found.add(value === undefined || value === null ? null : NEITHER);
    else if (value.length > MAX_HEADER) found.add(NEITHER);
    // Servers join values with a comma, which is in no session token.
    else if (value.includes(",")) for (const part of value.split(",")) found.add(strip(part));
    else found.add(value);
    if (found.size > 1) {
      count("ignoredHeaders");
      return null;
    }
  }
  return found.size === 0 ? null : checked(parse, found.values().next().value);
}

function strip(part) {
  return part.replace(/^ +| +$/g, "");
}

function checked(parse, value) {
  if (value === undefined || value === null || value === "") return null;
  if (typeof value === "string") {
    try {
      return parse(value);
    } catch {
      // Counted below.
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
  writeIds,
};
