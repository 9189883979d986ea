// Thousands of concurrent requests, with every resource that may leak one request's context into
// another. Every line names its visitor and ends with its number, so that no line can be lost.
const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");
const { EventEmitter } = require("node:events");
const { Readable, pipeline } = require("node:stream");
const { Worker } = require("node:worker_threads");
const zlib = require("node:zlib");
const pino = require("pino");
const winston = require("winston");
const { AsyncResource } = require("node:async_hooks");
const { ask } = require("../helpers/serving.js");
const { VISITORS } = require("../helpers/visitors.js");

const REQUESTS = Number(process.env.REQUESTS ?? 2000);
const NAMES = ["anna", "bert", "nobody"];

const log = pino({ base: null, timestamp: false }, pino.destination({ dest: 1, sync: true }));
const text = winston.createLogger({
  format: winston.format.printf(({ message }) => `${message}\n${message}`),
  transports: [new winston.transports.Console()],
});
const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });

/** A pool that opens its connection and its worker thread on first use, in some request. */
class Pool {
  #waiting = [];
  #threads = [];

  query(callback) {
    if (this.socket === undefined) {
      this.socket = net.connect(echo.address().port, "127.0.0.1");
      this.socket.on("data", (data) => {
        for (let left = data.length; left > 0; left--) this.#waiting.shift()();
      });
    }
    this.#waiting.push(callback);
    this.socket.write("x");
  }

  work(callback) {
    if (this.worker === undefined) {
      const source =
        "const { parentPort: port } = require('node:worker_threads'); port.on('message', (m) => port.postMessage(m));";
      this.worker = new Worker(source, { eval: true });
      this.worker.on("message", () => this.#threads.shift()());
    }
    this.#threads.push(callback);
    this.worker.postMessage(0);
  }
}

const pool = new Pool();
const bus = new EventEmitter().setMaxListeners(0);
const echo = net.createServer((socket) => socket.on("error", () => {}).pipe(socket));
const backend = http.createServer((request, response) => response.end("x"));

let lines = 0;
let callbacks = 0;
const say = {
  console: (who, what) => console.log(`${who} ${what} ${++lines}`),
  error: (who, what) => console.error(`${who} ${what} ${++lines}`),
  pino: (who, what) => log.info({ order: ++lines }, `${who} ${what}`),
  winston: (who, what) => (lines++, text.error(`${who} ${what}`)),
  pieces: (who, what) => {
    process.stderr.write(`${who} `);
    setImmediate(() => process.stderr.write(`${who} ${what} ${++lines}\n`));
  },
};
const WAYS = Object.values(say);
const tell = (who, what) => WAYS[Math.floor(Math.random() * WAYS.length)](who, what);

const STEPS = [
  (who) => new Promise((resolve) => setTimeout(resolve, Math.random() * 20)),
  (who) => fs.promises.stat(__filename),
  (who) => new Promise((resolve) => zlib.gzip("x".repeat(100), resolve)),
  (who) => new Promise((resolve) => pool.query(resolve)),
  (who) => new Promise((resolve) => pool.work(resolve)),
  async (who) => {
    for await (const piece of Readable.from([1, 2, 3])) if (piece === 2) tell(who, "iterated");
  },
  (who) =>
    new Promise((resolve) =>
      pipeline(
        fs.createReadStream(__filename),
        zlib.createGzip(),
        fs.createWriteStream("/dev/null"),
        resolve,
      ),
    ),
  (who) =>
    new Promise((resolve) => {
      http.get({ host: "127.0.0.1", port: backend.address().port, agent }, (answer) => {
        tell(who, "asked");
        answer.resume().on("end", resolve);
      });
    }),
  // A callback on a shared connection: the line has no tag.
  (who) =>
    new Promise((resolve) =>
      pool.query(() => (callbacks++, console.log(`${who} callback`), resolve())),
    ),
  (who) =>
    new Promise((resolve) =>
      bus.once(
        "tick",
        AsyncResource.bind(() => (tell(who, "bound"), resolve())),
      ),
    ),
];

const server = http.createServer(async (request, response) => {
  const who = request.url.split("/")[1];
  tell(who, "begins");
  request.on("end", () => tell(who, "has a body"));
  request.resume();
  for (let turn = 0; turn < 6; turn++) {
    await STEPS[Math.floor(Math.random() * STEPS.length)](who);
    tell(who, "goes on");
  }
  response.end("x");
});

async function main() {
  setInterval(() => bus.emit("tick"), 2).unref();
  const clients = new http.Agent({ keepAlive: true, maxSockets: 400 });
  await Promise.all(
    Array.from({ length: REQUESTS }, (_, number) =>
      ask(server, `/${NAMES[number % NAMES.length]}`, {
        method: "POST",
        body: "x",
        agent: clients,
        asked: (asked) => {
          // Abort one request in ten.
          if (number % 10 === 0) setTimeout(() => asked.destroy(), 5 + Math.random() * 60);
        },
      }),
    ),
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  fs.writeSync(3, JSON.stringify({ lines, callbacks }));
  process.exit();
}

backend.listen(0, "127.0.0.1", () => {
  echo.listen(0, "127.0.0.1", () => server.listen(0, "127.0.0.1", main));
});
