/**
 * A payment at some position of the log, and what each fact changes. Pure: the rules of DESIGN.md's table of facts stand
 * here and nowhere else.
 * @module
 */
import type { Accepted, Doubted, FollowUp, Moved, Processor, Reason, ReplicaId } from "./fact.ts";
import type { Cents } from "./money.ts";

/** The stages of a payment; the index is the code in the store. */
export const STAGES = ["accepted", "dispatched", "released", "settled"] as const;
/** One of {@link STAGES}. */
export type Stage = typeof STAGES[number];

/** The state of one payment. Times are milliseconds since 1970, UTC. */
export interface Payment {
  /** the canonical correlation id */
  readonly id: string;
  /** the amount */
  readonly cents: Cents;
  /** when the first replica took it */
  readonly acceptedAt: number;
  /** the replica that dispatches it */
  readonly owner: ReplicaId;
  /** how far it is */
  readonly stage: Stage;
  /** attempts so far; 0 while only accepted */
  readonly attempt: number;
  /** where the attempt is, or was, bound; null while only accepted */
  readonly processor: Processor | null;
  /** the one sent to the processor, and once settled the one booked; 0 while only accepted */
  readonly requestedAt: number;
  /** why it is at this stage */
  readonly reason: Reason;
  /** of its newest fact in the log; 0 once it is settled, since no fact can follow */
  readonly position: number;
  /** the processor that answered an attempt with 500: it is asked for the id before the other one is used */
  readonly askFirst: Processor | null;
  /** the machine's uptime, in milliseconds, when the log may have lost its newest facts; 0: not known when; null: it cannot have */
  readonly doubtedUptimeMs: number | null;
}

/** A payment that was accepted at a position in the log. */
export function accept(fact: Accepted, position: number, doubtedUptimeMs: number | null): Payment {
  return {
    id: fact.id,
    cents: fact.cents,
    acceptedAt: fact.at,
    owner: fact.by,
    stage: "accepted",
    attempt: 0,
    processor: null,
    requestedAt: 0,
    reason: "accepted",
    position,
    askFirst: null,
    doubtedUptimeMs: fact.doubt ? doubtedUptimeMs ?? 0 : null,
  };
}

/** The payment after a fact; undefined if the fact was not made from the payment's newest one, and so is void. */
export function follow(payment: Payment, fact: FollowUp, position: number): Payment | undefined {
  if (payment.stage === "settled" || fact.over !== payment.position) return undefined;
  const next = { ...payment, reason: fact.reason, position, doubtedUptimeMs: null };
  switch (fact.kind) {
    case "dispatched": {
      // the replica that binds a payment dispatches it from then on
      const { by: owner, processor, at: requestedAt } = fact;
      if (payment.stage === "dispatched") {
        // another replica, or another process of this one, goes on with the same attempt, or its processor called it booked
        const isSame = processor === payment.processor && requestedAt === payment.requestedAt;
        return isSame ? { ...payment, owner, position, reason: fact.reason } : undefined;
      }
      const askFirst = payment.askFirst === processor ? processor : null;
      return { ...next, owner, stage: "dispatched", attempt: payment.attempt + 1, processor, requestedAt, askFirst };
    }
    case "released":
      if (payment.stage !== "dispatched") return undefined;
      return { ...next, stage: "released", askFirst: fact.askFirst ? payment.processor : payment.askFirst };
    case "settled": {
      const { processor, requestedAt, cents } = fact;
      return { ...next, stage: "settled", processor, requestedAt, cents, askFirst: null, position: 0 };
    }
  }
}

/** The dead owner's payment belongs to another replica. */
export function move(payment: Payment, { by }: Moved, position: number): Payment {
  return { ...payment, owner: by, position };
}

/** Its newest facts may be lost. */
export function doubt(payment: Payment, { uptimeMs }: Doubted, position: number): Payment {
  return { ...payment, doubtedUptimeMs: uptimeMs, position };
}

/** Whether it may be booked somewhere: then it outlives a purge. */
export function mayBeBooked({ stage, askFirst, doubtedUptimeMs }: Payment): boolean {
  return stage === "dispatched" || askFirst !== null || doubtedUptimeMs !== null;
}
