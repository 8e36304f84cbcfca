/** What the simulation found in whole replicas, each in the smallest setting that shows it. @module */
import assert from "node:assert/strict";
import { encode } from "../src/peer/frame.ts";
import { accepted, released, settled, SUSPECT } from "../src/payment/fact.ts";
import { STORE_WAIT_MS } from "../src/store/recovery.ts";
import { OF, Pair, RECALL_MS, REQUEST_TIMEOUT_MS, SOON_MS } from "./replica_harness.ts";

Deno.test("at level store an id known from the peer is acknowledged only once somebody has stored it", async () => {
  const pair = await Pair.started({ ack: "store" });
  pair.store.reaches.a = false;
  void pair.a.accept(OF.a, 1990);
  await pair.clock.settle();
  assert.equal(pair.b.find(OF.a)?.id, OF.a);
  const again = pair.b.accept(OF.a, 1990).then((acceptance) => [acceptance, pair.store.rows.has(OF.a)]);
  await pair.clock.advance(SOON_MS);
  assert.deepEqual(await again, ["accepted", true]);
});

Deno.test("who takes over finds in the store what the dead one had stored and could not say any more", async () => {
  const pair = await Pair.started({ ack: "store" });
  pair.pipe.silent = true;
  void pair.a.accept(OF.a, 1990);
  await pair.clock.settle();
  assert.deepEqual([pair.store.rows.has(OF.a), pair.b.find(OF.a)], [true, undefined]);
  pair.kill("a");
  await pair.clock.advance(2 * REQUEST_TIMEOUT_MS);
  assert.equal(pair.b.find(OF.a)?.stage, "settled");
});

Deno.test("what one replica finds in the store late is told to the other and dispatched", async () => {
  const pair = new Pair();
  pair.store.reaches.a = pair.store.reaches.b = false;
  pair.start("a");
  pair.start("b");
  await pair.clock.advance(STORE_WAIT_MS + SOON_MS);
  pair.store.rows.set(OF.b, accepted(OF.b, 1990, pair.clock.now(), "b"));
  pair.store.reaches.a = true;
  await pair.clock.advance(2 * REQUEST_TIMEOUT_MS);
  assert.deepEqual(pair.paid.map(({ by, id }) => [by, id]), [["b", OF.b]]);
  assert.equal(pair.a.find(OF.b)?.stage, "settled");
});

Deno.test("a replica that is back before its peer noticed its death reads what its last life had stored", async () => {
  const pair = await Pair.started({ ack: "store" });
  pair.pipe.silent = true;
  void pair.a.accept(OF.a, 1990);
  await pair.clock.settle();
  pair.kill("a", false);
  pair.pipe.silent = false;
  pair.start("a");
  await pair.clock.advance(2 * REQUEST_TIMEOUT_MS);
  assert.deepEqual([pair.a.find(OF.a)?.stage, pair.b.find(OF.a)?.stage], ["settled", "settled"]);
});

Deno.test("what a replica could not store is stored by its peer when it dies", async () => {
  const pair = await Pair.started();
  pair.store.reaches.a = false;
  const taken = pair.a.accept(OF.a, 1990);
  await pair.clock.advance(SOON_MS);
  assert.equal(await taken, "accepted");
  assert.deepEqual([pair.b.find(OF.a)?.stage, pair.store.rows.has(OF.a)], ["settled", false]);
  pair.kill("a");
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.store.rows.get(OF.a)?.stage, "settled");
});

Deno.test("what a replica said in a catch-up and could not store is stored by its peer when it dies", async () => {
  const pair = new Pair();
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  pair.store.reaches.a = false;
  void pair.a.accept(OF.a, 1990);
  await pair.clock.advance(SOON_MS);
  pair.start("b");
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([pair.b.find(OF.a)?.stage, pair.store.rows.has(OF.a)], ["settled", false]);
  pair.kill("a");
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.store.rows.get(OF.a)?.stage, "settled");
});

Deno.test("a stop while the peer lives and cannot be heard leaves the note that says so", async () => {
  const pair = await Pair.started();
  pair.cut();
  await pair.clock.advance(SOON_MS);
  void pair.a.accept(OF.a, 1990);
  await pair.clock.advance(SOON_MS);
  assert.equal(await pair.stop("a"), false);
  assert.equal(pair.notes.get("a"), "alone");
});

Deno.test("a stop is clean once the store was read and nothing is in doubt", async () => {
  const pair = await Pair.started({ peer: false });
  assert.deepEqual([await pair.stop("a"), pair.store.goodbyes], [true, ["a"]]);
});

Deno.test("a stop before the store was read is not clean", async () => {
  const pair = new Pair({ peer: false });
  pair.store.loadGate = new Promise(() => {});
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  assert.equal(await pair.stop("a"), false);
});

Deno.test("a stop while a store that answered late is read is not clean", async () => {
  const pair = new Pair({ peer: false });
  pair.store.reaches.a = false;
  pair.store.loadGate = new Promise(() => {});
  pair.start("a");
  await pair.clock.advance(STORE_WAIT_MS + SOON_MS);
  assert.equal(pair.a.readiness().ready, true);
  pair.store.reaches.a = true;
  // so long that no id is in doubt any more
  await pair.clock.advance(RECALL_MS);
  assert.equal(await pair.stop("a"), false);
});

Deno.test("a stop while ids may have been lost in a crash is not clean", async () => {
  const pair = new Pair({ peer: false });
  pair.store.state = "crashed";
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([await pair.stop("a"), pair.store.goodbyes], [false, []]);
});

Deno.test("who waited for its lock in vain says no goodbye to the store for the one that holds it", async () => {
  const pair = await Pair.started({ peer: false });
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  assert.deepEqual(pair.a.readiness().notes, ["waiting for this replica's lock"]);
  assert.deepEqual([await pair.stop("a"), pair.store.goodbyes], [false, []]);
});

Deno.test("a stop with payments in memory only is not clean, settled or not", async () => {
  const pair = await Pair.started({ peer: false, store: false });
  const taken = pair.a.accept(OF.a, 1990);
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([await taken, pair.a.find(OF.a)?.stage], ["accepted", "settled"]);
  assert.equal(await pair.stop("a"), false);
});

Deno.test("a peer that is linked after a crash of everything hears that ids may come again", async () => {
  const pair = new Pair();
  pair.store.state = "crashed";
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  pair.store.state = "clean";
  pair.start("b");
  await pair.clock.advance(SOON_MS);
  void pair.b.accept(OF.b, 1990);
  await pair.clock.settle();
  assert.equal(pair.b.find(OF.b)?.doubt, SUSPECT);
});

Deno.test("a peer that is linked hears at once of what a crash may have lost, and not only when it is linked anew", async () => {
  const pair = await Pair.started();
  pair.cut();
  await pair.clock.advance(SOON_MS);
  pair.kill("a", false);
  // back before b could take over, it finds its own note that it had acted alone
  const { promise, resolve } = Promise.withResolvers<void>();
  pair.store.loadGate = promise;
  pair.start("a");
  pair.heal();
  await pair.clock.advance(2 * SOON_MS);
  assert.deepEqual([pair.b.readiness().peer, pair.a.readiness().ready], ["linked", false]);
  pair.lost.add("hello");
  resolve();
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([pair.b.readiness().peer, pair.a.readiness().ready], ["unreachable", true]);
  void pair.b.accept(OF.b, 1990);
  await pair.clock.settle();
  assert.equal(pair.b.find(OF.b)?.doubt, SUSPECT);
});

Deno.test("a payment of a peer that has not heard of a crash is a suspect to the one that sends it", async () => {
  const pair = new Pair();
  pair.lost.add("recall");
  pair.store.state = "crashed";
  pair.start("b");
  await pair.clock.advance(SOON_MS);
  pair.store.state = "clean";
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  void pair.a.accept(OF.b, 1990);
  await pair.clock.settle();
  assert.equal(pair.b.find(OF.b)?.doubt, SUSPECT);
});

Deno.test("what a dead peer had said of a payment and arrives after the takeover does not count", async () => {
  const pair = await Pair.started({ store: false });
  pair.answer = () => new Promise(() => {});
  void pair.b.accept(OF.b, 1990);
  await pair.clock.advance(SOON_MS);
  const bound = pair.a.find(OF.b)!;
  // connected again, and never linked: b acts alone
  pair.lost.add("caught-up");
  pair.pipe.cut();
  await pair.clock.advance(SOON_MS);
  pair.kill("b", false);
  await pair.clock.advance(SOON_MS);
  const facts = [released(bound, "refused", true)];
  pair.pipe.inject(encode({ type: "facts", seq: 0, epoch: 0, facts }));
  await pair.clock.settle();
  assert.deepEqual([pair.a.find(OF.b)?.stage, pair.a.find(OF.b)?.doubt], ["dispatched", SUSPECT]);
});

Deno.test("what one replica reads from the store while it is linked is known to the other, which cannot read it", async () => {
  const pair = new Pair();
  const { promise, resolve } = Promise.withResolvers<void>();
  pair.store.loadGate = promise;
  const taken = accepted(OF.a, 1990, pair.clock.now(), "a");
  pair.store.rows.set(OF.a, settled(taken, "default", taken.acceptedAt, 1990, "booked"));
  pair.store.reaches.b = false;
  pair.start("a");
  pair.start("b");
  await pair.clock.advance(SOON_MS);
  assert.deepEqual([pair.a.readiness().peer, pair.a.find(OF.a)], ["linked", undefined]);
  resolve();
  await pair.clock.advance(SOON_MS);
  assert.equal(pair.b.find(OF.a)?.stage, "settled");
});

Deno.test("how long an id is in doubt does not change with the wall clock", async () => {
  const pair = new Pair({ peer: false });
  pair.store.state = "crashed";
  pair.start("a");
  await pair.clock.advance(SOON_MS);
  pair.skewMs = -3_600_000;
  void pair.a.accept(OF.a, 1990);
  const { doubt, doubtUntil } = pair.a.find(OF.a)!;
  const waitMs = doubtUntil - (pair.clock.now() + pair.skewMs);
  assert.equal(doubt, SUSPECT);
  assert.equal(waitMs, REQUEST_TIMEOUT_MS - SOON_MS);
});

Deno.test("a witness is told what each does, once, as it is done or heard, and that an epoch begins", async () => {
  const pair = await Pair.started();
  pair.a.accept(OF.b, 1990);
  await pair.clock.advance(SOON_MS);
  const of = (self: "a" | "b", what: string) =>
    pair.witnessed.filter((line) => line.startsWith(`${self} ${what}`)).map((line) => line.split(" ")[2]);
  assert.deepEqual(of("b", "did"), ["dispatched", "settled"]);
  assert.deepEqual(of("a", "heard").filter((stage) => stage !== "accepted"), ["dispatched", "settled"]);
  assert.deepEqual([of("a", "did"), of("b", "heard")], [[], ["accepted"]]);
  // a catch-up repeats what was
  pair.cut();
  pair.heal();
  await pair.clock.advance(SOON_MS);
  const before = pair.witnessed.length;
  pair.a.purge();
  await pair.clock.advance(SOON_MS);
  assert.deepEqual(pair.witnessed.slice(before).toSorted(), ["a forgot", "b forgot"]);
  assert.equal(of("a", "heard").length, 2);
});
