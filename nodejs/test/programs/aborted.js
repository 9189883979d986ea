// Clients abort requests whose intervals keep running.
const http = require("node:http");
const { setTimeout: sleep } = require("node:timers/promises");
const { ask } = require("../helpers/serving.js");

const server = http.createServer((request, response) => {
  let word = "anna meanwhile";
  request.on("aborted", () => console.log("anna aborted"));
  response.on("close", () => {
    console.log("anna closed");
    word = null;
    setImmediate(() => setTimeout(() => (word = "nobody afterwards")));
  });
  response.write("x");
  setInterval(() => word && console.log(word), 5).unref();
});
server.listen(0, "127.0.0.1", async () => {
  for (let turn = 0; turn < 5; turn++) {
    await ask(server, "/anna", { asked: (asked) => setTimeout(() => asked.destroy(), 20) });
    await sleep(20);
  }
  await sleep(60);
  process.exit();
});
