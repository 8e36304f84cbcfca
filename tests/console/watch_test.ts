import assert from "node:assert/strict";
import type { Fact, Processor, Reason } from "../../src/payment/fact.ts";
import type { Status } from "../../src/peer/frame.ts";
import { LIMITS, type Readiness } from "../../src/service/readiness.ts";
import type { Vitals } from "../../src/service/service.ts";
import type { Live, Point } from "../../src/console/watching.ts";
import { LOOK_MS, STORY_MS, Watch, WATCHERS_MAX } from "../../src/console/watch.ts";
import { FakePayments } from "../api/fake_payments.ts";
import { Facts } from "../support/facts.ts";
import { storyText } from "./story_text.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { PAIR } from "../support/pair.ts";

const idOf = (n: number) => `4a7901b8-7d26-4d9d-aa19-${n.toString(16).padStart(12, "0")}`;

/** A watch over a replica whose state the test sets. */
function setup(
  options: {
    readonly stored?: Record<string, string>;
    readonly recall?: (id: string) => Promise<string | undefined>;
    readonly log?: "file" | "nats";
  } = {},
) {
  const clock = new VirtualClock();
  const payments = new FakePayments();
  const state: { -readonly [K in keyof Readiness]?: Readiness[K] } = {};
  const readiness = payments.readiness.bind(payments);
  payments.readiness = () => ({ ...readiness(), ...state });
  const told: Status[] = [];
  const link = {
    peer: "b",
    linked: true,
    position: 0,
    lagMs: 3,
    silentMs: 40,
    status: undefined as Status | undefined,
  };
  const links = { all: [link], tellStatus: (status: Status) => told.push(status) };
  const logged: string[] = [];
  const late: number[] = [];
  const watch = new Watch({
    ...{ self: "a", roster: PAIR, clock, log: options.log ?? "file", fees: { default: 0.05, fallback: 0.15 } },
    memory: () => 4_096,
    late: (ms) => void late.push(ms),
    recall: options.recall ?? ((id) => Promise.resolve(options.stored?.[id])),
    say: (level, message, fields) => logged.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
  });
  payments.vitals = { links, projector: { oldestUnsavedMs: 7 } } as unknown as Vitals;
  watch.start(payments);
  const facts = new Facts(watch);
  const up = (processor: Processor, is: boolean) => {
    const { processors } = payments.readiness();
    state.processors = { ...processors, [processor]: { ...processors[processor], state: is ? "up" : "down" } };
  };
  const send = (n: number, processor: Processor, reason: Reason) => {
    facts.accept(idOf(n), 1990, clock.now());
    return facts.dispatch(idOf(n), processor, reason, clock.now());
  };
  return { clock, facts, payments, state, link, told, logged, late, watch, up, send };
}

/** A request of `POST /payments` that takes this many milliseconds. */
async function request({ clock, watch }: ReturnType<typeof setup>, tookMs: number, status = 202): Promise<void> {
  await clock.advance(tookMs);
  watch.answered("POST /payments", status, tookMs);
  watch.answered("GET /livez", 500, 9_999);
}

Deno.test("every second the peers get what happened in it", async () => {
  const set = setup();
  set.state.queue = 5;
  for (const ms of [1, 2, 3.0004, 10.1236]) await request(set, ms);
  await request(set, 4, 503);
  await set.clock.advance(LOOK_MS);
  const at = Date.UTC(2025, 6, 1) + LOOK_MS;
  const same = {
    ready: true,
    inFlightDefault: 0,
    inFlightFallback: 0,
    store: "none",
    storeLagMs: 7,
    memoryBytes: 4_096,
  };
  assert.deepEqual(set.told, [{ at, posts: 5, failed: 1, medianMs: 3, p99Ms: 10.124, queue: 5, ...same }]);
  set.state.ready = false;
  await set.clock.advance(LOOK_MS);
  const quiet = { posts: 0, failed: 0, medianMs: 0, p99Ms: 0, queue: 5, ...same, ready: false };
  assert.deepEqual(set.told.slice(1), [{ at: at + LOOK_MS, ...quiet }]);
});

Deno.test("the state says where the log is", () => {
  for (const log of ["file", "nats"] as const) assert.equal(setup({ log }).watch.live().log, log);
});

Deno.test("a watcher sees what a peer recorded that is not linked", async () => {
  const { clock, watch, payments } = setup();
  const seen: Live[] = [];
  const unwatch = watch.watch({ tell: (live) => seen.push(live), end() {} })!;
  await clock.advance(LOOK_MS);
  payments.catchUp = () => {
    payments.catchUp = () => {};
    payments.settle(idOf(1), 1990, clock.now());
  };
  await clock.advance(LOOK_MS);
  assert.deepEqual(seen.map(({ settled, totals }) => [settled, totals.default.count]), [[0, 0], [1, 1]]);
  unwatch();
});

Deno.test("a watcher sees all replicas, until a peer is silent", async () => {
  const set = setup();
  const { clock, watch, link, payments } = set;
  await clock.advance(900);
  const peer: Status = { ...{ at: clock.now(), posts: 30, failed: 0, medianMs: 2, p99Ms: 9, queue: 1 }, ...IDLE };
  link.status = peer;
  set.state.peers = { b: "linked" };
  const seen: { live: Live; point: Point }[] = [];
  const unwatch = watch.watch({ tell: (live, point) => seen.push({ live, point }), end() {} })!;
  payments.settle(idOf(1), 1999, clock.now());
  await request(set, 50);
  await clock.advance(50);
  const { live, point } = seen[0]!;
  assert.deepEqual(point, { at: clock.now(), posts: 31, medianMs: 50, p99Ms: 50, pending: 0 });
  assert.deepEqual(watch.points, [point]);
  assert.deepEqual(live.replicas.b, peer);
  assert.equal(live.replicas.a!.posts, 1);
  assert.deepEqual(live.totals.default, { count: 1, cents: 1999 });
  // a tenth of 19.99, rounded down
  assert.equal(live.savedCents, 199);
  assert.deepEqual([live.peers, live.ack], [{ b: { state: "linked", silentMs: 40, lagMs: 3 } }, "log"]);
  await clock.advance(3 * LOOK_MS);
  assert.equal(seen.at(-1)!.live.replicas.b, null);
  assert.equal(seen.at(-1)!.point.posts, 0);
  unwatch();
  await clock.advance(LOOK_MS);
  assert.equal(seen.length, 4);
});

const IDLE = {
  ready: true,
  inFlightDefault: 0,
  inFlightFallback: 0,
  store: "ready",
  storeLagMs: 0,
  memoryBytes: 1,
} as const;

Deno.test("no more pages than WATCHERS_MAX are open, and all are notified when the replica stops", () => {
  const { watch } = setup();
  let ended = 0;
  const watcher = { tell() {}, end: () => void ended++ };
  const first = watch.watch(watcher);
  for (let others = 1; others < WATCHERS_MAX; others++) assert.ok(watch.watch({ ...watcher }));
  assert.equal(watch.watch({ ...watcher }), undefined);
  first!();
  const another = watch.watch({ ...watcher });
  assert.ok(another);
  watch.stop();
  assert.equal(ended, WATCHERS_MAX);
  another();
  // a page that comes now would never hear of the stop
  assert.equal(watch.watch({ ...watcher, end() {} }), undefined);
});

Deno.test("an outage is a log line when it begins and one when it ends, and a period on the page", async () => {
  const { clock, watch, logged, up } = setup();
  await clock.advance(LOOK_MS);
  up("default", false);
  await clock.advance(3 * LOOK_MS);
  const from = Date.UTC(2025, 6, 1) + 2 * LOOK_MS;
  assert.deepEqual(watch.live().processors.default.outages, [{ from, to: null }]);
  up("default", true);
  await clock.advance(5 * LOOK_MS);
  assert.deepEqual(watch.live().processors.default.outages, [{ from, to: from + 3 * LOOK_MS }]);
  assert.deepEqual(watch.live().processors.fallback.outages, []);
  assert.deepEqual(logged, [
    'warning a processor takes no payments {"processor":"default"}',
    'info a processor takes payments again {"processor":"default","afterMs":3000}',
  ]);
});

Deno.test("nothing is logged about processors before the replica serves", async () => {
  const { clock, logged, state, up } = setup();
  up("default", false);
  for (const phase of ["starting", "reading", "serving"] as const) {
    assert.deepEqual(logged, [], phase);
    state.phase = phase;
    await clock.advance(2 * LOOK_MS);
  }
  assert.deepEqual(logged, ['warning a processor takes no payments {"processor":"default"}']);
});

Deno.test("a full queue is a log line when it begins and one when it ends", async () => {
  const { clock, logged, state } = setup();
  Object.assign(state, { pending: 3, notes: [LIMITS.queue] });
  await clock.advance(2 * LOOK_MS);
  Object.assign(state, { pending: 2, notes: [] });
  await clock.advance(2 * LOOK_MS);
  assert.deepEqual(logged, [
    'warning QUEUE_MAX payments are waiting: new payments are refused {"pending":3}',
    'info payments are taken again {"pending":2,"afterMs":2000}',
  ]);
});

Deno.test("a processor that refuses every payment is a log line with its status, also where that comes later, with why it takes nothing, and until when it gets no calls", async () => {
  const { clock, logged, state, payments } = setup();
  const is = (processor: Processor, more: object) => {
    const { processors } = payments.readiness();
    state.processors = { ...processors, [processor]: { ...processors[processor], ...more } };
  };
  is("default", { state: "down", rejectsWith: 403 });
  await clock.advance(3 * LOOK_MS);
  const retryAt = "2025-07-01T00:00:09.000Z";
  is("fallback", { state: "down", retryAt, error: "nothing listens there" });
  await clock.advance(2 * LOOK_MS);
  is("fallback", { rejectsWith: 401, error: undefined });
  await clock.advance(2 * LOOK_MS);
  assert.deepEqual(logged, [
    'warning a processor takes no payments {"processor":"default","status":403}',
    `warning a processor takes no payments {"processor":"fallback","why":"nothing listens there","until":"${retryAt}"}`,
    `warning a processor takes no payments {"processor":"fallback","status":401,"until":"${retryAt}"}`,
  ]);
});

Deno.test("a processor's answer that is not understood is one log line, however often it comes, and another one once it differs", async () => {
  const { clock, logged, state, payments } = setup();
  const is = (unclear?: string) => {
    const { processors } = payments.readiness();
    const { unclear: _, ...rest } = processors.fallback;
    state.processors = { ...processors, fallback: unclear ? { ...rest, unclear } : rest };
  };
  is("amount is true");
  await clock.advance(5 * LOOK_MS);
  is();
  await clock.advance(LOOK_MS);
  is("status 403");
  await clock.advance(2 * LOOK_MS);
  const line = "warning a processor's answer to a lookup is not understood";
  assert.deepEqual(logged, [
    `${line} {"processor":"fallback","unclear":"amount is true"}`,
    `${line} {"processor":"fallback","unclear":"status 403"}`,
  ]);
});

Deno.test("a full log is a log line when it begins and one when it ends", async () => {
  const { clock, logged, state } = setup();
  await clock.advance(LOOK_MS);
  state.notes = [LIMITS.log];
  await clock.advance(2 * LOOK_MS);
  state.notes = [];
  await clock.advance(2 * LOOK_MS);
  assert.deepEqual(logged, [
    'warning the log has reached LOG_MAX_MB: new payments are refused {"pending":0}',
    'info payments are taken again {"pending":0,"afterMs":2000}',
  ]);
});

Deno.test("use of the fallback is a log line when it begins and one when it ends", async () => {
  const { clock, facts, logged, send } = setup();
  send(1, "default", "default-up");
  send(2, "fallback", "default-slow");
  await clock.advance(4_000);
  const { id, requestedAt } = send(3, "fallback", "default-slow");
  await clock.advance(1_000);
  facts.dispatch(id, "fallback", "already-booked", requestedAt);
  await clock.advance(8_000);
  assert.deepEqual(logged, ['info the fallback gets payments {"reason":"default-slow"}']);
  await clock.advance(2_000);
  assert.deepEqual(logged.slice(1), ['info the fallback gets no more payments {"payments":2,"forMs":4000}']);
});

Deno.test("the newest decisions of each reason are shown, newest first, of both replicas", async () => {
  const { clock, facts, watch, send } = setup();
  send(1, "fallback", "default-slow");
  for (let n = 2; n < 8; n++) {
    await clock.advance(1);
    send(n, "default", "default-up");
    facts.settle(idOf(n), "booked", clock.now());
  }
  await clock.advance(1);
  facts.accept(idOf(9), 1990, clock.now(), "b");
  facts.dispatch(idOf(9), "default", "probe", clock.now(), "b");
  facts.release(idOf(9), "failed", clock.now(), "b");
  // a void fact has not happened
  watch.folded(VOID, false, facts.book.get(idOf(9)));
  const shown = watch.live().decisions.map(({ id, replica, stage, reason }) =>
    `${parseInt(id.slice(-4), 16)} ${replica} ${stage} ${reason}`
  );
  assert.deepEqual(shown, [
    "9 b dispatched probe",
    "9 b released failed",
    "7 a dispatched default-up",
    "6 a dispatched default-up",
    "5 a dispatched default-up",
    "4 a dispatched default-up",
    "1 a dispatched default-slow",
  ]);
});

Deno.test("figures a second are right after the event loop stood still, too, and how late it was is told", async () => {
  const set = setup();
  for (let i = 0; i < 8; i++) await request(set, 1);
  const monotonic = set.clock.monotonic.bind(set.clock);
  set.clock.monotonic = () => monotonic() + 3_000;
  await set.clock.advance(LOOK_MS - 8);
  assert.equal(set.told[0]!.posts, 2);
  await set.clock.advance(LOOK_MS);
  assert.deepEqual(set.late, [3_000, 0]);
});

Deno.test("a story comes from memory, from the store, or from where the payment is alone", async () => {
  const stored = { [idOf(2)]: storyText(STORED), [idOf(3)]: "of a newer version" };
  const { clock, watch, send } = setup({ stored });
  const at = clock.now();
  const first = { at, replica: "a", stage: "accepted", attempt: 0, processor: null, reason: "accepted" };
  const sent = { at, replica: "a", stage: "dispatched", attempt: 1, processor: "default", reason: "default-up" };
  const here = send(1, "default", "default-up");
  assert.deepEqual(await watch.story(here), { facts: [first, sent], source: "memory", complete: true });
  assert.equal(watch.stored(idOf(1)), `1,1,${at},0,0,1`);
  assert.equal(watch.stored(idOf(2)), undefined);
  const booked = unheard(2, at);
  assert.deepEqual(await watch.story(booked), { facts: [first, ...STORED], source: "postgres", complete: true });
  const last = { ...sent, stage: "settled", reason: "booked" };
  const snapshot = { facts: [first, last], source: "snapshot", complete: false };
  assert.deepEqual(await watch.story(unheard(3, at)), snapshot);
  const waiting = new Facts().accept(idOf(4), 1990, at);
  assert.deepEqual(await watch.story(waiting), { facts: [first], source: "memory", complete: true });
  const alone = setup({ recall: () => Promise.reject(new Error("no Postgres")) }).watch;
  assert.deepEqual(await alone.story(booked), snapshot);
});

Deno.test("a story says which replica took, sent and settled the payment", async () => {
  const { clock, watch, facts } = setup();
  const at = clock.now();
  facts.accept(idOf(1), 1990, at, "b");
  facts.dispatch(idOf(1), "default", "default-up", at, "b");
  facts.fold({ kind: "moved", by: "a", from: "b", at: at + 1 });
  const { facts: told, complete } = await watch.story(facts.settle(idOf(1), "already-booked", at + 2, "a"));
  assert.deepEqual(told.map(({ stage, replica }) => [stage, replica]).slice(1), [["dispatched", "b"], [
    "settled",
    "a",
  ]]);
  assert.equal(complete, true);
});

Deno.test("a story in memory that lacks what was replayed at the start is not shown", async () => {
  const { clock, watch, send } = setup({ stored: { [idOf(1)]: storyText(STORED) } });
  send(1, "default", "default-up");
  const at = clock.now();
  assert.equal((await watch.story(unheard(1, at))).source, "postgres");
  const facts = new Facts();
  facts.accept(idOf(1), 1990, at);
  facts.dispatch(idOf(1), "default");
  const refused = facts.release(idOf(1));
  assert.deepEqual((await watch.story(refused)).facts.map(({ stage }) => stage), ["accepted", "released"]);
  assert.equal((await watch.story(refused)).source, "snapshot");
});

Deno.test("a story that began before this process is not complete, unless the store has more of it", async () => {
  const { watch } = setup({ stored: { [idOf(2)]: storyText(STORED) } });
  const facts = new Facts();
  for (const n of [1, 2]) {
    facts.accept(idOf(n));
    facts.dispatch(idOf(n), "default", "probe");
  }
  facts.observe(watch);
  for (const n of [1, 2]) {
    facts.release(idOf(n));
    facts.settle(idOf(n), "already-booked");
  }
  const booked = facts.book.get(idOf(1))!;
  const one = await watch.story(booked);
  assert.deepEqual(one.facts.map(({ stage }) => stage), ["accepted", "released", "settled"]);
  assert.deepEqual([one.source, one.complete], ["memory", false]);
  const other = await watch.story({ ...booked, id: idOf(2) });
  assert.equal(other.source, "memory", "the store knows no more than memory");
  const whole = setup({ stored: { [idOf(1)]: storyText([STORED[0], ...STORED]) } });
  assert.equal((await whole.watch.story(booked)).source, "postgres");
});

Deno.test("a purge takes stories and decisions with it", async () => {
  const { watch, facts, send } = setup();
  const payment = send(1, "default", "default-up");
  facts.purge();
  assert.deepEqual(watch.live().decisions, []);
  assert.equal(watch.stored(idOf(1)), undefined);
  assert.equal((await watch.story(payment)).source, "snapshot");
});

Deno.test("the store is asked for one story at a time, and no longer than it is waited for", async () => {
  const asked: string[] = [];
  const answers: ((text: string) => void)[] = [];
  const { clock, watch } = setup({
    recall: (id) => {
      asked.push(id);
      return new Promise((resolve) => answers.push(resolve));
    },
  });
  const stories = [1, 2, 3].map((n) => watch.story(unheard(n, 0)));
  await clock.advance(STORY_MS);
  assert.deepEqual((await Promise.all(stories)).map(({ source }) => source), ["snapshot", "snapshot", "snapshot"]);
  assert.deepEqual(asked, [idOf(1)]);
  const next = watch.story(unheard(4, 0));
  answers[0]!("");
  await clock.advance(1);
  assert.deepEqual(asked, [idOf(1), idOf(4)]);
  answers[1]!(storyText(STORED));
  assert.equal((await next).source, "postgres");
});

/** A payment that was settled after one attempt, of which nothing was heard. */
function unheard(n: number, at: number) {
  const facts = new Facts();
  facts.accept(idOf(n), 1990, at);
  facts.dispatch(idOf(n), "default", "default-up", at);
  return facts.settle(idOf(n), "booked", at);
}

/** A void fact: another one came first. */
const VOID: Fact = {
  ...{ kind: "dispatched", by: "b", id: idOf(9), over: 0, processor: "fallback", at: 0, reason: "patience-over" },
};

const STORED = [
  { at: 900, replica: "b", stage: "dispatched", attempt: 1, processor: "default", reason: "default-up" },
  { at: 1_000, replica: "b", stage: "settled", attempt: 1, processor: "default", reason: "booked" },
] as const;
