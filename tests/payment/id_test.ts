import assert from "node:assert/strict";
import fc from "fast-check";
import { parseId, readId, writeId } from "../../src/payment/id.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";

Deno.test("an id is read as it was written, at any place, and changes no other", () => {
  const anyId = fc.tuple(fc.uuid(), fc.nat(2), fc.nat()).map(([id, extreme]) =>
    [id, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"][extreme]!
  );
  fc.assert(fc.property(anyId, fc.nat(4), (id, at) => {
    const words = new Uint32Array(8);
    writeId(id, words, at);
    assert.equal(readId(words, at), id);
    assert.equal(parseId(readId(words, at)), id);
    words.fill(0, at, at + 4);
    assert.deepEqual(words, new Uint32Array(8));
  }));
});

Deno.test("the words of an id are its hex digits in their order", () => {
  const words = new Uint32Array(4);
  writeId(ID, words, 0);
  assert.deepEqual([...words], [0x4a7901b8, 0x7d264d9d, 0xaa194dc1, 0xc7cf60b3]);
});

Deno.test("any four words are an id, so every bit of an id is kept", () => {
  const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(fc.property(fc.tuple(word, word, word, word), (four) => {
    const words = new Uint32Array(4);
    const id = readId(new Uint32Array(four), 0);
    assert.equal(parseId(id), id);
    writeId(id, words, 0);
    assert.deepEqual([...words], four);
  }));
});

Deno.test("parseId() makes one id of all its spellings", () => {
  assert.equal(parseId(ID.toUpperCase()), ID);
  assert.equal(parseId(ID), ID);
});

Deno.test("parseId() takes nothing else", () => {
  const wrong = [
    "",
    ID.slice(1),
    ID + "0",
    ` ${ID}`,
    `${ID}\n`,
    ID.replaceAll("-", ""),
    `{${ID}}`,
    ID.replace("4", "g"),
  ];
  for (const text of [...wrong, ID.replace("-", "+"), ID.replace("4a", "４a")]) {
    assert.equal(parseId(text), undefined, JSON.stringify(text));
  }
});
