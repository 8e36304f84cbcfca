import assert from "node:assert/strict";
import {
  CircuitBreaker,
  FULL_MS,
  PROBE_MS_MAX,
  PROBE_MS_MIN,
  REJECTED_MIN,
  RETRY_AFTER_MS_MAX,
  STALL_MS,
} from "../../src/routing/circuit_breaker.ts";
import type { Outcome } from "../../src/routing/processor_client.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const booked: Outcome = { kind: "booked" };
const failed: Outcome = { kind: "refused-as-far-as-known" };
const well = { failing: false, minResponseMs: 0 };

function setUp() {
  const clock = new VirtualClock();
  // pauses at their longest
  const health = new CircuitBreaker(clock, () => 1);
  const call = async (ms: number, outcome: Outcome, id = "") => {
    const begun = health.begin(id);
    await clock.advance(ms);
    health.end(begun, outcome);
  };
  return { clock, health, call };
}

Deno.test("a processor is up until it fails, and down until a call is booked", async () => {
  const { clock, health, call } = setUp();
  assert.equal(health.view().available, true);
  await call(5, failed);
  assert.equal(health.view().available, false);
  assert.equal(health.view().probeDue, false);
  await clock.advance(PROBE_MS_MIN);
  assert.equal(health.view().probeDue, true);
  const probe = health.begin();
  assert.equal(health.view().probeDue, false, "one at a time");
  health.end(probe, booked);
  assert.equal(health.view().available, true);
});

Deno.test("pauses between probes double up to their limit", async () => {
  const { clock, health, call } = setUp();
  await call(5, failed);
  for (let pauseMs = PROBE_MS_MIN; pauseMs < 4 * PROBE_MS_MAX; pauseMs *= 2) {
    await clock.advance(Math.min(pauseMs, PROBE_MS_MAX) - 1);
    assert.equal(health.view().probeDue, false);
    await clock.advance(1);
    assert.equal(health.view().probeDue, true);
    await call(0, failed);
  }
});

Deno.test("pauses between probes double where one is answered that the processor is full", async () => {
  const { clock, health, call } = setUp();
  await call(5, failed);
  for (const pauseMs of [PROBE_MS_MIN, 2 * PROBE_MS_MIN, 4 * PROBE_MS_MIN]) {
    await clock.advance(pauseMs - 1);
    assert.equal(health.view().probeDue, false);
    await clock.advance(1);
    assert.equal(health.view().probeDue, true);
    await call(0, { kind: "refused", why: "processor-full" });
  }
});

Deno.test("service-health takes a processor down, and brings it up again where no call has failed", () => {
  const { health } = setUp();
  health.heardHealth({ failing: true, minResponseMs: 0 });
  assert.equal(health.view().available, false);
  health.heardHealth(well);
  assert.equal(health.view().available, true);
});

Deno.test("service-health only allows a probe where a call has failed", async () => {
  const { health, call } = setUp();
  await call(5, failed);
  health.heardHealth(well);
  assert.deepEqual([health.view().available, health.view().probeDue], [false, true]);
});

Deno.test("the latency is what the processor says, until answers say otherwise", async () => {
  const { health, call } = setUp();
  health.heardHealth({ failing: false, minResponseMs: 2_000 });
  assert.equal(health.view().latencyMs, 2_000);
  await call(10, booked);
  assert.equal(health.view().latencyMs, 10);
});

Deno.test("calls that wait far longer than the last answers took stop new ones, except one now and then", async () => {
  const { clock, health, call } = setUp();
  await call(10, booked);
  health.begin();
  await clock.advance(STALL_MS - 50);
  const later = health.begin();
  await clock.advance(61);
  assert.equal(health.view().stalled, true);
  await clock.advance(STALL_MS);
  assert.equal(health.view().stalled, false, "one goes on");
  assert.ok(health.view().latencyMs > STALL_MS);
  health.end(later, booked);
  // the call that never came back is older than one that did: it says nothing any more
  assert.equal(health.view().stalled, false);
});

Deno.test("a full processor gets no calls for a moment, and is not down after it", async () => {
  const { clock, health, call } = setUp();
  await call(5, { kind: "refused", why: "processor-full" });
  assert.equal(health.view().available, false);
  assert.equal(health.view().probeDue, false);
  await clock.advance(FULL_MS);
  assert.equal(health.view().available, true);
});

Deno.test("the backoff of a processor that stays full grows each time, until a call is booked", async () => {
  const { clock, health, call } = setUp();
  const full: Outcome = { kind: "refused", why: "processor-full" };
  for (const pauseMs of [FULL_MS, 2 * FULL_MS, 4 * FULL_MS, 8 * FULL_MS, PROBE_MS_MAX, PROBE_MS_MAX]) {
    for (let i = 0; i < 3; i++) await call(0, full);
    await clock.advance(pauseMs - 1);
    assert.equal(health.view().available, false);
    await clock.advance(1);
    assert.equal(health.view().available, true);
  }
  await call(0, booked);
  await call(0, full);
  await clock.advance(FULL_MS);
  assert.equal(health.view().available, true);
});

const rejected = (status: number): Outcome => ({ kind: "refused", why: "rejected", status });

Deno.test("a processor that cannot be reached is down, and probed until a call is booked", async () => {
  const { clock, health, call } = setUp();
  await call(5, { kind: "refused", why: "unreachable" });
  assert.deepEqual([health.view().available, health.view().probeDue], [false, false]);
  // only a booked call brings it up, even if service-health says that all is well
  health.heardHealth(well);
  assert.deepEqual([health.view().available, health.view().probeDue], [false, true]);
  await call(5, { kind: "refused", why: "unreachable" });
  assert.equal(health.view().available, false);
  await clock.advance(2 * PROBE_MS_MIN);
  await call(5, booked);
  assert.equal(health.view().available, true);
});

Deno.test("a processor that rejects several payments in a row is down with the last status, until one is booked", async () => {
  const { clock, health, call } = setUp();
  for (let n = 1; n < REJECTED_MIN; n++) {
    await call(5, rejected(403), `${n}`);
    assert.deepEqual([health.view().available, health.rejectsWith], [true, undefined]);
  }
  await call(5, rejected(401), "last");
  assert.deepEqual([health.view().available, health.view().probeDue, health.rejectsWith], [false, false, 401]);
  // service-health may say that all is well
  health.heardHealth(well);
  assert.deepEqual([health.view().available, health.view().probeDue], [false, true]);
  await call(5, rejected(403), "last");
  assert.deepEqual([health.view().available, health.view().probeDue, health.rejectsWith], [false, false, 403]);
  await clock.advance(2 * PROBE_MS_MIN);
  await call(5, booked);
  assert.deepEqual([health.view().available, health.rejectsWith], [true, undefined]);
});

Deno.test("one payment that is rejected again and again, or a few between others, say nothing of the processor", async () => {
  const { health, call } = setUp();
  for (let n = 0; n < 20; n++) await call(5, rejected(400), "1");
  assert.deepEqual([health.view().available, health.rejectsWith], [true, undefined]);
  for (let n = 0; n < 20; n++) {
    await call(5, booked, `${n}`);
    for (let i = 1; i < REJECTED_MIN; i++) await call(5, rejected(400), `${n} ${i}`);
  }
  assert.deepEqual([health.view().available, health.rejectsWith], [true, undefined]);
});

Deno.test("after a single rejected probe the next one is due at once, and service-health brings the processor up", async () => {
  const { clock, health, call } = setUp();
  await call(5, failed);
  await clock.advance(PROBE_MS_MIN);
  await call(5, rejected(400), "1");
  assert.deepEqual([health.view().available, health.view().probeDue], [false, true]);
  health.heardHealth(well);
  assert.equal(health.view().available, true);
});

for (const outcome of [{ kind: "refused", why: "processor-full" }, { kind: "unknown", error: "status 503" }] as const) {
  Deno.test(`a processor that says with ${outcome.kind} when to come again gets no calls and no probe before`, async () => {
    const { clock, health, call } = setUp();
    await call(0, { ...outcome, retryAfterMs: 2_000 });
    // what it says besides, and what was under way, does not shorten that
    health.heardHealth(well);
    await call(0, { ...outcome, retryAfterMs: 1_000 });
    await call(0, outcome);
    await clock.advance(1_999);
    const { available, probeDue } = health.view();
    assert.deepEqual([available, probeDue, health.retryInMs], [false, false, 1]);
    await clock.advance(1);
    const then = health.view();
    assert.deepEqual([then.available || then.probeDue, health.retryInMs], [true, 0]);
  });
}

Deno.test("a processor gets no calls for a limited time, however long it asks for", async () => {
  const { clock, health, call } = setUp();
  for (const retryAfterMs of [1e9, Infinity]) {
    await call(0, { kind: "refused", why: "processor-full", retryAfterMs });
    assert.equal(health.retryInMs, RETRY_AFTER_MS_MAX);
    await clock.advance(RETRY_AFTER_MS_MAX);
    assert.equal(health.view().available, true);
  }
});

Deno.test("a single rejection with Retry-After does not pause its processor", async () => {
  const { health, call } = setUp();
  await call(0, { ...rejected(413), retryAfterMs: 60_000 }, "1");
  assert.deepEqual([health.view().available, health.retryInMs], [true, 0]);
});

Deno.test("a slow probe brings nothing up: it shows how slow the processor was when it was down, the next one how slow it is", async () => {
  const { clock, health, call } = setUp();
  await call(5, failed);
  await clock.advance(PROBE_MS_MIN);
  await call(2_000, booked);
  assert.deepEqual([health.view().available, health.view().probeDue], [false, true]);
  await call(20, booked);
  assert.deepEqual([health.view().available, health.view().latencyMs], [true, 20]);
});

Deno.test("a processor whose probes are all slow is up, and slow", async () => {
  const { clock, health, call } = setUp();
  await call(5, failed);
  await clock.advance(PROBE_MS_MIN);
  await call(2_000, booked);
  await call(2_000, booked);
  assert.deepEqual([health.view().available, health.view().latencyMs], [true, 2_000]);
});

Deno.test("the answer to a call from before one that was answered already changes no latency", async () => {
  const { clock, health, call } = setUp();
  const old = health.begin();
  await clock.advance(1_000);
  await call(20, booked);
  const { latencyMs } = health.view();
  await clock.advance(980);
  health.end(old, booked);
  assert.equal(health.view().latencyMs, latencyMs);
});
