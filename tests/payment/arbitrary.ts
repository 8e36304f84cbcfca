/** Facts and payments for property tests. @module */
import fc from "fast-check";
import type { Fact, FollowUp } from "../../src/payment/fact.ts";
import { PROCESSORS, REASONS } from "../../src/payment/fact.ts";
import type { Payment } from "../../src/payment/payment.ts";
import { ATTEMPT_MAX } from "../../src/payment/settled.ts";
import { PAIR } from "../support/pair.ts";

const cents = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const time = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 });
const replica = fc.constantFrom(...PAIR.names);
const processor = fc.constantFrom(...PROCESSORS);
const reason = fc.constantFrom(...REASONS);
const uptimeMs = fc.double({ min: 0, max: 1e12, noNaN: true });

/** A position in the log. */
export const position: fc.Arbitrary<number> = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

function record<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(fields, { noNullPrototype: true });
}

function kind<K extends Fact["kind"]>(name: K): fc.Arbitrary<K> {
  return fc.constant(name);
}

const step = { by: replica, id: fc.uuid(), over: position, at: time };

/** Any fact about one payment that was made from an earlier one. */
export const anyFollowUp: fc.Arbitrary<FollowUp> = fc.oneof(
  record<FollowUp & { kind: "dispatched" }>({ kind: kind("dispatched"), ...step, processor, reason }),
  record<FollowUp & { kind: "released" }>({ kind: kind("released"), ...step, reason, askFirst: fc.boolean() }),
  record<FollowUp & { kind: "settled" }>({
    kind: kind("settled"),
    ...step,
    processor,
    requestedAt: time,
    cents,
    reason,
  }),
);

/** Any fact there can be. */
export const anyFact: fc.Arbitrary<Fact> = fc.oneof(
  record<Fact & { kind: "accepted" }>({
    ...{ kind: kind("accepted"), by: replica, id: fc.uuid(), cents, at: time, doubt: fc.boolean() },
  }),
  anyFollowUp,
  record<Fact & { kind: "moved" }>({ kind: kind("moved"), by: replica, from: replica, at: time }),
  record<Fact & { kind: "purged" }>({ kind: kind("purged"), by: replica, at: time }),
  record<Fact & { kind: "doubted" }>({ kind: kind("doubted"), by: replica, at: time, uptimeMs }),
);

/** Any payment that is settled, as it is kept. */
export const settledPayment: fc.Arbitrary<Payment> = record<Payment>({
  id: fc.uuid(),
  cents,
  acceptedAt: time,
  owner: replica,
  stage: fc.constant("settled"),
  attempt: fc.integer({ min: 0, max: ATTEMPT_MAX }),
  processor,
  requestedAt: time,
  reason,
  position: fc.constant(0),
  askFirst: fc.constant(null),
  doubtedUptimeMs: fc.constant(null),
});
