/** What every {@link Store} does, whatever it is made of. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Payment } from "../../src/payment/payment.ts";
import type { Batch, Store, Stored } from "../../src/store/store.ts";
import { anyPayment } from "./arbitrary.ts";

/** A store that is new, for one test. */
export interface Fresh {
  /** another way to the same store, as the other replica has one; closed with the test */
  store(): Store;
  close(): Promise<void>;
}

export const LOG = "0b8a3c52-6b0e-4a55-9d6f-0f4c1f6f0d10";
export const OTHER_LOG = "7d2f9d1e-2f5c-4f7b-8a55-1f2e3d4c5b6a";
export const NOTHING: Stored = { logId: null, position: 0, hash: 0, doubtedUptimeMs: null };
/** Payments that a store reads at once, at most. */
const PAGE_MAX = 512;

/** The id of a payment. */
export function id(n: number): string {
  return `4a7901b8-7d26-4d9d-aa19-${n.toString(16).padStart(12, "0")}`;
}

/** A payment that was only accepted. */
export function pending(n: number, changed: Partial<Payment> = {}): Payment {
  return {
    ...{ id: id(n), cents: 1990, acceptedAt: 1_751_328_000_123 + n, owner: "b", stage: "accepted", attempt: 0 },
    ...{
      processor: null,
      requestedAt: 0,
      reason: "accepted",
      position: 100 + n,
      askFirst: null,
      doubtedUptimeMs: null,
    },
    ...changed,
  };
}

/** A payment that is settled. */
export function settled(n: number, changed: Partial<Payment> = {}): Payment {
  const end = {
    stage: "settled",
    attempt: 1,
    requestedAt: 1_751_328_000_456 + n,
    reason: "booked",
    position: 0,
  } as const;
  return pending(n, { ...end, processor: n % 2 ? "fallback" : "default", ...changed });
}

/** A batch from one position of {@link LOG} to another. */
export function batch(
  from: Batch["from"],
  position: number,
  payments: Iterable<Payment> = [],
  replacesAll = false,
): Batch {
  return { from, to: { logId: LOG, position, hash: position * 7 + 1, doubtedUptimeMs: null }, replacesAll, payments };
}

/** Everything a store holds, by id, and where it is. */
export async function loaded(store: Store): Promise<{ stored: Stored; rows: Map<string, Payment> }> {
  const rows = new Map<string, Payment>();
  const stored = await store.load((payment) => {
    assert.ok(!rows.has(payment.id), `${payment.id} is loaded twice`);
    rows.set(payment.id, payment);
  });
  return { stored, rows };
}

export function byId(payments: Iterable<Payment>): Map<string, Payment> {
  return new Map(Array.from(payments, (payment) => [payment.id, payment]));
}

type Test = (fresh: Fresh) => Promise<void>;

const TESTS: Readonly<Record<string, Test>> = {
  async "a new store holds nothing, of no log"(fresh) {
    const store = fresh.store();
    assert.deepEqual(await store.stored(), NOTHING);
    assert.deepEqual(await loaded(store), { stored: NOTHING, rows: new Map() });
  },

  async "every field of a payment and of the position is loaded exactly as it was written"(fresh) {
    const [store, other] = [fresh.store(), fresh.store()];
    const state = fc.record({
      logId: fc.constantFrom(LOG, OTHER_LOG),
      position: fc.maxSafeNat(),
      hash: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      doubtedUptimeMs: fc.option(fc.double({ min: 0, max: 1e12, noNaN: true }).map((ms) => ms + 0)),
    }, { noNullPrototype: true });
    const payments = fc.uniqueArray(anyPayment, { selector: ({ id }) => id, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(state, payments, async (to, payments) => {
        const from = await other.stored();
        assert.deepEqual(await store.write({ from, to, replacesAll: true, payments }), to);
        assert.deepEqual(await other.stored(), to);
        assert.deepEqual(await loaded(other), { stored: to, rows: byId(payments) });
      }),
      { numRuns: 40 },
    );
  },

  async "a write from another position than the store's does nothing, and returns where the store is"(fresh) {
    const [store, other] = [fresh.store(), fresh.store()];
    const first = batch(NOTHING, 10, [pending(1)]);
    assert.deepEqual(await store.write(first), first.to);
    const elsewhere = [
      NOTHING,
      { logId: LOG, position: 9 },
      { logId: LOG, position: 11 },
      { logId: OTHER_LOG, position: 10 },
      { logId: null, position: 10 },
    ];
    for (const from of elsewhere) {
      assert.deepEqual(await other.write(batch(from, 20, [settled(1), pending(2)])), first.to);
      assert.deepEqual(await other.write(batch(from, 20, [pending(3)], true)), first.to);
      assert.deepEqual(await loaded(other), { stored: first.to, rows: byId([pending(1)]) });
    }
    const second = batch(first.to, 20, [settled(1), pending(2)]);
    assert.equal(await other.write(second), second.to);
    // nothing is committed for a writer that comes too late with the same position
    const late = batch(first.to, 20, [pending(4)]);
    assert.notEqual(await store.write(late), late.to);
    assert.deepEqual(await loaded(store), { stored: second.to, rows: byId([settled(1), pending(2)]) });
  },

  async "of writers that come from the same position at once one is taken, whole"(fresh) {
    const stores = [fresh.store(), fresh.store(), fresh.store()];
    let from: Batch["from"] = NOTHING;
    let rows = new Map<string, Payment>();
    for (let round = 1; round <= 20; round++) {
      const moves = stores.map((_, n) =>
        batch(from, 10 * round + n, [1, 2, 3].map((i) => settled(i, { cents: 10 * round + n })), round % 5 === 0)
      );
      const said = await Promise.all(stores.map((store, n) => store.write(moves[n]!)));
      const taken = moves.find(({ to }) => to.position === said[0]!.position)!;
      assert.deepEqual(said, [taken.to, taken.to, taken.to]);
      rows = new Map([...rows, ...byId(taken.payments)]);
      assert.deepEqual(await loaded(stores[0]!), { stored: taken.to, rows });
      from = taken.to;
    }
  },

  async "a write that purges leaves what it brings, and nothing else"(fresh) {
    const store = fresh.store();
    const first = batch(NOTHING, 10, [pending(1), settled(2), pending(3)]);
    await store.write(first);
    const second = batch(first.to, 20, [pending(3, { stage: "dispatched", attempt: 1, processor: "default" })], true);
    await store.write(second);
    assert.deepEqual(await loaded(store), { stored: second.to, rows: byId(second.payments) });
    const third = batch(second.to, 30, [settled(1)]);
    await store.write(third);
    assert.deepEqual((await loaded(store)).rows, byId([...second.payments, settled(1)]));
  },

  async "a write of any size is one: it is taken whole, or leaves everything as it was"(fresh) {
    const store = fresh.store();
    const first = batch(NOTHING, 10, [pending(1), settled(7)]);
    await store.write(first);
    const many = Array.from({ length: 2_345 }, (_, n) => n % 3 ? settled(n) : pending(n));
    const broken = new Error("invariant: broken");
    for (const replacesAll of [false, true]) {
      const breaking = function* () {
        yield* many;
        throw broken;
      };
      await assert.rejects(store.write(batch(first.to, 20, breaking(), replacesAll)), (error) => error === broken);
      assert.deepEqual(await loaded(store), { stored: first.to, rows: byId(first.payments) });
    }
    const whole = batch(first.to, 20, many);
    assert.deepEqual(await store.write(whole), whole.to);
    assert.deepEqual(await loaded(store), { stored: whole.to, rows: byId(many) });
  },

  async "payments are loaded one by one, settled ones by requestedAt and after the pending"(fresh) {
    const store = fresh.store();
    const count = 2 * PAGE_MAX + 1;
    const payments = Array.from({ length: count }, (_, n) => settled(n, { requestedAt: n * 7_919 % count }));
    await store.write(batch(NOTHING, 10, [...payments, pending(count)]));
    const all: Payment[] = [];
    await store.load((payment) => all.push(payment));
    const [first, ...others] = all;
    assert.deepEqual(first, pending(count));
    const times = others.map(({ requestedAt }) => requestedAt);
    assert.deepEqual(times, Array.from({ length: count }, (_, n) => n));
  },

  async "what is written while a store is loaded is not loaded, and neither is its position"(fresh) {
    const [store, other] = [fresh.store(), fresh.store()];
    const first = batch(NOTHING, 10, Array.from({ length: 2 * PAGE_MAX }, (_, n) => n % 2 ? settled(n) : pending(n)));
    await store.write(first);
    const second = batch(first.to, 20, [pending(1), settled(9_999)], true);
    let writing: Promise<Stored> | undefined;
    const rows = new Map<string, Payment>();
    const stored = await store.load((payment) => {
      writing ??= other.write(second);
      rows.set(payment.id, payment);
    });
    assert.deepEqual({ stored, rows }, { stored: first.to, rows: byId(first.payments) });
    assert.deepEqual(await writing, second.to);
    assert.deepEqual(await loaded(store), { stored: second.to, rows: byId(second.payments) });
  },

  async "what a reader throws while payments are loaded comes out as it is, and the store goes on"(fresh) {
    const store = fresh.store();
    await store.write(batch(NOTHING, 10, [pending(1)]));
    const broken = new Error("invariant: broken");
    const throws = () => {
      throw broken;
    };
    await assert.rejects(store.load(throws), (error) => error === broken);
    assert.deepEqual((await loaded(store)).rows, byId([pending(1)]));
  },
};

/** Has every test of the contract run on stores that `make` makes. */
export function testStore(name: string, options: { ignore: boolean }, make: () => Promise<Fresh>): void {
  for (const [says, test] of Object.entries(TESTS)) {
    Deno.test(`${name}: ${says}`, options, async () => {
      const fresh = await make();
      try {
        await test(fresh);
      } finally {
        await fresh.close();
      }
    });
  }
}
