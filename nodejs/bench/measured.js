/** One measurement of `cost.js`. Writes the nanoseconds to file descriptor 3. */
"use strict";

const { AsyncLocalStorage } = require("node:async_hooks");
const fs = require("node:fs");
const http = require("node:http");
const { ANNA } = require("../test/helpers/visitors.js");

const [, , what, way] = process.argv;
const CALLS = 300_000;
const REQUESTS = 8000;
const storage = new AsyncLocalStorage();
const mixin = () => {
  const token = storage.getStore();
  return token === undefined ? {} : { openReplaySessionToken: token };
};

/** Call a function in the context of this way. */
function run(callback) {
  if (way === "mixin") return storage.run(ANNA.token, callback);
  if (way !== "tagged") return callback();
  return require("openreplay-cw-tagging").useSessionToken(ANNA.token, callback);
}

/** Return CPU nanoseconds of this process, which other processes do not affect. */
function since(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000;
}

function perCall(call) {
  return run(() => {
    for (let turn = 0; turn < CALLS / 3; turn++) call();
    const before = process.cpuUsage();
    for (let turn = 0; turn < CALLS; turn++) call();
    return since(before) / CALLS;
  });
}

const MEASURE = {
  async pino() {
    const pino = require("pino");
    const destination = pino.destination({ dest: "/dev/null", sync: true, minLength: 4096 });
    const log = pino(way === "mixin" ? { mixin } : {}, destination);
    return perCall(() => log.info({ order: 7, customer: "c-19" }, "order was taken"));
  },
  async console() {
    return perCall(() => console.log("order was taken"));
  },
  async request() {
    const server = http.createServer((request, response) => {
      if (way === "mixin")
        return storage.run(request.headers["x-openreplay-sessiontoken"], () => response.end("x"));
      response.end("x");
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const headers = way === "tagged" || way === "mixin" ? ANNA.headers : { "X-Other": ANNA.token };
    const ask = () =>
      new Promise((resolve) => {
        const { port } = server.address();
        http.get({ host: "127.0.0.1", port, agent, headers }, (answer) =>
          answer.resume().on("end", resolve),
        );
      });
    for (let turn = 0; turn < REQUESTS / 3; turn++) await ask();
    const before = process.cpuUsage();
    for (let turn = 0; turn < REQUESTS; turn++) await ask();
    return since(before) / REQUESTS;
  },
};

MEASURE[what]().then((nanoseconds) => {
  fs.writeSync(3, String(nanoseconds));
  process.exit();
});
