import assert from "node:assert/strict";
import { positionOf } from "../../src/ledger/log.ts";
import { CHECK_MS, COVER_MS, RETRY_MS_MAX, RETRY_MS_MIN, STANDBY_MS } from "../../src/store/projector.ts";
import { StoreError } from "../../src/store/store.ts";
import type { VirtualClock } from "../support/virtual_clock.ts";
import { batch, byId, id, LOG, OTHER_LOG, settled } from "./contract.ts";
import { DOWN, INTERVAL_MS, Projected, Side, started } from "./projected.ts";

/** Where the log of these tests begins. */
const START = positionOf(1, 0);

/** Says of each promise whether it has an answer, and which. */
async function answers(clock: VirtualClock, ...promises: Promise<boolean>[]): Promise<(boolean | undefined)[]> {
  await clock.settle();
  return await Promise.all(promises.map((promise) => Promise.race([promise, Promise.resolve(undefined)])));
}

/** The store holds what the ledger's book holds, and says so. */
function assertStored({ ledger, world: { store } }: Side): void {
  const { book } = ledger;
  const payments = [
    ...book.pending.values(),
    ...Array.from({ length: book.settled.size }, (_, n) => book.settled.at(n)),
  ];
  const stored = { logId: LOG, position: ledger.position, hash: ledger.hash, doubtedUptimeMs: book.doubtedUptimeMs };
  assert.deepEqual(store.content, { stored, rows: byId(payments) });
}

/** Has calls wait from now on, until what it returns is called. */
function hold(side: Side): () => void {
  const { store } = side.world;
  const open = Promise.withResolvers<void>();
  store.before = (call) => {
    side.world.asked(call);
    return open.promise;
  };
  return () => {
    store.before = (call) => side.world.asked(call);
    open.resolve();
  };
}

function fail(side: Side, error: Error | undefined): void {
  side.world.store.before = (call) => {
    side.world.asked(call);
    if (error) throw error;
  };
}

Deno.test("a projector tries at once whether the store works", async () => {
  const world = new Projected();
  const { projector, lines } = new Side("b", world);
  assert.equal(projector.state, "connecting");
  await world.clock.advance(0);
  assert.deepEqual([projector.state, projector.trouble, lines], ["ready", "", ["info: the store works"]]);
  assert.deepEqual(world.written, []);
});

Deno.test("replica a writes which log it is at once, and b only if a does not", async () => {
  for (const [self, ms] of [["a", 0], ["b", INTERVAL_MS + STANDBY_MS]] as const) {
    const world = new Projected();
    const side = new Side(self, world);
    await world.clock.advance(INTERVAL_MS + STANDBY_MS);
    assert.deepEqual(world.written, [{ payments: [], replacesAll: false, atMs: ms }]);
    assertStored(side);
    assert.deepEqual(side.stored, [START + 1]);
    assert.deepEqual([side.batches, world.clock.timers], [[], 0], "nothing is left to do");
  }
});

Deno.test("of two that write up to the same position at once only the one whose write was committed has written", async () => {
  const a = await started();
  const { clock, store } = a.world;
  const b = new Side("b", a.world);
  await clock.advance(0);
  a.accept(1);
  const open = hold(a);
  // both have a caller that waits for it
  const covered = [a, b].map(({ projector }) => projector.covered(a.ledger.position));
  b.ledger.catchUp();
  await clock.advance(0);
  open();
  assert.deepEqual(await Promise.all(covered), [true, true]);
  assert.equal(store.content.stored.position, a.ledger.position);
  assert.deepEqual([a.batches, b.batches], [[{ payments: 1, tookMs: 0 }], []]);
});

Deno.test("a payment that was accepted and settled within an interval is one row, as it is by then", async () => {
  const side = await started();
  const { clock, written, store } = side.world;
  side.accept(1);
  await clock.advance(0);
  side.accept(2, 3);
  side.settle(2);
  assert.equal(side.projector.unsaved, 2);
  await clock.advance(20);
  assert.deepEqual(written, [
    { payments: [1], replacesAll: false, atMs: 100 },
    { payments: [3, 2], replacesAll: false, atMs: 120 },
  ]);
  assert.equal(store.content.rows.get(id(2))?.stage, "settled");
  assertStored(side);
  assert.equal(clock.timers, 0);
});

Deno.test("what the store holds is not written again", async () => {
  const side = await started();
  const { clock, written } = side.world;
  side.accept(1, 2, 3);
  side.settle(1);
  await clock.advance(20);
  side.settle(2);
  await clock.advance(20);
  side.settle(3);
  await clock.advance(20);
  assert.deepEqual(written.map(({ payments }) => payments), [[2, 3, 1], [2], [3]]);
});

Deno.test("a write starts no sooner than the interval after the one before", async () => {
  const side = await started();
  const { clock, written } = side.world;
  side.accept(1);
  await clock.advance(0);
  side.accept(2);
  await clock.advance(19);
  assert.equal(written.length, 1);
  side.settle(1);
  await clock.advance(1);
  assert.deepEqual(written.map(({ payments }) => payments), [[1], [2, 1]]);
  const { unsaved, position } = side.projector;
  assert.deepEqual([side.batches, unsaved, position], [
    [{ payments: 1, tookMs: 0 }, { payments: 2, tookMs: 0 }],
    0,
    side.ledger.position,
  ]);
});

Deno.test("one write is under way at a time, and the next one answers all that wait", async () => {
  const side = await started();
  const { clock, written } = side.world;
  const { projector, ledger } = side;
  const open = hold(side);
  side.accept(1);
  const first = projector.covered(ledger.position);
  await clock.settle();
  side.accept(2);
  const second = projector.covered(ledger.position);
  side.accept(3);
  const third = projector.covered(ledger.position);
  await clock.advance(500);
  assert.deepEqual(written.map(({ payments }) => payments), [[1]]);
  assert.deepEqual(await answers(clock, first, second, third), [undefined, undefined, undefined]);
  assert.deepEqual([projector.oldestUnsavedMs, projector.unsaved], [500, 3]);
  open();
  assert.deepEqual(await answers(clock, first, second, third), [true, true, true]);
  assert.deepEqual(written.map(({ payments }) => payments), [[1], [2, 3]], "at once, not an interval later");
  assert.deepEqual(side.batches, [{ payments: 1, tookMs: 500 }, { payments: 2, tookMs: 0 }]);
  assert.deepEqual([projector.oldestUnsavedMs, clock.timers], [0, 0]);
});

Deno.test("covered() does not wait for what came after its position", async () => {
  const side = await started();
  const { clock } = side.world;
  const { projector, ledger } = side;
  const open = hold(side);
  side.accept(1);
  const all = projector.covered(ledger.position);
  await clock.settle();
  side.accept(2);
  open();
  const later = hold(side);
  assert.deepEqual(await answers(clock, all, projector.covered(ledger.position)), [true, undefined]);
  later();
});

Deno.test("covered() is true at once where the store holds as much, and writes a position behind which nothing changed", async () => {
  const side = await started();
  const { clock, written, store } = side.world;
  const { projector, ledger } = side;
  assert.equal(await projector.covered(ledger.position), true);
  side.accept(1);
  await clock.advance(20);
  side.accept(1);
  assert.deepEqual(await answers(clock, projector.covered(ledger.position)), [true]);
  assert.deepEqual(written.map(({ payments }) => payments), [[1], []]);
  assert.equal(store.content.stored.position, ledger.position);
  assert.equal(side.batches.length, 1);
});

Deno.test("covered() is false after its time", async () => {
  const side = await started();
  const { clock } = side.world;
  const { projector, ledger } = side;
  fail(side, DOWN);
  side.accept(1);
  const covered = projector.covered(ledger.position);
  await clock.advance(COVER_MS - 1);
  assert.deepEqual(await answers(clock, covered), [undefined]);
  await clock.advance(1);
  assert.deepEqual(await answers(clock, covered), [false]);
});

Deno.test("what failed is written again, after pauses that double, with what came in meanwhile", async () => {
  const side = await started();
  const { clock, written } = side.world;
  const { projector, lines, ledger } = side;
  fail(side, DOWN);
  side.accept(1, 2);
  side.settle(2);
  const startMs = clock.monotonic();
  await clock.settle();
  await clock.advance(0);
  assert.deepEqual([projector.state, projector.trouble, projector.unsaved], [
    "unavailable",
    "nothing listens there",
    2,
  ]);
  side.settle(1);
  side.accept(3);
  await clock.advance(4_000);
  assert.deepEqual(written.map(({ atMs }) => atMs - startMs), [0, 50, 150, 350, 750, 1_550, 2_550, 3_550]);
  assert.equal(projector.oldestUnsavedMs, 4_000);
  const covered = projector.covered(ledger.position);
  fail(side, undefined);
  await clock.advance(1_000);
  assert.deepEqual(written.at(-1)?.payments, [3, 2, 1]);
  assert.equal(await covered, true);
  assertStored(side);
  assert.deepEqual([projector.state, projector.trouble, projector.oldestUnsavedMs], ["ready", "", 0]);
  assert.deepEqual(lines, [
    "info: the store works",
    "warning: the store does not work: nothing listens there",
    "info: the store works",
  ]);
});

Deno.test("jitter shortens a pause to as little as half", async () => {
  const world = new Projected();
  let calls = 0;
  world.store.before = () => {
    calls++;
    throw DOWN;
  };
  new Side("a", world, { random: () => 0 });
  await world.clock.advance(0);
  assert.equal(calls, 1);
  await world.clock.advance(24);
  assert.equal(calls, 1);
  await world.clock.advance(1);
  assert.equal(calls, 2);
});

Deno.test("each trouble of an outage is logged once, however often it alternates with others", async () => {
  const side = await started();
  const { clock } = side.world;
  side.lines.length = 0;
  const starting = new StoreError("unavailable", "it is starting or stopping");
  await clock.advance(CHECK_MS);
  for (let n = 0; n < 5; n++) {
    fail(side, n % 2 ? starting : DOWN);
    side.projector.check();
    await clock.advance(RETRY_MS_MAX);
    assert.equal(side.projector.trouble, n % 2 ? starting.message : DOWN.message);
  }
  fail(side, undefined);
  await clock.advance(RETRY_MS_MAX);
  fail(side, DOWN);
  await clock.advance(CHECK_MS);
  side.projector.check();
  await clock.advance(0);
  const [down, up] = [`warning: the store does not work: ${DOWN.message}`, "info: the store works"];
  assert.deepEqual(side.lines, [down, `warning: the store does not work: ${starting.message}`, up, down]);
});

Deno.test("an error that is not a StoreError is not caught", async () => {
  const side = await started();
  const mistake = new TypeError("a mistake") as unknown as StoreError;
  fail(side, mistake);
  const seen = Promise.withResolvers<unknown>();
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    seen.resolve(event.reason);
  };
  addEventListener("unhandledrejection", listener);
  side.accept(1);
  await side.world.clock.advance(0);
  assert.equal(await seen.promise, mistake);
  removeEventListener("unhandledrejection", listener);
});

Deno.test("a write whose answer was lost is not made again", async () => {
  const side = await started();
  const { clock, store, written } = side.world;
  store.after = (call) => {
    if (call.kind === "write") throw DOWN;
  };
  side.accept(1);
  const covered = side.projector.covered(side.ledger.position);
  await clock.advance(0);
  assert.deepEqual(await answers(clock, covered), [undefined]);
  assert.deepEqual(store.content.rows.size, 1);
  store.after = () => {};
  const { content } = store;
  await clock.advance(50);
  assert.deepEqual(await answers(clock, covered), [true]);
  assert.equal(store.content, content);
  assert.deepEqual([written.length, side.projector.unsaved, clock.timers], [2, 0, 0]);
});

Deno.test("a purge makes the store forget, and what may be booked is written again with what came later", async () => {
  const side = await started();
  const { clock, written } = side.world;
  const { ledger, projector } = side;
  side.accept(1, 2, 3);
  side.settle(1);
  const bind = { by: "a", processor: "default", at: 3_000, reason: "default-up" } as const;
  ledger.append({ kind: "dispatched", id: id(2), over: ledger.book.get(id(2))!.position, ...bind });
  await clock.advance(20);
  side.purge();
  side.accept(1);
  assert.equal(projector.unsaved, 2);
  await clock.advance(20);
  assert.deepEqual(written.slice(1).map(({ payments, replacesAll }) => ({ payments, replacesAll })), [
    { payments: [2, 1], replacesAll: true },
  ]);
  assertStored(side);
  side.settle(1);
  await clock.advance(20);
  assert.deepEqual(written.at(-1), { payments: [1], replacesAll: false, atMs: 140 });
  assertStored(side);
});

Deno.test("a purge while a write is under way changes nothing of that write", async () => {
  const side = await started();
  const { clock, written, store } = side.world;
  side.accept(1, 2);
  side.settle(1);
  const open = hold(side);
  await clock.advance(0);
  side.purge();
  side.accept(3);
  open();
  await clock.settle();
  assert.deepEqual([...store.content.rows.keys()], [id(2), id(1)]);
  await clock.advance(20);
  assert.deepEqual(written.map(({ payments, replacesAll }) => ({ payments, replacesAll })), [
    { payments: [2, 1], replacesAll: false },
    { payments: [3], replacesAll: true },
  ]);
  assertStored(side);
});

Deno.test("all payments that one fact changes are written: a dead owner's, and those in doubt", async () => {
  const side = await started();
  const { clock, written } = side.world;
  side.accept(1, 2);
  side.ledger.append({ kind: "accepted", by: "b", id: id(3), cents: 1990, at: 3_000, doubt: false });
  await clock.advance(20);
  side.ledger.append({ kind: "moved", by: "a", from: "b", at: 4_000 });
  await clock.advance(20);
  side.ledger.append({ kind: "doubted", by: "a", at: 4_000, uptimeMs: 77.5 });
  await clock.advance(20);
  assert.deepEqual(written.map(({ payments }) => payments), [[1, 2, 3], [3], [1, 2, 3]]);
  assertStored(side);
});

Deno.test("b writes nothing while the store is kept up with the log, and goes on when that ends", async () => {
  const world = new Projected();
  const [a, b] = [new Side("a", world), new Side("b", world)];
  await world.clock.advance(100);
  world.written.length = 0;
  const keepUp = async (n: number) => {
    a.accept(n);
    b.ledger.catchUp();
    await world.clock.advance(20);
    b.projector.heard(a.projector.position);
    assert.equal(b.projector.unsaved, 0);
  };
  for (let n = 0; n < 200; n++) await keepUp(n);
  assert.equal(world.written.length, 200, "one write each, all by a");
  a.projector.stop();
  b.accept(1_000);
  await world.clock.advance(INTERVAL_MS + STANDBY_MS - 1);
  assert.equal(world.written.length, 200);
  await world.clock.advance(1);
  assert.deepEqual(world.written.at(-1)?.payments, [1_000]);
  b.accept(1_001);
  await world.clock.advance(20);
  assert.deepEqual(world.written.at(-1)?.payments, [1_001], "the last writer continues at the interval");
  assertStored(b);
});

Deno.test("b leaves it to a to write at a long interval, although it hears of each write late", async () => {
  const world = new Projected();
  const [intervalMs, stepMs, lateMs] = [2 * STANDBY_MS, 10, 200];
  const [a, b] = [new Side("a", world, { intervalMs }), new Side("b", world, { intervalMs })];
  const { store } = world;
  const write = store.write.bind(store);
  let writes = 0;
  store.write = (batch) => {
    writes++;
    return write(batch);
  };
  const positions: number[] = [];
  for (let n = 0; n < 10 * intervalMs / stepMs; n++) {
    a.accept(n);
    b.ledger.catchUp();
    await world.clock.advance(stepMs);
    positions.push(a.projector.position);
    b.projector.heard(positions[n - lateMs / stepMs] ?? 0);
  }
  assert.equal(writes, 11);
  assert.equal(b.batches.length, 0);
});

Deno.test("b steps back when it hears that the peer writes again", async () => {
  const side = await started("b");
  const { clock, written } = side.world;
  side.accept(1);
  await clock.advance(20);
  assert.equal(written.length, 1, "it wrote last");
  const { stored } = side.world.store.content;
  side.accept(2);
  // the peer's write
  await side.world.store.write(batch(stored, side.ledger.position, []));
  side.projector.heard(side.ledger.position);
  written.length = 0;
  side.accept(3);
  await clock.advance(INTERVAL_MS + STANDBY_MS - 1);
  assert.deepEqual(written, []);
  await clock.advance(1);
  assert.deepEqual(written.map(({ payments }) => payments), [[3]]);
});

Deno.test("b writes at once where its callers wait", async () => {
  const side = await started("b");
  side.accept(1);
  assert.deepEqual(await answers(side.world.clock, side.projector.covered(side.ledger.position)), [true]);
  assertStored(side);
});

Deno.test("a projector whose write came too late continues from where the other has moved the store", async () => {
  const world = new Projected();
  const [a, b] = [new Side("a", world), new Side("b", world)];
  await world.clock.advance(100);
  a.accept(1, 2);
  b.ledger.catchUp();
  assert.deepEqual(await answers(world.clock, b.projector.covered(b.ledger.position)), [true]);
  a.settle(2);
  a.accept(3);
  world.written.length = 0;
  await world.clock.advance(100);
  assert.deepEqual(world.written.map(({ payments }) => payments), [[1, 3, 2], [3, 2]]);
  assertStored(a);
  assert.deepEqual([a.projector.unsaved, a.batches.length], [0, 1]);
});

Deno.test("a projector that did not hear the store at the start drops what it turns out to hold", async () => {
  const world = new Projected();
  const a = new Side("a", world);
  a.accept(1, 2);
  await world.clock.advance(20);
  const b = new Side("b", world, { from: { logId: null, position: 0 } });
  assert.equal(b.projector.unsaved, 2);
  await world.clock.advance(0);
  assert.deepEqual([b.projector.unsaved, b.projector.position], [0, a.ledger.position]);
});

Deno.test("a store that knows more than the log is not written, and callers that wait get an answer", async () => {
  const side = await started();
  const { clock, store, written } = side.world;
  await store.write(batch(store.content.stored, side.ledger.position + 5, [settled(9)]));
  const { content } = store;
  side.accept(1);
  const covered = side.projector.covered(side.ledger.position);
  assert.deepEqual(await answers(clock, covered), [false]);
  const [ends, holds] = [side.ledger.position, content.stored.position];
  assert.deepEqual(side.ahead, [`the store holds the log up to ${holds}, and the log ends at ${ends}`]);
  written.length = 0;
  side.accept(2);
  await clock.advance(5_000);
  assert.deepEqual([written, clock.timers, store.content], [[], 0, content]);
});

Deno.test("a store that is ahead of a log that is still on its way here is waited for", async () => {
  const a = await started();
  const { clock } = a.world;
  const b = new Side("b", a.world);
  await clock.advance(CHECK_MS);
  const { catchUp, barrier } = b.ledger;
  Object.assign(b.ledger, { catchUp: () => {}, barrier: () => Promise.resolve(false) });
  a.accept(1);
  await clock.advance(CHECK_MS);
  b.projector.check();
  await clock.advance(0);
  assert.deepEqual([b.ahead, b.projector.state], [[], "ready"]);
  Object.assign(b.ledger, { catchUp, barrier });
  b.ledger.catchUp();
  await clock.advance(INTERVAL_MS + STANDBY_MS);
  assertStored(b);
  assert.deepEqual(b.stored.at(-1), b.ledger.position);
});

Deno.test("flush() is done once the store holds all that is known here, and more that can no longer be read", async () => {
  const a = await started();
  const { clock } = a.world;
  const b = new Side("b", a.world);
  await clock.advance(0);
  a.accept(1);
  b.ledger.catchUp();
  Object.assign(b.ledger, { catchUp: () => {}, barrier: () => new Promise(() => {}) });
  a.accept(2);
  await clock.advance(CHECK_MS);
  const flushed = b.projector.flush(60_000);
  await clock.advance(60_000);
  assert.deepEqual([await flushed, b.ahead], [true, []]);
});

Deno.test("a store that holds another log is not written", async () => {
  const side = await started();
  const { clock, store } = side.world;
  const stored = { ...store.content.stored, logId: OTHER_LOG };
  store.content = { ...store.content, stored };
  side.accept(1);
  await clock.advance(20);
  assert.deepEqual(side.ahead, [`the store holds another log, ${OTHER_LOG}`]);
  assert.deepEqual([store.content.stored, clock.timers], [stored, 0]);
});

Deno.test("a store that was restored from a backup of an earlier log is written again", async () => {
  const world = new Projected();
  const side = new Side("a", world, { isEarlier: ({ logId, position }) => logId === OTHER_LOG && position === 0 });
  const { clock, store, written } = world;
  side.accept(1);
  await clock.advance(100);
  store.content = { stored: { ...store.content.stored, logId: OTHER_LOG, position: 0 }, rows: new Map() };
  side.accept(2);
  await clock.advance(100);
  assert.deepEqual([written.at(-1)?.payments, written.at(-1)?.replacesAll, side.ahead], [[1, 2], true, []]);
  assertStored(side);
});

Deno.test("a store that was restored from an older backup, or created again, is written again", async () => {
  const side = await started();
  const { clock, store, written } = side.world;
  const empty = { stored: { logId: null, position: 0, hash: 0, doubtedUptimeMs: null }, rows: new Map() };
  side.accept(1, 2);
  side.settle(1);
  await clock.advance(20);
  const backup = store.content;
  side.accept(3);
  side.settle(2);
  await clock.advance(20);
  for (const content of [backup, empty]) {
    store.content = content;
    side.accept(4);
    await clock.advance(100);
    assert.deepEqual([written.at(-1)?.payments, written.at(-1)?.replacesAll], [[3, 4, 1, 2], true]);
    assertStored(side);
  }
  assert.equal(side.lines.at(-1), "warning: the store is older than it was: everything is written again");
});

Deno.test("what the peer sends while the store answers does not make that answer an older store", async () => {
  const side = await started("b");
  const { clock, store } = side.world;
  const open = hold(side);
  side.accept(1);
  const covered = side.projector.covered(side.ledger.position);
  await clock.settle();
  const first = side.ledger.position;
  store.after = () => {
    store.after = () => {};
    side.accept(2);
    store.content = { ...store.content, stored: { ...store.content.stored, position: side.ledger.position } };
    side.projector.heard(side.ledger.position);
  };
  open();
  assert.deepEqual(await answers(clock, covered), [true]);
  assert.ok(side.projector.position > first);
  assert.deepEqual(side.lines, ["info: the store works"]);
});

Deno.test("flush() writes what is left, and nothing after that", async () => {
  const side = await started();
  const { clock, written } = side.world;
  side.accept(1);
  await clock.advance(0);
  side.accept(2);
  const flushed = side.projector.flush(1_000);
  assert.deepEqual(await answers(clock, flushed), [true]);
  assert.deepEqual(written.map(({ payments }) => payments), [[1], [2]]);
  side.accept(3);
  assert.equal(await side.projector.covered(side.ledger.position), false);
  await clock.advance(5_000);
  assert.deepEqual([written.length, clock.timers], [2, 0]);
});

Deno.test("flush() gives up after its time, whether the store does not work or does not answer", async () => {
  for (const before of [() => Promise.reject(DOWN), () => new Promise<void>(() => {})]) {
    const side = await started();
    const { clock, store } = side.world;
    store.before = before;
    side.accept(1);
    const waits = side.projector.covered(side.ledger.position);
    const flushed = side.projector.flush(400);
    await clock.advance(399);
    assert.deepEqual(await answers(clock, flushed, waits), [undefined, undefined]);
    await clock.advance(1);
    assert.deepEqual(await answers(clock, flushed, waits), [false, false]);
    assert.equal(clock.timers, 0);
  }
});

Deno.test("check() asks a store that works whether it can still be written, and no more often than that", async () => {
  const side = await started();
  const { clock, store } = side.world;
  const asked: string[] = [];
  store.before = (call) => void asked.push(call.kind);
  side.projector.check();
  await clock.advance(CHECK_MS);
  assert.deepEqual(asked, []);
  side.projector.check();
  side.projector.check();
  await clock.advance(0);
  assert.deepEqual([asked, side.projector.state], [["stored"], "ready"]);
  await clock.advance(CHECK_MS);
  fail(side, DOWN);
  side.projector.check();
  await clock.advance(0);
  assert.deepEqual([side.projector.state, side.projector.trouble], ["unavailable", "nothing listens there"]);
  fail(side, undefined);
  await clock.advance(RETRY_MS_MIN);
  assert.deepEqual([side.projector.state, clock.timers], ["ready", 0]);
});

Deno.test("a store that commits nothing in time does not work, until it answers", async () => {
  const side = await started();
  const { clock } = side.world;
  const answer = hold(side);
  side.accept(1);
  const covered = side.projector.covered(side.ledger.position);
  await clock.advance(COVER_MS);
  assert.equal(await covered, false);
  const line = `nothing is committed within ${COVER_MS} ms`;
  assert.deepEqual([side.projector.state, side.projector.trouble], ["unavailable", line]);
  assert.equal(side.lines.at(-1), `warning: the store does not work: ${line}`);
  answer();
  await clock.advance(0);
  assert.deepEqual([side.projector.state, side.lines.at(-1)], ["ready", "info: the store works"]);
});
