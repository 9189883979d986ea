/**
 * Middleware as an alternative to patched servers: `install({ servers: false })`.
 *
 * @module
 */
"use strict";

const { runWithoutSession, runRequest } = require("./context.js");
const { beginRequest, scopeOf } = require("./requests.js");
const { HeaderReader } = require("./session.js");

/** Create middleware for Express, Connect and Nest; see `index.d.ts`. */
function expressMiddleware(options) {
  const reader = new HeaderReader(options);
  return function openReplaySession(request, response, next) {
    handle(reader, request, response, () => next());
  };
}

/** Create middleware for Koa; see `index.d.ts`. */
function koaMiddleware(options) {
  const reader = new HeaderReader(options);
  return function openReplaySession(context, next) {
    return handle(reader, context.req, context.res, () => next());
  };
}

/** Add a Fastify hook: `app.register(fastifyPlugin, options)`; see `index.d.ts`. */
function fastifyPlugin(app, options, done) {
  const { headerName, acceptSessionId, tokenSecret } = options ?? {};
  const reader = new HeaderReader({ headerName, acceptSessionId, tokenSecret });
  app.addHook("onRequest", (request, reply, next) => {
    handle(reader, request.raw, reply.raw, () => next());
  });
  done();
}
// Apply the hook to the whole application instead of only this plugin's own routes.
fastifyPlugin[Symbol.for("skip-override")] = true;

function handle(reader, request, response, next) {
  const session = reader.read((name) => request.headers?.[name]);
  const begun = scopeOf(request) ?? scopeOf(request.stream);
  if (begun !== undefined && isSame(begun.session, session)) return next();
  if (session === null) return runWithoutSession(next);
  return runRequest(beginRequest(session, [request, response]), next);
}

function isSame(one, other) {
  return one?.token === other?.token && one?.sessionId === other?.sessionId;
}

module.exports = { expressMiddleware, fastifyPlugin, koaMiddleware };
