/** What happens at a replica, for those who look on: metrics, traces, stories, the live page, log lines. @module */
import type { LedgerObserver } from "../ledger/ledger.ts";
import type { Processor } from "../payment/fact.ts";
import type { Lookup, Outcome } from "../routing/processor_client.ts";

/** What a call to a processor is for. */
export type Purpose = "pay" | "lookup";

/** Who looks on, and takes no part: of facts those of both replicas, of anything else what this one does. */
export interface Observer extends LedgerObserver {
  /** A request has come, at a route such as `POST /payments`. */
  requested?(route: string): void;
  /** It is answered, after so many milliseconds. */
  answered?(route: string, status: number, tookMs: number): void;
  /** The request that is being answered hands in this payment. */
  handedIn?(id: string): void;
  /** A processor is called. @returns what it is told of the trace (W3C Trace Context) */
  calling?(purpose: Purpose, processor: Processor, id: string): string;
  /** Such a call has ended, after so many milliseconds. */
  called?(purpose: Purpose, processor: Processor, id: string, end: Outcome | Lookup, tookMs: number): void;
  /** The store has committed a batch of this replica: its payments, and how long that took in milliseconds. */
  committed?(payments: number, tookMs: number): void;
}
