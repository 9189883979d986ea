"use strict";

const assert = require("node:assert/strict");
const { PassThrough } = require("node:stream");
const test = require("node:test");
const { currentSession, sessionOfEvent, tagLambdaHandler } = require("openreplay-cw-tagging");
const { ANNA, BERT } = require("./helpers/visitors.js");

const id = () => currentSession()?.sessionId ?? null;
const EVENT = { headers: ANNA.headers };

test("reads the session from API Gateway, load balancer and function URL events", () => {
  const name = "X-OpenReplay-SessionToken";
  for (const event of [
    {
      version: "1.0",
      headers: { [name]: ANNA.token },
      multiValueHeaders: { [name]: [ANNA.token] },
    },
    { version: "2.0", headers: { [name.toLowerCase()]: ANNA.token } },
    { requestContext: { elb: {} }, multiValueHeaders: { [name.toLowerCase()]: [ANNA.token] } },
    { headers: { [name]: `${ANNA.token},${ANNA.token}` } },
  ]) {
    assert.equal(sessionOfEvent(event)?.sessionId, ANNA.id);
  }
});

test("other events have no session", () => {
  const hostile = {
    get headers() {
      throw new Error("hostile");
    },
  };
  for (const event of [
    undefined,
    null,
    "x",
    [],
    {},
    { headers: null },
    { Records: [{ headers: ANNA.headers }] },
    { multiValueHeaders: { "X-OpenReplay-SessionToken": [ANNA.token, BERT.token] } },
    hostile,
  ]) {
    assert.equal(sessionOfEvent(event), null);
  }
});

test("the session ends when an asynchronous or plain handler returns", async () => {
  const seen = [];
  const handler = tagLambdaHandler(async (event, context) => {
    setTimeout(() => seen.push(id()), 20);
    await null;
    return [id(), context];
  });
  assert.deepEqual(await handler(EVENT, "context"), [ANNA.id, "context"]);
  assert.deepEqual(await handler({}, "context"), [null, "context"]);
  await new Promise((resolve) => setTimeout(resolve, 40));
  assert.deepEqual(seen, [null, null]);
  const plain = tagLambdaHandler(() => {
    setTimeout(() => seen.push(id()), 1);
    return id();
  });
  assert.equal(plain(EVENT, {}), ANNA.id);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(seen, [null, null, null]);
  const error = new Error("x");
  await assert.rejects(
    tagLambdaHandler(async () => {
      throw error;
    })(EVENT, {}, () => {}),
    error,
  );
  assert.throws(
    () =>
      tagLambdaHandler(() => {
        throw error;
      })(EVENT, {}, () => {}),
    error,
  );
});

test("the session ends when the handler calls its callback or context", async () => {
  for (const answer of ["callback", "succeed", "done"]) {
    const seen = [];
    const handler = tagLambdaHandler((event, context, callback) => {
      setTimeout(() => {
        seen.push(id());
        answer === "callback" ? callback(null, 7) : context[answer](7);
        seen.push(id());
      }, 1);
    });
    assert.equal(handler.length, 3);
    await new Promise((resolve) => {
      const result = handler(EVENT, { succeed: resolve, done: resolve }, resolve);
      assert.equal(result, undefined);
    });
    assert.deepEqual(seen, [ANNA.id, null]);
  }
});

test("the session of a streaming handler ends when its stream is closed", async () => {
  const streaming = Symbol.for("aws.lambda.runtime.handler.streaming");
  const seen = [];
  async function stream(event, response) {
    await null;
    seen.push(id());
    response.end("x");
    seen.push(id());
  }
  stream[streaming] = "response";
  const handler = tagLambdaHandler(stream);
  assert.equal(handler[streaming], "response");
  assert.equal(handler.name, "stream");
  await handler(EVENT, new PassThrough().resume(), {});
  const response = new PassThrough().resume();
  tagLambdaHandler((event, given) => {
    setTimeout(() => {
      seen.push(id());
      given.end();
      given.on("close", () => setImmediate(() => seen.push(id())));
    }, 1);
  })(EVENT, response, {});
  await new Promise((resolve) => response.once("close", () => setTimeout(resolve, 10)));
  assert.deepEqual(seen, [ANNA.id, ANNA.id, ANNA.id, null]);
});
