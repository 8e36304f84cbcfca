/** Calls to the payment processors. @module */
import type { Cents } from "../payment/money.ts";
import type { Processor } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";

/** The attempt as the processor gets it. */
export type Order = Pick<Payment, "id" | "cents" | "requestedAt">;

/** What the processor asks for beside its answer. */
interface WithRetryAfter {
  /** how long it wants no calls, in milliseconds (Retry-After), without a limit */
  readonly retryAfterMs?: number;
}

/** How a call ended, in the words of DESIGN.md, promise 1. */
export type Outcome =
  & WithRetryAfter
  & (
    /** booked by this very call */
    | { readonly kind: "booked" }
    /** booked earlier: a lookup shows under which `requestedAt` */
    | { readonly kind: "already-booked" }
    /** certainly not booked by this call: free for either processor. `rejected`: 3xx, 4xx, where repeating will not help */
    | { readonly kind: "refused"; readonly why: "processor-full" | "unreachable"; readonly error?: string }
    | { readonly kind: "refused"; readonly why: "rejected"; readonly status: number }
    /** not booked as far as the processor knows (500): free for the other one only after a lookup confirms it */
    | { readonly kind: "refused-as-far-as-known" }
    /** anything may have happened, and may still happen */
    | { readonly kind: "unknown"; readonly error: string }
  );

/** What a processor says of an id. */
export type Lookup =
  & WithRetryAfter
  & (
    | { readonly kind: "found"; readonly cents: Cents; readonly requestedAt: number }
    | { readonly kind: "absent" }
    | { readonly kind: "unanswered"; readonly error: string }
    /** an answer that is not understood: a person must look at it */
    | { readonly kind: "unclear"; readonly error: string }
  );

/** What each processor that was asked for an id says of it. */
export type Lookups = readonly (readonly [Processor, Lookup])[];

/** What `service-health` says. */
export interface Health {
  /** whether it refuses payments now */
  readonly failing: boolean;
  /** what the processor says its answers take at least, in milliseconds */
  readonly minResponseMs: number;
}

/** Every method settles within its own limit of time and never throws. */
export interface ProcessorClient {
  /** Sends a payment. */
  pay(processor: Processor, order: Order): Promise<Outcome>;
  /** Asks for a payment by its id. */
  lookup(processor: Processor, id: string): Promise<Lookup>;
  /** undefined if there was no answer, or one that says nothing (429) */
  health(processor: Processor): Promise<Health | undefined>;
}
