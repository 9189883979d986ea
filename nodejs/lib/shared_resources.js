/**
 * Connections and worker threads serve whoever comes, and belong to no visitor.
 *
 * A context sticks to a socket. Where a pool opens a connection in the midst of one visitor's
 * request, the callbacks of the next visitor's queries would run in the first one's context.
 *
 * @module
 */
"use strict";

const diagnostics = require("node:diagnostics_channel");
const net = require("node:net");
const tls = require("node:tls");
const workers = require("node:worker_threads");
const { currentSession, ongoingScope, runAsNobody } = require("./context.js");
const { bindListeners } = require("./requests.js");

/** Have connections and worker threads made in nobody's context. */
function patchSharedResources(patches) {
  const isolate = (original) =>
    function (...args) {
      const call = () => Reflect.apply(original, this, args);
      return !patches.on || currentSession() === null ? call() : runAsNobody(call);
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
      return !patches.on || currentSession() === null ? make() : runAsNobody(make);
    },
  });
  return isolated;
}

/** An HTTP request to another server is its maker's, and so are its errors. */
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
