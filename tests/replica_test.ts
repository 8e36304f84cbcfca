/** What two whole replicas promise together, each promise in the smallest setting that shows it. @module */
import assert from "node:assert/strict";
import { positionOf } from "../src/ledger/log.ts";
import { CHECK_MS } from "../src/store/projector.ts";
import { encode } from "../src/peer/frame.ts";
import type { Outcome } from "../src/routing/processor_client.ts";
import { STORE_AGAIN_MS, STORE_WAIT_MS } from "../src/recovery.ts";
import { LIMITS, UNTAKEN } from "../src/service/readiness.ts";
import { RECALL_MS } from "../src/config.ts";
import { HORIZON_MS, ID, OTHER_ID, Pair, SEGMENT_RECORDS, SOON_MS, STOP_MS } from "./replica_harness.ts";
import { PAIR } from "./support/pair.ts";
import { StoreError } from "../src/store/store.ts";

const THIRD_ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const NEVER = () => new Promise<Outcome>(() => {});
const UNKNOWN = (): Outcome => ({ kind: "unknown", error: "timeout" });
const NOTHING = { default: { count: 0, cents: 0 }, fallback: { count: 0, cents: 0 } };
const ONE = { ...NOTHING, default: { count: 1, cents: 1990 } };

// What a 202 means.

Deno.test("a payment is accepted, settled, and known to both replicas while they cannot hear each other", async () => {
  const pair = await Pair.started();
  pair.cut();
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.a.accept(ID, 1990), "accepted");
  assert.equal(pair.b.find(ID)?.owner, "a");
  await pair.clock.settle();
  assert.equal(pair.a.find(ID)?.stage, "settled");
  assert.deepEqual(pair.b.summary(), ONE);
});

Deno.test("the same id at both replicas is one payment: 202 for its amount and 409 for another", async () => {
  const pair = await Pair.started();
  assert.equal(pair.a.accept(ID, 1990), "accepted");
  assert.equal(pair.b.accept(ID, 1990), "accepted");
  assert.equal(pair.b.accept(ID, 1991), "conflict");
  assert.equal(pair.a.accept(ID, 1991), "conflict");
  await pair.clock.advance(SOON_MS);
  assert.deepEqual(pair.paid.map(({ by, id }) => [by, id]), [["a", ID]]);
});

Deno.test("of two that take the same id at one instant the first in the log has it, and both replicas say so", async () => {
  for (const [cents, answer] of [[1990, "accepted"], [1991, "conflict"]] as const) {
    const pair = await Pair.started();
    // b has read to the end and found nothing when a is quicker
    pair.interposed.b = () => assert.equal(pair.a.accept(ID, 1990), "accepted");
    assert.equal(pair.b.accept(ID, cents), answer);
    await pair.clock.advance(SOON_MS);
    assert.deepEqual(pair.history("a"), ["accepted", "(accepted)", "dispatched", "settled"]);
    assert.deepEqual(pair.history("b"), pair.history("a"));
    assert.deepEqual([pair.paid.length, pair.b.find(ID)?.cents, pair.b.find(ID)?.owner], [1, 1990, "a"]);
  }
});

Deno.test("a limit counts what the peer took a moment ago, and an id that it took passes every limit", async () => {
  const pair = await Pair.started({ settings: { queueMax: 2 } });
  pair.answer = () => ({ kind: "refused", why: "unreachable" });
  const ids = [crypto.randomUUID(), crypto.randomUUID()];
  assert.deepEqual(ids.map((id) => pair.a.accept(id, 1990)), ["accepted", "accepted"]);
  assert.equal(pair.b.accept(ID, 1990), "queue-full");
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.a.purge(), true);
  assert.equal(pair.a.accept(ID, 1990), "accepted");
  assert.equal(pair.b.accept(ID, 1990), "accepted");
  assert.equal(pair.b.ledger!.book.pending.size, 1);
});

Deno.test("at ACK=store neither the payment nor its duplicate is acknowledged before the store has committed it", async () => {
  const pair = await Pair.started({ ack: "store" });
  const gate = Promise.withResolvers<void>();
  pair.store.before = ({ kind }) => kind === "write" ? gate.promise : undefined;
  const answers = [pair.a.accept(ID, 1990), pair.b.accept(ID, 1990), pair.a.accept(ID, 1990)];
  const told: unknown[] = [];
  for (const answer of answers) void Promise.resolve(answer).then((acceptance) => told.push(acceptance));
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([told, pair.store.content.rows.size], [[], 0]);
  gate.resolve();
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([told, pair.store.content.rows.get(ID)?.cents], [["accepted", "accepted", "accepted"], 1990]);
});

Deno.test("at ACK=store a replica that does not reach the store is covered by the other, which writes for it", async () => {
  const pair = await Pair.started({ ack: "store" });
  pair.reaches.a = false;
  assert.equal(await pair.accept(pair.a), "accepted");
  assert.equal(pair.store.content.rows.get(ID)?.owner, "a");
});

Deno.test("at ACK=store a payment that no store commits is taken and not covered, and covered when it is asked again", async () => {
  const pair = await Pair.started({ ack: "store" });
  pair.reaches.a = pair.reaches.b = false;
  const first = pair.a.accept(ID, 1990);
  await pair.clock.advance(10_000);
  assert.equal(await first, "uncovered");
  assert.equal(pair.a.find(ID)?.stage, "settled");
  pair.reaches.a = true;
  await pair.clock.advance(SOON_MS);
  assert.equal(await pair.accept(pair.b), "accepted");
});

// A replica dies.

Deno.test("failover: the replica that gets the dead one's lock moves all its payments in one record, and dispatches them", async () => {
  const pair = await Pair.started();
  pair.answer = NEVER;
  const ids = Array.from({ length: 5 }, (_, i) => ID.slice(0, -1) + i);
  for (const id of ids) pair.a.accept(id, 1990);
  await pair.clock.settle();
  pair.kill("a");
  pair.answer = () => ({ kind: "booked" });
  await pair.clock.advance(2 * SOON_MS);
  const moved = pair.folded.filter(({ self, fact }) => self === "b" && fact.kind === "moved");
  assert.deepEqual(moved.map(({ holds }) => holds), [true]);
  for (const id of ids) assert.deepEqual([pair.b.find(id)?.owner, pair.b.find(id)?.stage], ["b", "settled"]);
  assert.equal(pair.b.readiness().peers.a, "dead");
});

Deno.test("a bound payment of a dead replica is sent again to the same processor under the same requestedAt", async () => {
  const pair = await Pair.started();
  pair.answer = NEVER;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  const [first] = pair.paid;
  pair.kill("a");
  // the default hardly answers any more: without the binding it would go to the fallback
  pair.answer = (_, processor) => processor === "default" && pair.paid.length < 3 ? UNKNOWN() : { kind: "booked" };
  await pair.clock.advance(HORIZON_MS - SOON_MS);
  assert.deepEqual([pair.b.find(ID)?.stage, pair.paid.length], ["settled", 3]);
  for (const { processor, requestedAt, by } of pair.paid.slice(1)) {
    assert.deepEqual([by, processor, requestedAt], ["b", "default", first!.requestedAt]);
  }
});

Deno.test("a refusal releases no binding that a dead replica may have sent, and a lookup does after HORIZON_MS", async () => {
  const pair = await Pair.started();
  pair.answer = NEVER;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  pair.kill("a");
  const movedMs = pair.clock.monotonic();
  pair.answer = (_, processor) => processor === "default" ? { kind: "refused-as-far-as-known" } : { kind: "booked" };
  await pair.clock.advance(HORIZON_MS);
  assert.deepEqual([pair.b.find(ID)?.stage, pair.b.find(ID)?.attempt], ["dispatched", 1]);
  await pair.clock.advance(HORIZON_MS);
  const paid = pair.b.find(ID)!;
  assert.deepEqual([paid.stage, paid.processor], ["settled", "fallback"]);
  const { atMs } = pair.paid.find(({ processor }) => processor === "fallback")!;
  assert.ok(atMs >= movedMs + HORIZON_MS, `sent to the fallback ${atMs - movedMs} ms after the move`);
});

Deno.test("what a dead replica had accepted alone is continued by one that starts later", async () => {
  const pair = await Pair.started({ store: false });
  pair.kill("b");
  await pair.clock.advance(SOON_MS);
  pair.answer = NEVER;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  pair.kill("a");
  pair.answer = () => ({ kind: "booked" });
  pair.start("b");
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([pair.b.find(ID)?.owner, pair.b.find(ID)?.stage], ["b", "settled"]);
});

Deno.test("a replica that is now the only one takes over what the other one had accepted", async () => {
  const pair = await Pair.started();
  pair.answer = NEVER;
  pair.b.accept(ID, 1990);
  await pair.clock.settle();
  pair.kill("a", "b");
  pair.answer = () => ({ kind: "booked" });
  pair.start("a", false);
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([pair.a.find(ID)?.stage, pair.a.readiness().peers], ["settled", {}]);
});

Deno.test("a replica that was removed from the roster is taken over once it is dead, and not while it lives", async () => {
  const pair = await Pair.started();
  pair.answer = NEVER;
  pair.b.accept(ID, 1990);
  await pair.clock.settle();
  pair.kill("a");
  pair.start("a", false);
  await pair.clock.advance(10 * SOON_MS);
  assert.deepEqual([pair.a.readiness().phase, pair.a.find(ID)?.owner], ["serving", "b"]);
  pair.kill("b");
  pair.answer = () => ({ kind: "booked" });
  await pair.clock.advance(10 * SOON_MS);
  assert.deepEqual([pair.a.find(ID)?.owner, pair.a.find(ID)?.stage], ["a", "settled"]);
});

Deno.test("both replicas may die at once: the next process of each continues with its own payments, without a store", async () => {
  const pair = await Pair.started({ store: false });
  pair.answer = NEVER;
  pair.a.accept(ID, 1990);
  pair.b.accept(OTHER_ID, 500);
  await pair.clock.settle();
  pair.kill("a", "b");
  pair.answer = () => ({ kind: "booked" });
  pair.start("a");
  pair.start("b");
  await pair.clock.advance(SOON_MS);
  for (const replica of [pair.a, pair.b]) assert.deepEqual(replica.summary()?.default, { count: 2, cents: 2490 });
  assert.deepEqual(pair.paid.map(({ by, id }) => `${by} ${id}`).toSorted(), [
    `a ${ID}`,
    `a ${ID}`,
    `b ${OTHER_ID}`,
    `b ${OTHER_ID}`,
  ]);
});

Deno.test("a replica that is back before its peer noticed continues with its own payments", async () => {
  const pair = await Pair.started();
  pair.pipe.silent = true;
  pair.answer = NEVER;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  pair.answer = () => ({ kind: "booked" });
  pair.pipe.silent = false;
  await pair.restart("a");
  await pair.clock.advance(2 * SOON_MS);
  assert.deepEqual([pair.a.find(ID)?.stage, pair.a.find(ID)?.owner], ["settled", "a"]);
  assert.deepEqual(pair.history("b").filter((kind) => kind === "moved"), []);
});

Deno.test("a replica that is back does not send what was moved from it", async () => {
  const pair = await Pair.started();
  pair.answer = NEVER;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  pair.kill("a");
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.b.find(ID)?.owner, "b");
  pair.start("a");
  pair.paid.length = 0;
  await pair.clock.advance(HORIZON_MS);
  assert.deepEqual(pair.paid.filter(({ by }) => by === "a"), []);
});

Deno.test("a replica that stands still is not taken over: a lock ends with its holder and not with a pause", async () => {
  const pair = await Pair.started();
  pair.answer = NEVER;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  pair.pipe.silent = true;
  await pair.clock.advance(10 * SOON_MS);
  assert.deepEqual([pair.b.readiness().peers.a, pair.b.find(ID)?.owner], ["unreachable", "a"]);
  assert.deepEqual(pair.b.readiness().notes, ["replica a does not answer"]);
});

Deno.test("a second process of a replica waits for the replica's lock, and releases nothing", async () => {
  const pair = await Pair.started({ peer: false });
  const first = pair.a;
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([pair.a.readiness().phase, pair.a.readiness().notes], [
    "starting",
    ["this replica's lock is held by another process"],
  ]);
  assert.equal((await pair.stop("a")).clean, true);
  assert.equal(first.accept(ID, 1990), "accepted");
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.a.readiness().phase, "starting");
});

Deno.test("a replica whose lock file was replaced stops at once: another one could hold the new one", async () => {
  const pair = await Pair.started();
  const failed: string[] = [];
  pair.fail = (self, error) => void failed.push(`${self}: ${(error as Error).message}`);
  pair.replaceLock("a");
  await pair.clock.advance(10_000);
  assert.match(failed[0]!, /^a: invariant: the file of this replica's lock was replaced/);
});

// A call that ended without a verdict.

Deno.test("after a call without a verdict no refusal of a later one lets the payment go to the other processor", async () => {
  const refusals: readonly Outcome[] = [
    { kind: "refused-as-far-as-known" },
    { kind: "refused", why: "unreachable" },
    { kind: "refused", why: "processor-full" },
    { kind: "refused", why: "rejected", status: 400 },
  ];
  for (const refusal of refusals) {
    const pair = await Pair.started();
    pair.answer = (_, processor) =>
      processor === "fallback" ? { kind: "booked" } : pair.paid.length === 1 ? UNKNOWN() : refusal;
    pair.a.accept(ID, 1990);
    await pair.clock.advance(HORIZON_MS - SOON_MS);
    assert.ok(pair.paid.length >= 3, `${pair.paid.length} calls`);
    assert.deepEqual([...new Set(pair.paid.map(({ processor }) => processor))], ["default"]);
    assert.equal(new Set(pair.paid.map(({ requestedAt }) => requestedAt)).size, 1);
    assert.equal(pair.b.find(ID)?.attempt, 1);
  }
});

Deno.test("an end that the log does not take is recorded once it does, and the payment is not sent again", async () => {
  const pair = await Pair.started();
  const gate = Promise.withResolvers<Outcome>();
  pair.answer = () => gate.promise;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  pair.full = true;
  gate.resolve({ kind: "booked" });
  await pair.clock.advance(5 * SOON_MS);
  assert.equal(pair.a.find(ID)?.stage, "dispatched");
  pair.full = false;
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.a.find(ID)?.stage, "settled");
  assert.equal(pair.paid.length, 1);
});

// The log reaches its limit.

Deno.test("on a full disk nothing is taken, nothing is sent without its record, and all goes on when there is room", async () => {
  const pair = await Pair.started();
  pair.answer = () => ({ kind: "refused", why: "processor-full" });
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  const calls = pair.paid.length;
  pair.full = true;
  await pair.clock.settle();
  assert.equal(pair.a.readiness().ready, true);
  assert.equal(pair.a.accept(OTHER_ID, 1990), "log-full");
  assert.deepEqual([pair.a.readiness().ready, pair.a.readiness().notes.includes(UNTAKEN)], [false, true]);
  assert.equal(pair.a.purge(), false);
  pair.answer = () => ({ kind: "booked" });
  await pair.clock.advance(10 * SOON_MS);
  assert.deepEqual([pair.paid.length, pair.b.find(OTHER_ID)], [calls, undefined]);
  pair.full = false;
  await pair.clock.advance(10 * SOON_MS);
  assert.equal(pair.a.find(ID)?.stage, "settled");
  assert.equal(pair.a.accept(OTHER_ID, 1990), "accepted");
  assert.equal(pair.a.readiness().ready, true);
});

Deno.test("a log at its limit takes no payment, accepted payments go on, and room comes with the store", async () => {
  const pair = await Pair.started({ settings: { segmentRecords: 16, segmentsMax: 4 } });
  pair.reaches.a = pair.reaches.b = false;
  const ids = Array.from({ length: 100 }, () => crypto.randomUUID());
  const answers = ids.map((id) => pair.a.accept(id, 10));
  await pair.clock.advance(10 * SOON_MS);
  const taken = answers.filter((answer) => answer === "accepted").length;
  assert.deepEqual(answers, [...Array(taken).fill("accepted"), ...Array(ids.length - taken).fill("log-full")]);
  assert.ok(taken > 16 && taken < 100, `${taken} taken`);
  for (const replica of [pair.a, pair.b]) {
    assert.deepEqual(replica.summary()?.default, { count: taken, cents: 10 * taken });
    assert.equal(replica.accept(ID, 10), "log-full");
    const { ready, phase, notes } = replica.readiness();
    assert.deepEqual([ready, phase, notes.includes(LIMITS.log)], [false, "serving", true]);
  }
  pair.reaches.a = pair.reaches.b = true;
  await pair.clock.advance(10 * SOON_MS);
  assert.equal(pair.files.list().length, 1);
  for (const replica of [pair.a, pair.b]) {
    const { ready, notes } = replica.readiness();
    assert.deepEqual([ready, notes.includes(LIMITS.log)], [true, false]);
  }
  assert.equal(pair.a.accept(ID, 10), "accepted");
});

Deno.test("payments are taken while memory has room for them, an id that is known always", async () => {
  const pair = await Pair.started({ settings: { memory: { heap: 1_200, all: 1_300 } } });
  const gate = Promise.withResolvers<Outcome>();
  pair.answer = () => gate.promise;
  const ids = [ID, ...Array.from({ length: 3 }, () => crypto.randomUUID())];
  assert.deepEqual(ids.map((id) => pair.a.accept(id, 1990)), ["accepted", "accepted", "accepted", "memory-full"]);
  for (const replica of [pair.a, pair.b]) {
    assert.equal(replica.accept(ID, 1990), "accepted");
    assert.equal(replica.accept(ids[3]!, 1990), "memory-full");
    const { ready, notes } = replica.readiness();
    assert.deepEqual([ready, notes], [false, [LIMITS.memory]]);
  }
  gate.resolve({ kind: "booked" });
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.b.readiness().ready, true);
  assert.equal(pair.b.accept(ids[3]!, 1990), "accepted");
  for (let settled = 4; settled < 20; settled++) {
    await pair.clock.advance(SOON_MS);
    assert.equal(pair.a.accept(crypto.randomUUID(), 1990), "accepted");
  }
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.a.accept(crypto.randomUUID(), 1990), "memory-full");
  assert.equal(pair.a.purge(), true);
  assert.equal(pair.a.accept(crypto.randomUUID(), 1990), "accepted");
});

Deno.test("a replica is ready while POST is answered 202: not while QUEUE_MAX payments wait, nor without the store at ACK=store", async () => {
  for (const ack of ["log", "store"] as const) {
    const pair = await Pair.started({ ack, settings: { queueMax: 3 } });
    const gate = Promise.withResolvers<Outcome>();
    pair.answer = () => gate.promise;
    for (let n = 1; n <= 3; n++) {
      assert.equal(pair.a.readiness().ready, true);
      assert.equal(await pair.accept(pair.a, crypto.randomUUID()), "accepted");
    }
    const full = pair.a.readiness();
    assert.deepEqual([full.ready, full.notes], [false, [LIMITS.queue]]);
    gate.resolve({ kind: "booked" });
    await pair.clock.advance(SOON_MS);
    assert.equal(pair.a.readiness().ready, true);
    // nothing is sent: it is known after the next look
    pair.reaches.a = false;
    await pair.clock.advance(CHECK_MS);
    pair.a.readiness();
    await pair.clock.settle();
    const { ready, store, notes } = pair.a.readiness();
    assert.deepEqual([ready, store], [ack === "log", "unavailable"]);
    const note = "POST is answered 503: a 202 says that Postgres holds the payment (ACK=store)";
    assert.equal(notes.includes(note), ack === "store");
    pair.reaches.a = true;
    await pair.clock.advance(SOON_MS);
    assert.deepEqual([pair.a.readiness().ready, pair.a.readiness().notes], [true, []]);
  }
});

Deno.test("a segment is kept until the peer has read it, or is dead", async () => {
  const pair = await Pair.started({ settings: { segmentRecords: 16 } });
  pair.pipe.silent = true;
  await pair.clock.advance(SOON_MS);
  const [first] = pair.files.list();
  for (let i = 0; i < 50; i++) await pair.a.accept(crypto.randomUUID(), 10);
  await pair.clock.advance(10 * SOON_MS);
  assert.ok(pair.files.list().length > 4);
  assert.equal(pair.files.list()[0], first);
  pair.kill("b");
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.files.list().length, 1);
});

Deno.test("a replica that needs a missing segment asks for a restart, and then knows everything from the store", async () => {
  const pair = await Pair.started({ settings: { segmentRecords: 16 } });
  pair.pipe.silent = true;
  for (let i = 0; i < 50; i++) pair.a.accept(ID.slice(0, -2) + `${i + 10}`, 10);
  await pair.clock.advance(2 * SOON_MS);
  const segments = pair.files.list();
  // as if by a replica that took b for dead: b has read none of them
  for (const segment of segments.slice(0, -1)) pair.files.remove(segment);
  assert.equal(pair.b.find(ID), undefined);
  assert.match(pair.restarts[0]!.why, /^segment \d+ of the log is gone$/);
  assert.equal(pair.restarts[0]!.self, "b");
  pair.pipe.silent = false;
  pair.start("b");
  await pair.clock.advance(SOON_MS);
  assert.deepEqual(pair.b.summary(), pair.a.summary());
  assert.deepEqual(pair.b.summary()?.default, { count: 50, cents: 500 });
});

// A purge.

Deno.test("a purge at one replica is one at both at once, and keeps what may be booked, which ends and counts", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.a, OTHER_ID);
  const gate = Promise.withResolvers<Outcome>();
  pair.answer = () => gate.promise;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  assert.equal(pair.b.purge(), true);
  for (const replica of [pair.a, pair.b]) {
    assert.deepEqual([replica.summary(), replica.find(OTHER_ID)], [NOTHING, undefined]);
    assert.equal(replica.find(ID)?.stage, "dispatched");
  }
  // the id of a bound payment is still in use
  assert.equal(pair.b.accept(ID, 500), "conflict");
  gate.resolve({ kind: "booked" });
  await pair.clock.advance(SOON_MS);
  for (const replica of [pair.a, pair.b]) assert.deepEqual(replica.summary(), ONE);
  // and one that was purged is free, whatever its amount
  pair.answer = () => ({ kind: "booked" });
  assert.equal(pair.b.accept(OTHER_ID, 10), "accepted");
});

Deno.test("an id that the peer has just purged is free", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.a);
  assert.equal(pair.b.purge(), true);
  assert.equal(pair.a.accept(ID, 10), "accepted");
});

// The store.

Deno.test("what a replica could not store is stored by its peer when it dies", async () => {
  const pair = await Pair.started();
  pair.reaches.a = false;
  assert.equal(await pair.accept(pair.a), "accepted");
  pair.kill("a");
  await pair.clock.advance(5 * SOON_MS);
  assert.equal(pair.store.content.rows.get(ID)?.stage, "settled");
});

Deno.test("what could not be stored is stored by the next process, which reads it in the log", async () => {
  const pair = await Pair.started({ peer: false });
  pair.reaches.a = false;
  assert.equal(await pair.accept(pair.a), "accepted");
  pair.kill("a");
  pair.reaches.a = true;
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.store.content.rows.get(ID)?.stage, "settled");
});

Deno.test("a start without the store serves where the log reaches back to its beginning", async () => {
  const pair = await Pair.started({ peer: false });
  await pair.accept(pair.a);
  pair.kill("a");
  pair.reaches.a = false;
  pair.start("a");
  await pair.clock.advance(2 * STORE_WAIT_MS);
  assert.equal(pair.a.readiness().ready, true);
  assert.deepEqual(pair.a.summary(), ONE);
});

Deno.test("a start without the store waits where the log does not reach back, and says so", async () => {
  const pair = await Pair.started({ peer: false, settings: { segmentRecords: 16 } });
  for (let i = 0; i < 20; i++) await pair.accept(pair.a, crypto.randomUUID(), 10);
  assert.ok(pair.files.list()[0]! > 1);
  pair.kill("a");
  pair.reaches.a = false;
  pair.start("a");
  await pair.clock.advance(2 * STORE_WAIT_MS);
  const { ready, notes } = pair.a.readiness();
  assert.deepEqual([ready, notes], [
    false,
    ["the store does not answer, and the log does not reach back to its beginning: the store is not there"],
  ]);
  assert.equal(pair.a.accept(ID, 1990), "not-serving");
  assert.equal(pair.a.summary(), undefined);
  pair.reaches.a = true;
  await pair.clock.advance(SOON_MS);
  assert.deepEqual(pair.a.summary()?.default, { count: 20, cents: 200 });
});

Deno.test("a replica that waits for the store at its start knows whether the other one takes payments", async () => {
  const pair = await Pair.started({ settings: { segmentRecords: 16 } });
  for (let i = 0; i < 20; i++) await pair.accept(pair.a, crypto.randomUUID(), 10);
  await pair.clock.advance(SOON_MS);
  assert.ok(pair.files.list()[0]! > 1);
  assert.deepEqual([pair.a.isAwaitingStore, pair.b.isAwaitingStore], [false, false]);
  pair.reaches.a = pair.reaches.b = false;
  pair.kill("b");
  pair.start("b");
  await pair.clock.advance(2 * STORE_WAIT_MS);
  assert.deepEqual([pair.b.readiness().phase, pair.b.isAwaitingStore], ["starting", false], "a serves");
  pair.kill("a");
  await pair.clock.advance(2 * STORE_WAIT_MS);
  assert.deepEqual([pair.b.readiness().phase, pair.b.isAwaitingStore], ["starting", true], "nobody does");
  pair.start("a");
  await pair.clock.advance(2 * STORE_WAIT_MS);
  assert.deepEqual([pair.a.isAwaitingStore, pair.b.isAwaitingStore], [true, true]);
  pair.reaches.a = true;
  await pair.clock.advance(2 * STORE_WAIT_MS);
  assert.equal(pair.a.readiness().phase, "serving");
  assert.deepEqual([pair.b.readiness().phase, pair.b.isAwaitingStore], ["starting", false], "a serves again");
  pair.reaches.b = true;
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.b.readiness().phase, "serving");
});

Deno.test("a start asks a store that does not answer twice a second, and says once why it waits", async () => {
  const pair = new Pair({ peer: false });
  const askedMs: number[] = [];
  Object.defineProperty(pair.reaches, "a", { get: () => askedMs.push(pair.clock.monotonic()) === 0 });
  pair.start("a");
  await pair.clock.advance(4 * STORE_AGAIN_MS);
  const [first] = askedMs;
  assert.deepEqual(askedMs, [0, 1, 2, 3, 4].map((n) => first! + n * STORE_AGAIN_MS));
  const why = "the store does not answer, and the log does not reach back to its beginning: the store is not there";
  assert.deepEqual(pair.logged, [`a: warning the start waits ${JSON.stringify({ why })}`]);
});

Deno.test("a store that knows more than the log makes both replicas restart, in doubt", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.a);
  const { stored } = pair.store.content;
  const ahead = { ...stored, position: stored.position + 10 };
  pair.store.content = { ...pair.store.content, stored: ahead };
  // the next writer notices
  pair.a.accept(OTHER_ID, 1990);
  await pair.clock.advance(5 * SOON_MS);
  assert.deepEqual(pair.restarts.map(({ self }) => self).toSorted(), ["a", "b"]);
  for (const { why } of pair.restarts) {
    assert.match(why, /^the store holds the log up to \d+, and the log ends at \d+$/);
  }
  for (const self of PAIR.names) pair.start(self);
  await pair.clock.advance(SOON_MS);
  for (const replica of [pair.a, pair.b]) assert.equal(replica.readiness().ready, true);
  const id = crypto.randomUUID();
  assert.equal(pair.b.accept(id, 1990), "accepted");
  assert.notEqual(pair.a.find(id)?.doubtedUptimeMs, null);
  assert.notEqual(pair.store.content.stored.logId, stored.logId);
});

Deno.test("a replica waits while the store knows more than the log that its peer serves from", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.a);
  pair.kill("b");
  pair.reaches.a = false;
  const { stored } = pair.store.content;
  pair.store.content = { ...pair.store.content, stored: { ...stored, position: stored.position + 10 } };
  pair.start("b");
  await pair.clock.advance(SOON_MS);
  const why = "the store holds what is not in the log that another replica uses";
  assert.deepEqual([pair.b.readiness().phase, pair.b.readiness().notes], ["starting", [why]]);
  assert.equal(pair.a.accept(OTHER_ID, 1990), "accepted");
  // until the peer finds that out as well
  pair.reaches.a = true;
  await pair.clock.advance(5 * SOON_MS);
  assert.deepEqual(pair.restarts.map(({ self }) => self), ["a"]);
  assert.equal(pair.b.readiness().ready, true);
});

Deno.test("a replica waits while the store knows more than the log of one that was removed from the roster and lives", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.b);
  pair.kill("a");
  pair.reaches.b = false;
  const { stored } = pair.store.content;
  pair.store.content = { ...pair.store.content, stored: { ...stored, position: stored.position + 10 } };
  pair.start("a", false);
  await pair.clock.advance(SOON_MS);
  const why = "the store holds what is not in the log that another replica uses";
  assert.deepEqual([pair.a.readiness().phase, pair.a.readiness().notes], ["starting", [why]]);
  pair.kill("b");
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.a.readiness().phase, "serving");
});

Deno.test("a store that was set back is written again, with everything", async () => {
  const pair = await Pair.started();
  const backup = pair.store.content;
  await pair.accept(pair.a);
  pair.store.content = backup;
  await pair.accept(pair.b, OTHER_ID);
  await pair.clock.advance(5 * SOON_MS);
  assert.deepEqual([...pair.store.content.rows.keys()].toSorted(), [ID, OTHER_ID]);
  assert.deepEqual(pair.restarts, []);
});

Deno.test("a database of another cluster in the place of the store is not written", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.a);
  const content = { ...pair.store.content, stored: { ...pair.store.content.stored, logId: ID, position: 1 } };
  pair.store.content = content;
  await pair.accept(pair.b, OTHER_ID);
  await pair.clock.advance(5 * SOON_MS);
  assert.deepEqual(pair.store.content, content);
  assert.notEqual(pair.restarts.length, 0);
});

// The machine dies.

Deno.test("a store that was set back to before the machine died is written again, with everything", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.a);
  await pair.clock.advance(5 * SOON_MS);
  const backup = pair.store.content;
  pair.machine(0);
  for (const self of PAIR.names) pair.start(self);
  await pair.clock.advance(SOON_MS);
  await pair.accept(pair.b, OTHER_ID);
  await pair.clock.advance(5 * SOON_MS);
  assert.notEqual(pair.store.content.stored.logId, backup.stored.logId);
  pair.store.content = backup;
  await pair.accept(pair.a, THIRD_ID);
  await pair.clock.advance(5 * SOON_MS);
  assert.deepEqual([...pair.store.content.rows.keys()].toSorted(), [ID, OTHER_ID, THIRD_ID]);
  assert.deepEqual(pair.restarts, []);
});

/** A machine that is started anew, with the payment's processor and what the log kept of it. */
async function rebooted(lost: number): Promise<{ pair: Pair; bootMs: number }> {
  const pair = await Pair.started();
  pair.answer = NEVER;
  pair.reaches.a = pair.reaches.b = false;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  assert.deepEqual(pair.history("a"), ["accepted", "dispatched"]);
  pair.machine(lost);
  pair.paid.length = 0;
  pair.reaches.a = pair.reaches.b = true;
  const bootMs = pair.clock.monotonic();
  for (const self of PAIR.names) pair.start(self);
  return { pair, bootMs };
}

Deno.test("a start asks a store that takes no write twice a second, and says once why it waits", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.a);
  pair.machine(0);
  const write = pair.store.write.bind(pair.store);
  const writtenMs: number[] = [];
  pair.store.write = () => {
    writtenMs.push(pair.clock.monotonic());
    return Promise.reject(new StoreError("unavailable", "it takes no writes"));
  };
  pair.logged.length = 0;
  pair.start("a");
  await pair.clock.advance(4 * STORE_AGAIN_MS);
  const [first] = writtenMs;
  assert.deepEqual(writtenMs, [0, 1, 2, 3, 4].map((n) => first! + n * STORE_AGAIN_MS));
  const why = "the store did not take the log that begins anew: it takes no writes";
  assert.deepEqual(pair.logged, [`a: warning the start waits ${JSON.stringify({ why })}`]);
  assert.equal(pair.a.isAwaitingStore, true);
  pair.store.write = write;
  await pair.clock.advance(STORE_AGAIN_MS + SOON_MS);
  assert.equal(pair.a.readiness().ready, true);
});

Deno.test("after the machine's death nothing unsettled is sent before HORIZON_MS and lookups at both processors", async () => {
  for (const [lost, left] of [[0, "dispatched"], [1, "accepted"]] as const) {
    const { pair, bootMs } = await rebooted(lost);
    pair.answer = () => ({ kind: "booked" });
    await pair.clock.advance(HORIZON_MS - SOON_MS);
    assert.deepEqual([pair.a.find(ID)?.stage, pair.paid.length, pair.asked.length], [left, 0, 0]);
    await pair.clock.advance(10 * SOON_MS);
    assert.equal(pair.a.find(ID)?.stage, "settled");
    assert.deepEqual(pair.asked.slice(0, 2).map(({ processor }) => processor), ["default", "fallback"]);
    const asked = pair.asked.at(-1)!.atMs;
    assert.ok(asked >= bootMs + HORIZON_MS, `asked after ${asked - bootMs} ms`);
    assert.ok(pair.paid.every(({ atMs }) => atMs >= asked), "sent before it was asked");
  }
});

Deno.test("what was booked before the machine's death is settled as booked, wherever that is", async () => {
  for (const lost of [0, 1]) {
    const { pair } = await rebooted(lost);
    pair.find = (_, processor) =>
      processor === "fallback" ? { kind: "found", cents: 1990, requestedAt: 42 } : { kind: "absent" };
    await pair.clock.advance(HORIZON_MS + 5 * SOON_MS);
    const { stage, processor, requestedAt } = pair.b.find(ID)!;
    assert.deepEqual([stage, processor, requestedAt, pair.paid], ["settled", "fallback", 42, []]);
  }
});

Deno.test("an id that comes in after the machine's death is in doubt at both replicas for RECALL_MS, by no wall clock", async () => {
  const { pair } = await rebooted(2);
  await pair.clock.advance(SOON_MS);
  pair.clock.skewMs = 24 * 3_600_000;
  assert.equal(pair.b.accept(ID, 1990), "accepted");
  assert.notEqual(pair.a.find(ID)?.doubtedUptimeMs, null);
  await pair.clock.advance(RECALL_MS - 2 * SOON_MS);
  assert.equal(pair.a.accept(OTHER_ID, 1990), "accepted");
  assert.notEqual(pair.b.find(OTHER_ID)?.doubtedUptimeMs, null);
  await pair.clock.advance(2 * SOON_MS);
  pair.clock.skewMs = -24 * 3_600_000;
  const late = crypto.randomUUID();
  assert.equal(pair.a.accept(late, 1990), "accepted");
  assert.equal(pair.b.find(late)?.doubtedUptimeMs, null);
});

Deno.test("doubt is in the log: a replica that is started again in the recall window knows of it", async () => {
  const { pair } = await rebooted(2);
  await pair.clock.advance(SOON_MS);
  pair.kill("a", "b");
  pair.start("b");
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.b.accept(ID, 1990), "accepted");
  assert.notEqual(pair.b.find(ID)?.doubtedUptimeMs, null);
});

Deno.test("a log that is gone while the store remembers begins anew on that, and what was settled stays", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.a);
  pair.answer = NEVER;
  pair.b.accept(OTHER_ID, 500);
  await pair.clock.advance(SOON_MS);
  pair.machine();
  for (const segment of pair.files.list()) pair.files.remove(segment);
  for (const self of PAIR.names) pair.start(self);
  await pair.clock.advance(SOON_MS);
  for (const replica of [pair.a, pair.b]) assert.deepEqual(replica.summary(), ONE);
  const { stage, owner, doubtedUptimeMs } = pair.a.find(OTHER_ID)!;
  assert.deepEqual([stage, owner, doubtedUptimeMs === null], ["dispatched", "b", false]);
  assert.equal(pair.a.accept(ID, 1991), "conflict");
});

// Stopping.

Deno.test("a stop hands over: the other one takes over what is left, and the store holds all", async () => {
  const pair = await Pair.started();
  pair.answer = () => ({ kind: "refused-as-far-as-known" });
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  const { clean, ms } = await pair.stop("a");
  assert.ok(ms <= STOP_MS, `${ms} ms`);
  assert.equal(clean, true);
  assert.equal(pair.store.content.rows.get(ID)?.cents, 1990);
  pair.answer = () => ({ kind: "booked" });
  await pair.clock.advance(10 * SOON_MS);
  assert.deepEqual([pair.b.find(ID)?.stage, pair.b.find(ID)?.owner], ["settled", "b"]);
});

Deno.test("a stop ends within its budget, whatever does not: calls, the store, or both", async () => {
  for (const [calls, store] of [[true, false], [false, true], [true, true]]) {
    const pair = await Pair.started();
    if (calls) pair.answer = NEVER;
    if (store) pair.store.before = () => new Promise(() => {});
    pair.a.accept(ID, 1990);
    await pair.clock.advance(SOON_MS);
    const { clean, ms } = await pair.stop("a");
    assert.deepEqual([clean, ms <= STOP_MS], [false, true], `${ms} ms`);
  }
});

Deno.test("a stop takes no new payment, and one of a replica that still starts ends at once", async () => {
  const pair = await Pair.started();
  pair.answer = NEVER;
  pair.a.accept(ID, 1990);
  await pair.clock.settle();
  void pair.a.stop();
  assert.equal(pair.a.accept(OTHER_ID, 1990), "not-serving");
  assert.equal(pair.a.readiness().phase, "draining");

  const alone = new Pair({ peer: false });
  alone.reaches.a = false;
  alone.start("a");
  await alone.clock.advance(SOON_MS);
  assert.deepEqual(await alone.stop("a"), { clean: true, ms: 0 });
});

// Both replicas come to the same state.

Deno.test("an observer sees each fact once, in the order of the log, at both replicas alike", async () => {
  const pair = await Pair.started();
  await pair.accept(pair.a);
  pair.cut();
  pair.heal();
  await pair.accept(pair.b, OTHER_ID);
  pair.a.purge();
  await pair.clock.advance(SOON_MS);
  const of = (self: string) => pair.folded.filter((it) => it.self === self).map(({ fact, holds }) => ({ fact, holds }));
  assert.deepEqual(of("a").map(({ fact: { kind } }) => kind), [
    ...["accepted", "dispatched", "settled", "accepted", "dispatched", "settled"],
    "purged",
  ]);
  assert.deepEqual(of("a"), of("b"));
});

Deno.test("a replica whose peer has folded something else stops at once", async () => {
  const pair = await Pair.started();
  const failed: string[] = [];
  pair.fail = (self, error) => void failed.push(`${self}: ${(error as Error).message}`);
  for (let i = 0; i < 100; i++) pair.a.accept(crypto.randomUUID(), 10);
  await pair.clock.advance(SOON_MS);
  const position = positionOf(1, 64);
  pair.pipe.inject(encode({ type: "checkpoint", position, hash: 1, settled: [0, 0, 0, 0, 0, 0, 0, 0] }));
  await pair.clock.settle();
  assert.match(failed[0]!, /^a: invariant: replica b differs at \d+: hash 1, here \d+/);
});

Deno.test("segments of a log follow each other without a gap, however long it is", async () => {
  const pair = await Pair.started({ store: false });
  for (let i = 0; i < SEGMENT_RECORDS; i++) {
    (i % 2 ? pair.a : pair.b).accept(crypto.randomUUID(), 10);
    if (i % 10 === 0) await pair.clock.advance(100);
  }
  await pair.clock.advance(SOON_MS);
  for (const replica of [pair.a, pair.b]) {
    assert.deepEqual(replica.summary()?.default, { count: SEGMENT_RECORDS, cents: 10 * SEGMENT_RECORDS });
  }
  assert.deepEqual(pair.files.list(), [1, 2, 3, 4]);
  await pair.restart("b");
  await pair.clock.advance(SOON_MS);
  assert.deepEqual(pair.b.summary(), pair.a.summary());
});
