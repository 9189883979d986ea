// Both APIs of HTTP/2, with many streams of several visitors on one connection.
const http2 = require("node:http2");
const { ANNA, BERT } = require("../helpers/visitors.js");

const HEADERS = { anna: ANNA.headers, bert: BERT.headers, nobody: {} };

function handle(who, stream, answer) {
  stream.on("data", () => console.log(`${who} data`));
  stream.on("end", () => {
    setTimeout(() => {
      console.log(`${who} timer`);
      answer();
    }, Math.random() * 5);
  });
  stream.on("close", () => console.log(`${who} closed`));
}

const streams = http2.createServer();
streams.on("stream", (stream, headers) => {
  const who = headers[":path"].slice(1);
  console.log(`${who} streamed`);
  handle(who, stream, () => {
    stream.respond({ ":status": 200 });
    stream.end("x");
  });
});
const requests = http2.createServer((request, response) => {
  const who = request.url.slice(1);
  console.log(`${who} requested`);
  handle(who, request, () => response.end("x"));
});

for (const server of [streams, requests]) {
  server.listen(0, "127.0.0.1", async () => {
    const client = http2.connect(`http://127.0.0.1:${server.address().port}`);
    const asked = Array.from({ length: 30 }, (_, number) => Object.keys(HEADERS)[number % 3]);
    await Promise.all(
      asked.map((who) => {
        const stream = client.request({ ":path": `/${who}`, ":method": "POST", ...HEADERS[who] });
        stream.end("x");
        return new Promise((resolve) => stream.resume().on("close", resolve));
      }),
    );
    client.close();
    server.close();
  });
}
