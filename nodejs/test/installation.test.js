"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const net = require("node:net");
const tls = require("node:tls");
const Module = require("node:module");
const workers = require("node:worker_threads");
const { afterEach, test } = require("node:test");
const tagging = require("openreplay-cw-tagging");
const { REGISTER, run } = require("./helpers/run.js");
const { ANNA, linesOf, visitorOf } = require("./helpers/visitors.js");

afterEach(() => tagging.uninstall());

const OBJECTS = [
  ...[process.stderr, process.stdout, process, console, tls, workers, Module],
  ...[net.Server.prototype, http.Server.prototype, net.Socket.prototype],
  ...[
    require("pino")({ enabled: false }),
    require("winston").Logger.prototype,
    require("bunyan").prototype,
  ],
];

/** Return every function that may be patched, by its object, prototype depth and name. */
function currentFunctions() {
  const found = new Map();
  OBJECTS.forEach((object, index) => {
    for (let one = object, depth = 0; one !== null; one = Object.getPrototypeOf(one), depth++) {
      for (const key of Reflect.ownKeys(one)) {
        const { value } = Object.getOwnPropertyDescriptor(one, key);
        if (typeof value === "function") found.set(`${index}, ${depth}, ${String(key)}`, value);
      }
    }
  });
  return found;
}

function changedFunctions(before, after = currentFunctions()) {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.get(name) !== after.get(name));
}

test("uninstall() restores every function", () => {
  const before = currentFunctions();
  for (let turn = 0; turn < 2; turn++) {
    tagging.install({ stdout: true, level: "error", tag: "id" });
    tagging.install();
    assert.ok(changedFunctions(before).length > 20);
    tagging.uninstall();
    assert.deepEqual(changedFunctions(before), []);
  }
  assert.equal(
    require("node:diagnostics_channel").hasSubscribers("http.client.request.start"),
    false,
  );
});

test("a wrapper that other code installed survives uninstall() and no longer tags", async () => {
  const { stderr, code } = await run(
    `
    const tagging = require("openreplay-cw-tagging");
    tagging.install();
    const { error } = console;
    console.error = (...args) => error("wrapped", ...args);
    tagging.uninstall();
    tagging.useSessionToken(${JSON.stringify(ANNA.token)}, () => console.error("nobody"));
  `,
    { flags: [] },
  );
  assert.deepEqual([stderr, code], ["wrapped nobody\n", 0]);
});

test("invalid options throw and change nothing", () => {
  const before = currentFunctions();
  for (const options of [
    null,
    { tag: "tokens" },
    { tag: ANNA.token },
    { level: "loud" },
    { level: -1 },
    { stdout: "yes" },
    { servers: 1 },
    { loggers: "pino" },
    { loggers: [require("pino"), {}] },
    { headerName: "a b" },
    { tokenSecret: "" },
    { replayUrl: "http://x" },
    { tokenSekret: "x" },
  ]) {
    assert.throws(
      () => tagging.install(options),
      (error) => {
        return error instanceof TypeError && !error.message.includes(ANNA.token);
      },
    );
  }
  assert.deepEqual(changedFunctions(before), []);
});

test("loggers of a bundle are tagged if they are passed to install()", async () => {
  // The program simulates a bundler that has renamed the package.
  const { stdout, code } = await run(
    `
    const fs = require("node:fs");
    const Module = require("node:module");
    const { install, useSessionToken } = require("openreplay-cw-tagging");
    const load = Module._load;
    Module._load = (name, ...rest) => load(name === "bundled" ? "pino" : name, ...rest);
    const pino = require("bundled");
    delete require.cache[require.resolve("pino")];
    install({ loggers: [pino] });
    useSessionToken(${JSON.stringify(ANNA.token)}, () => pino().info("words"));
  `,
    { flags: [] },
  );
  assert.equal(code, 0);
  assert.deepEqual(linesOf(stdout).map(visitorOf), [ANNA]);
});

const PROGRAM = `
  const { useSessionToken } = require("openreplay-cw-tagging");
  useSessionToken(${JSON.stringify(ANNA.token)}, () => {
    console.log("log");
    console.debug("debug");
    console.error("error");
    process.stdout.write("result\\n");
    process.stderr.write("raw\\n");
  });
`;

test("options from environment variables, with --require and --import", async () => {
  for (const flag of ["--require", "--import"]) {
    const taggedWords = async (env) => {
      const { stdout, stderr } = await run(PROGRAM, { flags: [flag, REGISTER], env });
      const tagged = linesOf(stdout + stderr).filter((line) => /openReplay/.test(line));
      return tagged.map((line) => line.split(" ").at(-1)).join(" ");
    };
    assert.equal(await taggedWords({}), "log debug error raw");
    assert.equal(await taggedWords({ OPENREPLAY_TAG_LEVEL: "error" }), "error raw");
    assert.equal(
      await taggedWords({ OPENREPLAY_TAG_STDOUT: "true" }),
      "log debug result error raw",
    );
  }
  const { stderr } = await run(PROGRAM, { env: { OPENREPLAY_TAG: "id" } });
  assert.equal(linesOf(stderr)[0], `[openReplaySession.id=${ANNA.id}] error`);
});

test("the stream does not tag records below the level", async () => {
  const { stdout, code } = await run(
    `
    const { useSessionToken } = require("openreplay-cw-tagging");
    const winston = require("winston");
    const loggers = [
      require("pino")(process.stdout),
      winston.createLogger({ transports: [new winston.transports.Console()] }),
      require("bunyan").createLogger({ name: "x", stream: process.stdout }),
    ];
    useSessionToken(${JSON.stringify(ANNA.token)}, () => {
      for (const logger of loggers) logger.info("low");
      for (const logger of loggers) logger.error("high");
    });
  `,
    { env: { OPENREPLAY_TAG_LEVEL: "warn", OPENREPLAY_TAG_STDOUT: "true" } },
  );
  assert.equal(code, 0);
  for (const line of linesOf(stdout))
    assert.equal(visitorOf(line), line.includes("high") ? ANNA : null);
  assert.equal(linesOf(stdout).length, 6);
});

test("an incomplete line is written when the process exits", async () => {
  const { stderr } = await run(`
    require("openreplay-cw-tagging").useSessionToken(${JSON.stringify(ANNA.token)}, () => {
      process.stderr.write("fatal");
      process.exit();
    });
  `);
  assert.equal(stderr, `${ANNA.tag} fatal`);
});

test("an invalid environment variable disables tagging without being quoted", async () => {
  for (const [name, value] of [
    ["OPENREPLAY_TAG_LEVEL", "hush"],
    ["OPENREPLAY_TOKEN_SECRET", "\n"],
  ]) {
    const { stdout, stderr, code } = await run(PROGRAM, { env: { [name]: value } });
    assert.equal(code, 0);
    assert.ok(stderr.includes(name) && !stderr.includes("hush"));
    assert.ok(linesOf(stdout + stderr).every((line) => visitorOf(line) === null));
  }
});

test("ES modules see patched and restored built-in functions", async () => {
  const { stdout, stderr } = await run(
    `
    import { connect } from "node:tls";
    import tls from "node:tls";
    import { install, uninstall } from "openreplay-cw-tagging";
    const before = connect;
    install();
    console.log(connect === tls.connect, connect === before);
    uninstall();
    console.log(connect === tls.connect, connect === before);
  `,
    { isModule: true, flags: [] },
  );
  assert.equal(stdout, "true false\ntrue true\n", stderr);
});

test("ES modules are tagged", async () => {
  const names = Object.keys(tagging).sort().join();
  const source = `
    import * as tagging from "openreplay-cw-tagging";
    import { connect } from "node:tls";
    import tls from "node:tls";
    import pino from "pino";
    const { default: _, ...named } = tagging;
    console.log(Object.keys(named).sort().join(), connect === tls.connect);
    tagging.useSessionToken(${JSON.stringify(ANNA.token)}, () => {
      console.log("log");
      pino().info("words");
    });
  `;
  for (const flag of ["--require", "--import"]) {
    const { stdout, stderr } = await run(source, { isModule: true, flags: [flag, REGISTER] });
    const [listed, ...lines] = linesOf(stdout);
    assert.equal(listed, `${names} true`, stderr);
    assert.deepEqual(lines.map(visitorOf), [ANNA, ANNA]);
  }
});
