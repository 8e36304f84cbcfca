/** The events of a replica, for metrics, traces, stories, the live page and log lines. @module */
import type { LedgerObserver } from "../ledger/ledger.ts";
import type { Processor } from "../payment/fact.ts";
import type { Lookup, Outcome } from "../routing/processor_client.ts";

/** The purpose of a call to a processor. */
export type Purpose = "pay" | "lookup";

/** Sees the facts of all replicas, and all else that this one does; changes nothing. */
export interface Observer extends LedgerObserver {
  /** A request has come, at a route such as `POST /payments`. */
  requested?(route: string): void;
  /** A request is answered, after so many milliseconds. */
  answered?(route: string, status: number, tookMs: number): void;
  /** The request that is being answered carries this payment. */
  handedIn?(id: string): void;
  /** A processor is called. @returns the `traceparent` for the call (W3C Trace Context), if any */
  calling?(purpose: Purpose, processor: Processor, id: string): string;
  /** Such a call has ended, after so many milliseconds. */
  called?(purpose: Purpose, processor: Processor, id: string, end: Outcome | Lookup, tookMs: number): void;
  /** The store has committed a batch of this replica: its payments, and how long that took in milliseconds. */
  committed?(payments: number, tookMs: number): void;
}
