/**
 * Patch the servers of `node:http`, `node:https` and `node:http2`, and so of all frameworks.
 *
 * @module
 */
"use strict";

const http = require("node:http");
const https = require("node:https");
const net = require("node:net");
const { runRequest } = require("./context.js");
const { count } = require("./counts.js");
const { beginRequest } = require("./requests.js");

// By event: the arguments that are the request's own emitters. The last one emits "close".
const EMITTERS = {
  request: [0, 1],
  checkContinue: [0, 1],
  checkExpectation: [0, 1],
  // From here on, the socket serves only this visitor.
  upgrade: [0, 1],
  connect: [0, 1],
  // HTTP/2: one stream carries the request and its response.
  stream: [0],
};

/**
 * Handle each request in the session that its headers name.
 *
 * @param {Patches} patches
 * @param {() => HeaderReader} getReader returns the reader that `install()` configured last
 */
function patchServers(patches, getReader) {
  // All servers inherit from net.Server. Other instrumentation may have given http.Server or
  // https.Server an `emit` of its own.
  for (const { Server } of [net, http, https]) {
    if (Server === net.Server || Object.hasOwn(Server.prototype, "emit")) {
      patches.replace(Server.prototype, "emit", (original) =>
        wrapEmit(patches, getReader, original),
      );
    }
  }
}

// Requests and streams whose headers have been read.
const readRequests = new WeakSet();

function wrapEmit(patches, getReader, original) {
  return function emit(event, ...args) {
    const emitOriginal = () => Reflect.apply(original, this, arguments);
    if (!patches.on || typeof event !== "string" || !Object.hasOwn(EMITTERS, event))
      return emitOriginal();
    const scope = beginScope(event, args, getReader());
    return scope === undefined ? emitOriginal() : runRequest(scope, emitOriginal);
  };
}

function beginScope(event, args, reader) {
  try {
    const [request] = args;
    // HTTP/2's compatibility API emits "request" after "stream", which has been handled.
    if (readRequests.has(request) || readRequests.has(request.stream)) return undefined;
    readRequests.add(request);
    const headers = event === "stream" ? args[1] : request.headers;
    const session = reader.read((name) => headers?.[name]);
    return beginRequest(
      session,
      EMITTERS[event].map((index) => args[index]),
    );
  } catch {
    count("ignoredHeaders");
    return beginRequest(null, []);
  }
}

module.exports = { patchServers };
