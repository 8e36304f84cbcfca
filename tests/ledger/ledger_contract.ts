/** What every {@link Ledger} has to keep, whatever log it is on: files, or a stream; real, or of the simulation. @module */
import assert from "node:assert/strict";
import type { Ledger, Receipt } from "../../src/ledger/ledger.ts";
import {
  dispatched,
  type Fact,
  type Processor,
  PROCESSORS,
  released,
  type ReplicaId,
  settled,
} from "../../src/payment/fact.ts";
import type { Payment } from "../../src/payment/payment.ts";
import { Roster } from "../../src/payment/roster.ts";
import { until } from "../support/until.ts";
import { accepted, idOf } from "./side.ts";

/** The replicas whose ledgers are tested. */
export const TRIO = new Roster(["a", "b", "c"]);
const RACES = 20;
/** Payments that all replicas work on at once. */
const PAYMENTS = 30;

/** Logs, one after the other, and the replicas' ledgers on them. Time passes by itself. */
export interface LedgerHome extends AsyncDisposable {
  /** Begins a log in place of the one before, whose ledgers end. */
  begin(): Promise<void>;
  /** Opens a replica's ledger on the log that was begun last. */
  open(by: ReplicaId): Promise<Ledger>;
}

type Taken = Exclude<Receipt, { kind: "not-taken" }>;

/** One replica's ledger, and what its observer was told. */
class Replica {
  readonly told: { position: number; fact: Fact; holds: boolean; payment: Payment | undefined }[] = [];

  constructor(readonly by: ReplicaId, readonly ledger: Ledger) {
    ledger.observe({
      folded: (fact, holds, payment) => void this.told.push({ position: ledger.position - 1, fact, holds, payment }),
    });
  }

  /** @param isRead as {@link Ledger.append} has it */
  async append(fact: Fact, isRead?: boolean): Promise<Taken> {
    const receipt = await this.ledger.append(fact, isRead);
    assert.ok(receipt.kind !== "not-taken");
    return receipt;
  }

  accept(n: number, cents?: number): Promise<Taken> {
    return this.append(accepted(n, this.by, cents));
  }

  /** Folds all that was appended before; a barrier that was too slow is tried again. */
  async catchUp(): Promise<void> {
    await until(async () => await this.ledger.barrier() !== false);
  }
}

const bind = (payment: Payment, by: ReplicaId, processor: Processor = "default") =>
  dispatched(payment, by, processor, 5_000, "default-up");
const settle = (payment: Payment, by: ReplicaId) => {
  const { processor, requestedAt, cents } = payment;
  return settled(payment, by, 9_000, { processor: processor!, requestedAt, cents }, "found-booked");
};

type Trio = readonly [Replica, Replica, Replica];

const catchUp = (replicas: readonly Replica[]) => Promise.all(replicas.map((replica) => replica.catchUp()));

/** All have this payment, once they have caught up. */
async function assertAll(trio: Trio, n: number, payment: Payment): Promise<void> {
  await catchUp(trio);
  for (const { ledger: { book } } of trio) assert.deepEqual(book.get(idOf(n)), payment);
}

/** Two replicas append, and neither has read what the other appends; who is first in the array writes first. */
async function race(both: readonly (readonly [Replica, Fact])[]): Promise<{ winner: ReplicaId; payment: Payment }> {
  for (const [{ ledger }] of both) ledger.catchUp();
  const receipts = await Promise.all(both.map(([replica, fact]) => replica.append(fact, true)));
  assert.deepEqual(receipts.map(({ kind }) => kind).sort(), ["holds", "void"]);
  assert.deepEqual(receipts[0]!.payment, receipts[1]!.payment);
  const { payment } = receipts[0]!;
  return { winner: both[receipts.findIndex(({ kind }) => kind === "holds")]![0].by, payment: payment! };
}

/** All replicas take the same payments, and each tries to bind and to settle every one. @returns the facts that hold */
async function work(trio: Trio): Promise<Fact[]> {
  const held: Fact[] = [];
  const serve = async (replica: Replica, n: number) => {
    const { by } = replica;
    let payment: Payment | undefined;
    while (payment?.stage !== "settled") {
      let fact: Fact = accepted(n, by, n);
      if (payment) fact = payment.stage === "accepted" ? bind(payment, by, PROCESSORS[n % 2]) : settle(payment, by);
      const receipt = await replica.append(fact);
      if (receipt.kind === "holds") held.push(fact);
      payment = receipt.payment;
    }
  };
  await Promise.all(trio.map(async (replica) => {
    for (let n = 1; n <= PAYMENTS; n++) await serve(replica, n);
  }));
  await catchUp(trio);
  return held;
}

type Test = (trio: Trio, home: LedgerHome) => Promise<void>;

const CASES: Readonly<Record<string, Test>> = {
  async "an accepted payment holds, and its receipt has the payment"([a, b, c]) {
    const receipt = await a.accept(1, 7);
    const position = a.told[0]!.position;
    const payment: Payment = {
      ...{ id: idOf(1), cents: 7, acceptedAt: 1_001, owner: "a", stage: "accepted", attempt: 0, processor: null },
      ...{ requestedAt: 0, reason: "accepted", position, askFirst: null, doubtedUptimeMs: null },
    };
    assert.deepEqual(receipt, { kind: "holds", payment });
    await assertAll([a, b, c], 1, payment);
  },

  async "of one id at two ledgers at once one holds, the other is void, and both say the same"([a, b, c]) {
    for (let n = 0; n < RACES; n++) {
      const both = [[a, accepted(n, "a", 7)], [b, accepted(n, "b", 1990)]] as const;
      const { winner, payment } = await race(n % 2 ? both : both.toReversed());
      assert.deepEqual([payment.owner, payment.cents], winner === "a" ? ["a", 7] : ["b", 1990]);
      await assertAll([a, b, c], n, payment);
    }
  },

  async "a fact over the newest one holds; one over an older one is void, and changes nothing"([a, b, c]) {
    const { payment: first } = await a.accept(1);
    await b.catchUp();
    const { kind, payment: bound } = await b.append(bind(first!, "b", "fallback"));
    const { position } = b.told.at(-1)!;
    assert.deepEqual([kind, bound], ["holds", {
      ...{ ...first!, owner: "b", stage: "dispatched", attempt: 1, processor: "fallback", requestedAt: 5_000 },
      ...{ reason: "default-up", position },
    }]);
    for (const stale of [bind(first!, "a"), released(first!, "a", 2, "failed", true)]) {
      assert.deepEqual(await a.append(stale), { kind: "void", payment: bound });
    }
    await assertAll([a, b, c], 1, bound!);
    const { kind: last, payment } = await a.append(released(bound!, "a", 6_000, "failed", true));
    assert.deepEqual([last, payment?.stage, payment?.askFirst], ["holds", "released", "fallback"]);
  },

  async "of two facts made from the same one by two ledgers exactly one holds"([a, b, c]) {
    for (let n = 0; n < RACES; n++) {
      const { payment: first } = await c.accept(n);
      await catchUp([a, b]);
      const both = [[a, bind(first!, "a", "default")], [b, bind(first!, "b", "fallback")]] as const;
      const { winner, payment } = await race(n % 2 ? both : both.toReversed());
      const { owner, processor, attempt } = payment;
      assert.deepEqual([owner, processor, attempt], [winner, winner === "a" ? "default" : "fallback", 1]);
      await assertAll([a, b, c], n, payment);
    }
  },

  async "barrier() has folded all that others appended before the call"([a, b, c]) {
    for (let n = 0; n < RACES; n++) {
      const [{ payment: first }, { payment: second }] = await Promise.all([a.accept(2 * n), b.accept(2 * n + 1)]);
      await c.catchUp();
      assert.deepEqual([2 * n, 2 * n + 1].map((id) => c.ledger.book.get(idOf(id))), [first, second]);
      assert.equal(c.told.length, 2 * n + 2);
    }
  },

  async "after a purge an id is accepted again, and a payment that is bound is kept"([a, b, c]) {
    await a.accept(1);
    const bound = (await b.append(bind((await b.accept(2)).payment!, "b"))).payment!;
    const booked = (await c.append(bind((await c.accept(3)).payment!, "c"))).payment!;
    await c.append(settle(booked, "c"));
    await b.catchUp();
    assert.deepEqual(await b.append({ kind: "purged", by: "b", at: 1 }), { kind: "holds", payment: undefined });
    await catchUp([a, b, c]);
    const none = { count: 0, cents: 0 };
    for (const { ledger: { book } } of [a, b, c]) {
      assert.deepEqual([...book.pending.values()], [bound]);
      assert.deepEqual([book.settled.size, book.summary()], [0, { default: none, fallback: none }]);
    }
    assert.deepEqual(await a.accept(2), { kind: "void", payment: bound });
    for (const [n, replica] of [[1, b], [3, c]] as const) {
      const { kind, payment } = await replica.accept(n, 5);
      assert.deepEqual([kind, payment?.owner, payment?.cents], ["holds", replica.by, 5]);
    }
    assert.equal((await a.append(settle(bound, "a"))).kind, "holds");
    await catchUp([a, b, c]);
    for (const { ledger: { book } } of [a, b, c]) {
      assert.deepEqual([...book.pending.keys()].sort(), [idOf(1), idOf(3)]);
      assert.deepEqual(book.summary(), { default: { count: 1, cents: 1990 }, fallback: none });
    }
  },

  async "all ledgers end with the same hash, position and settled sums, also one that is opened later"(trio, home) {
    await work(trio);
    const late = new Replica("c", await home.open("c"));
    await late.catchUp();
    const all = [...trio, late].map(({ ledger }) => ledger);
    await until(() => new Set(all.map(({ position }) => position)).size === 1);
    const end = ({ hash, position, checkpoints, book }: Ledger) => ({
      ...{ hash, position, checkpoints: [...checkpoints], summary: book.summary(), pending: book.pending.size },
      settledBy: TRIO.names.map((name) => book.settledBy(name)),
    });
    const expected = end(all[0]!);
    for (const ledger of all.slice(1)) assert.deepEqual(end(ledger), expected);
    // the even numbers up to 30, and the odd ones
    assert.deepEqual(expected.summary, { default: { count: 15, cents: 240 }, fallback: { count: 15, cents: 225 } });
    assert.equal(expected.settledBy.reduce((sum, by) => sum + by.default.cents + by.fallback.cents, 0), 465);
    assert.equal(expected.pending, 0);
  },

  async "observers are told every fact once, in one order, with one verdict, at all ledgers"(trio) {
    const held = await work(trio);
    const [{ told }, ...others] = trio;
    for (const other of others) assert.deepEqual(other.told, told);
    assert.equal(new Set(told.map(({ fact }) => JSON.stringify(fact))).size, told.length);
    assert.deepEqual(told.map(({ position }) => position), told.map(({ position }) => position).sort((x, y) => x - y));
    // each payment is accepted, bound and settled once, and that is what the receipts said
    assert.equal(held.length, 3 * PAYMENTS);
    const text = (facts: readonly Fact[]) => facts.map((fact) => JSON.stringify(fact)).sort();
    assert.deepEqual(text(told.filter(({ holds }) => holds).map(({ fact }) => fact)), text(held));
  },
};

/** Runs every test of the contract, each on a log of its own. */
export function ledgerContract(
  name: string,
  make: () => Promise<LedgerHome>,
  options: { ignore?: boolean } = {},
): void {
  Deno.test({
    ...options,
    name: `${name} keeps the contract of a ledger`,
    async fn(context) {
      await using home = await make();
      for (const [what, run] of Object.entries(CASES)) {
        await context.step(what, async () => {
          await home.begin();
          const replicas = await Promise.all(TRIO.names.map(async (by) => new Replica(by, await home.open(by))));
          await run(replicas as unknown as Trio, home);
        });
      }
    },
  });
}
