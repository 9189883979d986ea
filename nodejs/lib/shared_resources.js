/**
 * Create connections and worker threads without a session.
 *
 * A socket keeps the context that it was created in. If a pool opens a connection during one
 * visitor's request, the callbacks of later visitors' queries would run in the first session.
 *
 * @module
 */
"use strict";

const diagnostics = require("node:diagnostics_channel");
const net = require("node:net");
const tls = require("node:tls");
const workers = require("node:worker_threads");
const { currentSession, ongoingScope, runWithoutSession } = require("./context.js");
const { bindListeners } = require("./requests.js");

/** Patch the functions that create connections and worker threads. */
function patchSharedResources(patches) {
  const isolate = (original) =>
    function (...args) {
      const call = () => Reflect.apply(original, this, args);
      return !patches.on || currentSession() === null ? call() : runWithoutSession(call);
    };
  patches.replace(net.Socket.prototype, "connect", isolate);
  patches.replace(tls, "connect", isolate);
  patches.replace(workers, "Worker", (Worker) => isolatedClass(patches, Worker));
  patchClientRequests(patches);
}

function isolatedClass(patches, original) {
  const isolated = new Proxy(original, {
    construct(target, args, newTarget) {
      const make = () =>
        Reflect.construct(target, args, newTarget === isolated ? target : newTarget);
      return !patches.on || currentSession() === null ? make() : runWithoutSession(make);
    },
  });
  return isolated;
}

/** Run the listeners of an outgoing HTTP request in the scope that made the request. */
function patchClientRequests(patches) {
  const started = ({ request }) => {
    const scope = ongoingScope();
    if (patches.on && scope !== undefined && scope.session !== null) {
      bindListeners(request, scope, false);
    }
  };
  diagnostics.subscribe("http.client.request.start", started);
  patches.onUndo(() => diagnostics.unsubscribe("http.client.request.start", started));
}

module.exports = { patchSharedResources };
