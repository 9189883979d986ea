// The same application in each framework, with a body parser and an access log.
const http = require("node:http");
const { setTimeout: sleep } = require("node:timers/promises");

const { FRAMEWORK, WAY } = process.env;
const isMiddleware = WAY === "middleware";
if (isMiddleware) require("openreplay-cw-tagging").install({ servers: false });
const tagging = require("openreplay-cw-tagging");

const who = (url) => url.split("/")[1];
const logEnd = (name, response) => response.on("close", () => console.log(`${name} answered`));

const MAKE = {
  express() {
    const express = require("express");
    const app = express();
    if (isMiddleware) app.use(tagging.expressMiddleware());
    app.use((request, response, next) => {
      console.log(`${who(request.url)} before`);
      logEnd(who(request.url), response);
      next();
    });
    app.use(express.json());
    app.post("/:who", async (request, response) => {
      console.error(`${request.body.who} parsed`);
      await sleep(Math.random() * 5);
      console.log(`${request.params.who} awaited`);
      response.json({});
    });
    return http.createServer(app);
  },
  async fastify() {
    const app = require("fastify")({ logger: false });
    if (isMiddleware) app.register(tagging.fastifyPlugin);
    app.register(async (inner) => {
      inner.addHook("onRequest", (request, reply, done) => {
        console.log(`${who(request.url)} before`);
        done();
      });
      inner.addHook("onResponse", async (request) => console.log(`${who(request.url)} answered`));
      inner.post("/:who", async (request) => {
        console.error(`${request.body.who} parsed`);
        await sleep(Math.random() * 5);
        console.log(`${request.params.who} awaited`);
        return {};
      });
    });
    await app.ready();
    return app.server;
  },
  koa() {
    const Koa = require("koa");
    const app = new Koa();
    if (isMiddleware) app.use(tagging.koaMiddleware());
    app.use(async (context, next) => {
      console.log(`${who(context.url)} before`);
      logEnd(who(context.url), context.res);
      await next();
    });
    app.use(async (context) => {
      let text = "";
      for await (const piece of context.req) text += piece;
      console.error(`${JSON.parse(text).who} parsed`);
      await sleep(Math.random() * 5);
      console.log(`${who(context.url)} awaited`);
      context.body = {};
    });
    return http.createServer(app.callback());
  },
};

const asked = Array.from({ length: 12 }, (_, number) => ["/anna", "/bert", "/nobody"][number % 3]);

async function main() {
  const server = await MAKE[FRAMEWORK]();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { ask } = require("../helpers/serving.js");
  await Promise.all(
    asked.map((path) =>
      ask(server, path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ who: path.slice(1) }),
      }),
    ),
  );
  setTimeout(() => process.exit(), 30);
}

main();
