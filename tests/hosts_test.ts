/** Replicas on several hosts: the log is a stream of an engine's model. */
import assert from "node:assert/strict";
import { HORIZON_MS, Hosts, ID, OTHER_ID, SILENCE_MS, SOON_MS } from "./hosts_harness.ts";

const never = () => new Promise<never>(() => {});
const NAMES = ["a", "b", "c"];

/** Replica b takes a payment, and this happens before it is bound. */
async function unbound(hosts: Hosts, happens: () => void): Promise<void> {
  hosts.onFolded = (self, { kind }) => {
    if (self === "b" && kind === "accepted") happens();
  };
  void hosts.of("b").accept(ID, 1990);
  await hosts.clock.advance(500);
  hosts.onFolded = () => {};
  assert.deepEqual([hosts.history("a"), hosts.calls.filter((call) => call.startsWith("b"))], [["b accepted"], []]);
}

Deno.test("a payment that any host took is booked once, and every host says so", async () => {
  const hosts = await Hosts.started();
  assert.equal(await hosts.accept("b"), "accepted");
  await hosts.clock.advance(SOON_MS);
  assert.deepEqual(hosts.calls, ["b pays default"]);
  for (const name of NAMES) {
    assert.deepEqual(await hosts.summary(name), [1, 0], name);
    assert.deepEqual(hosts.history(name), ["b accepted", "b dispatched", "b settled"]);
  }
  assert.deepEqual(hosts.logged.filter((line) => line.includes("warning")), []);
});

Deno.test("an id that comes to all hosts at once is one payment, and another amount is a conflict", async () => {
  const hosts = await Hosts.started();
  const answers = await hosts.done(Promise.all(NAMES.map((name) => hosts.of(name).accept(ID, 1990))));
  assert.deepEqual(answers, ["accepted", "accepted", "accepted"]);
  const others = await hosts.done(
    Promise.all([7, 8, 9].map((cents, i) => hosts.of(NAMES[i]!).accept(OTHER_ID, cents))),
  );
  assert.deepEqual(others.toSorted(), ["accepted", "conflict", "conflict"]);
  await hosts.clock.advance(SOON_MS);
  assert.equal(hosts.calls.length, 2);
  assert.deepEqual(await hosts.summary("a"), [2, 0]);
});

Deno.test("what a dead replica had not bound is bound by the next one in the roster, once it is silent for long", async () => {
  const hosts = await Hosts.started();
  await unbound(hosts, () => hosts.kill("b"));
  await hosts.clock.advance(4_000);
  assert.equal(hosts.calls.length, 0);
  await hosts.clock.advance(SILENCE_MS);
  assert.deepEqual(hosts.calls, ["c pays default"]);
  assert.deepEqual(hosts.history("a"), ["b accepted", "c dispatched", "c settled"]);
  assert.equal(hosts.payment("a")!.owner, "c");
});

Deno.test("where two of three are dead no host has a majority: what waits is kept, and goes on once there is one", async () => {
  const hosts = await Hosts.started();
  await unbound(hosts, () => hosts.kill("b", "c"));
  hosts.engine.kill(1);
  hosts.engine.kill(2);
  await hosts.clock.advance(3 * SILENCE_MS);
  assert.equal(hosts.calls.length, 0);
  assert.equal(await hosts.accept("a", OTHER_ID), "cut-off");
  hosts.engine.revive(1);
  await hosts.clock.advance(4 * SILENCE_MS);
  assert.deepEqual(hosts.calls.filter((call) => call.includes("pays")), ["a pays default"]);
});

Deno.test("what a dead replica had bound is looked up, and repeated as it was bound", async () => {
  const hosts = await Hosts.started();
  hosts.answer = (by) => by === "b" ? never() : { kind: "booked" };
  await hosts.accept("b");
  await hosts.clock.advance(SOON_MS);
  hosts.kill("b");
  await hosts.clock.advance(2 * SILENCE_MS);
  assert.deepEqual(hosts.calls, ["b pays default", "c asks default", "c pays default"]);
  assert.deepEqual(hosts.orders[0], hosts.orders[1]);
  assert.deepEqual(hosts.history("a"), ["b accepted", "b dispatched", "c dispatched", "c settled"]);
});

Deno.test("what a dead replica had bound changes the processor only once its calls cannot be booked any more", async () => {
  const hosts = await Hosts.started();
  const refused = { kind: "refused", why: "unreachable", error: "nothing listens there" } as const;
  hosts.answer = (by, processor) => by === "b" ? never() : processor === "default" ? refused : { kind: "booked" };
  await hosts.accept("b");
  await hosts.clock.advance(SOON_MS);
  hosts.kill("b");
  await hosts.clock.advance(HORIZON_MS);
  assert.equal(hosts.calls.includes("c pays fallback"), false);
  assert.equal(hosts.payment("a")!.processor, "default");
  await hosts.clock.advance(SILENCE_MS + HORIZON_MS);
  assert.equal(hosts.calls.at(-1), "c pays fallback");
  assert.deepEqual(await hosts.summary("a"), [0, 1]);
  const kinds = hosts.history("a").slice(2);
  assert.deepEqual(kinds, ["c dispatched", "c released", "c dispatched", "c settled"]);
});

Deno.test("a replica that is cut off takes nothing, sends nothing and says why, until it is back", async () => {
  const hosts = await Hosts.started();
  hosts.cut("b");
  // it still hears its own server, so it learns that it is cut off when it records something
  assert.equal(await hosts.accept("b", OTHER_ID), "uncovered");
  await hosts.clock.advance(500);
  assert.equal(await hosts.accept("b"), "cut-off");
  assert.equal(await hosts.summary("b"), "cut-off");
  assert.equal(await hosts.done(Promise.resolve(hosts.of("b").find(ID))), "cut-off");
  assert.equal(await hosts.done(Promise.resolve(hosts.of("b").purge())), "cut-off");
  const { ready, notes } = hosts.of("b").readiness();
  assert.equal(ready, false);
  assert.ok(notes.includes("this replica cannot reach the log, so it takes and sends nothing new"), `${notes}`);
  await hosts.clock.advance(2 * SILENCE_MS);
  assert.equal(await hosts.accept("a"), "accepted");
  hosts.heal("b");
  await hosts.clock.advance(3_000);
  assert.equal(hosts.of("b").readiness().ready, true);
  assert.deepEqual(await hosts.summary("b"), [2, 0]);
});

Deno.test("a payment that comes as its host is cut off may have been taken, and is booked once when it is back", async () => {
  const hosts = await Hosts.started();
  hosts.cut("b");
  assert.equal(await hosts.accept("b"), "uncovered");
  hosts.heal("b");
  await hosts.clock.advance(2 * SILENCE_MS);
  assert.deepEqual(hosts.calls.filter((call) => call.includes("pays")), ["b pays default"]);
  assert.equal(await hosts.accept("b"), "accepted");
  assert.deepEqual(await hosts.summary("c"), [1, 0]);
});

Deno.test("a call that ends while its host is cut off is recorded when it is back, where nobody acted meanwhile", async () => {
  const hosts = await Hosts.started();
  const answer = Promise.withResolvers<{ kind: "booked" }>();
  hosts.answer = () => answer.promise;
  await hosts.accept("b");
  await hosts.clock.advance(SOON_MS);
  hosts.cut("b");
  answer.resolve({ kind: "booked" });
  await hosts.clock.advance(SOON_MS);
  assert.deepEqual(await hosts.summary("a"), [0, 0]);
  hosts.heal("b");
  await hosts.clock.advance(3_000);
  assert.deepEqual(hosts.history("a"), ["b accepted", "b dispatched", "b settled"]);
  assert.deepEqual(hosts.calls, ["b pays default"]);
});

Deno.test("a call that ends while others act on its payment is found by them, and the payment is settled once", async () => {
  const hosts = await Hosts.started();
  const answer = Promise.withResolvers<{ kind: "booked" }>();
  hosts.answer = () => answer.promise;
  await hosts.accept("b");
  await hosts.clock.advance(SOON_MS);
  hosts.cut("b");
  const { requestedAt } = hosts.orders[0]!;
  hosts.find = () => ({ kind: "found", requestedAt, cents: 1990 });
  await hosts.clock.advance(2 * SILENCE_MS);
  answer.resolve({ kind: "booked" });
  hosts.heal("b");
  await hosts.clock.advance(2 * SILENCE_MS);
  assert.deepEqual(hosts.calls.filter((call) => call.includes("pays")), ["b pays default"]);
  assert.deepEqual(hosts.history("a").filter((fact) => !fact.startsWith("(")), [
    ...["b accepted", "b dispatched", "c dispatched", "c settled"],
  ]);
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [1, 0], name);
});

Deno.test("what waits at a silent replica is its own again once it is heard", async () => {
  const hosts = await Hosts.started({ settings: { patienceMs: 1e9, slowMs: 1e9, maxInFlight: 1 } });
  const answer = Promise.withResolvers<{ kind: "booked" }>();
  hosts.answer = (by) => by === "c" ? answer.promise : { kind: "booked" };
  // this call fills c's only place, so c cannot bind b's payment
  await hosts.accept("c", OTHER_ID);
  await hosts.clock.advance(SOON_MS);
  await unbound(hosts, () => hosts.cut("b"));
  await hosts.clock.advance(2 * SILENCE_MS);
  assert.equal(hosts.of("c").readiness().queue, 1);
  hosts.heal("b");
  await hosts.clock.advance(SILENCE_MS);
  assert.equal(hosts.of("c").readiness().queue, 0);
  assert.deepEqual(hosts.calls.filter((call) => call.includes("pays")), ["c pays default", "b pays default"]);
  answer.resolve({ kind: "booked" });
  await hosts.clock.advance(SOON_MS);
  assert.deepEqual(await hosts.summary("a"), [2, 0]);
});

Deno.test("a replica that stood still finds its payments taken, and sends none of them", async () => {
  const hosts = await Hosts.started();
  await unbound(hosts, () => hosts.pause("b"));
  await hosts.clock.advance(2 * SILENCE_MS);
  assert.deepEqual(hosts.calls, ["c pays default"]);
  await hosts.resume("b");
  await hosts.clock.advance(2 * SILENCE_MS);
  assert.deepEqual(hosts.calls, ["c pays default"]);
  assert.deepEqual(await hosts.summary("b"), [1, 0]);
});

Deno.test("a replica that starts loads the store, and reads the stream from there", async () => {
  const hosts = await Hosts.started();
  await hosts.accept("a");
  await hosts.clock.advance(SOON_MS);
  hosts.kill("b");
  await hosts.accept("c", OTHER_ID);
  await hosts.clock.advance(SOON_MS);
  hosts.folded.length = 0;
  hosts.start("b");
  await hosts.clock.advance(2 * SOON_MS);
  assert.deepEqual(await hosts.summary("b"), [2, 0]);
  // facts that it read at its start are no events
  assert.deepEqual(hosts.history("b"), []);
});

Deno.test("a replica that starts with an empty store reads the whole stream", async () => {
  const hosts = await Hosts.started({ store: false });
  await hosts.accept("a");
  await hosts.clock.advance(SOON_MS);
  hosts.kill("b");
  hosts.start("b");
  await hosts.clock.advance(2 * SOON_MS);
  assert.deepEqual(await hosts.summary("b"), [1, 0]);
});

Deno.test("a start without an answer of the store reads the whole stream, and stores it once there is one", async () => {
  const hosts = await Hosts.started();
  await hosts.accept("a");
  await hosts.clock.advance(SOON_MS);
  hosts.kill(...NAMES);
  for (const name of NAMES) {
    hosts.reaches[name] = false;
    hosts.start(name);
  }
  await hosts.clock.advance(4 * SOON_MS);
  assert.equal(await hosts.accept("b", OTHER_ID), "accepted");
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [2, 0], name);
  for (const name of NAMES) hosts.reaches[name] = true;
  await hosts.clock.advance(3 * SOON_MS);
  assert.deepEqual([hosts.store.payments().length, hosts.restarts], [2, []]);
});

Deno.test("a start waits for a store that the stream began on, and says so", async () => {
  const { hosts } = await backedUp();
  hosts.kill("b");
  hosts.reaches.b = false;
  hosts.start("b");
  await hosts.clock.advance(2 * SOON_MS);
  assert.deepEqual(hosts.of("b").readiness().notes[0], "the store does not answer: the store is not there");
  hosts.reaches.b = true;
  await hosts.clock.advance(2 * SOON_MS);
  assert.equal(hosts.of("b").readiness().ready, true);
});

Deno.test("a purge at one host is a purge at all", async () => {
  const hosts = await Hosts.started();
  await hosts.accept("a");
  await hosts.clock.advance(SOON_MS);
  assert.equal(await hosts.done(Promise.resolve(hosts.of("c").purge())), true);
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [0, 0], name);
  assert.equal(await hosts.accept("b"), "accepted");
  await hosts.clock.advance(SOON_MS);
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [1, 0], name);
});

Deno.test("a stream at its limit takes no payment, and what was accepted goes on once there is room", async () => {
  const hosts = await Hosts.started();
  hosts.onFolded = () => hosts.engine.full = true;
  await hosts.accept("a");
  hosts.onFolded = () => {};
  assert.equal(await hosts.accept("b", OTHER_ID), "log-full");
  await hosts.clock.advance(SOON_MS);
  assert.equal(hosts.calls.length, 0);
  hosts.engine.full = false;
  await hosts.clock.advance(10_000);
  assert.deepEqual(await hosts.summary("b"), [1, 0]);
});

Deno.test("a stream that is almost full takes no payment and says so, and settles and tells what it has", async () => {
  const hosts = await Hosts.started();
  hosts.onFolded = () => hosts.engine.isOverLimit = true;
  await hosts.accept("a");
  assert.equal(await hosts.accept("b", OTHER_ID), "log-full");
  const { ready, notes } = hosts.of("b").readiness();
  assert.deepEqual([ready, notes], [false, ["the log has reached LOG_MAX_MB"]]);
  assert.deepEqual(await hosts.summary("b"), [1, 0]);
  hosts.onFolded = () => {};
  hosts.engine.isOverLimit = false;
  assert.equal(await hosts.accept("b", OTHER_ID), "accepted");
});

Deno.test("the processors are asked how they are once in five seconds, over all hosts", async () => {
  const hosts = await Hosts.started();
  hosts.polled.length = 0;
  await hosts.clock.advance(20_000);
  assert.deepEqual([hosts.polled.filter((at) => at.startsWith("default")).length, hosts.polled.length], [4, 8]);
});

/** All replicas have restarted because the log was lost, and serve again. */
async function restarted(hosts: Hosts): Promise<void> {
  await hosts.clock.advance(20_000);
  assert.deepEqual(hosts.restarts.map(({ self }) => self).sort(), NAMES);
  for (const name of NAMES) hosts.start(name);
  await hosts.clock.advance(3_000);
}

Deno.test("where the stream is lost another one begins on what the store holds, and all that is pending is in doubt", async () => {
  const hosts = await Hosts.started();
  await hosts.accept("a", OTHER_ID);
  await hosts.clock.advance(SOON_MS);
  hosts.answer = never;
  await hosts.accept("b");
  await hosts.clock.advance(SOON_MS);
  hosts.engine.delete();
  await restarted(hosts);
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [1, 0], name);
  assert.notEqual(hosts.payment("c")!.doubtedUptimeMs, null);
  hosts.answer = () => ({ kind: "booked" });
  hosts.calls.length = 0;
  await hosts.clock.advance(HORIZON_MS - 5_000);
  assert.equal(hosts.calls.length, 0);
  await hosts.clock.advance(10_000);
  assert.deepEqual(hosts.calls, ["b asks default", "b asks fallback", "b pays default"]);
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [2, 0], name);
  assert.deepEqual(hosts.store.payments().map(({ stage }) => stage), ["settled", "settled"]);
});

Deno.test("what a living replica knows is kept until the store is back, where the stream is lost meanwhile", async () => {
  const hosts = await Hosts.started();
  for (const name of NAMES) hosts.reaches[name] = false;
  assert.equal(await hosts.accept("a"), "accepted");
  await hosts.clock.advance(SOON_MS);
  hosts.engine.delete();
  await hosts.clock.advance(60_000);
  assert.deepEqual([await hosts.accept("b", OTHER_ID), hosts.restarts], ["cut-off", []]);
  for (const name of NAMES) hosts.reaches[name] = true;
  await restarted(hosts);
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [1, 0], name);
});

Deno.test("where the stream is shorter than it was another one begins", async () => {
  const hosts = await Hosts.started();
  await hosts.accept("a");
  await hosts.clock.advance(SOON_MS);
  const { id } = hosts.engine.stream!;
  hosts.engine.shorten(2);
  await restarted(hosts);
  assert.notEqual(hosts.engine.stream!.id, id);
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [1, 0], name);
  assert.equal(await hosts.accept("c", OTHER_ID), "accepted");
});

Deno.test("a stream that is lost while no replica lives is found to be, and another one begins", async () => {
  const hosts = await Hosts.started();
  await hosts.accept("a");
  await hosts.clock.advance(SOON_MS);
  hosts.kill(...NAMES);
  hosts.engine.shorten(3);
  for (const name of NAMES) hosts.start(name);
  await restarted(hosts);
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [1, 0], name);
});

/** A log that began anew on a store, of which there is a backup from before, and a payment since then. */
async function backedUp(): Promise<{ hosts: Hosts; backup: Hosts["store"]["content"] }> {
  const hosts = await Hosts.started();
  await hosts.accept("a");
  await hosts.clock.advance(SOON_MS);
  const backup = hosts.store.content;
  hosts.engine.delete();
  await restarted(hosts);
  await hosts.accept("b", OTHER_ID);
  await hosts.clock.advance(HORIZON_MS + SOON_MS);
  assert.deepEqual(await hosts.summary("a"), [2, 0]);
  return { hosts, backup };
}

Deno.test("a store that was set back to before the log is written anew by those who serve", async () => {
  const { hosts, backup } = await backedUp();
  hosts.store.content = backup;
  hosts.kill("b");
  hosts.start("b");
  for (let i = 0; i < 5; i++) {
    // asking a replica for its state makes it check its store
    for (const name of NAMES) hosts.of(name).readiness();
    await hosts.clock.advance(SOON_MS);
  }
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [2, 0], name);
  assert.equal(hosts.restarts.length, 3);
  assert.deepEqual(hosts.store.payments().map(({ stage }) => stage), ["settled", "settled"]);
});

Deno.test("a store that was set back while no replica lives is taken as it is, and the log is read on top of it", async () => {
  const { hosts, backup } = await backedUp();
  hosts.kill(...NAMES);
  hosts.store.content = { ...backup, rows: new Map() };
  for (const name of NAMES) hosts.start(name);
  await hosts.clock.advance(5_000);
  assert.ok(hosts.of("a").readiness().notes.includes("the store was set back"));
  await hosts.clock.advance(10_000);
  for (const name of NAMES) assert.deepEqual(await hosts.summary(name), [1, 0], name);
});

Deno.test("a stream that was shortened is found to be, although new messages would hide it", async () => {
  const hosts = await Hosts.started();
  await hosts.accept("a");
  await hosts.clock.advance(SOON_MS);
  hosts.kill(...NAMES);
  const { id } = hosts.engine.stream!;
  hosts.engine.shorten(3);
  for (let i = 0; i < 3; i++) {
    hosts.start("b");
    await hosts.clock.advance(500);
    hosts.kill("b");
  }
  for (const name of NAMES) hosts.start(name);
  await restarted(hosts);
  assert.notEqual(hosts.engine.stream!.id, id);
});
