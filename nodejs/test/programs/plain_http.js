// A request that writes in every way and from every kind of callback.
const fs = require("node:fs");
const http = require("node:http");
const { PATHS, serve } = require("../helpers/serving.js");

console.error("nobody starts");
const server = http.createServer((request, response) => {
  const who = request.url.split("/")[1];
  console.log("%s log", who);
  console.info({ who });
  console.error(`${who} error`);
  console.warn(`${who} first\n${who} second`);
  process.stderr.write(`${who} pie`);
  process.stderr.write("ces\n");
  request.on("data", () => console.log(`${who} data`));
  request.on("end", () => {
    console.log(`${who} end`);
    setTimeout(async () => {
      console.log(`${who} timer`);
      await fs.promises.readFile(__filename);
      console.log(`${who} promise`);
      fs.readFile(__filename, () => {
        console.log(JSON.stringify({ level: "error", who }));
        response.on("finish", () => console.log(`${who} finish`));
        response.on("close", () => {
          console.log(`${who} close`);
          Promise.resolve().then(() => console.log(`${who} after close`));
        });
        response.write("o");
        response.end("k");
      });
    }, Math.random() * 5);
  });
  request.resume();
});
serve(server, PATHS, { method: "POST", body: "x" }).then((answers) => {
  console.log("nobody stops", answers.join(" "));
});
