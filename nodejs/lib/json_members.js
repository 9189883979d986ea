/**
 * Find the members of a JSON object and their positions in the text, including duplicate names.
 *
 * @module
 */
"use strict";

// The Python parser that later reads the lines accepts no deeper nesting and no longer numbers.
const MAX_DEPTH = 256;
const LONG_NUMBER = /[0-9]{4300}/;
const WHITESPACE = " \t\n\r";

/**
 * Return the members of an object in a text that `JSON.parse` accepts.
 *
 * @param {string} text
 * @param {number} begin the position of the object's opening brace
 * @returns {{name: string, start: number, valueStart: number, end: number,
 *   endOfPrevious: number}[]} for the first member, `endOfPrevious` is its own start
 * @throws {RangeError} the object is nested too deeply, or contains a number that is too long
 */
function membersOf(text, begin) {
  if (text.length > 4300 && LONG_NUMBER.test(text)) throw new RangeError("number too long");
  const members = [];
  let position = skipWhitespace(text, begin + 1);
  let endOfPrevious = position;
  while (text[position] !== "}") {
    const start = position;
    const endOfName = endOfString(text, start);
    const valueStart = skipWhitespace(text, skipWhitespace(text, endOfName) + 1);
    const end = endOfValue(text, valueStart);
    members.push({
      name: JSON.parse(text.slice(start, endOfName)),
      start,
      valueStart,
      end,
      endOfPrevious,
    });
    endOfPrevious = end;
    position = skipWhitespace(text, end);
    if (text[position] === ",") position = skipWhitespace(text, position + 1);
  }
  return members;
}

/** Return the position after any whitespace that starts at a position. */
function skipWhitespace(text, position) {
  while (position < text.length && WHITESPACE.includes(text[position])) position += 1;
  return position;
}

function endOfValue(text, start) {
  const first = text[start];
  if (first === '"') return endOfString(text, start);
  if (first !== "{" && first !== "[") return endOfLiteral(text, start);
  let depth = 0;
  for (let position = start; ;) {
    const character = text[position];
    if (character === '"') {
      position = endOfString(text, position);
      continue;
    }
    position += 1;
    if (character === "{" || character === "[") {
      depth += 1;
      if (depth > MAX_DEPTH) throw new RangeError("nested too deeply");
    } else if (character === "}" || character === "]") {
      depth -= 1;
      if (depth === 0) return position;
    }
  }
}

function endOfString(text, start) {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end + 1;
}

function isEscaped(text, position) {
  let before = position;
  while (text[before - 1] === "\\") before -= 1;
  return (position - before) % 2 === 1;
}

const LITERAL = /[^\s,\]}]*/y;

function endOfLiteral(text, start) {
  LITERAL.lastIndex = start;
  LITERAL.test(text);
  return LITERAL.lastIndex;
}

module.exports = { membersOf, skipWhitespace };
