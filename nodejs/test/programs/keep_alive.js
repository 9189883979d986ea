// A server that calls a backend over a few keep-alive connections, with callbacks.
const http = require("node:http");
const { serve } = require("../helpers/serving.js");

const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
const backend = http.createServer((request, response) => {
  console.log(`${request.headers.who} served`);
  setTimeout(() => response.end("x"), Math.random() * 3);
});
const server = http.createServer((request, response) => {
  const who = request.url.slice(1);
  const { "x-openreplay-sessiontoken": token } = request.headers;
  const headers = token === undefined ? { who } : { who, "x-openreplay-sessiontoken": token };
  const { port } = backend.address();
  http.get({ host: "127.0.0.1", port, agent, headers }, (answer) => {
    answer.on("end", () => {
      console.log(`${who} answered`);
      // No server listens on this port.
      http.get({ host: "127.0.0.1", port: 1, agent }).on("error", async () => {
        console.log(`${who} refused`);
        await (await fetch(`http://127.0.0.1:${port}`, { headers })).text();
        console.log(`${who} fetched`);
        response.end();
      });
    });
    answer.resume();
  });
});
const asked = Array.from({ length: 60 }, (_, number) => ["/anna", "/bert", "/nobody"][number % 3]);
backend.listen(0, "127.0.0.1", async () => {
  await serve(server, asked);
  process.exit();
});
