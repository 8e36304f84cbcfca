import assert from "node:assert/strict";
import fc from "fast-check";
import { dispatched, type Fact, PROCESSORS, released, type ReplicaId, settled } from "../../src/payment/fact.ts";
import type { Payment } from "../../src/payment/payment.ts";
import { byId, id } from "./contract.ts";
import type { Content } from "./memory_store.ts";
import { DOWN, Projected, Side } from "./projected.ts";
import { PAIR } from "../support/pair.ts";

/** What happens: to a payment by its number, or to all of them. */
type Step =
  | { readonly kind: "accept" | "dispatch" | "release" | "settle"; readonly by: number; readonly n: number }
  | { readonly kind: "move" | "purge" | "doubt" | "hear" | "cover" | "look"; readonly by: number }
  | {
    readonly kind: "store";
    readonly fails: "before" | "after" | "never";
    /** on the way there and back */
    readonly delaysMs: { readonly there: number; readonly back: number };
  }
  | { readonly kind: "backup" }
  | { readonly kind: "restore" }
  | { readonly kind: "advance"; readonly ms: number };

const by = fc.nat(1);
const one = (kind: "accept" | "dispatch" | "release" | "settle") =>
  fc.record({ kind: fc.constant(kind), by, n: fc.nat(5) }, { noNullPrototype: true });
const all = (kind: "move" | "purge" | "doubt" | "hear" | "cover" | "look") =>
  fc.record({ kind: fc.constant(kind), by }, { noNullPrototype: true });
const fails = fc.constantFrom("before" as const, "after" as const, "never" as const);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  ...(["accept", "dispatch", "settle"] as const).map((kind) => ({ weight: 6, arbitrary: one(kind) })),
  { weight: 2, arbitrary: one("release") },
  ...(["hear", "cover", "look"] as const).map((kind) => ({ weight: 2, arbitrary: all(kind) })),
  ...(["move", "purge", "doubt"] as const).map((kind) => ({ weight: 1, arbitrary: all(kind) })),
  {
    weight: 2,
    arbitrary: fc.tuple(fails, fc.record({ there: fc.nat(300), back: fc.nat(300) }, { noNullPrototype: true }))
      .map(([fails, delaysMs]) => ({ kind: "store" as const, fails, delaysMs })),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: "backup" }, { kind: "restore" }) },
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 1_200 }).map((ms) => ({ kind: "advance" as const, ms })) },
);

/** The fact that a replica makes of what it knows, which may be void by now. */
function fact(step: Step & { kind: "accept" | "dispatch" | "release" | "settle" }, side: Side): Fact | undefined {
  const { self, ledger, world: { clock } } = side;
  const at = clock.now();
  const payment = ledger.book.get(id(step.n));
  if (step.kind === "accept") return { kind: "accepted", by: self, id: id(step.n), cents: 5, at, doubt: step.n === 0 };
  if (!payment) return undefined;
  if (step.kind === "dispatch") return dispatched(payment, self, PROCESSORS[step.n % 2]!, at, "default-up");
  if (step.kind === "release") return released(payment, self, at, "failed", step.n % 2 === 0);
  return settled(payment, self, at, { processor: PROCESSORS[step.n % 2]!, requestedAt: at, cents: 5 }, "booked");
}

class Run {
  readonly world = new Projected(9);
  readonly sides = PAIR.names.map((self: ReplicaId) => new Side(self, this.world));
  #backup: Content = this.world.store.content;
  #isRestored = false;
  readonly #covers: Promise<void>[] = [];

  constructor() {
    this.world.store.after = (call) => {
      if (call.kind === "write") this.check();
    };
  }

  /** What the store holds is the fold of the log up to the position that it says, and no other. */
  check(): void {
    const { stored, rows } = this.world.store.content;
    const { book, hash } = this.world.fold(stored.position);
    const payments: Payment[] = [...book.pending.values()];
    for (let n = 0; n < book.settled.size; n++) payments.push(book.settled.at(n));
    assert.deepEqual([rows, stored.hash, stored.doubtedUptimeMs], [byId(payments), hash, book.doubtedUptimeMs]);
  }

  async happen(step: Step): Promise<void> {
    const { clock, store } = this.world;
    if (step.kind === "advance") return await clock.advance(step.ms);
    if (step.kind === "store") return this.#behave(step.fails, step.delaysMs);
    if (step.kind === "backup") this.#backup = store.content;
    else if (step.kind === "restore") {
      this.#isRestored = true;
      store.content = this.#backup;
    } else this.#act(step, this.sides[step.by]!, this.sides[1 - step.by]!);
  }

  #act(step: Extract<Step, { by: number }>, side: Side, other: Side): void {
    const { ledger, projector, self, world: { clock } } = side;
    const at = clock.now();
    switch (step.kind) {
      case "move":
        return void ledger.append({ kind: "moved", by: self, from: other.self, at });
      case "purge":
        return void ledger.append({ kind: "purged", by: self, at });
      case "doubt":
        return void ledger.append({ kind: "doubted", by: self, at, uptimeMs: clock.uptime() });
      case "hear":
        return projector.heard(other.projector.position);
      case "look":
        return ledger.catchUp();
      case "cover":
        return this.#cover(side);
      default: {
        const next = fact(step, side);
        if (next) ledger.append(next);
      }
    }
  }

  #cover({ ledger, projector, world: { store } }: Side): void {
    const { position } = ledger;
    const covered = projector.covered(position);
    this.#covers.push(covered.then((isCovered) => {
      // what an operator takes back is no longer covered, and no replica can know it
      if (isCovered && !this.#isRestored) assert.ok(store.content.stored.position >= position);
    }));
  }

  /** From now on each way to the store and back takes this long, and calls fail there. */
  #behave(fails: "before" | "after" | "never", { there, back }: { there: number; back: number }): void {
    const { store, clock } = this.world;
    const delay = (ms: number) => ms === 0 ? undefined : new Promise<void>((resolve) => clock.after(ms, resolve));
    store.before = async () => {
      await delay(there);
      if (fails === "before") throw DOWN;
    };
    store.after = async (call) => {
      if (call.kind === "write") this.check();
      await delay(back);
      if (fails === "after") throw DOWN;
    };
  }

  /** Everything works again, and something happens: a store that was restored is noticed when it is written. */
  async end(): Promise<void> {
    this.#behave("never", { there: 0, back: 0 });
    this.sides[0]!.accept(100);
    for (const { ledger } of this.sides) ledger.catchUp();
    await this.world.clock.advance(10_000);
    await Promise.all(this.#covers);
    this.check();
    const { ledger } = this.sides[0]!;
    assert.equal(this.world.store.content.stored.position, ledger.position);
    for (const { projector, ahead, ledger: { hash } } of this.sides) {
      const { unsaved, position, oldestUnsavedMs, state } = projector;
      assert.deepEqual([unsaved, position, oldestUnsavedMs, state], [0, ledger.position, 0, "ready"]);
      assert.deepEqual([ahead, hash], [[], ledger.hash]);
    }
    assert.equal(this.world.clock.timers, 0);
  }
}

Deno.test("whatever fails: rows and position of the store are of one instant, and in the end both are the log's", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 80, size: "max" }), async (steps) => {
      const run = new Run();
      for (const step of steps) await run.happen(step);
      await run.end();
    }),
    { numRuns: 300 },
  );
});
