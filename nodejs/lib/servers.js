/**
 * Every server of `node:http`, `node:https` and `node:http2`, and so of the frameworks on them.
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

// Which of the arguments of an event are the request's own event emitters; the last one closes.
const EMITTERS = {
  request: [0, 1],
  checkContinue: [0, 1],
  checkExpectation: [0, 1],
  // What follows on the socket is this visitor's alone.
  upgrade: [0, 1],
  connect: [0, 1],
  // HTTP/2: the request and its answer are on one stream.
  stream: [0],
};

/**
 * Have requests handled as work for the session that their header names.
 *
 * @param {Patches} patches
 * @param {() => HeaderReader} readerOf the reader that is chosen just now
 */
function patchServers(patches, readerOf) {
  // All of them inherit from net.Server; other instruments replace the methods of the first two.
  for (const { Server } of [net, http, https]) {
    if (Server === net.Server || Object.hasOwn(Server.prototype, "emit")) {
      patches.replace(Server.prototype, "emit", (original) =>
        emitting(patches, readerOf, original),
      );
    }
  }
}

// Requests and streams whose headers have been read.
const read = new WeakSet();

function emitting(patches, readerOf, original) {
  return function emit(event, ...args) {
    const go = () => Reflect.apply(original, this, arguments);
    if (!patches.on || typeof event !== "string" || !Object.hasOwn(EMITTERS, event)) return go();
    const scope = open(event, args, readerOf());
    return scope === undefined ? go() : runRequest(scope, go);
  };
}

function open(event, args, reader) {
  try {
    const [request] = args;
    // A request of HTTP/2's compatibility API has been read with its stream.
    if (read.has(request) || read.has(request.stream)) return undefined;
    read.add(request);
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
