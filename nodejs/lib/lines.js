/**
 * Add a session tag to text: once per physical line, and as a field to JSON.
 *
 * Log drivers turn every line into a log event, so each line needs the tag. Text that is one JSON
 * object gets the tag as a field instead. This field overrides any session field in data that a
 * visitor sent. `tagging/propagation/lines.py` of openreplay-cw-stack does the same; tests check
 * that both modules agree.
 *
 * @module
 */
"use strict";

const { count } = require("./counts.js");
const {
  ID_TAG_NAME,
  SESSION_FIELD_NAME,
  SESSION_ID_FIELD_NAME,
  TOKEN_TAG_NAME,
  parseSessionId,
  parseToken,
} = require("./grammar.js");
const { membersOf, skipWhitespace } = require("./json_members.js");

const FIELD_NAMES = [TOKEN_TAG_NAME, ID_TAG_NAME, SESSION_FIELD_NAME];
// Every session tag and field name begins with this; it is case-sensitive.
const ANY_TAG = "openReplaySession";
// The maximum number of session fields that a line is read for, including the one written here.
const MAX_FIELDS = 64;
// What may surround a JSON object: whitespace, and the byte order mark that some writers add.
const PADDING = " \t\n\r\ufeff";
const BLANK_LINE = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;

/**
 * Return the text with the session tag once in every non-blank line. Never throws.
 *
 * A line that already has the tag keeps it in place, unless another session's tag precedes it:
 * readers use the first tag. If the whole text or a line is a JSON object, it gets the session
 * field as its first member instead. Its other session fields stay only if they name the same
 * session.
 *
 * @param {string} text one or more lines
 * @param {string} tag a session tag
 * @returns {string}
 */
function tagText(text, tag) {
  try {
    // Fast path: nearly every text is one plain line.
    if (isPlainStart(text.charCodeAt(0)) && !text.includes("\n") && !text.includes(ANY_TAG)) {
      return `${tag} ${text}`;
    }
    if (!text.includes("\n")) return tagLine(text, tag);
    const tagged = tagJson(text, tag);
    if (tagged !== null) return tagged;
    return text
      .split("\n")
      .map((line) => tagLine(line, tag))
      .join("\n");
  } catch {
    count("untaggedTexts");
    return text;
  }
}

/**
 * Return a line of a JSON logger with the session field. Never throws.
 *
 * @param {string} line
 * @param {Session} session
 */
function tagJsonLine(line, session) {
  // Fast path. Besides a plain name, only a \u escape can spell a session field.
  if (line.startsWith('{"') && !line.includes(ANY_TAG) && !line.includes("\\u")) {
    return `{${session.field}, ${line.slice(1)}`;
  }
  return tagText(line, session.tag);
}

/** Return the text without any occurrence of a tag and of the space after it. */
function withoutTag(text, tag) {
  return text.replaceAll(`${tag} `, "").replaceAll(tag, "");
}

/** Return the name and value of the JSON field that corresponds to a session tag. */
function fieldOf(tag) {
  const equals = tag.indexOf("=");
  return [tag.slice(1, equals), tag.slice(equals + 1, -1)];
}

/**
 * Set the session field of an object that a logger is about to write.
 *
 * Delete its other session fields unless they name the same session.
 */
function setField(target, session) {
  const [name, value] = fieldOf(session.tag);
  for (const other of FIELD_NAMES) {
    if (
      other !== name &&
      Object.hasOwn(target, other) &&
      !namesSameSession(target[other], other, session)
    ) {
      delete target[other];
    }
  }
  target[name] = value;
}

function namesSameSession(value, name, session) {
  try {
    const text = JSON.stringify({ [name]: value });
    return membersOf(text, 0).every((one) => namesSession(text, one, BigInt(session.sessionId)));
  } catch {
    return false;
  }
}

function tagLine(line, tag) {
  const tagged = tagJson(line, tag);
  if (tagged !== null) return tagged;
  if (line.includes(ANY_TAG)) {
    const first = line.indexOf(tag);
    const isOnlyOne = first >= 0 && line.indexOf(tag, first + tag.length) < 0;
    if (isOnlyOne && line.indexOf(ANY_TAG) === first + 1) return line;
    line = withoutTag(line, tag);
  }
  return BLANK_LINE.test(line) ? line : `${tag} ${line}`;
}

/** Return a JSON object with the tag as a field; null if the text is not a JSON object. */
function tagJson(text, tag) {
  const begin = beginOfObject(text);
  if (begin < 0) return null;
  // A stack that was tagged earlier may be part of the object.
  if (text.includes(tag)) text = withoutTag(text, tag);
  let members;
  try {
    JSON.parse(strip(text));
    members = membersOf(text, begin);
  } catch {
    return null;
  }
  const [name, value] = fieldOf(tag);
  const field = `"${name}": "${value}"`;
  let found = members.filter((member) => FIELD_NAMES.includes(member.name));
  const own = found.filter((member) => member.name === name);
  const others = found.filter((member) => member.name !== name);
  const claimed = others.length === 0 ? null : sessionOfTag(name, value);
  if (others.slice(0, MAX_FIELDS - 1).every((one) => namesSession(text, one, claimed))) {
    if (own.length === 1 && valueOf(text, own[0]) === value) return text;
    found = own;
  }
  if (found.length > 0) return withFieldInstead(text, found, field);
  const first = skipWhitespace(text, begin + 1);
  const comma = text[first] === "}" ? "" : ", ";
  return `${text.slice(0, first)}${field}${comma}${text.slice(first)}`;
}

/** Return a JSON object with its first session field replaced and the others removed. */
function withFieldInstead(text, replaced, field) {
  let tagged = text.slice(0, replaced[0].start) + field;
  let position = replaced[0].end;
  for (const one of replaced.slice(1)) {
    tagged += text.slice(position, one.endOfPrevious);
    position = one.end;
  }
  return tagged + text.slice(position);
}

/** Return whether a session field names a session; for an object, whether all its ids do. */
function namesSession(text, member, sessionId) {
  if (member.name === SESSION_FIELD_NAME) {
    if (text[member.valueStart] !== "{") return true;
    return membersOf(text, member.valueStart)
      .filter((one) => one.name === SESSION_ID_FIELD_NAME)
      .every((one) => sessionOfTag(ID_TAG_NAME, valueOf(text, one)) === sessionId);
  }
  return sessionOfTag(member.name, valueOf(text, member)) === sessionId;
}

function sessionOfTag(name, value) {
  if (typeof value !== "string") return null;
  try {
    return name === TOKEN_TAG_NAME ? parseToken(value).sessionId : parseSessionId(value);
  } catch {
    return null;
  }
}

function valueOf(text, member) {
  return JSON.parse(text.slice(member.valueStart, member.end));
}

function beginOfObject(text) {
  let begin = 0;
  while (begin < text.length && PADDING.includes(text[begin])) begin += 1;
  if (text[begin] !== "{") return -1;
  let end = text.length - 1;
  while (end > begin && PADDING.includes(text[end])) end -= 1;
  return text[end] === "}" ? begin : -1;
}

function strip(text) {
  let [begin, end] = [0, text.length];
  while (PADDING.includes(text[begin])) begin += 1;
  while (PADDING.includes(text[end - 1])) end -= 1;
  return text.slice(begin, end);
}

function isPlainStart(code) {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57);
}

module.exports = { ANY_TAG, fieldOf, setField, tagJson, tagJsonLine, tagText };
