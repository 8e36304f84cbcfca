/** Payments for tests of stores. @module */
import fc from "fast-check";
import { type Processor, PROCESSORS, REASONS } from "../../src/payment/fact.ts";
import type { Payment, Stage } from "../../src/payment/payment.ts";
import { ATTEMPT_MAX } from "../../src/payment/settled.ts";
import { PAIR } from "../support/pair.ts";

const time = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 });
const position = fc.maxSafeNat();
const processor = fc.constantFrom(...PROCESSORS);
const common = {
  id: fc.uuid(),
  cents: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  acceptedAt: time,
  owner: fc.constantFrom(...PAIR.names),
  reason: fc.constantFrom(...REASONS),
};
const unsettled = {
  position,
  askFirst: fc.option(processor),
  doubtedUptimeMs: fc.option(fc.double({ min: 0, max: 1e12, noNaN: true }).map((ms) => ms + 0)),
};

function payment(fields: { [K in keyof Payment]: fc.Arbitrary<Payment[K]> }): fc.Arbitrary<Payment> {
  return fc.record<Payment>(fields, { noNullPrototype: true });
}

function stage(...names: Stage[]): fc.Arbitrary<Stage> {
  return fc.constantFrom(...names);
}

/** Any payment there can be. */
export const anyPayment: fc.Arbitrary<Payment> = fc.oneof(
  payment({
    ...common,
    ...unsettled,
    stage: stage("accepted"),
    attempt: fc.constant(0),
    processor: fc.constant<Processor | null>(null),
    requestedAt: fc.constant(0),
  }),
  payment({
    ...common,
    ...unsettled,
    stage: stage("dispatched", "released"),
    attempt: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    processor,
    requestedAt: time,
  }),
  payment({
    ...common,
    stage: stage("settled"),
    attempt: fc.integer({ min: 0, max: ATTEMPT_MAX }),
    processor,
    requestedAt: time,
    ...{ position: fc.constant(0), askFirst: fc.constant(null), doubtedUptimeMs: fc.constant(null) },
  }),
);
