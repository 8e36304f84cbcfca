/**
 * Two replicas that append at the same time, on a disk that cuts writes, and die between a write and its reading:
 * each receipt agrees with the log in the end, and every reader of the log comes to the same state.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { dispatched, type Fact, PROCESSORS, released, type ReplicaId, settled } from "../../src/payment/fact.ts";
import { MemorySegments } from "./memory_segments.ts";
import { begin, idOf, Side } from "./side.ts";
import { PAIR } from "../support/pair.ts";

const KILLED = new Error("killed");
const KINDS = ["accepted", "dispatched", "released", "settled", "moved", "purged", "doubted"] as const;

/** What a replica does at one time. */
interface Act {
  readonly by: ReplicaId;
  readonly kind: typeof KINDS[number];
  readonly payment: number;
  readonly flag: boolean;
  /** bytes of its write that are taken */
  readonly taken: number;
  /** it dies after its write */
  readonly dies: boolean;
  /** it only looks at the log */
  readonly looks: boolean;
  /** the other one acts just before its write, and just after */
  readonly before: Act | undefined;
  readonly after: Act | undefined;
}

const rarely = (weight: number) =>
  fc.oneof({ weight, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });
const { act } = fc.letrec<{ act: Act }>((tie) => ({
  act: fc.record({
    by: fc.constantFrom(...PAIR.names),
    kind: fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom(...KINDS.slice(0, 4)) },
      { weight: 1, arbitrary: fc.constantFrom(...KINDS.slice(4)) },
    ),
    payment: fc.nat(9),
    flag: fc.boolean(),
    taken: fc.oneof({ weight: 15, arbitrary: fc.constant(64) }, { weight: 1, arbitrary: fc.nat(63) }),
    dies: rarely(20),
    looks: rarely(6),
    before: fc.option(tie("act"), { nil: undefined, depthSize: "small", maxDepth: 2 }),
    after: fc.option(tie("act"), { nil: undefined, depthSize: "small", maxDepth: 2 }),
  }),
}));

/** A fact that differs from every other one. */
type Sent = readonly [string, "holds" | "void" | "not-taken" | "killed"];

class World {
  readonly #files = new MemorySegments();
  readonly #segmentRecords: number;
  readonly #sides: Record<"a" | "b", Side>;
  /** who is in the middle of what, and whether the other one has acted before and after its write */
  readonly #acting: { readonly act: Act; before: boolean; after: boolean }[] = [];
  readonly sent: Sent[] = [];
  #facts = 0;

  constructor(segmentRecords: number) {
    this.#segmentRecords = segmentRecords;
    begin(this.#files);
    this.#sides = { a: this.#start(), b: this.#start() };
    this.#files.takes = (bytes) => Math.min(bytes.length, this.#acting.at(-1)!.act.taken);
    this.#files.writes = (when) => this.#between(when);
  }

  /** A replica that has read nothing. */
  #start(): Side {
    return new Side(this.#files, this.#facts * 0x9e3779b1 >>> 0, { segmentRecords: this.#segmentRecords });
  }

  run(act: Act): void {
    const { ledger } = this.#sides[act.by as "a" | "b"];
    if (act.looks) return ledger.catchUp();
    const fact = this.#factOf(act);
    this.#acting.push({ act, before: false, after: false });
    try {
      this.sent.push([JSON.stringify(fact), ledger.append(fact).kind]);
    } catch (error) {
      if (error !== KILLED) throw error;
      this.sent.push([JSON.stringify(fact), "killed"]);
      this.#sides[act.by as "a" | "b"] = this.#start();
    } finally {
      this.#acting.pop();
    }
  }

  /** Every reader of the whole log comes to the same state, and the receipts agree with it. */
  check(): void {
    const { a, b } = this.#sides;
    const late = this.#start();
    for (const { ledger } of [a, b, late]) ledger.catchUp();
    for (const { ledger, told, gone } of [a, b]) {
      assert.deepEqual(gone, []);
      assert.deepEqual(told, late.told);
      assert.deepEqual([ledger.position, ledger.hash], [late.ledger.position, late.ledger.hash]);
      assert.deepEqual(ledger.checkpoints, late.ledger.checkpoints);
      assert.deepEqual([...ledger.book.pending.values()], [...late.ledger.book.pending.values()]);
      assert.deepEqual(ledger.book.summary(), late.ledger.book.summary());
      assert.deepEqual(ledger.book.settledBy, late.ledger.book.settledBy);
    }
    const said = new Map<string, string[]>();
    for (const { fact, holds } of late.told) {
      const text = JSON.stringify(fact);
      said.set(text, [...said.get(text) ?? [], holds ? "holds" : "void"]);
    }
    for (const [fact, receipt] of this.sent) {
      const there = said.get(fact) ?? [];
      if (receipt === "killed") assert.ok(there.length <= 1, `${fact} ${there}`);
      else assert.deepEqual(there, receipt === "not-taken" ? [] : [receipt], fact);
      said.delete(fact);
    }
    assert.deepEqual([...said], [], "no side wrote that");
  }

  #between(when: "before" | "after"): void {
    const acting = this.#acting.at(-1)!;
    // an append may take several writes
    if (acting[when]) return;
    acting[when] = true;
    const other = acting.act[when];
    if (other && !this.#acting.some(({ act }) => act.by === other.by)) this.run(other);
    if (when === "after" && acting.act.dies) throw KILLED;
  }

  #factOf({ by, kind, payment: n, flag }: Act): Fact {
    const at = ++this.#facts;
    const id = idOf(n);
    const payment = this.#sides[by as "a" | "b"].ledger.book.get(id);
    const processor = PROCESSORS[Number(flag)]!;
    if (kind === "moved") return { kind, by, from: by === "a" ? "b" : "a", at };
    if (kind === "purged") return { kind, by, at };
    if (kind === "doubted") return { kind, by, at, uptimeMs: at };
    if (kind === "accepted" || !payment) return { kind: "accepted", by, id, cents: n + 1, at, doubt: flag };
    if (kind === "dispatched") return dispatched(payment, by, processor, at, "probe");
    if (kind === "released") return released(payment, by, at, "failed", flag);
    return settled(payment, by, at, { processor, requestedAt: at, cents: payment.cents }, "booked");
  }
}

for (const [segmentRecords, length, numRuns] of [[4, 60, 300], [70, 300, 60]] as const) {
  Deno.test(`with ${segmentRecords} records a segment, each receipt says what the log says, to every reader`, () => {
    fc.assert(
      fc.property(fc.array(act, { minLength: length / 2, maxLength: length, size: "max" }), (acts) => {
        const world = new World(segmentRecords);
        for (const one of acts) world.run(one);
        world.check();
      }),
      // how long a failing case is shrunk at most, in milliseconds
      { numRuns, interruptAfterTimeLimit: 30_000 },
    );
  });
}
