import assert from "node:assert/strict";
import fc from "fast-check";
import { Book } from "../../src/payment/book.ts";
import { accepted, dispatched, type Fact, settled } from "../../src/payment/fact.ts";
import { StoreError } from "../../src/store/store.ts";
import { StoreWriter } from "../../src/store/writer.ts";
import type { StoreWriterLimits } from "../../src/store/writer_parts.ts";
import { contradictingFact } from "../payment/arbitrary.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { MemoryStore } from "./memory_store.ts";

const DOWN = new StoreError("unavailable", "nothing listens there");

function id(n: number): string {
  return `4a7901b8-7d26-4d9d-aa19-${n.toString(16).padStart(12, "0")}`;
}

function fact(n: number): Fact {
  return accepted(id(n), 1990, 1_000 + n, "a");
}

function booked(n: number): Fact {
  return settled(dispatched(fact(n), "a", "default", 2_000 + n, "default-up"), "default", 2_000 + n, 1990, "booked");
}

/** A writer that has found its store working; `store.calls` begins after that. */
async function set(limits: Partial<StoreWriterLimits> = {}) {
  const clock = new VirtualClock();
  const store = new MemoryStore();
  const book = new Book();
  const lines: string[] = [];
  const stored: string[][] = [];
  const told: number[] = [];
  const writer = new StoreWriter({
    store,
    clock,
    // no jitter: a pause is as long as it can be
    random: () => 1,
    limits: { batchMax: 3, intervalMs: 20, backlogMax: 10, ...limits },
    everything: () => book.facts(),
    onStored: (facts) => stored.push(facts.map(({ id }) => id)),
    onLaterEpoch: (epoch) => told.push(epoch),
    log: (level, line) => lines.push(`${level}: ${line}`),
  });
  const note = (...facts: Fact[]) => {
    for (const fact of facts) {
      book.fold(fact);
      writer.note(fact);
    }
  };
  await clock.advance(100);
  store.calls.length = 0;
  return { clock, store, book, writer, note, lines, stored, told };
}

function written(n: number | number[]) {
  return { write: [n].flat().map(id), epoch: 0 };
}

/** Says of each promise whether it has an answer, and which. */
async function answers(clock: VirtualClock, promises: readonly Promise<boolean>[]): Promise<(boolean | undefined)[]> {
  await clock.settle();
  return await Promise.all(promises.map((promise) => Promise.race([promise, Promise.resolve(undefined)])));
}

Deno.test("a writer tries at once whether the store works", async () => {
  const clock = new VirtualClock();
  const store = new MemoryStore();
  const limits = { batchMax: 3, intervalMs: 20, backlogMax: 10 };
  const writer = new StoreWriter({ store, clock, random: () => 1, limits, everything: () => [], log: () => {} });
  assert.equal(writer.state, "connecting");
  await clock.advance(0);
  assert.deepEqual(store.calls, [{ write: [], epoch: 0 }]);
  assert.equal(writer.state, "ready");
  assert.equal(writer.batches, 0, "nothing was to be written");
  assert.equal(clock.timers, 0, "nothing is left to do");
});

Deno.test("a writer keeps the greatest fact of a payment: accepted and settled within an interval are one row", async () => {
  const { clock, store, writer, note, stored } = await set();
  note(fact(0));
  await clock.advance(0);
  note(fact(1), booked(1), fact(1));
  assert.equal(writer.backlog, 1);
  await clock.advance(20);
  assert.deepEqual(store.calls, [written(0), written(1)]);
  assert.deepEqual(store.rows.get(id(1)), booked(1));
  assert.deepEqual(stored, [[id(0)], [id(1)]]);
});

Deno.test("a writer starts a batch no sooner than the interval after the one before, with no more than it may hold", async () => {
  const { clock, store, note, writer } = await set();
  note(...[1, 2, 3, 4, 5].map(fact));
  await clock.advance(0);
  assert.deepEqual(store.calls, [written([1, 2, 3])]);
  await clock.advance(19);
  assert.equal(store.calls.length, 1);
  await clock.advance(1);
  assert.deepEqual(store.calls, [written([1, 2, 3]), written([4, 5])]);
  assert.deepEqual([writer.batches, writer.rows, writer.lastBatchRows, writer.backlog], [2, 5, 2, 0]);
});

Deno.test("a writer has one batch in flight, and one batch answers all that wait", async () => {
  const { clock, store, note, writer } = await set();
  const open = Promise.withResolvers<void>();
  store.gate = open.promise;
  note(fact(1));
  const first = writer.covered();
  await clock.settle();
  note(fact(2));
  const second = writer.covered();
  note(fact(3));
  const third = writer.covered();
  await clock.advance(500);
  assert.deepEqual(store.calls, [written(1)]);
  assert.deepEqual(await answers(clock, [first, second, third]), [undefined, undefined, undefined]);
  assert.equal(writer.oldestDirtyMs, 500);
  store.gate = undefined;
  open.resolve();
  assert.deepEqual(await answers(clock, [first, second, third]), [true, true, true]);
  assert.deepEqual(store.calls, [written(1), written([2, 3])], "at once, not an interval later");
  assert.equal(writer.lastBatchMs, 0);
  assert.equal(writer.oldestDirtyMs, 0);
});

Deno.test("covered() waits for every batch that holds what was noted before, and for nothing after", async () => {
  const { clock, store, note, writer } = await set({ batchMax: 2 });
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  store.gate = gates[0]!.promise;
  note(fact(1), fact(2), fact(3));
  const all = writer.covered();
  await clock.settle();
  store.gate = gates[1]!.promise;
  gates[0]!.resolve();
  assert.deepEqual(await answers(clock, [all]), [undefined]);
  note(fact(4));
  gates[1]!.resolve();
  assert.deepEqual(await answers(clock, [all]), [true]);
});

Deno.test("covered() is true at once when nothing waits", async () => {
  const { writer, store } = await set();
  assert.equal(await writer.covered(), true);
  assert.deepEqual(store.calls, []);
});

Deno.test("a batch that failed is written again, after pauses that double, with what came in meanwhile", async () => {
  const { clock, store, note, writer, lines } = await set();
  store.error = DOWN;
  note(fact(1), booked(2));
  const covered = writer.covered();
  await clock.settle();
  assert.deepEqual([writer.state, writer.trouble, writer.backlog], ["unavailable", "nothing listens there", 2]);
  note(booked(1), fact(2), fact(3));
  const failedMs = clock.monotonic();
  const startsMs: number[] = [];
  store.onCall = () => startsMs.push(clock.monotonic() - failedMs);
  await clock.advance(4_000);
  assert.deepEqual(startsMs, [50, 150, 350, 750, 1_550, 2_550, 3_550]);
  assert.equal(writer.oldestDirtyMs, 4_000);
  store.error = undefined;
  await clock.advance(1_000);
  assert.deepEqual(store.calls.at(-1), written([1, 2, 3]));
  assert.deepEqual([...store.rows.values()], [booked(1), booked(2), fact(3)]);
  assert.equal(await covered, true);
  assert.deepEqual([writer.state, writer.trouble], ["ready", ""]);
  assert.deepEqual(lines, [
    "info: the store works",
    "warning: the store does not work: nothing listens there",
    "info: the store works",
  ]);
});

Deno.test("jitter shortens a pause to as little as half", async () => {
  const clock = new VirtualClock();
  const store = new MemoryStore();
  store.error = DOWN;
  const limits = { batchMax: 3, intervalMs: 20, backlogMax: 10 };
  new StoreWriter({ store, clock, random: () => 0, limits, everything: () => [], log: () => {} });
  await clock.advance(0);
  assert.equal(store.calls.length, 1);
  await clock.advance(24);
  assert.equal(store.calls.length, 1);
  await clock.advance(1);
  assert.equal(store.calls.length, 2);
});

Deno.test("an error that is no trouble of the store's is not survived", async () => {
  const { clock, store, note } = await set();
  store.error = new TypeError("a mistake") as unknown as StoreError;
  const seen = Promise.withResolvers<unknown>();
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    seen.resolve(event.reason);
  };
  addEventListener("unhandledrejection", listener);
  note(fact(1));
  await clock.advance(0);
  assert.equal(await seen.promise, store.error);
  removeEventListener("unhandledrejection", listener);
});

Deno.test("beyond its limit a backlog is dropped and covers nothing, until everything is written anew", async () => {
  const { clock, store, book, note, writer } = await set({ batchMax: 4 });
  store.error = DOWN;
  note(fact(1));
  await clock.advance(30);
  note(...Array.from({ length: 9 }, (_, n) => fact(n + 2)));
  const waits = writer.covered();
  assert.equal(writer.overflow, false);
  note(fact(11));
  assert.deepEqual([writer.overflow, writer.backlog], [true, 0]);
  assert.deepEqual(await answers(clock, [waits, writer.covered()]), [false, false]);
  note(booked(1), fact(12));
  assert.equal(writer.backlog, 0);
  await clock.advance(1_000);
  assert.equal(writer.oldestDirtyMs, 1_030, "the first that was dropped");
  store.error = undefined;
  const open = Promise.withResolvers<void>();
  store.gate = open.promise;
  await clock.advance(1_000);
  note(booked(2));
  store.gate = undefined;
  open.resolve();
  await clock.settle();
  assert.deepEqual(await answers(clock, [writer.covered()]), [false], "not everything is written yet");
  await clock.advance(1_000);
  assert.deepEqual([writer.overflow, writer.backlog, writer.oldestDirtyMs], [false, 0, 0]);
  assert.deepEqual(new Map(store.rows), new Map([...book.facts()].map((fact) => [fact.id, fact])));
  assert.equal(await writer.covered(), true);
});

Deno.test("a batch that was on its way when the limit was reached does not end the overflow", async () => {
  const { clock, store, book, note, writer } = await set({ batchMax: 4, backlogMax: 4 });
  const open = Promise.withResolvers<void>();
  store.gate = open.promise;
  note(fact(1));
  await clock.advance(0);
  note(fact(2), fact(3), fact(4), fact(5));
  assert.equal(writer.overflow, true);
  store.gate = undefined;
  open.resolve();
  await clock.advance(1_000);
  assert.equal(writer.overflow, false);
  assert.equal(store.rows.size, book.pending.size);
});

Deno.test("rewrite() writes everything of the book without holding up what is noted", async () => {
  const { clock, store, book, note, writer } = await set();
  for (const n of [1, 2, 3, 4]) book.fold(fact(n));
  writer.rewrite();
  note(booked(5));
  assert.deepEqual(await answers(clock, [writer.covered()]), [true]);
  assert.deepEqual(store.calls, [written([5, 1, 2])]);
  await clock.advance(20);
  assert.deepEqual(store.calls, [written([5, 1, 2]), written([3, 4, 5])]);
});

Deno.test("a purge forgets what waits, answers who waits, and reaches the store before anything of the new epoch", async () => {
  const { clock, store, note, writer, stored } = await set();
  const open = Promise.withResolvers<void>();
  store.gate = open.promise;
  note(...[1, 2, 3, 4].map(fact));
  const waits = writer.covered();
  await clock.settle();
  writer.purge(7);
  assert.equal(await waits, true);
  assert.equal(writer.backlog, 0);
  note(fact(5));
  const after = writer.covered();
  store.gate = undefined;
  open.resolve();
  assert.deepEqual(await answers(clock, [after]), [true]);
  assert.deepEqual(store.calls, [written([1, 2, 3]), { purge: 7 }, { write: [id(5)], epoch: 7 }]);
  assert.deepEqual([...store.rows.keys()], [id(5)]);
  assert.deepEqual(stored, [[id(5)]], "nothing is said of the facts of an older epoch");
});

Deno.test("a purge that fails is tried again before anything is written", async () => {
  const { clock, store, note, writer } = await set();
  store.error = DOWN;
  writer.purge(1);
  note(fact(1));
  await clock.advance(60);
  store.error = undefined;
  await clock.advance(1_000);
  assert.deepEqual(store.calls.slice(-3), [{ purge: 1 }, { purge: 1 }, { write: [id(1)], epoch: 1 }]);
});

Deno.test("stop() writes what is left and closes the store in good order", async () => {
  const { clock, store, note, writer } = await set();
  note(...[1, 2, 3, 4].map(fact));
  const stopped = writer.stop();
  assert.deepEqual(await answers(clock, [stopped]), [true]);
  assert.deepEqual(store.calls, [written([1, 2, 3]), written(4), { close: true }]);
  note(fact(5));
  assert.equal(await writer.covered(), false);
  await clock.advance(5_000);
  assert.deepEqual([store.calls.length, clock.timers], [3, 0]);
});

Deno.test("stop() gives up after its time where the store does not work", async () => {
  const { clock, store, note, writer } = await set();
  store.error = DOWN;
  note(fact(1));
  const waits = writer.covered();
  const stopped = writer.stop(400);
  await clock.advance(399);
  assert.deepEqual(await answers(clock, [stopped, waits]), [undefined, undefined]);
  await clock.advance(1);
  assert.deepEqual(await answers(clock, [stopped, waits]), [false, false]);
  assert.deepEqual(store.calls.at(-1), { close: false });
  assert.equal(clock.timers, 0);
});

Deno.test("stop() gives up after its time where the store does not answer", async () => {
  const { clock, store, note, writer } = await set();
  store.gate = new Promise(() => {});
  note(fact(1));
  const stopped = writer.stop(400);
  await clock.advance(800);
  assert.equal(await stopped, false);
  assert.equal(clock.timers, 0);
});

Deno.test("whatever fails and overflows: what is said to be covered is stored, and in the end everything is", async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: contradictingFact.map((fact) => ({ note: fact })) },
    { weight: 2, arbitrary: fc.constant({ cover: true } as const) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 200 }).map((ms) => ({ advance: ms })) },
    { weight: 1, arbitrary: fc.boolean().map((down) => ({ down })) },
    { weight: 1, arbitrary: fc.constant({ rewrite: true } as const) },
    { weight: 1, arbitrary: fc.constant({ purge: true } as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), async (steps, backlogMax) => {
      const { clock, store, book, note, writer } = await set({ batchMax: 2, backlogMax });
      for (const step of steps) {
        if ("note" in step) note(step.note);
        else if ("advance" in step) await clock.advance(step.advance);
        else if ("down" in step) store.error = step.down ? DOWN : undefined;
        else if ("rewrite" in step) writer.rewrite();
        else if ("purge" in step) {
          book.purge(book.epoch + 1);
          writer.purge(book.epoch);
        } else {
          const { epoch } = book;
          const ids = [...book.facts()].map(({ id }) => id);
          writer.covered().then((covered) => {
            if (covered && epoch === book.epoch) { for (const id of ids) assert.ok(store.rows.has(id)); }
          });
        }
      }
      store.error = undefined;
      await clock.advance(5_000);
      const known = [...book.facts()].sort((a, b) => a.id < b.id ? -1 : 1);
      assert.deepEqual([...store.rows.values()].sort((a, b) => a.id < b.id ? -1 : 1), known);
      assert.deepEqual([writer.overflow, writer.backlog, clock.timers], [false, 0, 0]);
    }),
    { numRuns: 150 },
  );
});

Deno.test("a store in a later epoch stores nothing: who waits is told, and everything is written anew there", async () => {
  const { clock, store, note, writer, told } = await set();
  store.epoch = 4;
  note(fact(1));
  const covered = writer.covered();
  await clock.settle();
  assert.equal(await covered, false);
  assert.equal(told.at(-1), 4);
  assert.equal(store.rows.size, 0);
});
