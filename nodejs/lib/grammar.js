/**
 * Parse session tokens and session ids, and format session tags.
 *
 * A session token is `id.delay.expiry.signature`, or `id.expiry.signature` if OpenReplay v1.0 to
 * v1.8 issued it. `tagging/grammar.py` of openreplay-cw-stack documents the details and sources;
 * tests check that both modules agree. A session token is a credential, so errors never quote one.
 *
 * @module
 */
"use strict";

const TOKEN_TAG_NAME = "openReplaySessionToken";
const ID_TAG_NAME = "openReplaySession.id";
const SESSION_FIELD_NAME = "openReplaySession";
const SESSION_ID_FIELD_NAME = "id";

const UNSIGNED_64 = 2n ** 64n - 1n;
const SIGNED_64 = 2n ** 63n - 1n;
const BASE36_DIGITS_OF_64_BITS = 13;
const DECIMAL_DIGITS_OF_64_BITS = 20;
const SIGNATURE_BYTES = 32;
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
// Nine base-58 digits or ten base-36 digits stay below 2 ** 53.
const BASE58_CHUNK = 9;
const BASE36_CHUNK = 10;

const BASE36_NUMBER = /^[0-9A-Za-z]+$/;
const DECIMAL_NUMBER = /^[0-9]+$/;
// 32 bytes take from 32 characters (all zero) to 44.
const SIGNATURE = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/;

/** The text is not a session token. The message names the part, and never quotes the text. */
class MalformedToken extends Error {
  get name() {
    return "MalformedToken";
  }
}

/**
 * Parse a session token, without verifying its signature.
 *
 * @param {string} text
 * @returns {{sessionId: bigint, delayMs: bigint | null, expiresMs: bigint, signature: Buffer,
 *   signedText: string}}
 * @throws {MalformedToken} a part is missing, has an invalid character, or is out of range
 */
function parseToken(text) {
  const parts = text.split(".", 5);
  if (parts.length !== 3 && parts.length !== 4) {
    throw new MalformedToken("a session token has four parts, or three in the older format");
  }
  const sessionId = unsignedBase36(parts[0], "session id", UNSIGNED_64);
  const delayMs = parts.length === 4 ? signedBase36(parts[1], "delay") : null;
  const expiresMs = unsignedBase36(parts.at(-2), "expiry", SIGNED_64);
  const signature = decodeSignature(parts.at(-1));
  return {
    sessionId,
    delayMs,
    expiresMs,
    signature,
    signedText: text.slice(0, text.lastIndexOf(".")),
  };
}

/** Return whether a parsed token is signed with a `TOKEN_SECRET`; compares in constant time. */
function isSignedWith(token, secret) {
  const { createHmac, timingSafeEqual } = require("node:crypto");
  const expected = createHmac("sha256", secret).update(token.signedText).digest();
  return timingSafeEqual(token.signature, expected);
}

/**
 * Parse a decimal, unsigned 64-bit session id.
 *
 * @param {string} text
 * @returns {bigint}
 * @throws {RangeError} the text is not a decimal number below 2 ** 64
 */
function parseSessionId(text) {
  const significant = text.replace(/^0+/, "");
  if (DECIMAL_NUMBER.test(text) && significant.length <= DECIMAL_DIGITS_OF_64_BITS) {
    const sessionId = BigInt(significant);
    if (sessionId <= UNSIGNED_64) return sessionId;
  }
  throw new RangeError("a session id is a decimal number of 64 bits");
}

/** Return the session tag of a session token, to prefix log messages with. */
function tokenTag(token) {
  return `[${TOKEN_TAG_NAME}=${token}]`;
}

/** Return the session tag of a session id, to prefix log messages with. */
function idTag(sessionId) {
  return `[${ID_TAG_NAME}=${sessionId}]`;
}

function unsignedBase36(digits, part, largest) {
  if (!BASE36_NUMBER.test(digits)) {
    throw new MalformedToken(`the ${part} is not a number in base 36`);
  }
  const significant = digits.replace(/^0+/, "");
  if (significant.length <= BASE36_DIGITS_OF_64_BITS) {
    const number = fromBase36(significant);
    if (number <= largest) return number;
  }
  throw new MalformedToken(`the ${part} does not fit into 64 bits`);
}

function signedBase36(digits, part) {
  return digits.startsWith("-")
    ? -unsignedBase36(digits.slice(1), part, SIGNED_64 + 1n)
    : unsignedBase36(digits, part, SIGNED_64);
}

function fromBase36(digits) {
  const low = digits.slice(-BASE36_CHUNK);
  const high = digits.slice(0, -BASE36_CHUNK);
  const factor = BigInt(36 ** low.length);
  return BigInt(parseInt(high || "0", 36)) * factor + BigInt(parseInt(low || "0", 36));
}

function decodeSignature(text) {
  if (text.length < 32 || text.length > 44) {
    throw new MalformedToken("the signature has the wrong length");
  }
  if (!SIGNATURE.test(text)) throw new MalformedToken("the signature is not in base 58");
  let number = 0n;
  for (let start = 0; start < text.length; start += BASE58_CHUNK) {
    const chunk = text.slice(start, start + BASE58_CHUNK);
    let value = 0;
    for (const character of chunk) value = value * 58 + BASE58.indexOf(character);
    number = number * BigInt(58 ** chunk.length) + BigInt(value);
  }
  const hex = number === 0n ? "" : number.toString(16);
  const significant = (hex.length + 1) >> 1;
  const zeros = text.length - text.replace(/^1+/, "").length;
  if (zeros + significant !== SIGNATURE_BYTES) {
    throw new MalformedToken("the signature has the wrong length");
  }
  return Buffer.from(hex.padStart(2 * SIGNATURE_BYTES, "0"), "hex");
}

module.exports = {
  ID_TAG_NAME,
  MalformedToken,
  SESSION_FIELD_NAME,
  SESSION_ID_FIELD_NAME,
  TOKEN_TAG_NAME,
  idTag,
  isSignedWith,
  parseSessionId,
  parseToken,
  tokenTag,
};
