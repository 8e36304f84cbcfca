import assert from "node:assert/strict";
import fc from "fast-check";
import type { Checkpoint } from "../../src/ledger/ledger.ts";
import type { ReplicaId } from "../../src/payment/fact.ts";
import { Agreement, AHEAD_MAX, compare, news, TOLD_MAX } from "../../src/peer/agreement.ts";
import type { Told } from "../../src/peer/link.ts";

/** What happened between two checkpoints: payments and cents by replica and processor. */
const PAGE = [1, 100, 2, 250, 3, 900, 4, 1_600];

/**
 * Checkpoints every 64 places.
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

const OWN = checkpoints(1, 20);

function toldBy(peer: ReplicaId, change: Partial<Told> = {}): Told {
  const deltas = peer === "a" ? [1, 100, 2, 250] : [3, 900, 4, 1_600];
  return { since: 640, position: 704, hash: 7_011, deltas, ...change };
}

Deno.test("news() has no deltas when nothing was told before, then those of the teller's own totals", () => {
  assert.deepEqual(news(checkpoints(1, 2), 0, "a"), [
    { since: 0, position: 64, hash: 7_001, deltas: [0, 0, 0, 0] },
    { since: 64, position: 128, hash: 7_002, deltas: [1, 100, 2, 250] },
  ]);
  assert.deepEqual(news(checkpoints(1, 3), 128, "b"), [
    { since: 128, position: 192, hash: 7_003, deltas: [3, 900, 4, 1_600] },
  ]);
  assert.deepEqual(news(checkpoints(1, 3), 192, "b"), []);
});

Deno.test("news() has the newest when there are more than it may have, and skips none of the deltas", () => {
  const told = news(checkpoints(1, TOLD_MAX + 4), 128, "a");
  assert.equal(told.length, TOLD_MAX);
  // the third and the fourth are skipped: the fifth has what all three have settled
  assert.deepEqual(told[0], { since: 128, position: 320, hash: 7_005, deltas: [3, 300, 6, 750] });
  assert.deepEqual(told.at(-1), { since: 1_216, position: 1_280, hash: 7_020, deltas: [1, 100, 2, 250] });
});

Deno.test("news() begins anew when what was told last is trimmed", () => {
  assert.deepEqual(news(checkpoints(5, 6), 192, "a"), [
    { since: 0, position: 320, hash: 7_005, deltas: [0, 0, 0, 0] },
    { since: 320, position: 384, hash: 7_006, deltas: [1, 100, 2, 250] },
  ]);
});

Deno.test("what one tells is the same at the other, whenever each began to read and was told before", () => {
  fc.assert(
    fc.property(
      fc.constantFrom<ReplicaId>("a", "b"),
      fc.nat(40),
      fc.nat(40),
      fc.array(fc.integer({ min: 1, max: 80 })),
      (peer, began, otherBegan, lengths) => {
        let since = 0;
        for (const last of lengths.sort((a, b) => a - b)) {
          for (const told of news(checkpoints(1, last, began), since, peer)) {
            assert.equal(compare(checkpoints(1, 80, otherBegan), told, peer), "same");
            since = told.position;
          }
        }
      },
    ),
  );
});

Deno.test("compare() says the same when both are", () => {
  assert.equal(compare(OWN, toldBy("a"), "a"), "same");
  assert.equal(compare(OWN, toldBy("b"), "b"), "same");
});

Deno.test("compare() says which hash it was and which it should be when hashes differ", () => {
  assert.equal(
    compare(OWN, toldBy("b", { hash: 13 }), "b"),
    "invariant: replica b differs at 704: hash 13, here 7011",
  );
});

Deno.test("compare() says by how much when totals differ, every one of them", () => {
  assert.equal(
    compare(OWN, toldBy("a", { deltas: [2, 100, 2, 249] }), "a"),
    "invariant: replica a differs at 704: 2 payments at default settled since 640, here 1; " +
      "249 cents at fallback settled since 640, here 250",
  );
  assert.equal(
    compare(OWN, toldBy("b", { hash: 0, deltas: [3, 901, -4, 1_600] }), "b"),
    "invariant: replica b differs at 704: hash 0, here 7011; 901 cents at default settled since 640, here 900; " +
      "-4 payments at fallback settled since 640, here 4",
  );
});

Deno.test("compare() compares the hash alone when the one before was not told, or is trimmed here", () => {
  assert.equal(compare(OWN, toldBy("a", { since: 0, deltas: [0, 0, 0, 0] }), "a"), "same");
  assert.equal(compare(OWN.slice(10), toldBy("a", { deltas: [9, 9, 9, 9] }), "a"), "same");
  assert.equal(
    compare(OWN.slice(10), toldBy("a", { hash: 13 }), "a"),
    "invariant: replica a differs at 704: hash 13, here 7011",
  );
});

Deno.test("compare() does not know when nothing is read yet, or it is trimmed, or the peer is ahead", () => {
  assert.equal(compare([], toldBy("a"), "a"), "unknown");
  assert.equal(compare(OWN.slice(11), toldBy("a"), "a"), "unknown");
  assert.equal(compare(OWN.slice(0, 10), toldBy("a"), "a"), "unknown");
});

Deno.test("compare() says so when the peer has a checkpoint where this replica read past without one", () => {
  const stray = (place: number) =>
    `invariant: replica b has a checkpoint at ${place}, where this replica read past without one`;
  assert.equal(compare(OWN, toldBy("b", { position: 705 }), "b"), stray(705));
  assert.equal(compare(OWN, toldBy("b", { since: 641 }), "b"), stray(641));
});

Deno.test("an agreement keeps what the peer is ahead with and compares it once this replica has read as far", () => {
  let own = checkpoints(1, 3);
  const agreement = new Agreement("b", () => own);
  const [fourth, fifth] = news(checkpoints(1, 5), 192, "b") as [Told, Told];
  assert.equal(agreement.told(fourth), undefined);
  assert.equal(agreement.told({ ...fifth, hash: 1 }), undefined);
  own = checkpoints(1, 4);
  assert.equal(agreement.look(), undefined);
  own = checkpoints(1, 5);
  const difference = "invariant: replica b differs at 320: hash 1, here 7005";
  assert.equal(agreement.look(), difference);
  assert.equal(agreement.look(), undefined, "it is told once");
});

Deno.test("an agreement compares at once when this replica has read as far", () => {
  const agreement = new Agreement("b", () => OWN);
  assert.equal(agreement.told(toldBy("b")), undefined);
  assert.equal(
    agreement.told(toldBy("b", { hash: 1 })),
    "invariant: replica b differs at 704: hash 1, here 7011",
  );
});

Deno.test("an agreement keeps the newest when the peer is too far ahead", () => {
  let own: Checkpoint[] = [];
  const agreement = new Agreement("b", () => own);
  const wrong = (index: number): Told => ({ since: 0, position: 64 * index, hash: index, deltas: [0, 0, 0, 0] });
  for (let index = 1; index <= AHEAD_MAX + 1; index++) assert.equal(agreement.told(wrong(index)), undefined);
  own = checkpoints(1, 1);
  assert.equal(agreement.look(), undefined, "the first is not kept");
  own = checkpoints(1, 2);
  assert.equal(agreement.look(), "invariant: replica b differs at 128: hash 2, here 7002");
  own = checkpoints(1, AHEAD_MAX + 1);
  assert.equal(agreement.look(), "invariant: replica b differs at 192: hash 3, here 7003");
});
