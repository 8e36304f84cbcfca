import assert from "node:assert/strict";
import { dispatched, other, PROCESSORS, REASONS, released, settled } from "../../src/payment/fact.ts";
import { accept, STAGES } from "../../src/payment/payment.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const PAYMENT = accept({ kind: "accepted", by: "a", id: ID, cents: 1990, at: 1_000, doubt: false }, 77, null);

Deno.test("dispatched() binds the next attempt, over the payment's newest fact", () => {
  const fact = { kind: "dispatched", by: "b", id: ID, over: 77, processor: "fallback", at: 1_005, reason: "probe" };
  assert.deepEqual(dispatched(PAYMENT, "b", "fallback", 1_005, "probe"), fact);
});

Deno.test("released() says whether the processor is to be asked, over the payment's newest fact", () => {
  const fact = { kind: "released", by: "a", id: ID, over: 77, at: 1_010, reason: "failed", askFirst: true };
  assert.deepEqual(released(PAYMENT, "a", 1_010, "failed", true), fact);
  assert.deepEqual(released(PAYMENT, "a", 1_010, "failed", false), { ...fact, askFirst: false });
});

Deno.test("settled() takes what is booked, not what was asked for, over the payment's newest fact", () => {
  const booking = { processor: "fallback", requestedAt: 900, cents: 1_989 } as const;
  const fact = { kind: "settled", by: "a", id: ID, over: 77, ...booking, at: 1_020, reason: "found-booked" };
  assert.deepEqual(settled(PAYMENT, "a", 1_020, booking, "found-booked"), fact);
});

Deno.test("other() leads to the other one and back", () => {
  for (const processor of PROCESSORS) {
    assert.notEqual(other(processor), processor);
    assert.equal(other(other(processor)), processor);
  }
});

Deno.test("codes in the log, on the wire and in the store stay within the bits that hold them, without repetition", () => {
  for (const [values, max] of [[PROCESSORS, 2], [STAGES, 4], [REASONS, 64]] as const) {
    assert.ok(values.length <= max);
    assert.equal(new Set<string>(values).size, values.length);
  }
});

Deno.test("codes that are kept in logs and stores do not change: new ones go to the end", () => {
  const first = ["accepted", "default-up", "default-slow", "default-full", "default-refusing", "both-refusing"];
  const rest = ["patience-over", "probe", "in-doubt", "failed", "processor-full", "unreachable", "booked"];
  const last = ["already-booked", "found-booked", "no-place", "rejected", "not-found"];
  assert.deepEqual(REASONS.slice(0, 18), [...first, ...rest, ...last]);
  assert.deepEqual(PROCESSORS, ["default", "fallback"]);
  assert.deepEqual(STAGES, ["accepted", "dispatched", "released", "settled"]);
});
