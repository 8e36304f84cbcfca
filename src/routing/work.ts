/**
 * What a replica is doing about one payment, and what the end of a call means for it: the table of DESIGN.md, promise 1.
 * Pure: what is to be done comes out, and the dispatcher does it. Times are of the monotonic clock, in milliseconds.
 * @module
 */
import { type Booking, other, type Processor, type Reason } from "../payment/fact.ts";
import { amountOf } from "../payment/money.ts";
import type { Payment } from "../payment/payment.ts";
import type { Lookup, Lookups, Outcome } from "./processor_client.ts";

/** A payment that waits for a route. */
export interface Queued {
  /** which work it is */
  readonly state: "queued";
  /** how often it was put off: each pause is longer than the one before */
  readonly pauses: number;
  /** the position of the payment at which the processors that had to be asked did not have it; 0: not asked */
  readonly clearedPosition: number;
}

/** A payment that is bound to a processor, and waits to be sent there. */
export interface Bound {
  /** which work it is */
  readonly state: "bound";
  /** as in {@link Queued} */
  readonly pauses: number;
  /** the end of the last call without a verdict or of the first 422, or when this process read the binding; null: none */
  readonly unsureMs: number | null;
  /** calls of this binding that ended without a verdict */
  readonly unknowns: number;
  /** the processor said that it has the payment: no lookup releases it, whatever it says */
  readonly saidBooked?: boolean;
  /** while it waits for its processor: when it is looked up instead */
  readonly lookUpMs?: number;
  /** see {@link rejectersOf}, before this binding */
  readonly rejectedBy?: readonly Processor[];
}

/** What a replica is doing about a payment. */
export type Work =
  | Queued
  | Bound
  /** it is sent, under the binding that stands at the position `over` */
  | { readonly state: "in-flight"; readonly over: number; readonly bound: Bound }
  /** a fact of it is being recorded: nothing else happens to it until that is done */
  | { readonly state: "recording" }
  /** processors are asked for it */
  | { readonly state: "asking"; readonly over: number; readonly before: Queued | Bound }
  /** it waits; `pause` is the number of that backoff */
  | { readonly state: "backing-off"; readonly pause: number; readonly before: Queued | Bound }
  /** its end is known, and the log does not take it */
  | { readonly state: "unrecorded"; readonly end: BindingEnd };

/** The end of a binding. */
export type BindingEnd =
  | { readonly kind: "settle"; readonly booking: Booking; readonly reason: Reason }
  | { readonly kind: "release"; readonly reason: Reason; readonly askFirst: boolean };

/** What is to be done next about a payment that is bound. */
export type Next = BindingEnd | Kept;
/** It stays bound. */
export interface Kept {
  /** which of {@link Next} it is */
  readonly kind: "keep";
  /** what is known of it now */
  readonly bound: Bound;
  /** whether its processor is asked for it at once */
  readonly askNow: boolean;
}

/** After this many calls without a verdict a binding is looked up instead of sent: each call moves the horizon. */
export const UNKNOWNS_MAX = 3;

/** The work for a payment that the dispatcher takes on. If it was bound before, it may have been sent. */
export function begin({ stage, reason }: Payment, nowMs: number): Queued | Bound {
  if (stage !== "dispatched") return { state: "queued", pauses: 0, clearedPosition: 0 };
  return { state: "bound", pauses: 0, unsureMs: nowMs, unknowns: 0, saidBooked: reason === "already-booked" };
}

/** A call of a bound payment has ended. */
export function conclude(payment: Payment, bound: Bound, outcome: Outcome, nowMs: number): Next {
  const unsure = bound.unsureMs !== null;
  switch (outcome.kind) {
    case "booked": {
      const { processor, requestedAt, cents } = payment;
      return { kind: "settle", booking: { processor: processor!, requestedAt, cents }, reason: payment.reason };
    }
    case "already-booked":
      // by an earlier call of this binding, or by one that is lost
      return {
        kind: "keep",
        bound: { ...bound, unsureMs: bound.unsureMs ?? nowMs, saidBooked: true },
        askNow: bound.pauses === 0,
      };
    case "unknown":
      return {
        kind: "keep",
        bound: { ...bound, unsureMs: Math.max(nowMs, bound.unsureMs ?? 0), unknowns: bound.unknowns + 1 },
        askNow: false,
      };
    case "refused-as-far-as-known":
      // a refusal of this call says nothing about an earlier one
      return unsure ? { kind: "keep", bound, askNow: false } : { kind: "release", reason: "failed", askFirst: true };
    case "refused": {
      if (unsure) return { kind: "keep", bound, askNow: false };
      if (outcome.why !== "rejected") return { kind: "release", reason: outcome.why, askFirst: false };
      const byBoth = bound.rejectedBy?.includes(other(payment.processor!));
      return { kind: "release", reason: byBoth ? "rejected-by-both" : "rejected", askFirst: false };
    }
  }
}

/** The processors that rejected a payment, the last one at the end. */
export function rejectersOf({ stage, reason, processor }: Payment): readonly Processor[] {
  if (stage !== "released") return [];
  if (reason === "rejected-by-both") return [other(processor!), processor!];
  return reason === "rejected" ? [processor!] : [];
}

/** Processors have been asked, at `askedMs`, for a bound payment. */
export function concludeLookups(bound: Bound, lookups: Lookups, askedMs: number, horizonMs: number): Next {
  const found = foundIn(lookups);
  if (found) return { kind: "settle", booking: found, reason: "found-booked" };
  const absent = lookups.every(([, { kind }]) => kind === "absent");
  // before that, a call that was given up may still be booked
  if (absent && !bound.saidBooked && (bound.unsureMs === null || askedMs >= bound.unsureMs + horizonMs)) {
    return { kind: "release", reason: "not-found", askFirst: false };
  }
  return { kind: "keep", bound, askNow: false };
}

/** A booking of another amount than was sent is not understood, unless the log may have lost the fact that sent it. */
export function withAmount({ cents, doubtedUptimeMs }: Payment, lookup: Lookup): Lookup {
  if (lookup.kind !== "found" || lookup.cents === cents) return lookup;
  // a hundred times as much is the same amount in another unit
  if (doubtedUptimeMs !== null && lookup.cents !== 100 * cents) return lookup;
  return {
    kind: "unclear",
    error: `amount is ${amountOf(lookup.cents).toFixed(2)}, and ${amountOf(cents).toFixed(2)} was sent`,
  };
}

/** Where a payment was found to be booked. */
export function foundIn(lookups: Lookups): Booking | undefined {
  for (const [processor, lookup] of lookups) {
    if (lookup.kind === "found") return { processor, requestedAt: lookup.requestedAt, cents: lookup.cents };
  }
  return undefined;
}
