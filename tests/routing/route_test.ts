import assert from "node:assert/strict";
import { type ProcessorView, route, type RouteLimits } from "../../src/routing/route.ts";

const limits: RouteLimits = { patienceMs: 10_000, slowMs: 1_000, maxInFlight: 10 };
const up: ProcessorView = { available: true, full: false, latencyMs: 5, stalled: false, inFlight: 0, probeDue: false };
const down: ProcessorView = { ...up, available: false };
const slow: ProcessorView = { ...up, latencyMs: 2_000 };
const full: ProcessorView = { ...up, inFlight: 10 };

function decide(ageMs: number, first: ProcessorView, second: ProcessorView, ahead = 0) {
  return route(ageMs, { default: first, fallback: second }, limits, ahead);
}

Deno.test("route() pays the default while it is up and fast, however old the payment", () => {
  assert.deepEqual(decide(0, up, up), { send: "default", reason: "default-up" });
  assert.deepEqual(decide(1e9, up, { ...up, latencyMs: 0 }), { send: "default", reason: "default-up" });
});

Deno.test("route() takes the faster fallback when the default is slow", () => {
  assert.deepEqual(decide(0, slow, up), { send: "fallback", reason: "default-slow" });
});

Deno.test("route() stays with the default at exactly the slow limit", () => {
  assert.deepEqual(decide(0, { ...up, latencyMs: 1_000 }, up), { send: "default", reason: "default-up" });
});

Deno.test("route() holds a payment while both are slow, until its patience is over", () => {
  assert.deepEqual(decide(9_999, slow, { ...slow, latencyMs: 1_500 }), { hold: "default-slow" });
  assert.deepEqual(decide(10_000, slow, { ...slow, latencyMs: 1_500 }), { send: "fallback", reason: "patience-over" });
  assert.deepEqual(decide(10_000, slow, { ...slow, latencyMs: 5_000 }), { send: "default", reason: "patience-over" });
});

Deno.test("route() holds a payment while the default refuses and the payment is younger than the patience", () => {
  assert.deepEqual(decide(9_999, down, up), { hold: "default-refusing" });
  assert.deepEqual(decide(10_000, down, up), { send: "fallback", reason: "patience-over" });
});

Deno.test("route() probes a default that is down when that is due, unless the fallback may be used", () => {
  const due = { ...down, probeDue: true };
  assert.deepEqual(decide(0, due, up), { send: "default", reason: "probe" });
  assert.deepEqual(decide(10_000, due, up), { send: "fallback", reason: "patience-over" });
  assert.deepEqual(decide(10_000, due, down), { send: "default", reason: "probe" });
});

Deno.test("route() holds while both are down, and probes the fallback for the impatient only", () => {
  assert.deepEqual(decide(0, down, { ...down, probeDue: true }), { hold: "both-refusing" });
  assert.deepEqual(decide(10_000, down, { ...down, probeDue: true }), { send: "fallback", reason: "probe" });
});

Deno.test("route() waits for a place at a full default, unless waiting outlasts the patience", () => {
  assert.deepEqual(decide(0, full, up, 100), { hold: "default-full" });
  // 100 ms a call, ten at a time: the 991st waits for 9,910 ms and a little
  const busy = { ...full, latencyMs: 100 };
  assert.deepEqual(decide(0, busy, up, 998), { hold: "default-full" });
  assert.deepEqual(decide(0, busy, up, 1_000), { send: "fallback", reason: "default-full" });
  assert.deepEqual(decide(0, busy, full, 1_000), { hold: "default-full" });
});

Deno.test("route() says that the default is full if that is why it takes nothing", () => {
  const said: ProcessorView = { ...down, full: true };
  assert.deepEqual(decide(0, said, up), { hold: "default-full" });
  assert.deepEqual(decide(0, down, said), { hold: "default-refusing" });
  assert.deepEqual(decide(10_000, said, up), { send: "fallback", reason: "patience-over" });
});

Deno.test("route() waits while it is not known how slow the default has become", () => {
  assert.deepEqual(decide(0, { ...up, stalled: true }, up), { hold: "default-full" });
});

Deno.test("route() probes a fallback that was down while the default is slow", () => {
  assert.deepEqual(decide(0, slow, { ...down, probeDue: true }), { send: "fallback", reason: "probe" });
  assert.deepEqual(decide(0, slow, down), { hold: "default-slow" });
});

Deno.test("route() does not probe a processor that has its maximum of calls", () => {
  const due: ProcessorView = { ...full, available: false, probeDue: true };
  assert.deepEqual(decide(0, due, up), { hold: "default-refusing" });
  assert.deepEqual(decide(10_000, due, due), { hold: "both-refusing" });
  assert.deepEqual(decide(0, slow, due), { hold: "default-slow" });
});
