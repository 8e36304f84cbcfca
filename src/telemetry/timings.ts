/** Who is told what a replica does and how long it takes: it looks at the ports from outside. @module */
import type { Fact, Processor } from "../payment/fact.ts";
import type { Outcome } from "../routing/processor_client.ts";

/** What is recorded; milliseconds, but for `store-rows`. */
export type TimingName =
  /** `POST /payments`, from the request's head to the answer's */
  | "post"
  /** the part of it that takes a payment in: nothing else runs meanwhile */
  | "accept"
  /** the part of it that waits for what `ACK` says */
  | "acknowledge"
  /** the summary's totals from memory, the round trip to the peer included */
  | "summary"
  /** from accepted until bound for the first time, in whole milliseconds */
  | "route-wait"
  /** from bound until that is safe to act on */
  | "bind"
  /** a call to a processor */
  | "processor"
  /** folding a fact of the dispatcher's and handing it to peer and store */
  | "record"
  /** one batch, until its commit */
  | "store-write"
  /** facts in one batch */
  | "store-rows"
  /** at its commit, the age of a batch's oldest fact */
  | "store-age"
  /** how much later than asked a timer fires */
  | "loop-lag";

/** Takes figures in. */
export interface Timings {
  /** milliseconds since 1970, as facts have them */
  now(): number;
  /** milliseconds from some start, with fractions, never going back */
  monotonic(): number;
  record(name: TimingName, value: number): void;
  /** A fact of this replica's dispatcher. */
  recordFact(fact: Fact): void;
  /** The end of a call that brought a payment to a processor. */
  recordCall(processor: Processor, outcome: Outcome, tookMs: number): void;
}
