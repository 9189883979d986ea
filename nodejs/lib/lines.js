/**
 * A session tag into text: every physical line once, and JSON stays JSON.
 *
 * Log drivers make a log event of every line, so each line must say whose it is. A text that is one
 * JSON object gets the tag as a field: the program's field decides whose the line is, whatever a
 * visitor's data in the line says. The same as `tagging/propagation/lines.py` of
 * openreplay-cw-stack does; shared vectors hold this module to it.
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
const { membersOf, skipBlanks } = require("./json_members.js");

const FIELD_NAMES = [TOKEN_TAG_NAME, ID_TAG_NAME, SESSION_FIELD_NAME];
// A tag that OpenReplay reads begins with this, in this case.
const ANY_TAG = "openReplaySession";
// How many fields of a line are judged, the one that is written among them.
const MAX_FIELDS = 64;
// What may stand around a JSON line: blanks, and the byte order mark of some writers.
const AROUND = " \t\n\r\ufeff";
const BLANK_LINE = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;

/**
 * The text with the session tag once in every line that is not blank. Never throws.
 *
 * A line that has the tag already keeps it where it is, unless another visitor's tag stands before
 * it: readers go by the first. A text, or a line, that is a JSON object gets a field in place of
 * the tag, as its first member; other session fields of that object stay only where they name the
 * same session.
 *
 * @param {string} text one line or several
 * @param {string} tag a session tag
 * @returns {string}
 */
function tagText(text, tag) {
  try {
    // Nearly every text is one plain line.
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
 * A line that a logger has just written as JSON, with the session's field. Never throws.
 *
 * @param {string} line
 * @param {Session} session
 */
function tagJsonLine(line, session) {
  // Only an escape can hide a field's name.
  if (line.startsWith('{"') && !line.includes(ANY_TAG) && !line.includes("\\u")) {
    return `{${session.field}, ${line.slice(1)}`;
  }
  return tagText(line, session.tag);
}

/** The text without a tag, wherever it stands in it, and the blank behind it. */
function withoutTag(text, tag) {
  return text.replaceAll(`${tag} `, "").replaceAll(tag, "");
}

/** The name and the value of the field that says what a session tag says. */
function fieldOf(tag) {
  const equals = tag.indexOf("=");
  return [tag.slice(1, equals), tag.slice(equals + 1, -1)];
}

/**
 * Write the session's field into an object that a logger is about to write.
 *
 * Other session fields of it stay only where they name the same session.
 */
function setField(target, session) {
  const [name, value] = fieldOf(session.tag);
  for (const other of FIELD_NAMES) {
    if (other !== name && Object.hasOwn(target, other) && !agrees(target[other], other, session)) {
      delete target[other];
    }
  }
  target[name] = value;
}

function agrees(value, name, session) {
  try {
    const text = JSON.stringify({ [name]: value });
    return membersOf(text, 0).every((one) => doesClaim(text, one, BigInt(session.sessionId)));
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

/** The JSON object with the tag as a field of it; null for any other text. */
function tagJson(text, tag) {
  const begin = beginOfObject(text);
  if (begin < 0) return null;
  // Of a traceback that was formatted before.
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
  let found = members.filter((one) => FIELD_NAMES.includes(one.name));
  const own = found.filter((one) => one.name === name);
  const others = found.filter((one) => one.name !== name);
  const claimed = others.length === 0 ? null : sessionOfTag(name, value);
  if (others.slice(0, MAX_FIELDS - 1).every((one) => doesClaim(text, one, claimed))) {
    if (own.length === 1 && valueOf(text, own[0]) === value) return text;
    found = own;
  }
  if (found.length > 0) return withFieldInstead(text, found, field);
  const first = skipBlanks(text, begin + 1);
  const comma = text[first] === "}" ? "" : ", ";
  return `${text.slice(0, first)}${field}${comma}${text.slice(first)}`;
}

/** The JSON object with one field in the place of the first of several. */
function withFieldInstead(text, replaced, field) {
  let tagged = text.slice(0, replaced[0].start) + field;
  let position = replaced[0].end;
  for (const one of replaced.slice(1)) {
    tagged += text.slice(position, one.endOfPrevious);
    position = one.end;
  }
  return tagged + text.slice(position);
}

/** Whether a session field names a session: what it holds, and each of an object's ids. */
function doesClaim(text, member, sessionId) {
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
  while (begin < text.length && AROUND.includes(text[begin])) begin += 1;
  if (text[begin] !== "{") return -1;
  let end = text.length - 1;
  while (end > begin && AROUND.includes(text[end])) end -= 1;
  return text[end] === "}" ? begin : -1;
}

function strip(text) {
  let [begin, end] = [0, text.length];
  while (AROUND.includes(text[begin])) begin += 1;
  while (AROUND.includes(text[end - 1])) end -= 1;
  return text.slice(begin, end);
}

function isPlainStart(code) {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57);
}

module.exports = { ANY_TAG, fieldOf, setField, tagJson, tagJsonLine, tagText };
