/**
 * A Lambda execution environment for Node.js: AWS's own runtime client and a Runtime API for it.
 *
 * MiniStack writes one line of JSON to stdin for the initialization and for each invocation, and
 * reads one line of JSON from stdout for each. `aws-lambda-ric` runs in a child process and
 * requests events from this process over HTTP, as it does from AWS ("Using the Lambda runtime API").
 * The function's stdout, stderr and the runtime's log descriptor are files. This process reads them
 * before it responds, so that output is attributed to its invocation.
 *
 * @module
 */
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const readline = require("node:readline");

const VERSION = "/2018-06-01/runtime";
// The header of a log frame: type and level, length, time (LogPatch.js of aws-lambda-ric).
const FRAME_HEADER = 16;
const POLL_MS = 50;
// These bytes end the prelude of a streamed HTTP response.
const PRELUDE_END = Buffer.alloc(8);
const HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response";

/** Runs one function. */
class ExecutionEnvironment {
  #folder = path.dirname(process.argv[1]);
  #files = [];
  #child = null;
  #initialization;
  // The response object of the runtime's pending request for an event.
  #next = null;
  #invocation = null;
  #response = null;
  #isReady = false;

  constructor({ mark, lineEnd }) {
    this.mark = mark;
    this.lineEnd = lineEnd;
    this.server = http.createServer((request, response) => this.#answer(request, response));
  }

  /** Read messages from stdin. */
  start() {
    readline.createInterface({ input: process.stdin, terminal: false }).on("line", (line) => {
      const message = JSON.parse(line);
      if (this.#initialization === undefined) this.#initialize(message);
      else this.#invoke(message);
    });
    setInterval(() => this.#drain(), POLL_MS).unref();
  }

  #initialize(message) {
    this.#initialization = message;
    this.server.listen(0, "127.0.0.1", () => this.#startRuntime());
  }

  #startRuntime() {
    const { code_dir: root, module, handler, env = {} } = this.#initialization;
    for (const name of ["stdout", "stderr", "log", "answers"]) {
      const descriptor = fs.openSync(path.join(this.#folder, name), "a+");
      this.#files.push({ name, descriptor, position: 0, rest: Buffer.alloc(0) });
    }
    const program = [process.execPath, path.join(__dirname, "nodejs_runtime.mjs")];
    const wrapper = env.AWS_LAMBDA_EXEC_WRAPPER;
    const command = wrapper ? [this.#inLayers(wrapper), ...program] : program;
    // MiniStack extracts layers without file modes.
    if (wrapper && fs.existsSync(command[0])) fs.chmodSync(command[0], 0o755);
    this.#child = spawn(command[0], command.slice(1), {
      cwd: root,
      env: {
        ...process.env,
        ...env,
        LAMBDA_TASK_ROOT: root,
        _HANDLER: this.#inLayers(`${module}.${handler}`),
        _LAMBDA_TELEMETRY_LOG_FD: "3",
        AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${this.server.address().port}`,
        AWS_LAMBDA_NODEJS_USE_ALTERNATIVE_CLIENT_1: "true",
      },
      stdio: ["pipe", ...this.#files.map((file) => file.descriptor)],
    });
    this.#child.on("error", (error) => this.#exited(error.message));
    this.#child.on("exit", (code, signal) => this.#exited(`exit status ${code ?? signal}`));
  }

  /** Map a path below /opt, where Lambda extracts layers, to the emulator's layer folders. */
  #inLayers(name) {
    if (!name.startsWith("/opt/")) return name;
    const folders = (process.env._LAMBDA_LAYERS_DIRS ?? "").split(path.delimiter);
    const found = folders.map((folder) => path.join(folder, name.slice("/opt/".length)));
    return found.find((one) => fs.existsSync(path.dirname(one))) ?? name;
  }

  #invoke(message) {
    this.#invocation = message;
    this.#response = null;
    this.#hand();
  }

  /** Send the current event to the runtime if it is waiting for one. */
  #hand() {
    if (this.#next === null || this.#invocation === null) return;
    const { event, ctx = {} } = this.#invocation;
    this.#next.writeHead(200, {
      "Content-Type": "application/json",
      "Lambda-Runtime-Aws-Request-Id": ctx.request_id ?? "request",
      "Lambda-Runtime-Deadline-Ms": String(Date.now() + Number(ctx.timeout_ms ?? 30_000)),
      "Lambda-Runtime-Invoked-Function-Arn": ctx.invoked_function_arn ?? "",
      ...(ctx.trace_id ? { "Lambda-Runtime-Trace-Id": ctx.trace_id } : {}),
    });
    this.#next.end(JSON.stringify(event ?? null));
    this.#next = null;
  }

  #answer(request, response) {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts);
      if (request.url === `${VERSION}/invocation/next`) return this.#ready(response);
      if (request.url === `${VERSION}/init/error`) this.#failed(JSON.parse(body));
      else if (request.url.endsWith("/response")) this.#response = streamed(request, body);
      response.writeHead(202).end('{"status":"OK"}');
    });
  }

  #ready(response) {
    this.#next = response;
    if (!this.#isReady) {
      this.#isReady = true;
      this.#say({ status: "ready", cold: true });
    }
    this.#drain();
    if (this.#response !== null) this.#finish(this.#response);
    this.#hand();
  }

  #failed(error) {
    this.#drain();
    this.#say({ status: "error", error: `${error.errorType}: ${error.errorMessage}` });
  }

  #exited(how) {
    this.#drain();
    // MiniStack replaces an environment that responds with an error.
    const error = this.#response?.error ?? `Runtime exited with error: ${how}`;
    if (!this.#isReady) this.#say({ status: "error", error });
    else if (this.#invocation !== null) this.#finish({ status: "error", error, trace: "" });
    else process.exit(1);
  }

  #finish(response) {
    this.#invocation = null;
    this.#response = null;
    this.#drain();
    for (const file of this.#files) {
      if (file.rest.length > 0) process.stderr.write(`${file.rest}\n`);
      file.rest = Buffer.alloc(0);
    }
    process.stderr.write(`${this.mark}\n`);
    this.#say(response);
  }

  #say(message) {
    process.stdout.write(`${JSON.stringify(message)}\n`);
  }

  /** Write the function's new output to stderr, one log event per line. */
  #drain() {
    for (const file of this.#files) {
      const size = fs.fstatSync(file.descriptor).size - file.position;
      const read = Buffer.alloc(size);
      fs.readSync(file.descriptor, read, 0, size, file.position);
      file.position += size;
      file.rest = Buffer.concat([file.rest, read]);
      const records = file.name === "log" ? takeFrames(file) : takeLines(file);
      if (file.name === "answers") {
        for (const record of records) this.#response = answerOf(JSON.parse(record));
        continue;
      }
      for (const record of records) {
        process.stderr.write(`${record.replace(/\n+$/, "").replaceAll("\n", this.lineEnd)}\n`);
      }
    }
  }
}

function takeLines(file) {
  const end = file.rest.lastIndexOf("\n") + 1;
  const lines = file.rest.toString("utf8", 0, end).split("\n").slice(0, -1);
  file.rest = file.rest.subarray(end);
  return lines;
}

function takeFrames(file) {
  const frames = [];
  while (file.rest.length >= FRAME_HEADER) {
    const end = FRAME_HEADER + file.rest.readUInt32BE(4);
    if (file.rest.length < end) break;
    frames.push(file.rest.toString("utf8", FRAME_HEADER, end));
    file.rest = file.rest.subarray(end);
  }
  return frames;
}

/** Convert what the runtime client wrote: a response, or an error of the handler. */
function answerOf({ kind, body }) {
  if (kind === "response") return { status: "ok", result: body };
  return { status: "ok", raised: true, error: body.errorMessage, trace: "" };
}

/** Convert the response of a streaming handler. */
function streamed(request, body) {
  if (request.headers["content-type"] !== HTTP_INTEGRATION) {
    return { status: "ok", result: body.toString() };
  }
  const end = body.indexOf(PRELUDE_END);
  const prelude = JSON.parse(body.subarray(0, end));
  const text = body.subarray(end + PRELUDE_END.length).toString();
  return { status: "ok", result: { ...prelude, body: text } };
}

exports.start = (options) => new ExecutionEnvironment(options).start();
