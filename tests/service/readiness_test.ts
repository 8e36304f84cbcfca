import assert from "node:assert/strict";
import { type Membership, unstarted } from "../../src/membership/membership.ts";
import type { Processor } from "../../src/payment/fact.ts";
import { type Parts, readinessOf } from "../../src/service/readiness.ts";
import { Facts } from "../support/facts.ts";

const SETTINGS = { self: "b", ack: "store" } as const;
const SERVING: Membership = { phase: "serving", peer: "linked", tries: false, waits: "" };
const UP = { state: "up", latencyMs: 7, inFlight: 2 } as const;
const DOWN = { state: "down", latencyMs: 0, inFlight: 0 } as const;

/** The parts of a replica that holds three payments, of which one is settled. */
function parts(more: Partial<Parts> = {}): Parts {
  const facts = new Facts();
  for (const n of [1, 2, 3]) facts.accept(`4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b${n}`, 1990, 1_000);
  facts.dispatch("4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b1", "default", "default-up", 1_010);
  facts.settle("4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b1", "default-up", 1_020);
  return {
    ledger: { book: facts.book },
    retention: { isFull: false },
    dispatcher: { waiting: 1, status: (processor: Processor) => processor === "default" ? UP : DOWN },
    projector: { state: "ready", trouble: "" },
    ...more,
  };
}

Deno.test("a replica that serves tells of its parts, and has nothing to note", () => {
  assert.deepEqual(readinessOf(SETTINGS, SERVING, true, parts()), {
    ...{ ready: true, replica: "b", phase: "serving", ack: "store", peer: "linked", store: "ready", notes: [] },
    ...{ queue: 1, pending: 2, settled: 1, processors: { default: UP, fallback: DOWN } },
  });
});

Deno.test("a replica that does not know what was known before has nothing, and says what it waits for", () => {
  const waiting = { ...unstarted(true), waits: "the other replica opens the log" };
  assert.deepEqual(readinessOf(SETTINGS, waiting, true), {
    ...{ ready: false, replica: "b", phase: "starting", ack: "store", peer: "unreachable", store: "connecting" },
    ...{ notes: ["the other replica opens the log"], queue: 0, pending: 0, settled: 0 },
    processors: { default: DOWN, fallback: DOWN },
  });
  const reading = readinessOf(SETTINGS, { ...SERVING, phase: "reading", peer: "none" }, false);
  const { ready, peer, store, notes } = reading;
  assert.deepEqual({ ready, peer, store, notes }, {
    ...{ ready: false, peer: "none", store: "none", notes: ["reading what was known before"] },
  });
});

Deno.test("what is not as it should be is a line each, while payments are taken", () => {
  const trouble = "Postgres at localhost: nothing listens there";
  const more = { retention: { isFull: true }, projector: { state: "unavailable", trouble } } as const;
  const { ready, peer, store, notes } = readinessOf(SETTINGS, { ...SERVING, peer: "silent" }, true, parts(more));
  assert.deepEqual({ ready, peer, store }, { ready: true, peer: "unreachable", store: "unavailable" });
  assert.deepEqual(notes, ["the peer is not heard", trouble, "the log is full"]);
  assert.deepEqual(readinessOf(SETTINGS, { ...SERVING, peer: "dead" }, true, parts()).notes, ["the peer is dead"]);
});
