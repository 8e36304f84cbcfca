import assert from "node:assert/strict";
import { FileLedger } from "../../src/ledger/file_ledger.ts";
import { CHECKPOINT_RECORDS } from "../../src/ledger/fold.ts";
import { indexOf, positionOf } from "../../src/ledger/log.ts";
import { SegmentLog } from "../../src/ledger/segment_log.ts";
import { Book } from "../../src/payment/book.ts";
import { dispatched, type Fact, type ReplicaId, settled } from "../../src/payment/fact.ts";
import { MemorySegments } from "./memory_segments.ts";
import { accepted, begin, BOOT, bytesOf, idOf, LOG_ID, Side } from "./side.ts";
import { PAIR } from "../support/pair.ts";

/** Two replicas on one log. */
function pair(): { files: MemorySegments; a: Side; b: Side } {
  const files = new MemorySegments();
  begin(files);
  return { files, a: new Side(files, 0), b: new Side(files, 2 ** 31) };
}

/** Settles a payment at the default, as one replica. */
function settle({ ledger }: Side, n: number, by: ReplicaId) {
  const payment = ledger.book.get(idOf(n))!;
  const booking = { processor: "default", requestedAt: 5, cents: payment.cents } as const;
  return ledger.append(settled(payment, by, 6, booking, "booked"));
}

Deno.test("append() says that a fact holds, and returns its payment after it", () => {
  const { a } = pair();
  const receipt = a.ledger.append(accepted(1));
  assert.deepEqual(receipt, { kind: "holds", payment: a.ledger.book.get(idOf(1)) });
  assert.equal(receipt.payment!.position, positionOf(1, 1));
  assert.equal(a.ledger.position, positionOf(1, 2));
  assert.deepEqual(a.ledger.append({ kind: "purged", by: "a", at: 1 }), { kind: "holds", payment: undefined });
});

Deno.test("append() says that a fact is void, and returns the payment as it is", () => {
  const { a, b } = pair();
  b.ledger.append(accepted(1, "b", 7));
  assert.deepEqual(a.ledger.append(accepted(1, "a", 1990)), { kind: "void", payment: b.ledger.book.get(idOf(1)) });
  const stale = dispatched(a.ledger.book.get(idOf(1))!, "a", "default", 1, "probe");
  b.ledger.append({ kind: "purged", by: "b", at: 1 });
  assert.deepEqual(a.ledger.append(stale), { kind: "void", payment: undefined });
});

Deno.test("append() says that the log is full, and nothing has changed", () => {
  const { files, a, b } = pair();
  a.accept(1);
  const { position, hash } = a.ledger;
  for (const taken of [0, 63]) {
    files.takes = () => taken;
    assert.deepEqual(a.ledger.append(accepted(2)), { kind: "not-taken" });
  }
  b.ledger.catchUp();
  assert.deepEqual([a.ledger.position, a.ledger.hash, a.told.length], [position, hash, 1]);
  assert.deepEqual([b.ledger.position, b.ledger.hash, b.told.length], [position, hash, 1]);
  assert.equal(a.ledger.book.get(idOf(2)), undefined);
});

Deno.test("a receipt is for the replica's own fact, even if the peer wrote the same one", () => {
  const { a, b } = pair();
  a.paused.before = () => assert.equal(b.accept(1), "holds");
  assert.equal(a.accept(1), "void");
  assert.equal(a.payments, "1 (1)");
});

Deno.test("observers hear of every fact in the order of the log, the peer's too, once it is folded", () => {
  const { a, b } = pair();
  const heard: string[] = [];
  const hear = (name: string) => ({
    folded: (...[fact, holds, payment]: Parameters<Parameters<FileLedger["observe"]>[0]["folded"]>) => {
      if (payment) assert.deepEqual(payment, a.ledger.book.get(payment.id));
      heard.push([name, fact.kind, "by" in fact && fact.by, holds, payment?.stage ?? "-"].join(" "));
    },
  });
  a.ledger.observe(hear("first"));
  a.ledger.observe(hear("second"));
  b.accept(1, "b");
  b.accept(1, "b");
  settle(b, 1, "b");
  a.accept(2);
  b.ledger.append({ kind: "purged", by: "b", at: 1 });
  a.ledger.catchUp();
  const expected = [
    "accepted b true accepted",
    // for a void fact it gets the payment as it is
    "accepted b false accepted",
    "settled b true settled",
    "accepted a true accepted",
    "purged b true -",
  ];
  assert.deepEqual(heard, expected.flatMap((line) => [`first ${line}`, `second ${line}`]));
});

Deno.test("a fact that is recorded while another one is folded stops everything", () => {
  const { a } = pair();
  let deep = 0;
  a.ledger.observe({ folded: () => void (deep++ === 0 && a.accept(2)) });
  assert.throws(() => a.accept(1), /invariant: a fact is recorded while another one is folded/);
});

Deno.test("replicas compare what they have folded every 64 records, at the same positions", () => {
  const { a, b } = pair();
  for (let n = 0; n < 200; n++) (n % 3 ? a : b).accept(n, n % 3 ? "a" : "b");
  for (let n = 0; n < 30; n++) settle(n % 2 ? a : b, n, n % 2 ? "a" : "b");
  for (const { ledger } of [a, b]) ledger.catchUp();
  assert.deepEqual(a.ledger.checkpoints, b.ledger.checkpoints);
  const positions = a.ledger.checkpoints.map(({ position }) => position);
  assert.deepEqual(positions, [64, 128, 192].map((index) => positionOf(1, index)));
  assert.equal(CHECKPOINT_RECORDS, 64);
  for (let n = 30; n < 60; n++) settle(n % 2 ? a : b, n, n % 2 ? "a" : "b");
  b.ledger.catchUp();
  // 231 records by then: of each replica's, 27 and 28 settled up to the position
  const { position, settled } = b.ledger.checkpoints.at(-1)!;
  assert.equal(position, positionOf(1, 256));
  assert.deepEqual(settled, [27, 27 * 1990, 0, 0, 28, 28 * 1990, 0, 0]);
});

Deno.test("the hash is of every record, whether it held and their order, and of no first record of a segment", () => {
  const hashOf = (...facts: readonly Fact[]) => {
    const files = new MemorySegments();
    begin(files, 1, ...facts);
    using side = new Side(files, 0);
    side.ledger.catchUp();
    return side.ledger.hash;
  };
  const [one, two] = [accepted(1), accepted(2)];
  const hashes = [hashOf(), hashOf(one), hashOf(two), hashOf(one, two), hashOf(two, one), hashOf(one, one)];
  assert.equal(new Set(hashes).size, hashes.length);
  assert.equal(hashes[0], 0);

  const files = new MemorySegments();
  begin(files, 1, one);
  files.create(2, bytesOf({ kind: "header", logId: LOG_ID, segment: 2, boot: BOOT + 1, base: null }));
  using side = new Side(files, 0, { liveFrom: 2 });
  side.ledger.catchUp();
  assert.equal(indexOf(side.ledger.position), 1);
  assert.equal(side.ledger.hash, hashOf(one));
});

Deno.test("replicas that disagree whether a fact holds have different hashes from there on", () => {
  const { files, a } = pair();
  a.accept(1);
  const book = new Book();
  book.load({ ...a.ledger.book.get(idOf(1))!, cents: 5 });
  const log = new SegmentLog({ files, boot: BOOT, position: positionOf(1, 0), gone() {} });
  const other = new FileLedger(log, 9, PAIR, book);
  other.catchUp();
  assert.equal(other.position, a.ledger.position);
  assert.notEqual(other.hash, a.ledger.hash);
  log.close();
});

Deno.test("where the log began anew on what the store held, the hash begins anew", () => {
  const files = new MemorySegments();
  begin(files, 1, accepted(1));
  const base = { storedLog: 0, storedPosition: 0, readFrom: positionOf(1, 0) };
  files.create(4, bytesOf({ kind: "header", logId: LOG_ID, segment: 4, boot: BOOT, base }));
  using whole = new Side(files, 0, { liveFrom: 4, leftovers: true });
  for (let n = 2; n < 100; n++) files.open(1)!.append(bytesOf(accepted(n)));
  whole.accept(100);
  assert.equal(whole.told.length, 100);
  // where an earlier log was folded there is nothing to compare
  assert.deepEqual(whole.ledger.checkpoints, []);
  // a replica that starts from the store, which holds the log up to the position after it
  const log = new SegmentLog({ files, boot: BOOT, position: positionOf(4, 1), gone() {} });
  const later = new FileLedger(log, 9, PAIR);
  later.catchUp();
  assert.notEqual(later.hash, 0);
  assert.deepEqual([later.position, later.hash], [whole.ledger.position, whole.ledger.hash]);
});

Deno.test("a ledger that continues from the store's position comes to the hash of one that has read everything", () => {
  const { files, a } = pair();
  a.accept(1);
  a.accept(2);
  const { position, hash, book } = a.ledger;
  const log = new SegmentLog({ files, boot: BOOT, position, gone() {} });
  const loaded = new Book();
  for (const payment of book.pending.values()) loaded.load(payment);
  const later = new FileLedger(log, 9, PAIR, loaded, hash);
  a.accept(3);
  settle(a, 1, "a");
  later.catchUp();
  assert.deepEqual([later.position, later.hash], [a.ledger.position, a.ledger.hash]);
  assert.deepEqual(later.book.get(idOf(1)), a.ledger.book.get(idOf(1)));
});
