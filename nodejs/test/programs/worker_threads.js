const { Worker, isMainThread, parentPort } = require("node:worker_threads");
const { outgoingHeaders, useHeaders, useSessionToken } = require("openreplay-cw-tagging");
const { ANNA } = require("../helpers/visitors.js");

if (isMainThread) {
  useSessionToken(ANNA.token, async () => {
    const worker = new Worker(__filename);
    worker.postMessage(outgoingHeaders());
    await new Promise((resolve) => worker.once("exit", resolve));
    console.log("anna in the main thread");
  });
} else {
  parentPort.once("message", (headers) => {
    console.log("nobody in the thread");
    useHeaders(headers, () => console.log("anna in the thread"));
  });
}
