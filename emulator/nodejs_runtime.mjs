/**
 * Run the function of the environment with AWS's published runtime client for Node.js.
 *
 * The client's native module sends a response synchronously. Here a replacement writes the response
 * to a file instead, and AWS_LAMBDA_NODEJS_USE_ALTERNATIVE_CLIENT_1 makes the client request events
 * with Node's own HTTP client.
 */
import fs from "node:fs";
import Module from "node:module";
import { Worker } from "node:worker_threads";

// stdin ends when the emulator ends. A worker thread then kills the function, even in an endless
// loop.
const WATCH = `
  const stdin = new (require("node:net").Socket)({ fd: 0 });
  stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume();
`;
new Worker(WATCH, { eval: true, env: {} }).unref();

const RESPONSES_FD = 4;
const writer = (kind) => (id, body) =>
  fs.writeSync(RESPONSES_FD, `${JSON.stringify({ kind, body: JSON.parse(body) })}\n`);
const nativeModule = {
  initializeClient() {},
  done: writer("response"),
  error: writer("error"),
};

const load = Module._load;
Module._load = function (request, ...rest) {
  if (request.endsWith("rapid-client.node")) return nativeModule;
  return Reflect.apply(load, this, [request, ...rest]);
};
const { run } = await import("aws-lambda-ric");
await run(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
