// Answers questions about the grammar, one JSON document a line: what Node.js makes of it.
const { createInterface } = require("node:readline");
const { join } = require("node:path");

const LIB = join(__dirname, "..", "..", "nodejs", "lib");
const { parseSessionId, parseToken } = require(join(LIB, "grammar.js"));
const { tagJsonLine, tagText } = require(join(LIB, "lines.js"));
const { HeaderReader, Session } = require(join(LIB, "session.js"));

const READER = new HeaderReader();
const ANSWERS = {
  token: (text) => {
    const { sessionId, delayMs, expiresMs, signature, signedText } = parseToken(text);
    const numbers = [sessionId, delayMs, expiresMs].map((one) =>
      one === null ? null : String(one),
    );
    return [...numbers, signature.toString("hex"), signedText];
  },
  id: (text) => String(parseSessionId(text)),
  header: (values) => READER.read(() => values)?.sessionId ?? null,
  tag: ([text, tag]) => tagText(text, tag),
  line: ([line, token]) => tagJsonLine(line, Session.ofToken(token)),
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const [kind, question] = JSON.parse(line);
  let answer;
  try {
    answer = ANSWERS[kind](question);
  } catch (error) {
    answer = { error: error.name };
  }
  // Half of a surrogate pair has no UTF-8, and JSON.stringify escapes it.
  console.log(JSON.stringify(answer));
});
