// Anna's request opens a connection or a worker thread and stays open. Bert's requests use it too.
const http = require("node:http");
const net = require("node:net");
const tls = require("node:tls");
const { Worker } = require("node:worker_threads");
const { ask } = require("../helpers/serving.js");
const { CERTIFICATE } = require("../helpers/certificate.js");

const { KIND } = process.env;
const echo = (socket) => socket.on("error", () => {}).pipe(socket);
const echoing = KIND === "tls" ? tls.createServer(CERTIFICATE, echo) : net.createServer(echo);

/** Open a pool with one connection, which passes responses to callbacks. */
function open() {
  const waiting = [];
  const answered = () => waiting.shift()?.();
  if (KIND === "worker") {
    const source =
      "require('worker_threads').parentPort.on('message', (m) => { require('worker_threads').parentPort.postMessage(m); })";
    const worker = new Worker(source, { eval: true });
    worker.on("message", answered);
    return {
      query: (callback) => (waiting.push(callback), worker.postMessage(1)),
      close: () => worker.terminate(),
    };
  }
  const { port } = echoing.address();
  const socket = (KIND === "tls" ? tls : net).connect({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
  });
  socket.on("data", answered);
  return {
    query: (callback) => (waiting.push(callback), socket.write("x")),
    close: () => socket.destroy(),
  };
}

let pool;
const server = http.createServer(async (request, response) => {
  const who = request.url.slice(1);
  pool ??= open();
  await new Promise((resolve) => pool.query(resolve));
  console.log(`${who} promised`);
  pool.query(() => {
    console.log(`${who} in a callback`);
    if (who === "bert") response.end();
  });
});
echoing.listen(0, "127.0.0.1", () => {
  server.listen(0, "127.0.0.1", async () => {
    // The server never responds to Anna.
    ask(server, "/anna");
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (let turn = 0; turn < 3; turn++) await ask(server, "/bert");
    pool.close();
    process.exit();
  });
});
