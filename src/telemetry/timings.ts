/** Who is told what a replica does and how long it takes: it looks at the ports from outside. @module */
import type { LedgerObserver } from "../ledger/ledger.ts";
import type { Processor } from "../payment/fact.ts";
import type { Outcome } from "../routing/processor_client.ts";

/** What is recorded; milliseconds, but for `store-rows`. */
export type TimingName =
  /** `POST /payments`, from the request's head to the answer's */
  | "post"
  /** the part of it that takes a payment in: nothing else runs meanwhile */
  | "accept"
  /** with `ACK=store`, the part of it that waits for the commit */
  | "acknowledge"
  /** the summary's totals */
  | "summary"
  /** from accepted until bound for the first time, in whole milliseconds */
  | "route-wait"
  /** a call to a processor */
  | "processor"
  /** one batch, until its commit */
  | "store-write"
  /** payments in one batch */
  | "store-rows"
  /** at its commit, the age of a batch's oldest payment */
  | "store-age"
  /** how much later than asked a timer fires */
  | "loop-lag";

/** Takes figures in, and facts. */
export interface Timings extends LedgerObserver {
  /** milliseconds since 1970, as facts have them */
  now(): number;
  /** milliseconds from some start, with fractions, never going back */
  monotonic(): number;
  record(name: TimingName, value: number): void;
  /** The end of a call that brought a payment to a processor. */
  recordCall(processor: Processor, outcome: Outcome, tookMs: number): void;
}
