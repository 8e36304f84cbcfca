import assert from "node:assert/strict";
import fc from "fast-check";
import { accepted, type Fact, settled } from "../../src/payment/fact.ts";
import { readId } from "../../src/payment/id.ts";
import { BYTES_PER_PAYMENT, SettledIndex } from "../../src/payment/settled.ts";
import { anyFact } from "./arbitrary.ts";

const settledFact = anyFact.filter((fact) => fact.stage === "settled");

/** The id of four words. */
function idOf(...four: number[]): string {
  return readId(new Uint32Array(four), 0);
}

function factOf(id: string, cents = 1): Fact {
  return settled(accepted(id, cents, 1_000, "a"), "default", 1_005, cents, "booked");
}

/** Adds all ids and looks for each of them, with the position as the amount. */
function assertKeeps(ids: readonly string[]): void {
  const index = new SettledIndex();
  for (const [i, id] of ids.entries()) {
    assert.equal(index.find(id), -1, id);
    index.set(factOf(id, i + 1));
  }
  assert.equal(index.size, ids.length);
  for (const [i, id] of ids.entries()) {
    assert.equal(index.find(id), i, id);
    assert.deepEqual(index.at(i), factOf(id, i + 1));
  }
}

Deno.test("every field of a settled fact comes back", () => {
  fc.assert(
    fc.property(fc.uniqueArray(settledFact, { selector: (fact) => fact.id, maxLength: 50 }), (facts) => {
      const index = new SettledIndex();
      for (const fact of facts) index.set(fact);
      assert.equal(index.size, facts.length);
      for (const [i, fact] of facts.entries()) {
        assert.equal(index.find(fact.id), i);
        assert.deepEqual(index.at(i), fact);
      }
    }),
  );
});

Deno.test("a fact about a known id replaces the one before, in its place", () => {
  fc.assert(fc.property(settledFact, settledFact, (first, second) => {
    const index = new SettledIndex();
    const [id, neighbour] = [idOf(1, 2, 3, 4), factOf(idOf(4, 3, 2, 1))];
    index.set({ ...first, id });
    index.set(neighbour);
    index.set({ ...second, id });
    assert.equal(index.size, 2);
    assert.deepEqual(index.at(index.find(id)), { ...second, id });
    assert.deepEqual(index.at(1), neighbour);
  }));
});

Deno.test("the index finds every id and no other while it grows through its segments", () => {
  assertKeeps(Array.from({ length: 30_000 }, () => crypto.randomUUID()));
});

Deno.test("ids that differ in one word only, or in one bit, or not at all when their words are mixed, stay apart", () => {
  const count = 5_000;
  const numbers = Array.from({ length: count }, (_, i) => i);
  assertKeeps(numbers.map((i) => idOf(i, 0, 0, 0)));
  assertKeeps(numbers.map((i) => idOf(0, 0, 0, i)));
  assertKeeps(numbers.map((i) => idOf(i << 16, 0, i, 0)));
  assertKeeps(numbers.map((i) => idOf(i, i, i, i)));
  // words that cancel each other out wherever they are multiplied by a well-known constant and xor-ed
  for (const constant of [1, 31, 0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x2c1b3c6d]) {
    assertKeeps(numbers.map((i) => idOf(Math.imul(i, constant), i, 0, 0)));
  }
  const bits = Array.from(
    { length: 128 },
    (_, i) => idOf(...[0, 1, 2, 3].map((w) => i >> 5 === w ? 1 << (i & 31) : 0)),
  );
  assertKeeps([idOf(0, 0, 0, 0), ...bits]);
});

Deno.test("an empty index knows nothing, not even the id of zeros", () => {
  const index = new SettledIndex();
  assert.equal(index.find(idOf(0, 0, 0, 0)), -1);
  assert.equal(index.size, 0);
});

Deno.test("the index takes little more than BYTES_PER_PAYMENT for each of many", () => {
  const index = new SettledIndex();
  const count = 50_000;
  for (let i = 0; i < count; i++) index.set(factOf(idOf(i, i, i, i)));
  // a slot of four bytes, at least three eighths of them in use, and a segment begun
  assert.ok(index.bytes <= count * (BYTES_PER_PAYMENT + 4 * 8 / 3) + (1 << 13) * BYTES_PER_PAYMENT);
});
