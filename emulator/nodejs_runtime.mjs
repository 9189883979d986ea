/**
 * AWS's runtime client for Node.js, as it is published, with the function of the environment.
 *
 * Its native module sends an answer before it returns. Here a file takes the answer, and the
 * variable AWS_LAMBDA_NODEJS_USE_ALTERNATIVE_CLIENT_1 makes the client ask for events with
 * Node's own HTTP.
 */
import fs from "node:fs";
import Module from "node:module";
import { Worker } from "node:worker_threads";

// stdin ends with the emulator's process, and so does the function, even in an endless loop.
const WATCH = `
  const stdin = new (require("node:net").Socket)({ fd: 0 });
  stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume();
`;
new Worker(WATCH, { eval: true, env: {} }).unref();

const ANSWERS = 4;
const answer = (kind) => (id, body) =>
  fs.writeSync(ANSWERS, `${JSON.stringify({ kind, body: JSON.parse(body) })}\n`);
const nativeModule = {
  initializeClient() {},
  done: answer("response"),
  error: answer("error"),
};

const load = Module._load;
Module._load = function (request, ...rest) {
  if (request.endsWith("rapid-client.node")) return nativeModule;
  return Reflect.apply(load, this, [request, ...rest]);
};
const { run } = await import("aws-lambda-ric");
await run(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
