import assert from "node:assert/strict";
import fc from "fast-check";
import type { Checkpoint } from "../../src/ledger/ledger.ts";
import { SETTLED_MODULUS } from "../../src/payment/book.ts";
import { Agreement, AHEAD_MAX } from "../../src/peer/agreement.ts";
import { PAIR } from "../support/pair.ts";

/** What happened between two checkpoints: payments and cents by replica and processor. */
const PAGE = [1, 100, 2, 250, 3, 900, 4, 1_600];

/**
 * Checkpoints every 64 positions.
 *
 * @param began what `settled` is counted from, which each replica has for itself
 */
function checkpoints(first: number, last: number, began = 0): Checkpoint[] {
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    position: 64 * (first + i),
    hash: 7_000 + first + i,
    settled: PAGE.map((figure) => figure * (first + i - began)),
  }));
}

/** What a replica with these checkpoints of its own says when replica b sends these, one after the other. */
function said(own: readonly Checkpoint[], ...told: readonly Checkpoint[]): (string | undefined)[] {
  const agreement = new Agreement("b", () => own, PAIR);
  return told.map((checkpoint) => agreement.told(checkpoint));
}

const OWN = checkpoints(1, 20);
/** What the peer sends for the tenth and the eleventh position: it has begun to count at the fifth. */
const [TENTH, ELEVENTH] = checkpoints(10, 11, 5) as [Checkpoint, Checkpoint];

/** A checkpoint whose figures are so much more. */
function more(checkpoint: Checkpoint, change: readonly number[]): Checkpoint {
  return { ...checkpoint, settled: checkpoint.settled.map((figure, i) => figure + (change[i] ?? 0)) };
}

Deno.test("an agreement finds nothing when both are the same, whenever each began to read and however many were sent", () => {
  fc.assert(
    fc.property(fc.nat(40), fc.nat(40), fc.subarray(checkpoints(1, 80)), (began, otherBegan, positions) => {
      const all = checkpoints(1, 80, began);
      const told = positions.map(({ position }) => all[position / 64 - 1]!);
      assert.deepEqual(said(checkpoints(1, 80, otherBegan), ...told), told.map(() => undefined));
    }),
  );
});

Deno.test("an agreement names both hashes when they differ", () => {
  assert.deepEqual(said(OWN, { ...ELEVENTH, hash: 13 }), ["invariant: replica b differs at 704: hash 13, here 7011"]);
});

Deno.test("an agreement names every total that differs, and both figures", () => {
  assert.deepEqual(said(OWN, TENTH, more(ELEVENTH, [1, 0, 0, -1])), [
    undefined,
    "invariant: replica b differs at 704: 2 payments settled by a at default since 640, here 1; " +
    "249 cents settled by a at fallback since 640, here 250",
  ]);
  assert.deepEqual(said(OWN, TENTH, { ...more(ELEVENTH, [0, 0, 0, 0, 0, 1, -8]), hash: 0 }), [
    undefined,
    "invariant: replica b differs at 704: hash 0, here 7011; 901 cents settled by b at default since 640, here 900; " +
    "-4 payments settled by b at fallback since 640, here 4",
  ]);
});

Deno.test("an agreement sees through a total that begins again at 0", () => {
  const began = (cents: number) =>
    [0, 1, 2].map((n) => ({
      ...{ position: 64 * n, hash: n },
      settled: PAGE.map((figure, i) => (i % 2 ? cents + n * figure * 10 ** 10 : n * figure) % SETTLED_MODULUS),
    }));
  const own = began(0);
  const told = began(SETTLED_MODULUS - 5);
  assert.deepEqual(said(own, ...told), [undefined, undefined, undefined]);
  assert.deepEqual(said(own, told[0]!, more(told[1]!, [0, 1])), [
    undefined,
    "invariant: replica b differs at 64: 1000000000001 cents settled by a at default since 0, here 1000000000000",
  ]);
});

Deno.test("an agreement compares only the hash when no checkpoint came before, or it is trimmed here", () => {
  const wrong = more(ELEVENTH, PAGE);
  const differs = "invariant: replica b differs at 704: hash 13, here 7011";
  assert.deepEqual(said(OWN, wrong), [undefined]);
  assert.deepEqual(said(OWN.slice(10), TENTH, wrong), [undefined, undefined]);
  assert.deepEqual(said(OWN.slice(10), TENTH, { ...wrong, hash: 13 }), [undefined, differs]);
});

Deno.test("an agreement finds nothing when nothing is read yet, checkpoints are trimmed, or the peer is ahead", () => {
  const wrong = { ...ELEVENTH, hash: 13 };
  assert.deepEqual(said([], { ...wrong, position: 0 }, wrong), [undefined, undefined]);
  assert.deepEqual(said(OWN.slice(11), wrong), [undefined]);
  assert.deepEqual(said(OWN.slice(0, 10), wrong), [undefined]);
});

Deno.test("an agreement says so when the peer has a checkpoint where this replica read past without one", () => {
  assert.deepEqual(said(OWN, { ...ELEVENTH, position: 705 }), [
    "invariant: replica b differs at 705: a checkpoint, where this replica read past without one",
  ]);
});

Deno.test("an agreement keeps the checkpoints of a peer that is ahead, and compares them once this replica has read as far", () => {
  let own = checkpoints(1, 3);
  const agreement = new Agreement("b", () => own, PAIR);
  const [third, fourth, fifth] = checkpoints(3, 5, 2) as [Checkpoint, Checkpoint, Checkpoint];
  for (const told of [third, fourth, more({ ...fifth, hash: 1 }, [1])]) assert.equal(agreement.told(told), undefined);
  own = checkpoints(1, 4);
  assert.equal(agreement.look(), undefined);
  own = checkpoints(1, 5);
  const difference = "hash 1, here 7005; 2 payments settled by a at default since 256, here 1";
  assert.equal(agreement.look(), `invariant: replica b differs at 320: ${difference}`);
  assert.equal(agreement.look(), undefined, "it is reported once");
});

Deno.test("an agreement forgets the peer's checkpoints when the peer may come back with another log", () => {
  let own = checkpoints(1, 2);
  const agreement = new Agreement("b", () => own, PAIR);
  const [second, third, fourth] = checkpoints(2, 4) as [Checkpoint, Checkpoint, Checkpoint];
  assert.equal(agreement.told(second), undefined);
  assert.equal(agreement.told({ ...third, hash: 1 }), undefined);
  agreement.forget();
  own = checkpoints(1, 5);
  assert.equal(agreement.look(), undefined);
  // another life of the peer counts from elsewhere
  assert.equal(agreement.told(more(fourth, PAGE)), undefined);
});

Deno.test("an agreement keeps the newest when the peer is too far ahead", () => {
  let own: Checkpoint[] = [];
  const agreement = new Agreement("b", () => own, PAIR);
  for (let index = 1; index <= AHEAD_MAX + 1; index++) {
    assert.equal(agreement.told({ position: 64 * index, hash: index, settled: PAGE.map(() => 0) }), undefined);
  }
  own = checkpoints(1, 1);
  assert.equal(agreement.look(), undefined, "the first is not kept");
  own = checkpoints(2, 2);
  assert.equal(agreement.look(), "invariant: replica b differs at 128: hash 2, here 7002");
  own = checkpoints(3, AHEAD_MAX + 1);
  assert.match(agreement.look()!, /^invariant: replica b differs at 192: hash 3, here 7003/);
});
