import assert from "node:assert/strict";
import { type Membership, unstarted } from "../../src/membership/membership.ts";
import type { Processor } from "../../src/payment/fact.ts";
import { LIMITS, readinessOf, type Running } from "../../src/service/readiness.ts";
import { Facts } from "../support/facts.ts";

const SETTINGS = { self: "b", ack: "store", queueMax: 3, memory: { heap: 1_000, all: 1_000 } } as const;
const SERVING: Membership = { phase: "serving", peers: { a: "linked" }, tryPlanned: false, waits: "" };
const UP = { state: "up", latencyMs: 7, inFlight: 2 } as const;
const DOWN = { state: "down", latencyMs: 0, inFlight: 0 } as const;

/** The parts that a readiness needs. */
type Parts = { -readonly [Name in keyof Running]?: Partial<Running[Name]> };

/** The parts of a replica that holds three payments, of which one is settled. */
function parts(more: Parts = {}): Running {
  const facts = new Facts();
  for (const n of [1, 2, 3]) facts.accept(`4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b${n}`, 1990, 1_000);
  facts.dispatch("4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b1", "default", "default-up", 1_010);
  facts.settle("4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b1", "default-up", 1_020);
  const all: Parts = {
    ledger: { book: facts.book },
    retention: { isOverLimit: false },
    dispatcher: { waiting: 1, notes: [], status: (processor: Processor) => processor === "default" ? UP : DOWN },
    projector: { state: "ready", trouble: "" },
    ...more,
  };
  return all as Running;
}

Deno.test("a replica that serves shows its parts, and has no notes", () => {
  assert.deepEqual(readinessOf(SETTINGS, SERVING, true, parts()), {
    ...{ ready: true, replica: "b", phase: "serving", ack: "store", peers: { a: "linked" }, store: "ready", notes: [] },
    ...{ queue: 1, pending: 2, settled: 1, processors: { default: UP, fallback: DOWN } },
  });
});

Deno.test("a replica that has not read the store and the log has nothing, and says what it waits for", () => {
  const waiting = { ...unstarted(["a", "c"]), waits: "another replica opens the log" };
  assert.deepEqual(readinessOf(SETTINGS, waiting, true), {
    ...{ ready: false, replica: "b", phase: "starting", ack: "store", store: "connecting" },
    ...{
      peers: { a: "unreachable", c: "unreachable" },
      notes: ["another replica opens the log"],
      queue: 0,
      pending: 0,
      settled: 0,
    },
    processors: { default: DOWN, fallback: DOWN },
  });
  const reading = readinessOf(SETTINGS, { ...SERVING, phase: "reading", peers: {} }, false);
  const { ready, peers, store, notes } = reading;
  assert.deepEqual({ ready, peers, store, notes }, {
    ...{ ready: false, peers: {}, store: "none", notes: ["reading the store and the log"] },
  });
});

const NO_202 = "POST is answered 503: a 202 says that Postgres holds the payment (ACK=store)";

Deno.test("what is not as it should be is a line each, and ready is whether POST is answered 202", () => {
  const trouble = "Postgres at localhost: nothing listens there";
  const more = { retention: { isOverLimit: true }, projector: { state: "unavailable", trouble } } as const;
  const { ready, peers, store, notes } = readinessOf(
    SETTINGS,
    { ...SERVING, peers: { a: "silent", c: "linked" } },
    true,
    parts(more),
  );
  assert.deepEqual({ ready, peers, store }, {
    ready: false,
    peers: { a: "unreachable", c: "linked" },
    store: "unavailable",
  });
  assert.deepEqual(notes, ["replica a does not answer", trouble, LIMITS.log, NO_202]);
  const cutOff = readinessOf(SETTINGS, SERVING, true, parts({ ledger: { book: new Facts().book, isCurrent: false } }));
  const heard = "this replica cannot reach the log, so it takes and sends nothing new";
  assert.deepEqual([cutOff.ready, cutOff.notes], [false, [heard]]);
  const dead = readinessOf(SETTINGS, { ...SERVING, peers: { a: "dead", c: "dead" } }, true, parts());
  assert.deepEqual([dead.ready, dead.notes], [true, ["replica a is dead", "replica c is dead"]]);
  const noted = { dispatcher: { ...parts().dispatcher, notes: ["", "the default processor refuses"] } };
  const said = readinessOf(SETTINGS, SERVING, true, parts(noted));
  assert.deepEqual([said.ready, said.notes], [true, ["the default processor refuses"]]);
  const crowded = readinessOf({ ...SETTINGS, queueMax: 2 }, SERVING, true, parts());
  assert.deepEqual([crowded.ready, crowded.notes], [false, ["QUEUE_MAX payments are waiting"]]);
  const full = readinessOf({ ...SETTINGS, memory: { heap: 800, all: 1_000 } }, SERVING, true, parts());
  assert.deepEqual([full.ready, full.notes], [false, ["memory has no room for more payments"]]);
});

Deno.test("without a store that works a replica at ACK=store is ready only where a linked peer's works", () => {
  const away = parts({ projector: { state: "unavailable", trouble: "it is away" } });
  const ready = (isStoredElsewhere?: boolean, ack: "log" | "store" = "store") =>
    readinessOf({ ...SETTINGS, ack }, SERVING, true, away, isStoredElsewhere).ready;
  assert.deepEqual([ready(), ready(false), ready(true), ready(false, "log")], [false, false, true, true]);
});
