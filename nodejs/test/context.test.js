"use strict";

const assert = require("node:assert/strict");
const { AsyncResource } = require("node:async_hooks");
const { setTimeout: sleep } = require("node:timers/promises");
const test = require("node:test");
const tagging = require("openreplay-cw-tagging");
const { ANNA, BERT } = require("./helpers/visitors.js");

const { carry, currentSession, useSessionToken } = tagging;
const id = () => currentSession()?.sessionId ?? null;

test("concurrent work keeps its own session", async () => {
  const work = async (visitor) => {
    for (let turn = 0; turn < 20; turn++) {
      await sleep(Math.random() * 3);
      assert.equal(id(), visitor?.id ?? null);
    }
  };
  const visitors = Array.from({ length: 60 }, (_, number) => [ANNA, BERT, undefined][number % 3]);
  await Promise.all(visitors.map((one) => useSessionToken(one?.token, () => work(one))));
  assert.equal(id(), null);
});

test("work that outlives its scope has no session", async () => {
  const seen = [];
  let timer;
  const resource = useSessionToken(ANNA.token, () => {
    timer = setInterval(() => seen.push(id()), 1);
    return new AsyncResource("pool");
  });
  await sleep(20);
  clearInterval(timer);
  assert.ok(seen.length > 2);
  assert.deepEqual(new Set(seen), new Set([null]));
  resource.runInAsyncScope(() => assert.equal(id(), null));
});

test("work that outlives an inner scope is in the outer session", async () => {
  await useSessionToken(ANNA.token, async () => {
    const later = [];
    useSessionToken(BERT.token, () => setTimeout(() => later.push(id()), 1));
    useSessionToken(undefined, () => assert.equal(id(), null));
    assert.equal(id(), ANNA.id);
    await sleep(10);
    assert.deepEqual(later, [ANNA.id]);
  });
});

test("a carried function runs in the session that it was bound to", async () => {
  const carried = useSessionToken(ANNA.token, () =>
    carry(async (word) => [word, id(), await null, id()]),
  );
  assert.deepEqual(await carried("x"), ["x", ANNA.id, null, ANNA.id]);
  await useSessionToken(BERT.token, async () => {
    assert.equal((await carried("x"))[1], ANNA.id);
    assert.equal(id(), BERT.id);
  });
});

test("results and errors pass through unchanged", async () => {
  const error = new Error("x");
  assert.throws(
    () =>
      useSessionToken(ANNA.token, () => {
        throw error;
      }),
    error,
  );
  await assert.rejects(
    useSessionToken(ANNA.token, async () => {
      throw error;
    }),
    error,
  );
  assert.equal(
    useSessionToken(ANNA.token, () => 7),
    7,
  );
  // A query builder starts its query when its `then` is called.
  const lazy = { then: () => assert.fail("called") };
  assert.equal(
    useSessionToken(ANNA.token, () => lazy),
    lazy,
  );
});

test("headers pass the session to other processes", () => {
  const { outgoingHeaders, useHeaders } = tagging;
  assert.deepEqual(outgoingHeaders(), {});
  const headers = useSessionToken(ANNA.token, outgoingHeaders);
  assert.deepEqual(headers, ANNA.headers);
  for (const given of [headers, { "x-openreplay-sessiontoken": ANNA.token }]) {
    assert.equal(useHeaders(given, id), ANNA.id);
  }
  for (const given of [undefined, null, 7, {}, { "X-OpenReplay-SessionToken": {} }]) {
    useSessionToken(BERT.token, () => assert.equal(useHeaders(given, id), null));
  }
});

test("corsAllowHeaders, currentTag, currentFields, tagLines and replayUrl", () => {
  const { corsAllowHeaders, currentFields, currentTag, replayUrl, tagLines } = tagging;
  assert.deepEqual(corsAllowHeaders("Content-Type", "content-type"), [
    "Content-Type",
    tagging.HEADER_NAME,
  ]);
  assert.deepEqual([currentTag(), currentFields(), tagLines("a")], ["", {}, "a"]);
  useSessionToken(ANNA.token, () => {
    assert.equal(currentTag(), ANNA.tag);
    assert.deepEqual(currentFields(), { openReplaySessionToken: ANNA.token });
    assert.equal(tagLines("a\nb"), `${ANNA.tag} a\n${ANNA.tag} b`);
    assert.equal(replayUrl(), null);
    process.env.OPENREPLAY_REPLAY_URL = "https://openreplay.example/5/session/{session}";
    assert.equal(replayUrl(), `https://openreplay.example/5/session/${ANNA.id}`);
    for (const bad of [
      "http://a/{session}",
      "https://{session}/",
      "https://a/",
      "https://u@a/{session}",
      "x",
    ]) {
      process.env.OPENREPLAY_REPLAY_URL = bad;
      assert.equal(replayUrl(), null);
    }
    delete process.env.OPENREPLAY_REPLAY_URL;
  });
});
