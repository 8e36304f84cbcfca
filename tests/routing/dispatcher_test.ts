/** The dispatcher of replica `a`, on a real ledger: what is sent where, and what is recorded of it. @module */
import assert from "node:assert/strict";
import { RecordBuffer } from "../../src/ledger/record.ts";
import { dispatched, type Fact, type Processor, released, type ReplicaId } from "../../src/payment/fact.ts";
import { UNKNOWNS_MAX } from "../../src/routing/work.ts";
import { ASKING_MAX, Dispatcher, RARELY_MS, RETRY_MS_MAX, RETRY_MS_MIN } from "../../src/routing/dispatcher.ts";
import type { Lookup, Order, Outcome, ProcessorClient } from "../../src/routing/processor_client.ts";
import { FULL_MS, PROBE_MS_MAX, PROBE_MS_MIN } from "../../src/routing/circuit_breaker.ts";
import { TURN_MS } from "../../src/routing/turns.ts";
import { MemorySegments } from "../ledger/memory_segments.ts";
import { accepted, begin, idOf, Side } from "../ledger/side.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { PAIR } from "../support/pair.ts";

const PATIENCE_MS = 5_000;
const HORIZON_MS = 20_000;
const MAX_IN_FLIGHT = 4;

/** Processors that answer as a test says, at once, and remember what they were asked. */
class ScriptedClient implements ProcessorClient {
  readonly paid: (readonly [Processor, Order])[] = [];
  readonly asked: (readonly [Processor, string])[] = [];
  answers: Record<Processor, () => Outcome | Promise<Outcome>> = {
    default: () => ({ kind: "booked" }),
    fallback: () => ({ kind: "booked" }),
  };
  found: Record<Processor, Lookup> = { default: { kind: "absent" }, fallback: { kind: "absent" } };
  /** runs before each call */
  calls = (_id: string) => {};

  async pay(processor: Processor, { id, cents, requestedAt }: Order): Promise<Outcome> {
    this.calls(id);
    this.paid.push([processor, { id, cents, requestedAt }]);
    return await this.answers[processor]();
  }

  lookup(processor: Processor, id: string): Promise<Lookup> {
    this.asked.push([processor, id]);
    return Promise.resolve().then(() => this.found[processor]);
  }

  health(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  sent(processor: Processor): number {
    return this.paid.filter(([to]) => to === processor).length;
  }

  /** Under which times something was sent. */
  get times(): number {
    return new Set(this.paid.map(([, { requestedAt }]) => requestedAt)).size;
  }
}

/** Replica `a` with its dispatcher, and replica `b` as far as the log goes. */
class World {
  readonly clock = new VirtualClock();
  readonly files = new MemorySegments();
  readonly client = new ScriptedClient();
  readonly a: Side;
  readonly b: Side;
  readonly dispatcher: Dispatcher;
  #lastMs = 0;

  /** @param facts what the log holds before the dispatcher begins */
  constructor(...facts: readonly Fact[]) {
    begin(this.files, 1, ...facts);
    this.a = new Side(this.files, 0);
    this.b = new Side(this.files, 2 ** 31);
    const { a: { ledger }, clock, client } = this;
    client.calls = () => this.#lastMs = clock.monotonic();
    this.dispatcher = new Dispatcher({
      ...{ self: "a", isOwn: ({ owner }) => owner === "a", ledger, clock, client, random: () => 0.5 },
      limits: {
        ...{ patienceMs: PATIENCE_MS, slowMs: 1_000, maxInFlight: MAX_IN_FLIGHT },
        ...{ dispatchPerSecond: 1_000, horizonMs: HORIZON_MS },
      },
    });
    ledger.observe(this.dispatcher);
    ledger.catchUp();
    this.dispatcher.start();
  }

  get book() {
    return this.a.ledger.book;
  }

  /** When something was sent last. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** What was recorded of a payment, in words. */
  story(n = 1): string {
    return this.a.told.filter(({ fact }) => "id" in fact && fact.id === idOf(n)).map(({ fact, holds }) => {
      const place = "processor" in fact ? ` ${fact.processor}` : "";
      const why = "reason" in fact ? ` ${fact.reason}` : "";
      return `${fact.kind}${place}${why}${holds ? "" : " (void)"}`;
    }).join(", ");
  }

  accept(n = 1, by: ReplicaId = "a"): void {
    const { ledger } = by === "a" ? this.a : this.b;
    assert.equal(ledger.append({ ...accepted(n, by), at: this.clock.now() }).kind, "holds");
  }

  /** The log does not take facts of this kind. */
  refuse(kind: Fact["kind"] | "none"): void {
    const record = new RecordBuffer(PAIR);
    this.files.takes = (bytes) => {
      record.bytes.set(bytes);
      return record.read().kind === kind ? 0 : bytes.length;
    };
  }
}

/** The facts of so many payments that a replica has bound, under that time. */
function bound(count: number, by: ReplicaId = "a", at = 7, then: (side: Side, id: string) => void = () => {}): Fact[] {
  const files = new MemorySegments();
  begin(files);
  using side = new Side(files, 0);
  for (let n = 1; n <= count; n++) {
    side.accept(n, by);
    side.ledger.append(dispatched(side.ledger.book.get(idOf(n))!, by, "default", at, "default-up"));
    then(side, idOf(n));
  }
  return side.told.map(({ fact }) => fact);
}

/** The facts of so many payments that the default refused, as far as it knew. */
function refused(count: number): Fact[] {
  return bound(
    count,
    "a",
    7,
    ({ ledger }, id) => void ledger.append(released(ledger.book.get(id)!, "a", 8, "failed", true)),
  );
}

const DOUBTED: Fact = { kind: "doubted", by: "a", at: 1, uptimeMs: new VirtualClock().uptime() };
const BOOKED_AT_DEFAULT = { default: { count: 1, cents: 1990 }, fallback: { count: 0, cents: 0 } };
const UNKNOWN: Outcome = { kind: "unknown", error: "timeout" };
const never = () => new Promise<Outcome>(() => {});

Deno.test("a payment is bound, sent with the time it was bound, and settled under that time", async () => {
  const world = new World();
  world.accept();
  await world.clock.advance(10);
  assert.equal(world.story(), "accepted, dispatched default default-up, settled default default-up");
  const { requestedAt } = world.book.get(idOf(1))!;
  assert.deepEqual(world.client.paid, [["default", { id: idOf(1), cents: 1990, requestedAt }]]);
  assert.equal((world.a.told[1]!.fact as Fact & { at: number }).at, requestedAt);
  assert.deepEqual(world.book.summary(), BOOKED_AT_DEFAULT);
});

Deno.test("a call is made only after every reader can see that the payment is bound", async () => {
  const world = new World();
  world.client.calls = (id) => {
    world.b.ledger.catchUp();
    const { stage, processor } = world.b.ledger.book.get(id)!;
    assert.deepEqual([stage, processor], ["dispatched", "default"]);
  };
  world.accept();
  await world.clock.advance(10);
  assert.equal(world.client.paid.length, 1);
});

Deno.test("the peer sends what the peer has accepted", async () => {
  const world = new World();
  world.accept(1, "b");
  world.a.ledger.catchUp();
  await world.clock.advance(1_000);
  assert.deepEqual([world.client.paid, world.dispatcher.waiting], [[], 0]);
});

Deno.test("a binding that the log does not take is not sent, and tried again until it does", async () => {
  const world = new World();
  world.refuse("dispatched");
  for (const n of [1, 2]) world.accept(n);
  await world.clock.advance(1_000);
  assert.deepEqual([world.client.paid, world.dispatcher.waiting], [[], 2]);
  world.refuse("none");
  await world.clock.advance(100);
  for (const n of [1, 2]) {
    assert.equal(world.story(n), "accepted, dispatched default default-up, settled default default-up");
  }
  assert.equal(world.client.paid.length, 2);
});

for (const kind of ["purged", "moved"] as const) {
  Deno.test(`a payment that was ${kind} is dropped, also if the log did not take its binding at that moment`, async () => {
    const world = new World();
    world.accept();
    world.b.ledger.append({ kind, by: "b", from: "a", at: 1 } as Fact);
    world.refuse("dispatched");
    await world.clock.advance(1_000);
    world.refuse("none");
    await world.clock.advance(1_000);
    assert.deepEqual([world.client.paid, world.dispatcher.waiting, world.story()], [[], 0, "accepted"]);
  });
}

Deno.test("a settlement that the log does not take is recorded later, and the payment is not sent again", async () => {
  const world = new World();
  world.refuse("settled");
  world.accept();
  await world.clock.advance(10 * RETRY_MS_MIN);
  assert.equal(world.book.get(idOf(1))!.stage, "dispatched");
  world.refuse("none");
  await world.clock.advance(RETRY_MS_MIN);
  assert.equal(world.story(), "accepted, dispatched default default-up, settled default default-up");
  assert.equal(world.client.paid.length, 1);
  assert.equal(world.dispatcher.waiting, 0);
});

Deno.test("a refusal that the log does not take is recorded later, before the payment is sent again", async () => {
  const world = new World();
  world.refuse("released");
  const answers: Outcome[] = [{ kind: "refused", why: "processor-full" }];
  world.client.answers.default = () => answers.shift() ?? { kind: "booked" };
  world.accept();
  await world.clock.advance(10 * RETRY_MS_MIN);
  assert.equal(world.client.paid.length, 1);
  world.refuse("none");
  await world.clock.advance(2 * RETRY_MS_MIN);
  const steps = ["dispatched default default-up", "released processor-full", "dispatched default default-up"];
  assert.equal(world.story(), ["accepted", ...steps, "settled default default-up"].join(", "));
});

Deno.test("a payment that is purged at the moment it is bound is not sent", async () => {
  const world = new World();
  world.accept();
  world.a.paused.before = () => world.b.ledger.append({ kind: "purged", by: "b", at: 1 });
  await world.clock.advance(1_000);
  assert.equal(world.story(), "accepted, dispatched default default-up (void)");
  assert.deepEqual([world.client.paid, world.dispatcher.waiting], [[], 0]);
});

Deno.test("a purge forgets what waits, and what is in flight ends and counts", async () => {
  const world = new World();
  let answer = (_: Outcome) => {};
  world.client.answers.default = () => new Promise((resolve) => answer = resolve);
  world.accept(1);
  await world.clock.advance(10);
  world.dispatcher.hearHealth("default", { failing: true, minResponseMs: 0 });
  world.accept(2);
  world.b.ledger.append({ kind: "purged", by: "b", at: 1 });
  world.a.ledger.catchUp();
  assert.equal(world.dispatcher.waiting, 0);
  // the same id is a payment of its own now
  world.accept(2);
  answer({ kind: "booked" });
  world.client.answers.default = () => ({ kind: "booked" });
  await world.clock.advance(PROBE_MS_MAX);
  assert.deepEqual(world.client.paid.map(([, { id }]) => id), [idOf(1), idOf(2)]);
  assert.deepEqual(world.book.summary().default, { count: 2, cents: 3_980 });
});

Deno.test("no more calls are in flight than the limit allows", async () => {
  const world = new World();
  world.client.answers.default = never;
  for (let n = 0; n < 20; n++) world.accept(n);
  await world.clock.advance(200);
  assert.equal(world.client.sent("default"), MAX_IN_FLIGHT);
});

Deno.test("a bound payment does not probe a processor that has its maximum of calls", async () => {
  const world = new World(...bound(MAX_IN_FLIGHT + 1));
  world.client.answers.default = never;
  await world.clock.advance(10);
  world.dispatcher.hearHealth("default", { failing: true, minResponseMs: 0 });
  await world.clock.advance(PROBE_MS_MAX);
  assert.equal(world.client.sent("default"), MAX_IN_FLIGHT);
});

Deno.test("a default that refuses is probed by one payment at a time, and no other payment is sent", async () => {
  const world = new World();
  const { client, clock, dispatcher } = world;
  let running = 0;
  client.answers.default = () => {
    assert.equal(++running, 1);
    return new Promise((resolve) =>
      clock.after(20, () => {
        running--;
        resolve({ kind: "refused-as-far-as-known" });
      })
    );
  };
  world.accept(0);
  await clock.advance(50);
  for (let n = 1; n <= 50; n++) world.accept(n);
  await clock.advance(PATIENCE_MS - 100);
  assert.equal(client.sent("fallback"), 0);
  assert.ok(dispatcher.waiting >= 50);
  // pauses grow to a second and a half at most
  assert.ok(client.sent("default") >= (PATIENCE_MS - 100) / (1.5 * PROBE_MS_MAX + 20));
});

Deno.test("after the patience the fallback takes a payment that the default refused, once a lookup there said it is not booked", async () => {
  const world = new World();
  const { client, clock } = world;
  client.answers.default = () => ({ kind: "refused-as-far-as-known" });
  client.found.default = { kind: "unanswered", error: "timeout" };
  world.accept();
  await clock.advance(PATIENCE_MS + 1_000);
  assert.deepEqual(client.asked.at(-1), ["default", idOf(1)]);
  assert.equal(client.sent("fallback"), 0);
  client.found.default = { kind: "absent" };
  await clock.advance(RETRY_MS_MAX + PROBE_MS_MAX);
  assert.equal(world.book.get(idOf(1))!.processor, "fallback");
  assert.equal(client.sent("fallback"), 1);
});

Deno.test("a refusal that booked is found by the lookup and settles where it is", async () => {
  const world = new World();
  const { client, clock } = world;
  client.answers.default = () => ({ kind: "refused-as-far-as-known" });
  world.accept();
  await clock.advance(10);
  const [, { requestedAt }] = client.paid[0]!;
  client.found.default = { kind: "found", cents: 1990, requestedAt };
  await clock.advance(PATIENCE_MS + PROBE_MS_MAX);
  assert.equal(client.sent("fallback"), 0);
  assert.deepEqual(world.book.summary(), BOOKED_AT_DEFAULT);
  assert.equal(world.book.get(idOf(1))!.requestedAt, requestedAt);
});

Deno.test("a call without an answer binds: the same processor, id and requestedAt again, whatever is refused later", async () => {
  const world = new World();
  const { client, clock } = world;
  const answers: Outcome[] = [
    UNKNOWN,
    { kind: "refused-as-far-as-known" },
    { kind: "refused", why: "rejected", status: 400 },
    { kind: "refused", why: "processor-full" },
    { kind: "refused", why: "unreachable" },
  ];
  client.answers.default = () => answers.shift() ?? { kind: "booked" };
  world.accept();
  await clock.advance(HORIZON_MS - 1_000);
  assert.equal(client.sent("fallback"), 0);
  assert.deepEqual([client.sent("default"), client.times], [6, 1]);
  assert.equal(world.story(), "accepted, dispatched default default-up, settled default default-up");
});

Deno.test("a payment without an answer is sent UNKNOWNS_MAX times, and then only looked up, until a 404 after the horizon frees it", async () => {
  const world = new World();
  const { client, clock } = world;
  client.answers.default = () => UNKNOWN;
  world.accept();
  await clock.advance(HORIZON_MS - 1_000);
  assert.deepEqual([client.sent("default"), client.times], [UNKNOWNS_MAX, 1]);
  const { lastMs } = world;
  assert.equal(client.sent("fallback"), 0);
  assert.equal(world.book.get(idOf(1))!.stage, "dispatched");
  client.answers.default = () => ({ kind: "refused-as-far-as-known" });
  await clock.advance(lastMs + HORIZON_MS - clock.monotonic() - 1);
  assert.equal(world.story(), "accepted, dispatched default default-up");
  await clock.advance(1 + RETRY_MS_MAX);
  assert.match(world.story(), /^accepted, dispatched default default-up, released not-found, dispatched fallback/);
  assert.equal(client.sent("fallback"), 1);
});

Deno.test("a payment that is bound and whose lookup is never answered stays where it is", async () => {
  const world = new World();
  const { client, clock } = world;
  client.answers.default = () => UNKNOWN;
  client.found.default = { kind: "unanswered", error: "timeout" };
  world.accept();
  await clock.advance(10 * HORIZON_MS);
  assert.equal(world.story(), "accepted, dispatched default default-up");
  assert.equal(client.sent("fallback"), 0);
});

Deno.test("already booked settles under the requestedAt that the processor shows", async () => {
  const world = new World();
  world.client.answers.default = () => ({ kind: "already-booked" });
  world.client.found.default = { kind: "found", cents: 1990, requestedAt: 1_234_567 };
  world.accept();
  await world.clock.advance(10);
  const { stage, requestedAt, reason } = world.book.get(idOf(1))!;
  assert.deepEqual([stage, requestedAt, reason], ["settled", 1_234_567, "found-booked"]);
  assert.equal(world.client.paid.length, 1);
});

Deno.test("a payment that waits for a default that refused it is looked at again every turn's time", async () => {
  const world = new World();
  const { client, clock } = world;
  const sentMs: number[] = [];
  client.answers.default = () => {
    sentMs.push(clock.monotonic());
    return sentMs.length === 1 ? { kind: "refused-as-far-as-known" } : { kind: "booked" };
  };
  world.accept();
  await clock.advance(1_000);
  assert.deepEqual(sentMs, [0, Math.ceil(0.75 * PROBE_MS_MIN / TURN_MS) * TURN_MS]);
});

Deno.test("payments that come in after a turn share the next one", async () => {
  const world = new World();
  const sentMs: number[] = [];
  world.client.answers.default = () => {
    sentMs.push(world.clock.monotonic());
    return { kind: "booked" };
  };
  for (const [i, ms] of [4, TURN_MS - 6].entries()) {
    world.accept(i + 1);
    await world.clock.advance(ms);
  }
  world.accept(3);
  await world.clock.advance(1);
  assert.deepEqual(sentMs, [0]);
  await world.clock.advance(1);
  assert.deepEqual(sentMs, [0, TURN_MS, TURN_MS]);
});

Deno.test("a processor that is full is not down, and payments wait for a place", async () => {
  const world = new World();
  world.client.answers.default = () => ({ kind: "refused", why: "processor-full" });
  world.accept();
  await world.clock.advance(FULL_MS - 1);
  assert.equal(world.client.sent("default"), 1);
  assert.deepEqual([world.dispatcher.status("default").state, world.dispatcher.held], ["up", "default-full"]);
});

Deno.test("already booked is looked up at once, also after a rejection", async () => {
  const world = new World();
  const { client, clock } = world;
  const answers: Outcome[] = [{ kind: "refused", why: "rejected", status: 401 }];
  client.answers.default = () => answers.shift() ?? { kind: "already-booked" };
  client.found.default = { kind: "found", cents: 1990, requestedAt: 7 };
  world.accept();
  while (client.sent("default") < 2) await clock.advance(1);
  await clock.advance(1);
  assert.equal(world.book.get(idOf(1))!.stage, "settled");
});

Deno.test("a payment that is called booked and is not found is shown, and sent there again with backoff, until it is found", async () => {
  const world = new World();
  const { client, clock, dispatcher } = world;
  client.answers.default = () => ({ kind: "already-booked" });
  world.accept();
  await clock.advance(10 * HORIZON_MS);
  const story = "accepted, dispatched default default-up, dispatched default already-booked";
  assert.equal(world.story(), story);
  const unclear = "status 404 for a payment that it answered with status 422";
  assert.equal(dispatcher.status("default").unclear, unclear);
  const sent = client.sent("default");
  assert.equal(client.times, 1);
  // pauses of three quarters of the longest, and a few that are shorter
  const rarely = 10 * HORIZON_MS / (0.75 * RARELY_MS);
  assert.ok(client.asked.length < sent + 10, `${client.asked.length} lookups`);
  assert.ok(sent > 0.8 * rarely && sent < rarely + 5, `${sent} calls`);
  client.answers.default = () => ({ kind: "booked" });
  await clock.advance(RARELY_MS);
  assert.equal(world.story(), `${story}, settled default already-booked`);
  assert.deepEqual([client.sent("fallback"), dispatcher.notes.join("")], [0, ""]);
});

Deno.test("a payment that was called booked stays where it is bound, also for a process that did not hear that", async () => {
  const told = new World();
  told.client.answers.default = () => ({ kind: "already-booked" });
  told.accept();
  await told.clock.advance(HORIZON_MS / 2);
  const facts = told.a.told.map(({ fact }) => fact);
  assert.equal(told.story(), "accepted, dispatched default default-up, dispatched default already-booked");
  const world = new World(...facts);
  world.client.answers.default = () => ({ kind: "refused", why: "processor-full" });
  await world.clock.advance(2 * PATIENCE_MS + 10 * HORIZON_MS);
  assert.deepEqual([world.book.get(idOf(1))!.stage, world.client.sent("fallback")], ["dispatched", 0]);
});

Deno.test("that a payment was called booked is recorded once the log takes it", async () => {
  const world = new World();
  const { client, clock } = world;
  client.answers.default = () => {
    world.refuse("dispatched");
    return { kind: "already-booked" };
  };
  world.accept();
  client.found.default = { kind: "unanswered", error: "timeout" };
  await clock.advance(HORIZON_MS);
  assert.equal(world.story(), "accepted, dispatched default default-up");
  const sent = client.sent("default");
  world.refuse("none");
  await clock.advance(2 * RARELY_MS);
  assert.equal(client.sent("default"), sent);
  assert.equal(world.story(), "accepted, dispatched default default-up, dispatched default already-booked");
});

for (const [when, by] of [["read at a start", "a"], ["moved from a dead peer", "b"]] as const) {
  Deno.test(`a bound payment that was ${when} is looked up before it is sent again`, async () => {
    const world = new World(...bound(2 * ASKING_MAX, by));
    const { client, clock } = world;
    client.found.default = { kind: "found", cents: 1990, requestedAt: 7 };
    if (by === "b") world.a.ledger.append({ kind: "moved", by: "a", from: "b", at: 1 });
    await clock.advance(2 * RETRY_MS_MIN);
    assert.deepEqual([client.paid.length, world.book.settled.size], [0, 2 * ASKING_MAX]);
  });
}

Deno.test("a payment in doubt is not sent before the horizon and both processors' word", async () => {
  const world = new World(accepted(1), DOUBTED);
  const { client, clock } = world;
  await clock.advance(HORIZON_MS - 1);
  assert.deepEqual([client.asked, client.paid], [[], []]);
  await clock.advance(60);
  assert.deepEqual(client.asked, [["default", idOf(1)], ["fallback", idOf(1)]]);
  assert.deepEqual(client.paid.map(([processor]) => processor), ["default"]);
  assert.equal(world.story(), "accepted, dispatched default default-up, settled default default-up");
});

Deno.test("a payment in doubt waits while one of the processors does not say whether it has it", async () => {
  const world = new World(accepted(1), DOUBTED);
  const { client, clock } = world;
  client.found.fallback = { kind: "unanswered", error: "timeout" };
  await clock.advance(HORIZON_MS + 10 * RETRY_MS_MAX);
  assert.deepEqual(client.paid, []);
  client.found.fallback = { kind: "found", cents: 1990, requestedAt: 77 };
  await clock.advance(RETRY_MS_MAX);
  assert.deepEqual([client.paid, world.book.get(idOf(1))!.processor], [[], "fallback"]);
});

Deno.test("a payment that was bound before the doubt and is booked at the other processor settles there", async () => {
  const world = new World(...bound(1), DOUBTED);
  const { client, clock } = world;
  client.found.fallback = { kind: "found", cents: 1990, requestedAt: 77 };
  await clock.advance(HORIZON_MS + 100);
  assert.deepEqual(client.paid, []);
  assert.deepEqual(world.book.summary().fallback, { count: 1, cents: 1990 });
});

Deno.test("a payment that was bound before the doubt and is booked nowhere is free for either processor", async () => {
  const world = new World(...bound(1), DOUBTED);
  const { client, clock } = world;
  client.answers.default = () => ({ kind: "refused-as-far-as-known" });
  await clock.advance(HORIZON_MS + PATIENCE_MS);
  assert.match(world.story(), /^accepted, dispatched default default-up, released not-found, dispatched default/);
  await clock.advance(2 * PATIENCE_MS);
  assert.equal(world.book.get(idOf(1))!.processor, "fallback");
});

Deno.test("a payment that was accepted in doubt is looked up, once no earlier call can be booked any more", async () => {
  const world = new World(DOUBTED);
  const { client, clock } = world;
  await clock.advance(HORIZON_MS / 2);
  world.a.ledger.append({ ...accepted(1), at: clock.now(), doubt: true });
  world.accept(2);
  await clock.advance(HORIZON_MS / 2 - 1);
  assert.deepEqual(client.paid.map(([, { id }]) => id), [idOf(2)]);
  client.found.default = { kind: "found", cents: 1990, requestedAt: 77 };
  await clock.advance(60);
  assert.deepEqual([client.paid.length, world.book.get(idOf(1))!.requestedAt], [1, 77]);
});

Deno.test("what processors said before a payment was doubted again does not clear it", async () => {
  const world = new World(accepted(1), DOUBTED);
  const { client, clock } = world;
  const waiting: ((lookup: Lookup) => void)[] = [];
  client.lookup = () => new Promise((resolve) => waiting.push(resolve));
  await clock.advance(HORIZON_MS + 10);
  assert.equal(waiting.length, 2);
  world.a.ledger.append({ ...DOUBTED, uptimeMs: clock.uptime() });
  for (const answer of waiting.splice(0)) answer({ kind: "absent" });
  await clock.advance(HORIZON_MS - 1);
  assert.deepEqual([waiting.length, client.paid.length], [0, 0]);
  await clock.advance(60);
  assert.deepEqual([waiting.length, client.paid.length], [2, 0]);
});

Deno.test("no more than ASKING_MAX payments are looked up at one time", async () => {
  const count = 3 * ASKING_MAX;
  const world = new World(...Array.from({ length: count }, (_, n) => accepted(n)), DOUBTED);
  const { client, clock } = world;
  const waiting: (() => void)[] = [];
  let [running, most] = [0, 0];
  client.lookup = () => {
    most = Math.max(most, ++running);
    return new Promise((resolve) =>
      waiting.push(() => {
        running--;
        resolve({ kind: "absent" });
      })
    );
  };
  await clock.advance(HORIZON_MS + 1_000);
  assert.deepEqual([running, most], [2 * ASKING_MAX, 2 * ASKING_MAX]);
  for (let i = 0; i < 20; i++) {
    for (const answer of waiting.splice(0)) answer();
    await clock.advance(200);
  }
  assert.equal(world.book.settled.size, count);
  assert.equal(most, 2 * ASKING_MAX);
});

Deno.test("a processor that refused is asked for ASKING_MAX payments at one time, before the other one gets them", async () => {
  const count = 2 * ASKING_MAX;
  const world = new World(...refused(count));
  const { client, clock, dispatcher } = world;
  client.answers.default = () => ({ kind: "refused-as-far-as-known" });
  dispatcher.hearHealth("default", { failing: true, minResponseMs: 0 });
  const waiting: (() => void)[] = [];
  let [running, most] = [0, 0];
  client.lookup = () => {
    most = Math.max(most, ++running);
    return new Promise((resolve) =>
      waiting.push(() => {
        running--;
        resolve({ kind: "absent" });
      })
    );
  };
  await clock.advance(1_000);
  assert.deepEqual([running, client.sent("fallback")], [ASKING_MAX, 0]);
  while (waiting.length > 0) {
    for (const answer of waiting.splice(0)) answer();
    await clock.advance(1_000);
  }
  assert.deepEqual([most, client.sent("fallback")], [ASKING_MAX, count]);
});

Deno.test("a dead peer's payments are sent on: what was bound to the same processor under the same time", async () => {
  const world = new World(...bound(1, "b", 7), accepted(2, "b"));
  const { client, clock } = world;
  await clock.advance(100);
  assert.equal(client.paid.length, 0);
  world.a.ledger.append({ kind: "moved", by: "a", from: "b", at: 1 });
  await clock.advance(100);
  const sent = client.paid.map(([processor, { id, requestedAt }]) => [processor, id, requestedAt === 7]);
  // the first one is looked up before
  assert.deepEqual(client.asked, [["default", idOf(1)]]);
  assert.deepEqual(sent, [["default", idOf(2), false], ["default", idOf(1), true]]);
  assert.equal(world.book.settled.size, 2);
});

Deno.test("what a dead peer had bound is released by no refusal, only by a 404 after the horizon from when it was moved", async () => {
  const world = new World(...bound(1, "b"));
  const { client, clock } = world;
  client.answers.default = () => ({ kind: "refused", why: "unreachable" });
  await clock.advance(1_000);
  world.a.ledger.append({ kind: "moved", by: "a", from: "b", at: 1 });
  await clock.advance(HORIZON_MS - 1);
  assert.equal(world.story(), "accepted, dispatched default default-up");
  await clock.advance(RETRY_MS_MAX + PATIENCE_MS);
  assert.match(world.story(), /^accepted, dispatched default default-up, released not-found, dispatched fallback/);
});

Deno.test("what was bound before this process began is released by no refusal, only by a 404 after the horizon", async () => {
  const world = new World(...bound(1));
  const { client, clock } = world;
  client.answers.default = () => ({ kind: "refused-as-far-as-known" });
  await clock.advance(HORIZON_MS - 1);
  assert.equal(world.story(), "accepted, dispatched default default-up");
  assert.equal(client.times, 1);
  await clock.advance(RETRY_MS_MAX + PATIENCE_MS);
  assert.match(world.story(), /^accepted, dispatched default default-up, released not-found, dispatched fallback/);
});

Deno.test("payments that are bound to a processor that is down are all free for the other one at the horizon", async () => {
  const world = new World(...bound(100, "b"));
  const { client, clock } = world;
  client.answers.default = () => ({ kind: "refused-as-far-as-known" });
  world.a.ledger.append({ kind: "moved", by: "a", from: "b", at: 1 });
  await clock.advance(HORIZON_MS - 1);
  assert.equal(client.sent("fallback"), 0);
  await clock.advance(2 * RETRY_MS_MAX + PATIENCE_MS);
  assert.equal(client.sent("fallback"), 100);
  assert.equal(world.book.summary().fallback.count, 100);
  assert.equal(new Set(client.paid.flatMap(([to, { id }]) => to === "fallback" ? [id] : [])).size, 100);
});

Deno.test("a payment that is bound to a processor that is down is settled where a lookup finds it", async () => {
  const world = new World(...bound(100, "b"));
  const { client, clock } = world;
  client.answers.default = () => ({ kind: "refused-as-far-as-known" });
  world.a.ledger.append({ kind: "moved", by: "a", from: "b", at: 1 });
  await clock.advance(1_000);
  client.found.default = { kind: "found", requestedAt: 7, cents: 1990 };
  await clock.advance(2 * RETRY_MS_MAX);
  assert.deepEqual(world.book.summary().default, { count: 100, cents: 199_000 });
});

Deno.test("the new owner finds out the outcome of a call whose payment is no longer this replica's", async () => {
  const world = new World();
  let answer = (_: Outcome) => {};
  world.client.answers.default = () => new Promise((resolve) => answer = resolve);
  world.accept();
  await world.clock.advance(10);
  world.b.ledger.append({ kind: "moved", by: "b", from: "a", at: 1 });
  world.a.ledger.catchUp();
  answer({ kind: "refused", why: "unreachable" });
  await world.clock.advance(HORIZON_MS + PATIENCE_MS);
  assert.equal(world.story(), "accepted, dispatched default default-up");
  assert.deepEqual([world.client.paid.length, world.dispatcher.waiting], [1, 0]);
});

Deno.test("payments that wait when this replica is taken for dead are the other's: this one sends none of them", async () => {
  const world = new World(...bound(1));
  const { client, clock, dispatcher } = world;
  // one that is bound and one that is not wait for a default that is down
  dispatcher.hearHealth("default", { failing: true, minResponseMs: 0 });
  world.accept(2);
  await clock.advance(10);
  assert.deepEqual([client.paid.length, dispatcher.waiting], [0, 2]);
  world.b.ledger.append({ kind: "moved", by: "b", from: "a", at: 1 });
  world.a.ledger.catchUp();
  assert.equal(dispatcher.waiting, 0);
  dispatcher.hearHealth("default", { failing: false, minResponseMs: 0 });
  await clock.advance(HORIZON_MS);
  assert.equal(client.paid.length, 0);
  // it goes on with what it accepts from now on
  world.accept(3);
  await clock.advance(10);
  assert.deepEqual(client.paid.map(([, { id }]) => id), [idOf(3)]);
});

Deno.test("a rejection is repeated rarely", async () => {
  const world = new World();
  const { client, clock } = world;
  client.answers.default = () => ({ kind: "refused", why: "rejected", status: 401 });
  world.accept();
  await clock.advance(RETRY_MS_MIN);
  assert.equal(client.sent("default"), 1);
  // pauses of three quarters of the longest
  await clock.advance(4 * RETRY_MS_MAX);
  const { length } = client.paid;
  assert.ok(length >= 2 && length <= 6, `${length} calls`);
});

Deno.test("a payment that both refuse is tried rarely at either, holds no other up, and is booked once one takes it", async () => {
  const world = new World();
  const { client, clock, dispatcher } = world;
  const poison = idOf(1);
  let isRefused = true;
  let id = "";
  client.calls = (called) => id = called;
  const answer = (): Outcome =>
    isRefused && id === poison ? { kind: "refused", why: "rejected", status: 400 } : { kind: "booked" };
  client.answers = { default: answer, fallback: answer };
  world.accept(1);
  await clock.advance(PATIENCE_MS + 2 * RETRY_MS_MAX);
  assert.equal(client.sent("fallback"), 1);
  assert.deepEqual([dispatcher.rejected, world.book.get(poison)!.reason], [1, "rejected-by-both"]);
  assert.deepEqual(dispatcher.notes.filter((note) => note !== ""), [
    "payments that both processors rejected, which are tried rarely: 1",
  ]);
  const before = client.paid.length;
  await clock.advance(20 * RARELY_MS);
  const tries = client.paid.slice(before);
  // pauses of three quarters of the longest, at one and the other in turn
  assert.equal(tries.length, 27);
  for (const [i, [processor]] of tries.entries()) assert.equal(processor, i % 2 === 0 ? "default" : "fallback");
  for (const processor of ["default", "fallback"] as const) assert.equal(dispatcher.status(processor).state, "up");
  for (let n = 2; n <= 20; n++) world.accept(n);
  await clock.advance(1_000);
  assert.equal(world.book.summary().default.count, 19);
  isRefused = false;
  await clock.advance(RARELY_MS);
  assert.equal(world.book.get(poison)!.stage, "settled");
  assert.deepEqual([dispatcher.rejected, dispatcher.notes.join("")], [0, ""]);
});

Deno.test("a default that rejects every payment is down with its status, and payments wait for their patience", async () => {
  const world = new World();
  const { client, clock, dispatcher } = world;
  client.answers.default = () => ({ kind: "refused", why: "rejected", status: 403 });
  for (let n = 1; n <= 20; n++) world.accept(n);
  await clock.advance(PATIENCE_MS - 1_000);
  const { state, rejectsWith, error } = dispatcher.status("default");
  assert.deepEqual({ state, rejectsWith, error }, { state: "down", rejectsWith: 403, error: undefined });
  assert.equal(dispatcher.notes[0], "the default processor refuses payments with status 403");
  assert.equal(client.sent("fallback"), 0);
  assert.ok(client.sent("default") < 30, `${client.sent("default")} calls`);
  await clock.advance(1_000 + RETRY_MS_MAX);
  assert.deepEqual([client.sent("fallback"), world.book.summary().fallback.count], [20, 20]);
});

Deno.test("nothing is sent or asked of a processor before it wants to be asked again", async () => {
  const world = new World();
  const { client, clock, dispatcher } = world;
  const answers: Outcome[] = [{ kind: "unknown", error: "status 503", retryAfterMs: 10_000 }];
  client.answers.default = () => answers.shift() ?? { kind: "booked" };
  world.accept(1);
  await clock.advance(100);
  world.accept(2);
  const retryAt = new Date(clock.now() + 9_900).toISOString();
  const { state, retryAt: told } = dispatcher.status("default");
  assert.equal(state, "down");
  assert.ok(Math.abs(Date.parse(told!) - Date.parse(retryAt)) <= 40, `${told}, not ${retryAt}`);
  assert.match(dispatcher.notes.join(""), /the default processor gets no calls until .*Z \(Retry-After\)/);
  await clock.advance(PATIENCE_MS - 1_000);
  assert.deepEqual([client.sent("default"), client.asked.length, client.sent("fallback")], [1, 0, 0]);
  await clock.advance(10_000);
  assert.equal(dispatcher.status("default").retryAt, undefined);
  assert.deepEqual([world.book.get(idOf(1))!.stage, world.book.get(idOf(2))!.stage], ["settled", "settled"]);
});

Deno.test("a lookup that is not understood is shown until it is", async () => {
  const world = new World(...bound(2, "a", 2));
  const { client, clock, dispatcher } = world;
  client.answers.default = () => UNKNOWN;
  let id = "";
  const unclear: Record<string, string> = { [idOf(1)]: "amount is true", [idOf(2)]: "amount is false" };
  client.lookup = (processor, asked) => {
    id = asked;
    client.asked.push([processor, asked]);
    const error = unclear[id];
    return Promise.resolve(error ? { kind: "unclear", error } : { kind: "found", cents: 1990, requestedAt: 2 });
  };
  await clock.advance(HORIZON_MS + 2 * RETRY_MS_MAX);
  assert.ok(client.asked.length > 4);
  assert.equal(dispatcher.status("default").unclear, "amount is true");
  const note = "the default processor's answer to a lookup is not understood: amount is true";
  assert.ok(dispatcher.notes.includes(note));
  assert.equal(world.book.get(idOf(1))!.stage, "dispatched");
  delete unclear[idOf(1)];
  await clock.advance(4 * RETRY_MS_MAX);
  assert.equal(world.book.get(idOf(1))!.stage, "settled");
  assert.equal(dispatcher.status("default").unclear, "amount is false");
  delete unclear[idOf(2)];
  await clock.advance(2 * RETRY_MS_MAX);
  assert.equal(dispatcher.status("default").unclear, undefined);
});

Deno.test("a booking of another amount than was sent settles nothing, and is shown with both amounts", async () => {
  for (const cents of [199_000, 1_989, 1]) {
    const world = new World();
    const { client, clock, dispatcher } = world;
    client.answers.default = () => ({ kind: "already-booked" });
    client.found.default = { kind: "found", cents, requestedAt: 2 };
    world.accept();
    await clock.advance(2 * HORIZON_MS);
    assert.equal(world.story(), "accepted, dispatched default default-up, dispatched default already-booked");
    assert.equal(client.paid.length, 1);
    const unclear = `amount is ${(cents / 100).toFixed(2)}, and 19.90 was sent`;
    assert.equal(dispatcher.status("default").unclear, unclear);
    const note = `the default processor's answer to a lookup is not understood: ${unclear}`;
    assert.ok(dispatcher.notes.includes(note));
    client.found.default = { kind: "found", cents: 1990, requestedAt: 2 };
    await clock.advance(RARELY_MS);
    assert.deepEqual(world.book.summary(), BOOKED_AT_DEFAULT);
    assert.deepEqual(dispatcher.notes.filter(Boolean), []);
  }
});

for (
  const [what, facts] of [
    ["refused, as far as the default knew", refused(1)],
    ["in doubt", [accepted(1), DOUBTED]],
    ["bound, and in doubt", [...bound(1), DOUBTED]],
    ["bound before this process began", bound(1)],
  ] as const
) {
  Deno.test(`a payment that was ${what} is not settled under another amount, nor sent to the other processor`, async () => {
    const world = new World(...facts);
    const { client, clock, dispatcher } = world;
    client.answers.default = () => UNKNOWN;
    client.found.default = { kind: "found", cents: 199_000, requestedAt: 2 };
    dispatcher.hearHealth("default", { failing: true, minResponseMs: 0 });
    await clock.advance(3 * HORIZON_MS);
    assert.equal(client.sent("fallback"), 0);
    assert.notEqual(world.book.get(idOf(1))!.stage, "settled");
    assert.equal(dispatcher.status("default").unclear, "amount is 1990.00, and 19.90 was sent");
  });
}

Deno.test("a payment in doubt is settled under another amount, which may have been sent before the log was lost", async () => {
  const world = new World(accepted(1), DOUBTED);
  world.client.found.default = { kind: "found", cents: 1_500, requestedAt: 2 };
  await world.clock.advance(HORIZON_MS + 60);
  assert.deepEqual(world.book.summary().default, { count: 1, cents: 1_500 });
});

for (
  const [outcome, error] of [
    [{ kind: "refused", why: "unreachable", error: "nothing listens there" }, "nothing listens there"],
    [{ kind: "refused-as-far-as-known" }, "status 500"],
    [{ kind: "unknown", error: "no answer within 1500 ms" }, "no answer within 1500 ms"],
  ] as const
) {
  Deno.test(`a processor that is down is shown with the last reason: ${error}`, async () => {
    const world = new World();
    const { client, clock, dispatcher } = world;
    client.answers.default = () => ({ kind: "refused", why: "unreachable", error: "another reason" });
    world.accept();
    await clock.advance(10);
    assert.deepEqual(dispatcher.notes.filter(Boolean), ["the default processor takes no payments: another reason"]);
    client.answers.default = () => outcome;
    await clock.advance(PROBE_MS_MAX);
    assert.equal(dispatcher.status("default").error, error);
    client.answers.default = () => ({ kind: "booked" });
    world.accept(2);
    await clock.advance(2 * PROBE_MS_MAX);
    assert.deepEqual([dispatcher.status("default").error, dispatcher.notes.join("")], [undefined, ""]);
  });
}

Deno.test("a processor that says itself that it fails is shown with that", () => {
  const { dispatcher } = new World();
  dispatcher.hearHealth("fallback", { failing: true, minResponseMs: 0 });
  assert.deepEqual(dispatcher.notes.filter(Boolean), [
    "the fallback processor takes no payments: service-health says that it fails",
  ]);
});

Deno.test("stop() sends nothing new, and waits for what is in flight and records it", async () => {
  const world = new World();
  const { client, clock, dispatcher } = world;
  let answer = (_: Outcome) => {};
  client.answers.default = () => new Promise((resolve) => answer = resolve);
  world.accept(1);
  await clock.advance(10);
  let stopped = false;
  dispatcher.stop().then(() => stopped = true);
  world.accept(2);
  await clock.advance(1_000);
  assert.deepEqual([client.paid.length, stopped], [1, false]);
  answer({ kind: "booked" });
  await clock.settle();
  assert.equal(stopped, true);
  assert.equal(world.book.get(idOf(1))!.stage, "settled");
  assert.equal(client.paid.length, 1);
});

Deno.test("a payment that was bound again is looked up when the processor has it already", async () => {
  const world = new World(...bound(1, "a", 2));
  const { client, clock } = world;
  client.answers.default = () => {
    client.found.default = { kind: "found", cents: 1990, requestedAt: 2 };
    return UNKNOWN;
  };
  await clock.advance(2 * RETRY_MS_MIN);
  assert.equal(world.book.get(idOf(1))!.stage, "settled");
  assert.equal(client.sent("default"), 1);
});

Deno.test("why payments are held is shown while there are any", async () => {
  const world = new World();
  assert.equal(world.dispatcher.held, undefined);
  world.dispatcher.hearHealth("default", { failing: true, minResponseMs: 0 });
  world.client.answers.default = () => ({ kind: "refused-as-far-as-known" });
  for (const n of [1, 2]) world.accept(n);
  await world.clock.advance(200);
  assert.equal(world.dispatcher.held, "default-refusing");
  assert.equal(world.dispatcher.status("default").state, "down");
});

Deno.test("payments in doubt whose lookups have no answer are in no other payment's way", async () => {
  const count = 3 * ASKING_MAX;
  const world = new World(...Array.from({ length: count }, (_, i) => accepted(100 + i)), DOUBTED);
  const { clock, client } = world;
  client.lookup = () => new Promise(() => {});
  await clock.advance(HORIZON_MS + 1_000);
  for (let n = 1; n <= 20; n++) world.accept(n);
  await clock.advance(1_000);
  assert.equal(client.paid.length, 20);
});

Deno.test("refused payments whose processor does not say whether it has them are in no other payment's way", async () => {
  const world = new World(...refused(3 * ASKING_MAX));
  const { clock, client, dispatcher } = world;
  client.lookup = () => new Promise(() => {});
  client.answers.default = () => new Promise(() => {});
  dispatcher.hearHealth("default", { failing: true, minResponseMs: 0 });
  const fresh = Array.from({ length: 20 }, (_, i) => 1_001 + i);
  for (const n of fresh) world.accept(n);
  await clock.advance(2 * PATIENCE_MS);
  const ids = new Set(fresh.map(idOf));
  const sent = client.paid.filter(([to, { id }]) => to === "fallback" && ids.has(id)).length;
  // but for one that probes the default
  assert.ok(sent >= 19, `${sent} of 20 were sent`);
});
