// Runs functions of nodejs/lib for the Python tests: one JSON request and one JSON response a line.
const { createInterface } = require("node:readline");
const { join } = require("node:path");

const LIB = join(__dirname, "..", "..", "nodejs", "lib");
const { parseSessionId, parseToken } = require(join(LIB, "grammar.js"));
const { tagJsonLine, tagText } = require(join(LIB, "lines.js"));
const { HeaderReader, Session } = require(join(LIB, "session.js"));

const READER = new HeaderReader();
const FUNCTIONS = {
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
  const [kind, argument] = JSON.parse(line);
  let result;
  try {
    result = FUNCTIONS[kind](argument);
  } catch (error) {
    result = { error: error.name };
  }
  // JSON.stringify escapes lone surrogates, which UTF-8 cannot encode.
  console.log(JSON.stringify(result));
});
