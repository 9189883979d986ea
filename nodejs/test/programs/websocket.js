// An upgraded connection, as in the package ws: its events are in the session of its request.
const http = require("node:http");
const { ANNA, BERT } = require("../helpers/visitors.js");

const server = http.createServer();
server.on("upgrade", (request, socket) => {
  const who = request.url.slice(1);
  console.log(`${who} upgraded`);
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  socket.on("data", (data) => {
    console.log(`${who} says ${data}`);
    socket.end("bye");
  });
  socket.on("close", () => console.log(`${who} closed`));
});
server.listen(0, "127.0.0.1", async () => {
  const { port } = server.address();
  await Promise.all(
    Object.entries({ anna: ANNA, bert: BERT }).map(
      ([who, { headers }]) =>
        new Promise((resolve) => {
          const upgrade = { Connection: "Upgrade", Upgrade: "x", ...headers };
          http
            .get({ host: "127.0.0.1", port, path: `/${who}`, headers: upgrade })
            .on("upgrade", (_answer, socket) => {
              socket.on("close", resolve).on("error", () => {});
              setTimeout(() => socket.resume().write("hello"), 10);
            });
        }),
    ),
  );
  setTimeout(() => {
    console.log("nobody stops");
    server.close();
  }, 20);
});
