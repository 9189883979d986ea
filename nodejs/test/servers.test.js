"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { run } = require("./helpers/run.js");
const { checkVisitors } = require("./helpers/visitors.js");

test("everything that a request writes has its tag", async () => {
  const { stdout, stderr, code } = await run("plain_http.js");
  assert.equal(code, 0, stderr);
  assert.equal(checkVisitors(stdout).length, 6 * 10 + 1);
  assert.equal(checkVisitors(stderr).length, 6 * 4 + 1);
});

test("tags HTTP/2 requests: streams and the compatibility API", async () => {
  const { stdout, stderr, code } = await run("http2.js");
  assert.equal(code, 0, stderr);
  const lines = checkVisitors(stdout);
  for (const word of ["streamed", "requested", "data", "timer", "closed"]) {
    assert.ok(lines.filter((line) => line.includes(word)).length >= 30, `${word}\n${stdout}`);
  }
});

test("an aborted request ends its session, even if its timers go on", async () => {
  const { stdout, stderr, code } = await run("aborted.js");
  assert.equal(code, 0, stderr);
  const lines = checkVisitors(stdout);
  const count = (text) => lines.filter((line) => line.includes(text)).length;
  assert.deepEqual([count("anna aborted"), count("anna closed")], [5, 5]);
  assert.ok(count("nobody afterwards") > 10, stdout);
});

test("a WebSocket stays in its session until it is closed", async () => {
  const { stdout, stderr, code } = await run("websocket.js");
  assert.equal(code, 0, stderr);
  assert.deepEqual(checkVisitors(stdout).length, 2 * 3 + 1, stdout);
});

for (const framework of ["express", "fastify", "koa"]) {
  for (const way of ["register", "middleware"]) {
    test(`tags ${framework} requests with ${way}`, async () => {
      const { stdout, stderr, code } = await run("frameworks.js", {
        env: { FRAMEWORK: framework, WAY: way },
        ...(way === "middleware" && { flags: [] }),
      });
      assert.equal(code, 0, stderr);
      const lines = [...checkVisitors(stdout), ...checkVisitors(stderr)];
      for (const word of ["before", "parsed", "awaited", "answered"]) {
        assert.equal(lines.filter((line) => line.includes(word)).length, 12, `${word} ${stdout}`);
      }
    });
  }
}

test("with a secret, only tokens signed with it are logged", async () => {
  for (const [secret, hasTags] of [
    ["a-secret-for-tests", true],
    ["another", false],
  ]) {
    const { stdout } = await run("plain_http.js", { env: { OPENREPLAY_TOKEN_SECRET: secret } });
    assert.equal(stdout.includes("openReplaySessionToken"), hasTags);
  }
});

test("malformed requests are emitted as before", async () => {
  const { stdout, stderr, code } = await run(`
    const net = require("node:net");
    const { EventEmitter } = require("node:events");
    const server = new net.Server();
    const hostile = new Proxy(new EventEmitter(), { get: () => { throw new Error("trap"); } });
    const { ANNA } = require("./test/helpers/visitors.js");
    const headers = { "x-openreplay-sessiontoken": ANNA.token };
    const throwing = { get headers() { throw new Error("trap"); } };
    for (const name of ["request", "stream", "upgrade", "connect", "checkContinue"]) {
      let heard = 0;
      server.on(name, () => heard++);
      const asked = [[], [null], [7], [{}], [throwing], [{ headers: 7 }], [{ headers }], [{ headers }, Object.freeze({})]];
      for (const args of asked) server.emit(name, ...args);
      server.emit(name, {}, {}, hostile);
      if (heard !== asked.length + 1) console.log("nobody lost", name, heard);
    }
    console.log("nobody done");
  `);
  assert.deepEqual([stderr, stdout, code], ["", "nobody done\n", 0]);
});

test("a request does not inherit the session of the code that emits it", async () => {
  const { stdout, stderr, code } = await run(`
    const http = require("node:http");
    const { EventEmitter } = require("node:events");
    const { useSessionToken } = require("openreplay-cw-tagging");
    const { ANNA, BERT } = require("./test/helpers/visitors.js");
    const server = http.createServer((request) => console.log(request.who));
    const request = (who, headers) => Object.assign(new EventEmitter(), { who, headers });
    const header = (visitor) => ({ "x-openreplay-sessiontoken": visitor.token });
    useSessionToken(ANNA.token, () => {
      server.emit("request", request("bert", header(BERT)), new EventEmitter());
      server.emit("request", request("nobody", {}), new EventEmitter());
      server.emit("request", request("nobody", { "x-openreplay-sessiontoken": "x" }), new EventEmitter());
      server.emit("request", { who: "nobody", get headers() { throw new Error("trap"); } });
      server.emit("request", request("nobody", header(BERT)), null);
      console.log("anna");
    });
  `);
  assert.equal(code, 0, stderr);
  assert.equal(checkVisitors(stdout).length, 6);
});

test("middleware with a secret overrides the session that the server read", async () => {
  const { stdout, stderr, code } = await run(`
    const http = require("node:http");
    const { expressMiddleware } = require("openreplay-cw-tagging");
    const { serve } = require("./test/helpers/serving.js");
    const check = expressMiddleware({ tokenSecret: "another" });
    const server = http.createServer((request, response) => {
      console.log(request.url.slice(1));
      check(request, response, () => console.log("nobody"));
      setTimeout(() => response.end(), 1);
    });
    serve(server, ["/anna", "/bert", "/nobody"]);
  `);
  assert.equal(code, 0, stderr);
  assert.equal(checkVisitors(stdout).length, 6);
});

test("a header is read once per HTTP/2 request", async () => {
  const { stdout, stderr } = await run(
    `
    const http2 = require("node:http2");
    const { taggingCounts } = require("openreplay-cw-tagging");
    const server = http2.createServer((request, response) => {
      response.end();
      console.log(taggingCounts().unverifiedHeaders);
    });
    server.listen(0, "127.0.0.1", () => {
      const client = http2.connect("http://127.0.0.1:" + server.address().port);
      const { ANNA } = require("./test/helpers/visitors.js");
      const asked = client.request({ ":path": "/", ...ANNA.headers });
      asked.resume().on("close", () => client.close(() => server.close()));
    });
  `,
    { env: { OPENREPLAY_TOKEN_SECRET: "another" } },
  );
  assert.equal(stdout, "1\n", stderr);
});
