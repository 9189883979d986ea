// One visitor's request fails in the given way while another visitor's request is open.
const http = require("node:http");
const { Readable } = require("node:stream");
const { ask } = require("../helpers/serving.js");
const { ANNA } = require("../helpers/visitors.js");
const { useSessionToken } = require("openreplay-cw-tagging");

const { KIND, LISTEN } = process.env;
const { runWithoutSession } = require("../../lib/context.js");
const later = (callback) => runWithoutSession(() => setTimeout(callback, 1));

function fail(what = new Error("anna fails")) {
  throw what;
}

const hostile = new Proxy(new Error("anna fails"), {
  defineProperty: () => fail(new Error("trap")),
});

const FAILURES = {
  used: () => later(() => useSessionToken(ANNA.token, fail)),
  used_later: () => later(() => useSessionToken(ANNA.token, async () => fail())),
  thrown: () => fail(),
  in_a_timer: () => setTimeout(fail, 1),
  in_a_stream: () => Readable.from(["x"]).on("data", () => fail()),
  rejected: () => Promise.resolve().then(() => fail()),
  rejected_text: () => Promise.reject("anna fails"),
  frozen: () => fail(Object.freeze(new Error("anna fails"))),
  hostile: () => fail(hostile),
  primitive: () => fail("anna fails"),
  warning: () => {
    process.emitWarning("anna fails");
    setTimeout(() => process.exit(), 20);
  },
  caught: () => {},
  shared: () => {},
};

const server = http.createServer((request, response) => {
  if (request.url === "/anna") return FAILURES[KIND]();
  response.writeHead(200).write("x");
});
server.listen(0, "127.0.0.1", () => {
  ask(server, "/bert");
  setTimeout(() => ask(server, "/anna"), 20);
});
if (KIND === "caught") {
  setTimeout(() => {
    try {
      useSessionToken(ANNA.token, fail);
    } catch {
      fail(new Error("nobody fails"));
    }
  }, 10);
}
if (KIND === "shared") {
  const shared = new Error("nobody fails");
  setTimeout(async () => {
    await useSessionToken(ANNA.token, async () => fail(shared)).catch(() => {});
    // By then, even a slow process has forgotten the first error.
    setImmediate(() => setImmediate(() => setTimeout(() => fail(shared), 10)));
  }, 10);
}
for (const event of LISTEN ? ["uncaughtException", "unhandledRejection"] : []) {
  process.on(event, (error) => {
    console.error("heard %s", error);
    setTimeout(() => process.exit(), 20);
  });
}
