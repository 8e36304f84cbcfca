import assert from "node:assert/strict";
import { Dispatcher, RETRY_MS_MIN } from "../../src/routing/dispatcher.ts";
import { PROBE_MS_MAX } from "../../src/routing/view.ts";
import { Book } from "../../src/payment/book.ts";
import { accepted, dispatched, type Fact, type Processor, suspect } from "../../src/payment/fact.ts";
import type { Attempt, Lookup, Outcome, ProcessorClient } from "../../src/routing/processor_client.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const PATIENCE_MS = 5_000;

/** Processors that answer as a test says, at once, and remember what they were asked. */
class ScriptedClient implements ProcessorClient {
  readonly paid: (readonly [Processor, Attempt])[] = [];
  readonly asked: (readonly [Processor, string])[] = [];
  answers: Record<Processor, () => Outcome | Promise<Outcome>> = {
    default: () => ({ kind: "booked" }),
    fallback: () => ({ kind: "booked" }),
  };
  found: Record<Processor, Lookup> = { default: { kind: "absent" }, fallback: { kind: "absent" } };

  async pay(processor: Processor, { id, cents, requestedAt }: Attempt): Promise<Outcome> {
    this.paid.push([processor, { id, cents, requestedAt }]);
    return await this.answers[processor]();
  }

  lookup(processor: Processor, id: string): Promise<Lookup> {
    this.asked.push([processor, id]);
    return Promise.resolve(this.found[processor]);
  }

  health(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  sent(processor: Processor): number {
    return this.paid.filter(([to]) => to === processor).length;
  }
}

function setUp() {
  const clock = new VirtualClock();
  const book = new Book();
  const client = new ScriptedClient();
  const facts: Fact[] = [];
  let safe = Promise.resolve(true);
  const dispatcher = new Dispatcher({
    self: "a",
    book,
    clock,
    client,
    random: () => 0.5,
    tenure: { mayAct: true, owns: (owner) => owner === "a" },
    limits: {
      patienceMs: PATIENCE_MS,
      slowMs: 1_000,
      maxInFlight: 4,
      dispatchPerSecond: 1_000,
      requestTimeoutMs: 10_000,
    },
    record: (fact) => {
      book.fold(fact);
      facts.push(fact);
      return safe;
    },
  });
  const offer = (id: string) => {
    const fact = accepted(id, 1990, clock.now(), "a");
    book.fold(fact);
    dispatcher.offer(fact);
    return fact;
  };
  return { clock, book, client, facts, dispatcher, offer, unsafe: () => safe = Promise.resolve(false) };
}

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const ids = (count: number) => Array.from({ length: count }, () => crypto.randomUUID() as string);

Deno.test("a payment is bound, sent with the time it was bound, and settled under that time", async () => {
  const { clock, book, client, facts, offer } = setUp();
  offer(ID);
  await clock.advance(10);
  assert.deepEqual(facts.map(({ stage, processor }) => [stage, processor]), [["dispatched", "default"], [
    "settled",
    "default",
  ]]);
  assert.equal(client.paid[0]![1].requestedAt, facts[0]!.requestedAt);
  assert.deepEqual(book.summary().default, { count: 1, cents: 1990 });
});

Deno.test("nothing is sent before the binding is safe, and what was not sent is free again", async () => {
  const { clock, client, facts, offer, unsafe } = setUp();
  unsafe();
  offer(ID);
  await clock.advance(10);
  assert.deepEqual(client.paid, []);
  assert.deepEqual(facts.slice(0, 2).map(({ stage, reason }) => [stage, reason]), [["dispatched", "default-up"], [
    "released",
    "peer-lost",
  ]]);
});

Deno.test("no more calls are in flight than the limit allows", async () => {
  const { clock, client, offer } = setUp();
  client.answers.default = () => new Promise(() => {});
  for (const id of ids(20)) offer(id);
  await clock.advance(200);
  assert.equal(client.sent("default"), 4);
});

Deno.test("a bound payment is no probe for who has as many calls as he may have", async () => {
  const { clock, book, client, dispatcher, offer } = setUp();
  client.answers.default = () => new Promise(() => {});
  for (const id of ids(4)) offer(id);
  await clock.advance(10);
  dispatcher.hear("default", { failing: true, minResponseMs: 0 });
  const bound = dispatched(accepted(ID, 1990, clock.now(), "a"), "a", "default", clock.now(), "default-up");
  book.fold(bound);
  dispatcher.offer(bound);
  await clock.advance(PROBE_MS_MAX);
  assert.equal(client.sent("default"), 4);
});

Deno.test("a default that refuses is probed by one payment at a time, and nobody else is sent anywhere", async () => {
  const { clock, client, dispatcher, offer } = setUp();
  let running = 0;
  client.answers.default = () => {
    assert.equal(++running, 1);
    return new Promise((resolve) =>
      clock.after(20, () => {
        running--;
        resolve({ kind: "failed" });
      })
    );
  };
  offer(ID);
  await clock.advance(30);
  for (const id of ids(50)) offer(id);
  await clock.advance(PATIENCE_MS - 100);
  assert.equal(client.sent("fallback"), 0);
  assert.equal(dispatcher.waiting >= 50, true);
  // pauses grow to a second and a half at most
  assert.ok(client.sent("default") >= (PATIENCE_MS - 100) / (1.5 * PROBE_MS_MAX + 20));
});

Deno.test("after the patience the fallback takes a payment that the default refused, once a lookup there said it is not booked", async () => {
  const { clock, client, book, offer } = setUp();
  client.answers.default = () => ({ kind: "failed" });
  offer(ID);
  await clock.advance(PATIENCE_MS + 50);
  assert.deepEqual(client.asked.at(-1), ["default", ID]);
  assert.equal(book.get(ID)!.processor, "fallback");
  assert.equal(client.sent("fallback"), 1);
});

Deno.test("a refusal that booked is found by the lookup and settles where it is", async () => {
  const { clock, client, book, offer } = setUp();
  client.answers.default = () => ({ kind: "failed" });
  offer(ID);
  await clock.advance(10);
  const requestedAt = client.paid[0]![1].requestedAt;
  client.found.default = { kind: "found", cents: 1990, requestedAt };
  await clock.advance(PATIENCE_MS + 50);
  assert.equal(client.sent("fallback"), 0);
  assert.deepEqual(book.summary(), { default: { count: 1, cents: 1990 }, fallback: { count: 0, cents: 0 } });
  assert.equal(book.get(ID)!.requestedAt, requestedAt);
});

Deno.test("a call without an answer binds: the same processor, id and requestedAt again, whatever is refused later", async () => {
  const { clock, client, book, offer } = setUp();
  const answers: Outcome[] = [
    { kind: "unknown", error: "timeout" },
    { kind: "failed" },
    { kind: "refused", why: "refused" },
    { kind: "refused", why: "processor-full" },
    { kind: "refused", why: "unreachable" },
  ];
  client.answers.default = () => answers.shift() ?? { kind: "booked" };
  offer(ID);
  await clock.advance(4 * PATIENCE_MS);
  assert.equal(client.sent("fallback"), 0);
  assert.equal(client.sent("default"), 6);
  assert.equal(new Set(client.paid.map(([, { requestedAt }]) => requestedAt)).size, 1);
  assert.equal(book.get(ID)!.stage, "settled");
  assert.equal(book.get(ID)!.attempt, 1);
});

Deno.test("already booked settles under the requestedAt that the processor shows", async () => {
  const { clock, client, book, offer } = setUp();
  client.answers.default = () => ({ kind: "already-booked" });
  client.found.default = { kind: "found", cents: 1990, requestedAt: 1_234_567 };
  offer(ID);
  await clock.advance(10);
  assert.equal(book.get(ID)!.stage, "settled");
  assert.equal(book.get(ID)!.requestedAt, 1_234_567);
});

Deno.test("a suspect is not sent before its time and both processors' word", async () => {
  const { clock, client, book, dispatcher } = setUp();
  const fact = suspect(accepted(ID, 1990, clock.now(), "a"), clock.now() + 10_000);
  book.fold(fact);
  dispatcher.offer(fact);
  await clock.advance(9_999);
  assert.deepEqual([client.asked, client.paid], [[], []]);
  await clock.advance(60);
  assert.deepEqual(client.asked, [["default", ID], ["fallback", ID]]);
  assert.equal(client.sent("default"), 1);
});

Deno.test("a suspect that was bound and is booked at the other processor settles there", async () => {
  const { clock, client, book, dispatcher } = setUp();
  const nowMs = clock.now();
  const bound = suspect(dispatched(accepted(ID, 1990, nowMs, "a"), "a", "default", nowMs, "default-up"), nowMs + 100);
  book.fold(bound);
  client.found.fallback = { kind: "found", cents: 1990, requestedAt: 77 };
  dispatcher.offer(bound);
  await clock.advance(200);
  assert.deepEqual(client.paid, []);
  assert.deepEqual(book.summary().fallback, { count: 1, cents: 1990 });
});

Deno.test("a payment that was refused as such is tried again later and later, not at once", async () => {
  const { clock, client, offer } = setUp();
  client.answers.default = () => ({ kind: "refused", why: "refused" });
  offer(ID);
  await clock.advance(RETRY_MS_MIN / 2);
  assert.equal(client.sent("default"), 1);
  await clock.advance(10_000);
  assert.ok(client.sent("default") < 12);
});

Deno.test("stop() sends nothing new and waits for what is in flight", async () => {
  const { clock, client, dispatcher, offer } = setUp();
  let answer = (_: Outcome) => {};
  client.answers.default = () => new Promise((resolve) => answer = resolve);
  offer(ID);
  await clock.advance(5);
  let stopped = false;
  dispatcher.stop().then(() => stopped = true);
  offer(crypto.randomUUID());
  await clock.advance(1_000);
  assert.equal(client.paid.length, 1);
  assert.equal(stopped, false);
  answer({ kind: "booked" });
  await clock.advance(1);
  assert.equal(stopped, true);
});

Deno.test("a binding that cannot be made safe is tried again after a pause, not at once", async () => {
  const { clock, client, facts, offer, unsafe } = setUp();
  unsafe();
  offer(ID);
  await clock.advance(RETRY_MS_MIN / 2);
  assert.deepEqual(facts.map(({ stage }) => stage), ["dispatched", "released"]);
  assert.equal(client.paid.length, 0);
});

Deno.test("a clock that was set back does not hold a suspect longer than a request may take", async () => {
  const { clock, book, client, dispatcher } = setUp();
  const fact = suspect(accepted(ID, 1990, clock.now(), "a"), clock.now() + 3_600_000);
  book.fold(fact);
  dispatcher.offer(fact);
  await clock.advance(9_990);
  assert.equal(client.asked.length, 0);
  await clock.advance(20);
  assert.equal(client.asked.length, 2);
});

Deno.test("doubt that comes up about a payment in hand is waited for", async () => {
  const { clock, book, client, dispatcher, offer } = setUp();
  const fact = suspect(offer(ID), clock.now() + 500);
  book.fold(fact);
  dispatcher.offer(fact);
  await clock.advance(490);
  assert.equal(client.asked.length + client.paid.length, 0);
  await clock.advance(20);
  assert.equal(client.asked.length, 2);
});

Deno.test("a suspect that was bound again is looked up when the processor has it already", async () => {
  const { clock, book, client, dispatcher } = setUp();
  const fact = suspect(dispatched(accepted(ID, 1990, 1, "a"), "a", "default", 2, "default-up"), 0);
  book.fold(fact);
  client.answers.default = () => {
    client.found.default = { kind: "found", cents: 1990, requestedAt: 2 };
    return { kind: "unknown", error: "reset" };
  };
  dispatcher.offer(fact);
  await clock.advance(2 * RETRY_MS_MIN);
  assert.equal(book.get(ID)?.stage, "settled");
  assert.equal(client.sent("default"), 1);
});
