// Logs request bodies with every logger in the session of another visitor. The first argument is
// the session token; stdin is a JSON array of the bodies.
const fs = require("node:fs");
const { createRequire } = require("node:module");
const { join } = require("node:path");

const require_ = createRequire(join(__dirname, "..", "..", "nodejs", "index.js"));
const tagging = require_("./index.js");
tagging.install({ stdout: true });
const bunyan = require_("bunyan");
const pino = require_("pino");
const winston = require_("winston");

const { format, transports } = winston;
const [, , token] = process.argv;
const bodies = JSON.parse(fs.readFileSync(0, "utf8"));
const log = pino(pino.destination({ dest: 1, sync: true }));
const toConsole = { transports: [new transports.Console()] };
const json = winston.createLogger(toConsole);
const text = winston.createLogger({ ...toConsole, format: format.simple() });
const bunyans = bunyan.createLogger({ name: "shop" });

tagging.useSessionToken(token, () => {
  for (const body of bodies) {
    log.error(body);
    log.child(body).error(body, "words");
    json.error("words", body);
    json.child(body).error({ message: "words", ...body });
    text.error("words", body);
    bunyans.error(body, "words");
    bunyans.child(body).error("words");
    console.log(JSON.stringify(body));
    console.log(JSON.stringify({ ...body, ...tagging.currentFields() }));
    console.error(body);
    process.stdout.write(`${JSON.stringify({ level: "error", body })}\n`);
  }
});
