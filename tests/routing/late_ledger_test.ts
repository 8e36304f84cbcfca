/** The dispatcher over a log of other machines, whose receipts come later. */
import assert from "node:assert/strict";
import type { FileLedger } from "../../src/ledger/file_ledger.ts";
import type { Ledger, Receipt } from "../../src/ledger/ledger.ts";
import { dispatched, type Fact, type Processor, released, settled } from "../../src/payment/fact.ts";
import { Dispatcher, RETRY_MS_MAX } from "../../src/routing/dispatcher.ts";
import type { Lookup, Outcome, ProcessorClient } from "../../src/routing/processor_client.ts";
import { MemorySegments } from "../ledger/memory_segments.ts";
import { accepted, begin, idOf, Side } from "../ledger/side.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const HORIZON_MS = 20_000;
const MAX_IN_FLIGHT = 4;
/** Longer than it takes until a payment that came in is bound. */
const SOON_MS = 200;

/** A ledger whose facts are on their way until a test lets them land. */
class LateLedger implements Ledger {
  isCurrent = true;
  readonly isDelayed = true;
  readonly under: { readonly fact: Fact; land(taken?: boolean): void }[] = [];

  constructor(private readonly ledger: FileLedger) {}

  get book() {
    return this.ledger.book;
  }

  get position() {
    return this.ledger.position;
  }

  get hash() {
    return this.ledger.hash;
  }

  get checkpoints() {
    return this.ledger.checkpoints;
  }

  observe(observer: Parameters<Ledger["observe"]>[0]): void {
    this.ledger.observe(observer);
  }

  append(fact: Fact): Promise<Receipt> {
    const { promise, resolve } = Promise.withResolvers<Receipt>();
    const land = (taken = true) => resolve(taken ? this.ledger.append(fact) : { kind: "not-taken" });
    this.under.push({ fact, land });
    return promise;
  }

  catchUp(): void {}

  barrier(): Promise<boolean> {
    return Promise.resolve(true);
  }

  /** The kinds of what is on its way, oldest first. */
  get kinds(): string {
    return this.under.map(({ fact }) => fact.kind).join(" ");
  }
}

const call = (processor: Processor, id: string) => `${processor} ${Number.parseInt(id.slice(-12), 16)}`;

/** Replica `a` on a late ledger; what `b` records is there at once. */
class World {
  readonly clock = new VirtualClock();
  readonly paid: string[] = [];
  readonly asked: string[] = [];
  /** both, in order */
  readonly calls: string[] = [];
  readonly ledger: LateLedger;
  readonly dispatcher: Dispatcher;
  answer: () => Outcome | Promise<Outcome> = () => ({ kind: "booked" });
  found: Lookup = { kind: "absent" };
  /** whose payments this replica acts on */
  acts = ["a"];
  readonly #side: Side;

  constructor(strayMs = 0) {
    const files = new MemorySegments();
    begin(files);
    this.#side = new Side(files, 0);
    this.ledger = new LateLedger(this.#side.ledger);
    const client: ProcessorClient = {
      pay: async (processor, { id }) => {
        this.paid.push(call(processor, id));
        this.calls.push(`paid ${call(processor, id)}`);
        return await this.answer();
      },
      lookup: (processor, id) => {
        this.asked.push(call(processor, id));
        this.calls.push(`asked ${call(processor, id)}`);
        return Promise.resolve(this.found);
      },
      health: () => Promise.resolve(undefined),
    };
    this.dispatcher = new Dispatcher({
      ...{
        self: "a",
        isOwn: ({ owner }) => this.acts.includes(owner),
        strayMs,
        ledger: this.ledger,
        clock: this.clock,
        client,
        random: () => 0.5,
      },
      limits: {
        ...{ patienceMs: 5_000, slowMs: 1_000, maxInFlight: MAX_IN_FLIGHT },
        ...{ dispatchPerSecond: 1_000, horizonMs: HORIZON_MS },
      },
    });
    this.ledger.observe(this.dispatcher);
    this.dispatcher.start();
  }

  /** A payment of this replica's is in the log, and its binding on its way there. */
  static async binding(): Promise<World> {
    const world = new World();
    world.record(accepted(1));
    await world.clock.advance(SOON_MS);
    assert.equal(world.ledger.kinds, "dispatched");
    return world;
  }

  payment(n = 1) {
    return this.ledger.book.pending.get(idOf(n));
  }

  /** Records a fact at once, as another replica would. */
  record(fact: Fact): void {
    assert.equal(this.#side.ledger.append({ ...fact, ..."cents" in fact && { at: this.clock.now() } }).kind, "holds");
  }

  /** Records a fact that comes too late. @returns whether it is void */
  void(fact: Fact): boolean {
    return this.#side.ledger.append(fact).kind === "void";
  }

  /** The oldest fact on its way lands. */
  async land(taken?: boolean): Promise<void> {
    this.ledger.under.shift()!.land(taken);
    await this.clock.advance(0);
  }

  booking(processor: Processor = "default") {
    return { processor, requestedAt: this.payment()!.requestedAt, cents: 1990 };
  }
}

Deno.test("a payment is sent once its binding is recorded, and no sooner", async () => {
  const world = await World.binding();
  await world.clock.advance(1_000);
  assert.deepEqual([world.paid, world.ledger.kinds], [[], "dispatched"]);
  await world.land();
  assert.deepEqual(world.paid, ["default 1"]);
  assert.equal(world.ledger.kinds, "settled");
  await world.land();
  assert.deepEqual([world.payment(), world.dispatcher.waiting, world.paid.length], [undefined, 0, 1]);
});

Deno.test("a payment that was called booked is looked up once that is recorded, not if its replica lost it meanwhile", async () => {
  for (const lost of [false, true]) {
    const world = await World.binding();
    world.answer = () => ({ kind: "already-booked" });
    await world.land();
    assert.deepEqual([world.calls, world.ledger.kinds], [["paid default 1"], "dispatched"]);
    const { requestedAt } = world.payment()!;
    if (lost) world.record(dispatched(world.payment()!, "b", "default", requestedAt, "default-up"));
    await world.land();
    const { owner, reason } = world.payment()!;
    assert.deepEqual([owner, reason], lost ? ["b", "default-up"] : ["a", "already-booked"]);
    assert.deepEqual(world.asked, lost ? [] : ["default 1"]);
  }
});

Deno.test("payments whose binding is on its way take the places of calls in flight", async () => {
  const world = new World();
  world.answer = () => new Promise(() => {});
  for (let n = 1; n <= 2 * MAX_IN_FLIGHT; n++) world.record(accepted(n));
  await world.clock.advance(SOON_MS);
  assert.equal(world.ledger.under.length, MAX_IN_FLIGHT);
  for (let n = 0; n < MAX_IN_FLIGHT; n++) await world.land();
  await world.clock.advance(SOON_MS);
  assert.deepEqual([world.paid.length, world.ledger.under.length], [MAX_IN_FLIGHT, 0]);
});

Deno.test("a processor that is down is probed with one payment while its binding is on its way", async () => {
  const world = new World();
  world.answer = () => ({ kind: "refused", why: "unreachable", error: "nothing listens there" });
  for (const n of [1, 2, 3]) world.record(accepted(n));
  await world.clock.advance(SOON_MS);
  while (world.ledger.under.length > 0) await world.land();
  world.paid.length = 0;
  await world.clock.advance(1_000);
  assert.equal(world.ledger.kinds, "dispatched");
  assert.deepEqual(world.paid, []);
});

Deno.test("a payment that another replica bound first is not sent here", async () => {
  const world = await World.binding();
  world.record(dispatched(world.payment()!, "b", "fallback", 7, "default-full"));
  assert.equal(world.payment()!.owner, "b");
  await world.land();
  await world.clock.advance(1_000);
  assert.deepEqual([world.paid, world.asked, world.ledger.kinds], [[], [], ""]);
});

Deno.test("a payment that others have gone on with since it was bound is not sent", async () => {
  const world = await World.binding();
  world.ledger.under[0]!.land();
  // before the dispatcher is told
  world.record(released(world.payment()!, "b", 8, "not-found", false));
  world.record(settled(world.payment()!, "b", 9, world.booking("fallback"), "found-booked"));
  await world.clock.advance(1_000);
  assert.deepEqual([world.paid, world.asked, world.dispatcher.waiting], [[], [], 0]);
});

Deno.test("a payment that waits here and that another replica bound is dropped", async () => {
  const world = new World();
  world.ledger.isCurrent = false;
  world.record(accepted(1));
  await world.clock.advance(SOON_MS);
  world.record(dispatched(world.payment()!, "b", "default", 7, "default-up"));
  assert.equal(world.dispatcher.waiting, 0);
  world.ledger.isCurrent = true;
  await world.clock.advance(1_000);
  assert.deepEqual([world.paid, world.ledger.kinds], [[], ""]);
});

Deno.test("a binding that this process did not make is recorded anew, then looked up, then sent again", async () => {
  const world = new World();
  world.ledger.isCurrent = false;
  world.record(accepted(1));
  await world.clock.advance(SOON_MS);
  world.record(dispatched(world.payment()!, "a", "default", 7, "default-up"));
  const before = world.payment()!;
  await world.clock.advance(SOON_MS);
  assert.deepEqual([world.calls, world.ledger.kinds], [[], "dispatched"]);
  await world.land();
  const { position, ...after } = world.payment()!;
  assert.deepEqual({ ...after, position: before.position }, before);
  assert.notEqual(position, before.position);
  world.ledger.isCurrent = true;
  await world.clock.advance(1_000);
  assert.deepEqual(world.calls, ["asked default 1", "paid default 1"]);
});

Deno.test("what a replica binds that counts as silent already is bound anew here", async () => {
  const world = new World();
  world.record({ ...accepted(1), by: "c" });
  world.acts = ["a", "b"];
  world.record(dispatched(world.payment()!, "b", "default", 7, "default-up"));
  await world.clock.advance(SOON_MS);
  assert.deepEqual([world.calls, world.ledger.kinds], [[], "dispatched"]);
  await world.land();
  await world.clock.advance(1_000);
  assert.deepEqual(world.calls, ["asked default 1", "paid default 1"]);
});

Deno.test("what an earlier process recorded of a binding is void once this one acts on it", async () => {
  const world = new World();
  world.dispatcher.stop();
  world.record(accepted(1));
  world.record(dispatched(world.payment()!, "a", "default", 7, "default-up"));
  // on its way while its process dies
  const late = released(world.payment()!, "a", 8, "rejected", false);
  world.dispatcher.start();
  await world.land();
  assert.equal(world.void(late), true);
  assert.equal(world.payment()!.stage, "dispatched");
});

Deno.test("a payment whose binding took long is looked up before it is sent", async () => {
  const world = await World.binding();
  await world.clock.advance(2_001);
  await world.land();
  assert.deepEqual([world.calls, world.ledger.kinds], [[], "dispatched"]);
  await world.land();
  await world.clock.advance(SOON_MS);
  assert.deepEqual(world.calls, ["asked default 1", "paid default 1"]);
});

Deno.test("a binding that the log does not take is tried again later, and the payment is not sent", async () => {
  const world = await World.binding();
  await world.land(false);
  assert.deepEqual([world.paid, world.ledger.kinds], [[], ""]);
  await world.clock.advance(RETRY_MS_MAX);
  assert.equal(world.ledger.kinds, "dispatched");
});

Deno.test("an end that the log does not take is recorded later", async () => {
  const world = await World.binding();
  await world.land();
  await world.land(false);
  await world.clock.advance(RETRY_MS_MAX);
  assert.equal(world.ledger.kinds, "settled");
  await world.land();
  assert.deepEqual([world.payment(), world.paid], [undefined, ["default 1"]]);
});

Deno.test("nothing is bound or sent while the log is not heard, and all once it is", async () => {
  const world = new World();
  world.ledger.isCurrent = false;
  world.record(accepted(1));
  await world.clock.advance(10_000);
  assert.deepEqual([world.ledger.kinds, world.dispatcher.waiting], ["", 1]);
  world.ledger.isCurrent = true;
  await world.clock.advance(SOON_MS);
  assert.equal(world.ledger.kinds, "dispatched");
});

Deno.test("stop() waits until the end of the last call is recorded", async () => {
  const world = await World.binding();
  await world.land();
  let stopped = false;
  void world.dispatcher.stop().then(() => stopped = true);
  await world.clock.advance(1_000);
  assert.deepEqual([stopped, world.ledger.kinds], [false, "settled"]);
  await world.land();
  assert.deepEqual([stopped, world.payment()], [true, undefined]);
});

Deno.test("a payment whose binding is recorded after stop() is not sent", async () => {
  const world = await World.binding();
  const stopped = world.dispatcher.stop();
  await world.land();
  await stopped;
  await world.clock.advance(1_000);
  assert.deepEqual([world.paid, world.payment()!.stage], [[], "dispatched"]);
});

Deno.test("a purge forgets a payment whose binding is on its way, and it is not sent", async () => {
  const world = await World.binding();
  world.record({ kind: "purged", by: "b", at: 7 });
  await world.land();
  await world.clock.advance(1_000);
  assert.deepEqual([world.paid, world.dispatcher.waiting, world.ledger.kinds], [[], 0, ""]);
});

Deno.test("a purge of what another replica has settled counts the call here until it ends", async () => {
  const world = await World.binding();
  let answer = (_: Outcome) => {};
  world.answer = () => new Promise((resolve) => answer = resolve);
  await world.land();
  assert.deepEqual(world.paid, ["default 1"]);
  world.record(settled(world.payment()!, "b", 8, world.booking(), "found-booked"));
  world.record({ kind: "purged", by: "b", at: 9 });
  assert.equal(world.dispatcher.waiting, 0);
  // the same id is a payment of its own now
  world.record(accepted(1));
  assert.equal(world.dispatcher.waiting, 0);
  answer({ kind: "booked" });
  await world.clock.advance(SOON_MS);
  assert.deepEqual([world.dispatcher.waiting, world.ledger.kinds], [1, "dispatched"]);
});

Deno.test("what is taken over from a replica that may live is freed a horizon after the last call it may make", async () => {
  const strayMs = 12_000;
  const world = new World(strayMs);
  world.acts = ["a", "b"];
  world.answer = () => ({ kind: "refused", why: "unreachable", error: "nothing listens there" });
  world.ledger.isCurrent = false;
  world.record(accepted(1, "b"));
  world.record(dispatched(world.payment()!, "b", "default", 7, "default-up"));
  world.ledger.isCurrent = true;
  await world.clock.advance(0);
  assert.deepEqual([world.ledger.kinds, world.calls], ["dispatched", []]);
  await world.land();
  assert.equal(world.payment()!.owner, "a");
  await world.clock.advance(strayMs + HORIZON_MS - 1);
  assert.equal(world.ledger.kinds, "");
  await world.clock.advance(RETRY_MS_MAX + SOON_MS);
  assert.equal(world.ledger.kinds, "released");
});

Deno.test("what a lost fact may have bound is asked for a horizon after the last call that a living replica may make", async () => {
  const strayMs = 12_000;
  const world = new World(strayMs);
  world.record(accepted(1));
  world.record({ kind: "doubted", by: "a", at: 1, uptimeMs: world.clock.uptime() });
  await world.clock.advance(strayMs + HORIZON_MS - 1);
  assert.deepEqual(world.calls, []);
  await world.clock.advance(RETRY_MS_MAX + SOON_MS);
  assert.deepEqual(world.calls, ["asked default 1", "asked fallback 1"]);
});

Deno.test("what a former process of this replica bound is bound anew before it is looked up", async () => {
  const world = new World(1);
  world.ledger.isCurrent = false;
  world.record(accepted(1));
  world.record(dispatched(world.payment()!, "a", "default", 7, "default-up"));
  const { position } = world.payment()!;
  await world.clock.advance(SOON_MS);
  assert.deepEqual([world.ledger.kinds, world.calls], ["dispatched", []]);
  await world.land();
  // what that process had on its way comes too late
  assert.deepEqual([world.payment()!.position > position, world.payment()!.requestedAt], [true, 7]);
  assert.deepEqual(world.calls, ["asked default 1"]);
});
