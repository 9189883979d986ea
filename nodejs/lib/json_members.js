/**
 * The members of a JSON object with their positions in the text, equal names included.
 *
 * @module
 */
"use strict";

// Python's parser, which judges the lines later, takes no deeper nesting and no longer numbers.
const MAX_DEPTH = 256;
const LONG_NUMBER = /[0-9]{4300}/;
const BLANKS = " \t\n\r";

/**
 * The members of an object in a text that `JSON.parse` takes.
 *
 * @param {string} text
 * @param {number} begin where the object's brace is
 * @returns {{name: string, start: number, valueStart: number, end: number,
 *   endOfPrevious: number}[]} the end of the previous member is the start for the first
 * @throws {RangeError} it is nested too deeply, or has too long a number
 */
function membersOf(text, begin) {
  if (text.length > 4300 && LONG_NUMBER.test(text)) throw new RangeError("too long a number");
  const members = [];
  let position = skipBlanks(text, begin + 1);
  let endOfPrevious = position;
  while (text[position] !== "}") {
    const start = position;
    const endOfName = endOfString(text, start);
    const valueStart = skipBlanks(text, skipBlanks(text, endOfName) + 1);
    const end = endOfValue(text, valueStart);
    members.push({
      name: JSON.parse(text.slice(start, endOfName)),
      start,
      valueStart,
      end,
      endOfPrevious,
    });
    endOfPrevious = end;
    position = skipBlanks(text, end);
    if (text[position] === ",") position = skipBlanks(text, position + 1);
  }
  return members;
}

/** The position behind the blanks that stand at a position. */
function skipBlanks(text, position) {
  while (position < text.length && BLANKS.includes(text[position])) position += 1;
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

module.exports = { membersOf, skipBlanks };
