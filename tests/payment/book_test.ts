import assert from "node:assert/strict";
import fc from "fast-check";
import { Book } from "../../src/payment/book.ts";
import {
  dispatched,
  type Fact,
  type FollowUp,
  type Processor,
  PROCESSORS,
  released,
  type ReplicaId,
  settled,
} from "../../src/payment/fact.ts";
import { CENTS_MAX, TOTAL_CENTS_MAX } from "../../src/payment/money.ts";
import { mayBeBooked, type Payment } from "../../src/payment/payment.ts";
import { PAIR } from "../support/pair.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const OTHER_ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b4";
const NONE = { count: 0, cents: 0 };

/** A book and the log it is folded from. */
class Told {
  readonly book = new Book();
  readonly log: Fact[] = [];

  /** @returns whether the fact holds */
  tell(fact: Fact): boolean {
    this.log.push(fact);
    return this.book.fold(fact, this.log.length);
  }

  accept(id: string, cents = 1990, by: ReplicaId = "a", doubt = false): boolean {
    return this.tell({ kind: "accepted", by, id, cents, at: 1_000, doubt });
  }

  bind(id: string, processor: Processor = "default", by: ReplicaId = "a"): boolean {
    return this.tell(dispatched(this.book.get(id)!, by, processor, 1_005, "default-up"));
  }

  free(id: string, ask = false): boolean {
    return this.tell(released(this.book.get(id)!, "a", 1_010, "failed", ask));
  }

  settle(id: string, processor: Processor = "default", by: ReplicaId = "a", requestedAt = 1_005): boolean {
    const payment = this.book.get(id)!;
    return this.tell(settled(payment, by, 1_020, { processor, requestedAt, cents: payment.cents }, "booked"));
  }

  purge(): boolean {
    return this.tell({ kind: "purged", by: "a", at: 2_000 });
  }

  get stages(): Record<string, string> {
    return Object.fromEntries(Array.from(this.book.pending, ([id, { stage }]) => [id, stage]));
  }
}

/** Everything a book shows. */
function shown(book: Book) {
  const settled = Array.from({ length: book.settled.size }, (_, i) => book.settled.at(i));
  const windows = [0, 1, 2, 3].flatMap((from) => [0, 1, 2, 3].map((to) => book.summary(from, to)));
  const { doubtedUptimeMs } = book;
  const settledBy = PAIR.names.map((name) => book.settledBy(name));
  return { pending: [...book.pending.values()], settled, windows, all: book.summary(), settledBy, doubtedUptimeMs };
}

Deno.test("a payment goes from pending to settled and is counted once, in cents, for the replica that settled it", () => {
  const told = new Told();
  const { book } = told;
  told.accept(ID);
  told.bind(ID);
  assert.deepEqual(told.stages, { [ID]: "dispatched" });
  assert.deepEqual(book.summary(), { default: NONE, fallback: NONE });
  assert.equal(told.settle(ID, "default", "b"), true);
  assert.deepEqual(told.stages, {});
  assert.equal(book.get(ID)!.stage, "settled");
  assert.equal(book.settled.size, 1);
  assert.deepEqual(book.summary(), { default: { count: 1, cents: 1990 }, fallback: NONE });
  const settledBy = PAIR.names.map((name) => book.settledBy(name));
  assert.deepEqual(settledBy, [
    { default: NONE, fallback: NONE },
    { default: { count: 1, cents: 1990 }, fallback: NONE },
  ]);
});

Deno.test("the same id again is void: the first in the log is the payment, pending or settled", () => {
  const told = new Told();
  assert.equal(told.accept(ID, 1990, "a"), true);
  assert.equal(told.accept(ID, 5, "b"), false);
  assert.deepEqual([told.book.get(ID)!.cents, told.book.get(ID)!.owner], [1990, "a"]);
  told.settle(ID);
  assert.equal(told.accept(ID, 5, "b"), false);
  assert.equal(told.book.get(ID)!.stage, "settled");
  assert.equal(told.book.pending.size, 0);
});

Deno.test("a step of a payment that is not known, or settled, is void and changes nothing", () => {
  const told = new Told();
  told.accept(ID);
  const stale = settled(told.book.get(ID)!, "a", 1, { processor: "fallback", requestedAt: 1, cents: 7 }, "booked");
  assert.equal(told.tell({ ...stale, id: OTHER_ID }), false);
  assert.equal(told.settle(ID), true);
  const before = shown(told.book);
  assert.equal(told.tell(stale), false);
  assert.equal(told.tell({ ...stale, over: 0 }), false);
  assert.deepEqual(shown(told.book), before);
});

Deno.test("of two facts that were made from the same one, the first holds and the second is void", () => {
  const told = new Told();
  told.accept(ID);
  const payment = told.book.get(ID)!;
  assert.equal(told.tell(dispatched(payment, "a", "default", 1, "default-up")), true);
  assert.equal(told.tell(dispatched(payment, "b", "fallback", 2, "patience-over")), false);
  assert.deepEqual([told.book.get(ID)!.processor, told.book.get(ID)!.attempt], ["default", 1]);
});

Deno.test("moved gives the other replica all that the dead owner had not settled, and nothing else", () => {
  const told = new Told();
  told.accept(ID, 1, "a");
  told.bind(ID);
  told.accept(OTHER_ID, 2, "b");
  const { position } = told.book.get(OTHER_ID)!;
  assert.equal(told.tell({ kind: "moved", by: "b", from: "a", at: 1 }), true);
  assert.deepEqual([...told.book.pending.values()].map(({ owner, stage, position }) => [owner, stage, position]), [
    ["b", "dispatched", 4],
    ["b", "accepted", position],
  ]);
});

Deno.test("doubted puts all that is pending in doubt, and later payments where their writer says so", () => {
  const told = new Told();
  told.accept(ID);
  assert.equal(told.book.doubtedUptimeMs, null);
  assert.equal(told.tell({ kind: "doubted", by: "a", at: 1, uptimeMs: 60_000.5 }), true);
  assert.equal(told.book.doubtedUptimeMs, 60_000.5);
  assert.deepEqual([told.book.get(ID)!.doubtedUptimeMs, told.book.get(ID)!.position], [60_000.5, 2]);
  const [sure, unsure] = [crypto.randomUUID(), crypto.randomUUID()];
  told.accept(sure, 1, "a", false);
  told.accept(unsure, 1, "a", true);
  assert.deepEqual([told.book.get(sure)!.doubtedUptimeMs, told.book.get(unsure)!.doubtedUptimeMs], [null, 60_000.5]);
});

Deno.test("a purge keeps what may be booked, which then ends and counts, and forgets everything else", () => {
  const told = new Told();
  const ids = ["accepted", "bound", "failed", "free", "doubted", "settled"];
  const id = Object.fromEntries(ids.map((name) => [name, crypto.randomUUID() as string])) as Record<string, string>;
  for (const name of ids) told.accept(id[name]!, 10, "a");
  for (const name of ["bound", "failed", "free", "settled"]) told.bind(id[name]!);
  told.free(id.failed!, true);
  told.free(id.free!);
  told.settle(id.settled!);
  const again = crypto.randomUUID();
  told.tell({ kind: "accepted", by: "a", id: again, cents: 10, at: 1, doubt: true });
  assert.equal(told.purge(), true);
  assert.deepEqual(told.stages, { [id.bound!]: "dispatched", [id.failed!]: "released", [again]: "accepted" });
  assert.deepEqual([told.book.settled.size, told.book.summary()], [0, { default: NONE, fallback: NONE }]);
  assert.deepEqual([told.book.get(id.settled!), told.book.get(id.accepted!)], [undefined, undefined]);
  assert.equal(told.book.hasRoomFor(TOTAL_CENTS_MAX - 30), true);
  assert.equal(told.book.hasRoomFor(TOTAL_CENTS_MAX - 29), false);
  assert.equal(told.settle(id.bound!), true);
  assert.deepEqual(told.book.summary().default, { count: 1, cents: 10 });
});

Deno.test("an id that was purged is a new payment, and what was made from the old one is void", () => {
  const told = new Told();
  told.accept(ID, 1990);
  const old = dispatched(told.book.get(ID)!, "a", "default", 1, "default-up");
  told.purge();
  assert.equal(told.tell(old), false);
  assert.equal(told.accept(ID, 5), true);
  assert.equal(told.tell(old), false);
  assert.deepEqual([told.book.get(ID)!.cents, told.book.get(ID)!.stage], [5, "accepted"]);
});

Deno.test("what was settled before a purge still counts when the peer is compared", () => {
  const told = new Told();
  told.accept(ID);
  told.settle(ID, "fallback", "b");
  told.purge();
  assert.deepEqual(told.book.settledBy("b"), { default: NONE, fallback: { count: 1, cents: 1990 } });
});

Deno.test("what a replica has settled stays exact, modulo 2^48 cents, however often there is a purge", () => {
  const told = new Told();
  for (let n = 0; n < 1_000; n++) {
    told.accept(ID, CENTS_MAX);
    told.settle(ID, "fallback", "b");
    told.purge();
  }
  const { count, cents } = told.book.settledBy("b").fallback;
  assert.deepEqual([count, BigInt(cents)], [1_000, BigInt(CENTS_MAX) * 1_000n % 2n ** 48n]);
});

Deno.test("what the store held is known and counted, but not as settled since the log was read", () => {
  const first = new Told();
  first.accept(ID);
  first.bind(ID);
  first.accept(OTHER_ID, 10);
  first.settle(OTHER_ID, "fallback");
  const book = new Book();
  for (const id of [ID, OTHER_ID]) book.load(first.book.get(id)!);
  book.restoreDoubt(7.5);
  assert.deepEqual(book.get(ID), first.book.get(ID));
  assert.deepEqual(book.get(OTHER_ID), first.book.get(OTHER_ID));
  assert.deepEqual(book.summary(), first.book.summary());
  assert.deepEqual(book.settledBy("a"), { default: NONE, fallback: NONE });
  assert.equal(book.doubtedUptimeMs, 7.5);
  assert.equal(book.hasRoomFor(TOTAL_CENTS_MAX - 2_000), true);
  assert.equal(book.hasRoomFor(TOTAL_CENTS_MAX - 1_999), false);
  // what goes on from the store goes on as from the log
  const end = settled(book.get(ID)!, "a", 1, { processor: "default", requestedAt: 1, cents: 1990 }, "booked");
  assert.equal(book.fold(end, 99), true);
});

Deno.test("a summary includes both ends of its window, to the millisecond", () => {
  const told = new Told();
  told.accept(ID);
  told.settle(ID, "default", "a", 1_005);
  for (
    const [from, to, count] of [[1_005, 1_005, 1], [1_006, undefined, 0], [undefined, 1_004, 0], [1_006, 1_004, 0]]
  ) {
    assert.equal(told.book.summary(from, to).default.count, count, `${from} to ${to}`);
  }
});

Deno.test("a book holds payments up to the total it can count, pending ones included, and void ones not", () => {
  const told = new Told();
  told.accept(ID);
  told.accept(ID, 7);
  told.accept(OTHER_ID, 10);
  told.settle(OTHER_ID, "fallback");
  const full = () => [told.book.hasRoomFor(TOTAL_CENTS_MAX - 2_000), told.book.hasRoomFor(TOTAL_CENTS_MAX - 1_999)];
  assert.deepEqual(full(), [true, false]);
  told.bind(ID);
  assert.deepEqual(full(), [true, false]);
  told.settle(ID);
  assert.deepEqual(full(), [true, false]);
});

/** One fact, made from what is known of its payment now or was known at some time before. */
interface Move {
  readonly kind: Fact["kind"];
  readonly id: number;
  readonly by: ReplicaId;
  readonly processor: Processor;
  readonly cents: number;
  readonly at: number;
  readonly flag: boolean;
  /** how many facts about the payment ago its snapshot was taken */
  readonly ago: number;
}

const IDS = ["a", "b", "c"].map((digit) => `4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b${digit}`);
const step = (kind: Fact["kind"], weight: number) => ({ weight, arbitrary: fc.constant(kind) });
const moves = fc.array(
  fc.record<Move>({
    kind: fc.oneof(
      ...[step("accepted", 4), step("dispatched", 6), step("released", 4), step("settled", 4)],
      ...[step("moved", 1), step("purged", 1), step("doubted", 1)],
    ),
    id: fc.nat(IDS.length - 1),
    by: fc.constantFrom(...PAIR.names),
    processor: fc.constantFrom(...PROCESSORS),
    cents: fc.integer({ min: 1, max: 3 }),
    at: fc.nat(3),
    flag: fc.boolean(),
    ago: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }) }),
  }),
  { minLength: 20, maxLength: 80 },
);

/** The fact of a move, from a snapshot; undefined where there is none to make it from. */
function factOf({ kind, by, processor, cents, at, flag }: Move, id: string, from?: Payment): Fact | undefined {
  if (kind === "accepted") return { kind, by, id, cents, at, doubt: flag };
  if (kind === "moved") return { kind, by, from: by === "a" ? "b" : "a", at };
  if (kind === "purged") return { kind, by, at };
  if (kind === "doubted") return { kind, by, at, uptimeMs: at };
  if (!from) return undefined;
  if (kind === "dispatched") return dispatched(from, by, processor, at, "default-up");
  if (kind === "released") return released(from, by, at, "failed", flag);
  return settled(from, by, at, { processor, requestedAt: at, cents }, "booked");
}

/** Folds the facts of moves, and asserts of each whether it holds. @returns the facts */
function play(all: readonly Move[]): Told {
  const told = new Told();
  const snapshots = new Map<string, Payment[]>(IDS.map((id) => [id, []]));
  for (const move of all) {
    const id = IDS[move.id]!;
    const known = snapshots.get(id)!;
    const from = known.at(-1 - move.ago);
    const fact = factOf(move, id, from);
    if (!fact) continue;
    const now = told.book.get(id);
    const before = shown(told.book);
    const holds = told.tell(fact);
    if ("over" in fact) {
      const newest = now !== undefined && now.stage !== "settled" && from!.position === now.position;
      const fits = fact.kind === "settled" || (fact.kind === "released") === (now?.stage === "dispatched");
      // another process goes on with the same attempt
      const adopts = fact.kind === "dispatched" && now?.stage === "dispatched" && fact.processor === now.processor &&
        fact.at === now.requestedAt;
      assert.equal(
        holds,
        newest && (fits || adopts),
        `${fact.kind} over ${fact.over} of ${now?.stage} at ${now?.position}`,
      );
    } else if (fact.kind === "accepted") assert.equal(holds, now === undefined);
    else assert.equal(holds, true);
    if (!holds) assert.deepEqual(shown(told.book), before);
    if (fact.kind === "purged") assert.ok([...told.book.pending.values()].every(mayBeBooked));
    for (const each of IDS) {
      const payment = told.book.get(each);
      if (payment) snapshots.get(each)!.push(payment);
    }
  }
  return told;
}

Deno.test("a fact holds exactly where it was made from its payment's newest one, and a void one changes nothing", () => {
  fc.assert(fc.property(moves, (all) => void play(all)), { numRuns: 300 });
});

Deno.test("totals are those of the settled payments that the book shows, and pending payments are known too", () => {
  fc.assert(
    fc.property(moves, fc.nat(3), fc.nat(3), (all, from, to) => {
      const { book } = play(all);
      const settled = Array.from({ length: book.settled.size }, (_, i) => book.settled.at(i));
      for (const processor of PROCESSORS) {
        const inside = settled.filter((payment) =>
          payment.processor === processor && payment.requestedAt >= from && payment.requestedAt <= to
        );
        const cents = inside.reduce((sum, payment) => sum + payment.cents, 0);
        assert.deepEqual(book.summary(from, to)[processor], { count: inside.length, cents });
      }
      const ids = [...book.pending.keys(), ...settled.map(({ id }) => id)];
      assert.equal(new Set(ids).size, ids.length, "each once");
      const known = [...book.pending.values(), ...settled].reduce((sum, { cents }) => sum + cents, 0);
      assert.equal(book.hasRoomFor(TOTAL_CENTS_MAX - known), true);
      assert.equal(book.hasRoomFor(TOTAL_CENTS_MAX - known + 1), false);
    }),
    { numRuns: 300 },
  );
});

Deno.test("the same facts in the same order give the same book, also when loaded from another book midway", () => {
  fc.assert(
    fc.property(moves, fc.nat(80), (all, cut) => {
      const { log, book } = play(all);
      const again = new Book();
      log.forEach((fact, i) => again.fold(fact, i + 1));
      assert.deepEqual(shown(again), shown(book));
      // as the store hands it on: pending ones, then settled ones in their order
      const [first, second] = [new Book(), new Book()];
      const middle = Math.min(cut, log.length);
      log.slice(0, middle).forEach((fact, i) => first.fold(fact, i + 1));
      for (const payment of first.pending.values()) second.load(payment);
      for (let i = 0; i < first.settled.size; i++) second.load(first.settled.at(i));
      second.restoreDoubt(first.doubtedUptimeMs);
      log.slice(middle).forEach((fact, i) => second.fold(fact, middle + i + 1));
      const { pending, settled, windows, doubtedUptimeMs } = shown(second);
      const expected = shown(book);
      assert.deepEqual({ pending, settled, windows, doubtedUptimeMs }, {
        ...{ pending: expected.pending, settled: expected.settled },
        ...{ windows: expected.windows, doubtedUptimeMs: expected.doubtedUptimeMs },
      });
    }),
    { numRuns: 200 },
  );
});

Deno.test("a step is void for every step of the same snapshot but the first that holds", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom<FollowUp["kind"]>("dispatched", "released", "settled"), { minLength: 2, maxLength: 6 }),
      fc.constantFrom<"accepted" | "dispatched">("accepted", "dispatched"),
      (kinds, stage) => {
        const told = new Told();
        told.accept(ID);
        if (stage === "dispatched") told.bind(ID);
        const snapshot = told.book.get(ID)!;
        const booking = { processor: "default", requestedAt: 1, cents: 1990 } as const;
        const make: Record<FollowUp["kind"], () => FollowUp> = {
          dispatched: () => dispatched(snapshot, "a", "default", 1, "probe"),
          released: () => released(snapshot, "a", 1, "failed", false),
          settled: () => settled(snapshot, "a", 1, booking, "booked"),
        };
        const held = kinds.filter((kind) => told.tell(make[kind]()));
        assert.ok(held.length <= 1, held.join());
      },
    ),
  );
});
