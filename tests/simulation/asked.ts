/**
 * What the callers did and what they were answered, payment by payment: the checkers compare everything with it.
 * @module
 */
import type { AckLevel } from "../../src/config.ts";
import type { ReplicaId } from "../../src/payment/fact.ts";
import type { Cents } from "../../src/payment/money.ts";

/** An acknowledgement that a process sent. */
export interface Ack {
  readonly ms: number;
  readonly replica: ReplicaId;
  readonly cents: Cents;
  /** what it promised */
  readonly level: AckLevel;
}

/** One id. */
export interface AskedPayment {
  readonly id: string;
  readonly ordinal: number;
  /** every amount it was sent with */
  readonly amounts: Set<Cents>;
  /** acknowledgements that still bind */
  acks: Ack[];
  /** where the log took it; undefined where it did not, and where that position is lost */
  position: number | undefined;
  /** when it did, in milliseconds, and what the fact has for that */
  takenMs: number;
  takenAt: number;
  /** the log has it, and it is not settled */
  pending: boolean;
  /** it was settled at some time */
  settled: boolean;
  /** when a purge last forgot it, in milliseconds; -1 where none did */
  purgedMs: number;
  /** when the log or the store last lost it with what it was acknowledged for, in milliseconds; -1 where neither did */
  lostMs: number;
  /** the store may have held it, and went back to a backup */
  unstored: boolean;
  /** a purge kept it, since it was bound: where the log loses that, the purge forgets it */
  kept: boolean;
  /** it was booked before a purge forgot it: no caller may send it again */
  retired: boolean;
  /** it was sent, retired and taken at the same instant: nothing is promised */
  excused: boolean;
}

/** Every id of a run. */
export class Asked {
  readonly payments = new Map<string, AskedPayment>();

  get(id: string): AskedPayment | undefined {
    return this.payments.get(id);
  }

  /** A caller sends an id to a replica. */
  sent(id: string, cents: Cents): AskedPayment {
    let payment = this.payments.get(id);
    if (!payment) {
      const never = {
        position: undefined,
        takenMs: 0,
        takenAt: 0,
        pending: false,
        settled: false,
        purgedMs: -1,
        lostMs: -1,
        unstored: false,
        kept: false,
        retired: false,
        excused: false,
      };
      payment = { id, ordinal: this.payments.size, amounts: new Set(), acks: [], ...never };
      this.payments.set(id, payment);
    }
    payment.amounts.add(cents);
    return payment;
  }
}
