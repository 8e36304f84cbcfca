/** A replica as HTTP, metrics and the live page see it. @module */
import type { Summary } from "../payment/book.ts";
import type { Cents } from "../payment/money.ts";
import type { Payment } from "../payment/payment.ts";
import type { PeerLinks } from "../peer/link.ts";
import type { Readiness, Running } from "./readiness.ts";

/** The answer to a payment that came in. */
export type Acceptance =
  /** as safe as `ACK` promises; also for an id that was accepted before with the same amount */
  | "accepted"
  /** the id is taken by a payment with another amount */
  | "conflict"
  /** QUEUE_MAX payments are pending, so it was not acknowledged: later it may be taken */
  | "queue-full"
  /** the log takes nothing more, its limit is reached or the disk is full: later it may be taken */
  | "log-full"
  /** the payments that are known take all the memory there is for them: later it may be taken */
  | "memory-full"
  /** the totals could not be exact any more with this payment: only a purge, or a smaller amount, helps */
  | "total-full"
  /** the store did not commit in time; the payment is taken, but not as safe as `ACK` promises: sending it again is safe */
  | "uncovered"
  /** this replica cannot reach the log, so the payment was not taken; another replica may take it */
  | "cut-off"
  /** the replica is starting or stopping and takes nothing */
  | "not-serving";

/** A replica, for callers and for whatever looks at it. */
export interface Service {
  /** Takes a payment in; resolved when the acknowledgement level is reached or cannot be. */
  accept(id: string, cents: Cents): Acceptance | Promise<Acceptance>;
  /** The state of a payment, up to the end of the log; `cut-off` if the end could not be read in time. */
  find(id: string): Payment | undefined | Promise<Payment | undefined | "cut-off">;
  /**
   * The totals of all replicas over `from <= requestedAt <= to` (milliseconds, each may be left out), up to the end of
   * the log.
   *
   * @returns undefined while the replica is starting; `cut-off` if the end of the log could not be read in time
   */
  summary(from?: number, to?: number): Summary | undefined | Promise<Summary | "cut-off">;
  /**
   * Forgets every payment, at all replicas, but what may be booked.
   *
   * @returns false if it is not serving, or the log did not take it; `cut-off` if that could not be learned in time
   */
  purge(): boolean | "cut-off" | Promise<boolean | "cut-off">;
  /** The state that `/readyz` shows. */
  readiness(): Readiness;
  /** its parts, as they are now */
  readonly vitals: Vitals;
}

/** The parts of a replica, for what `/readyz` does not show; those of {@link Running} are missing until the store and the log are read. */
export interface Vitals extends Partial<Running> {
  /** to the peers; undefined for a replica on its own */
  readonly links: PeerLinks | undefined;
  /** what payments take of the memory that they may take, a share; undefined until the store and the log are read */
  readonly memoryUse: number | undefined;
}
