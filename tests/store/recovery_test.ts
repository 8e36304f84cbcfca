import assert from "node:assert/strict";
import { Book } from "../../src/payment/book.ts";
import { accepted, dispatched, type Fact, settled, SUSPECT } from "../../src/payment/fact.ts";
import { type Opened, StoreError } from "../../src/store/store.ts";
import { Recovery, STORE_RETRY_MS, STORE_WAIT_MS } from "../../src/store/recovery.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { MemoryStore } from "./memory_store.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const OTHER = "5b7901b8-7d26-4d9d-aa19-4dc1c7cf60b4";
const REQUEST_TIMEOUT_MS = 10_000;
const RECALL_MS = 60_000;

/** A store that answers only while it is `there`. */
class LateStore extends MemoryStore {
  there = true;
  opened: Opened = { epoch: 0, state: "clean" };

  override open(): Promise<Opened> {
    return this.there
      ? Promise.resolve(this.opened)
      : Promise.reject(new StoreError("unavailable", "the store is not there"));
  }
}

function setUp() {
  const clock = new VirtualClock();
  const book = new Book();
  const store = new LateStore();
  const recorded: Fact[] = [];
  const events: string[] = [];
  const recovery = new Recovery({
    ...{ self: "a", book, clock, store, requestTimeoutMs: REQUEST_TIMEOUT_MS, recallMs: RECALL_MS },
    beginEpoch: (epoch) => void book.purge(epoch),
    rebase: (epoch) => {
      events.push(`rebase ${epoch}`);
      book.rebase(epoch);
    },
    recalls: (ms) => events.push(`recalls ${ms}`),
    record: (fact) => {
      book.fold(fact);
      recorded.push(fact);
    },
    log: () => {},
  });
  return { clock, book, store, recorded, events, recovery };
}

function stored(clock: VirtualClock): { pending: Fact; done: Fact } {
  const pending = accepted(ID, 1990, clock.now(), "a");
  const bound = dispatched(accepted(OTHER, 1990, clock.now(), "b"), "b", "default", clock.now(), "default-up");
  return { pending, done: settled(bound, "default", bound.requestedAt, 1990, "default-up") };
}

Deno.test("after a clean stop everything is known again and nothing is in doubt", async () => {
  const { clock, book, store, recovery } = setUp();
  const { pending, done } = stored(clock);
  for (const fact of [pending, done]) store.rows.set(fact.id, fact);
  store.opened = { epoch: 3, state: "clean" };
  await recovery.recover(false);
  assert.equal(book.epoch, 3);
  assert.deepEqual(book.get(ID), pending);
  assert.deepEqual(book.get(OTHER), done);
  assert.deepEqual(book.summary().default, { count: 1, cents: 1990 });
  assert.equal(recovery.doubtUntil, 0);
});

Deno.test("after a crash what is pending is suspect, and so is every id for a while", async () => {
  const { clock, book, store, recovery, events } = setUp();
  const { pending, done } = stored(clock);
  for (const fact of [pending, done]) store.rows.set(fact.id, fact);
  store.opened = { epoch: 0, state: "crashed" };
  await recovery.recover(false);
  assert.deepEqual(book.get(ID), { ...pending, doubt: SUSPECT, doubtUntil: clock.now() + REQUEST_TIMEOUT_MS });
  assert.deepEqual(book.get(OTHER), done);
  assert.deepEqual(events, [`recalls ${RECALL_MS}`]);
  assert.equal(recovery.doubtUntil, clock.now() + REQUEST_TIMEOUT_MS);
  await clock.advance(RECALL_MS - 1);
  assert.equal(recovery.doubtUntil, clock.now());
  await clock.advance(1);
  assert.equal(recovery.doubtUntil, 0);
});

Deno.test("a store that does not answer in time is gone on without, every id is suspect, and it is read when it is there", async () => {
  const { clock, book, store, recovery } = setUp();
  const { done } = stored(clock);
  store.rows.set(done.id, done);
  store.there = false;
  const recovering = recovery.recover(false);
  await clock.advance(STORE_WAIT_MS);
  await recovering;
  assert.notEqual(recovery.doubtUntil, 0);
  assert.equal(book.get(OTHER), undefined);
  store.there = true;
  await clock.advance(STORE_RETRY_MS);
  assert.deepEqual(book.get(OTHER), done);
});

Deno.test("what was accepted without the store stays when the store turns out to be in a later epoch", async () => {
  const { clock, book, store, recovery, events } = setUp();
  const { pending, done } = stored(clock);
  store.rows.set(done.id, done);
  store.opened = { epoch: 7, state: "crashed" };
  store.there = false;
  const recovering = recovery.recover(false);
  await clock.advance(STORE_WAIT_MS);
  await recovering;
  book.fold(pending);
  store.there = true;
  await clock.advance(STORE_RETRY_MS);
  assert.equal(events.at(-1), "rebase 7");
  assert.equal(book.epoch, 7);
  assert.deepEqual(book.get(ID), pending);
  assert.deepEqual(book.get(OTHER), done);
});
