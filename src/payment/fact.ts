/**
 * Facts: what happened to a payment, or to all of them. They stand in one log, in one order. A fact about one payment
 * names the position of the one it was made from, `over`; it holds or is void, and every reader decides that alike.
 * @module
 */
import type { Cents } from "./money.ts";
import type { Payment } from "./payment.ts";

/** The two payment processors; the default is the cheaper one. */
export type Processor = "default" | "fallback";

/** Both processors, cheapest first; the index is the processor's code in the log and in the store. */
export const PROCESSORS: readonly Processor[] = ["default", "fallback"];

/** The name of a replica. */
export type ReplicaId = string;

/** Why a payment is where it is; the index is the code in the log and in the store, so new ones go to the end. */
export const REASONS = [
  "accepted",
  "default-up",
  "default-slow",
  "default-full",
  "default-refusing", // why a payment is held: in no fact
  "both-refusing", // why a payment is held: in no fact
  "patience-over",
  "probe",
  "in-doubt", // only in rows that an older version stored
  "failed",
  "processor-full",
  "unreachable",
  "booked", // only in rows that an older version stored
  "already-booked",
  "found-booked",
  "no-place", // why a payment is held: in no fact
  "rejected",
  "not-found",
  "rejected-by-both",
] as const;
/** Why a fact was recorded. */
export type Reason = typeof REASONS[number];

/** What every fact says. */
interface Said {
  /** the replica that recorded it */
  readonly by: ReplicaId;
  /** when, in milliseconds since 1970, UTC */
  readonly at: number;
}

/** What every fact says that was made from an earlier one of its payment. */
interface Followed extends Said {
  readonly id: string;
  /** the position of that earlier one in the log */
  readonly over: number;
  readonly reason: Reason;
}

/** A replica took a payment, and owns it: it dispatches it. */
export interface Accepted extends Said {
  /** which fact it is */
  readonly kind: "accepted";
  /** the payment's */
  readonly id: string;
  /** the amount */
  readonly cents: Cents;
  /** the log may have lost an earlier fact of this id: both processors are asked before anything is sent */
  readonly doubt: boolean;
}

/** An attempt is bound to a processor: from here on it may be booked there. `at` is the `requestedAt` that it gets. */
export interface Dispatched extends Followed {
  /** which fact it is */
  readonly kind: "dispatched";
  /** the one that it is bound to */
  readonly processor: Processor;
}

/** The attempt is not booked: the binding is gone. */
interface Released extends Followed {
  readonly kind: "released";
  /** the processor said so of its own call only: it is asked for the id before the other one is used */
  readonly askFirst: boolean;
}

/** The payment is booked: the end. */
interface Settled extends Followed, Booking {
  readonly kind: "settled";
}

/** What a processor has booked: how much, and under which `requestedAt`. */
export interface Booking {
  /** the one that booked it */
  readonly processor: Processor;
  /** in milliseconds since 1970, UTC */
  readonly requestedAt: number;
  /** the amount */
  readonly cents: Cents;
}

/** A fact about one payment that was made from an earlier one. */
export type FollowUp = Dispatched | Released | Settled;

/** The replica `from` is dead: what it owned and had not settled belongs to `by`. Bound attempts stay bound. */
export interface Moved extends Said {
  /** which fact it is */
  readonly kind: "moved";
  /** the dead replica */
  readonly from: ReplicaId;
}

/** What stands before this no longer counts, except what may be booked: that ends first, and counts. */
export interface Purged extends Said {
  /** which fact it is */
  readonly kind: "purged";
}

/** The log may have lost facts before this position: what is unsettled here may lack its newest ones. */
export interface Doubted extends Said {
  /** which fact it is */
  readonly kind: "doubted";
  /** of the machine, in milliseconds, when this was written */
  readonly uptimeMs: number;
}

/** What happened, to a payment or to all of them. */
export type Fact = Accepted | FollowUp | Moved | Purged | Doubted;

/** The processor that is not this one. */
export function other(processor: Processor): Processor {
  return processor === "default" ? "fallback" : "default";
}

/** The next attempt of a payment is bound to `processor` under `requestedAt`. */
export function dispatched(
  payment: Payment,
  by: ReplicaId,
  processor: Processor,
  requestedAt: number,
  reason: Reason,
): Dispatched {
  return { kind: "dispatched", by, id: payment.id, over: payment.position, processor, at: requestedAt, reason };
}

/** Whether a fact begins an attempt, or another process goes on with it; not that its processor called it booked. */
export function isAttempt(fact: Fact): fact is Dispatched {
  return fact.kind === "dispatched" && fact.reason !== "already-booked";
}

/** The attempt is not booked; with `askFirst`, as far as the processor knows. */
export function released(payment: Payment, by: ReplicaId, at: number, reason: Reason, askFirst: boolean): Released {
  return { kind: "released", by, id: payment.id, over: payment.position, at, reason, askFirst };
}

/** The payment is booked. */
export function settled(payment: Payment, by: ReplicaId, at: number, booking: Booking, reason: Reason): Settled {
  const { processor, requestedAt, cents } = booking;
  return { kind: "settled", by, id: payment.id, over: payment.position, processor, requestedAt, cents, at, reason };
}
