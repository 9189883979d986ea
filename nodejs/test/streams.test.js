"use strict";

const assert = require("node:assert/strict");
const { setTimeout: sleep } = require("node:timers/promises");
const { PassThrough } = require("node:stream");
const test = require("node:test");
const { currentSession, useSessionToken } = require("openreplay-cw-tagging");
const { Patches } = require("../lib/patching.js");
const { patchStream } = require("../lib/streams.js");
const { ANNA, BERT } = require("./helpers/visitors.js");

/** Create a patched stream, and a function that returns what has been written since. */
function patched({ isTagged = true } = {}) {
  const stream = new PassThrough();
  const patches = new Patches();
  patches.on = true;
  patchStream(patches, stream, () => isTagged);
  return { stream, patches, text: () => String(stream.read() ?? "") };
}

const asAnna = (action) => useSessionToken(ANNA.token, action);
const asBert = (action) => useSessionToken(BERT.token, action);

test("a line that is written in pieces has one tag", () => {
  const { stream, text } = patched();
  asAnna(() => {
    for (const piece of ["a", "b", "c\nd", "", "\n", "e", "f\ng\n"]) stream.write(piece);
    assert.equal(text(), `${ANNA.tag} abc\n${ANNA.tag} d\n${ANNA.tag} ef\n${ANNA.tag} g\n`);
    for (const piece of ['{"a"', ":1}", "\n"]) stream.write(piece);
  });
  assert.equal(text(), `{${ANNA.field}, "a":1}\n`);
});

test("pieces of several scopes go to separate lines", async () => {
  const { stream, text } = patched();
  stream.write("nobody ");
  await asAnna(async () => {
    stream.write("anna ");
    await asBert(async () => stream.write("bert"));
    stream.write("anna\n");
  });
  stream.write("nobody\n");
  assert.equal(text(), `nobody \n${BERT.tag} bert\n${ANNA.tag} anna anna\nnobody\n`);
});

test("an incomplete line is written after a second, and when its scope ends", async () => {
  const { stream, text } = patched();
  await asAnna(async () => {
    stream.write("slow");
    assert.equal(text(), "");
    await sleep(1100);
    assert.equal(text(), `${ANNA.tag} slow`);
    stream.write(" line\nnext");
    assert.equal(text(), " line\n");
    await sleep(1100);
    useSessionToken(undefined, () => stream.write("nobody\n"));
    assert.equal(text(), `${ANNA.tag} next\nnobody\n`);
    stream.write("rest");
  });
  assert.equal(text(), `${ANNA.tag} rest\n`);
  stream.write("x");
  assert.equal(text(), "x");
});

test("supports bytes, encodings and callbacks", async () => {
  const { stream, text } = patched();
  await asAnna(async () => {
    stream.write(Buffer.from("bytes é\n"));
    stream.write(new Uint8Array([97, 10]));
    stream.write("text\n", "utf8");
    for (const piece of ["held", " line\n"]) {
      await new Promise((resolve) => stream.write(piece, resolve));
    }
    await new Promise((resolve) => stream.write("both\n", "utf8", resolve));
    stream.write("YQo=", "base64");
    assert.throws(() => stream.write(null), { code: "ERR_STREAM_NULL_VALUES" });
    assert.throws(() => stream.write(7), { code: "ERR_INVALID_ARG_TYPE" });
  });
  const { tag } = ANNA;
  assert.equal(text(), `${tag} bytes é\n${tag} a\n${tag} text\n${tag} held line\n${tag} both\na\n`);
  asAnna(() => stream.write(Buffer.from([255, 254, 10])));
  assert.deepEqual(stream.read(), Buffer.from([255, 254, 10]));
});

test("a very long line is not held", () => {
  const { stream, text } = patched();
  asAnna(() => {
    stream.write("x".repeat(70_000));
    assert.equal(text().length, 70_000 + ANNA.tag.length + 1);
    stream.write("y\n");
  });
  assert.equal(text(), "y\n");
});

test("an untagged or unpatched stream is unchanged", () => {
  const { stream, text } = patched({ isTagged: false });
  asAnna(() => stream.write("result\n"));
  assert.equal(text(), "result\n");
  const tagged = patched();
  const { write } = tagged.stream;
  asAnna(() => {
    tagged.stream.write("held");
    tagged.patches.undo();
    assert.equal(tagged.text(), `${ANNA.tag} held`);
    assert.ok(!Object.hasOwn(tagged.stream, "write"));
    Reflect.apply(write, tagged.stream, ["late\n"]);
  });
  assert.equal(tagged.text(), "late\n");
  assert.equal(currentSession(), null);
});
