/** What HTTP asks of a replica. @module */
import type { Summary } from "../payment/book.ts";
import type { Processor, ReplicaId } from "../payment/fact.ts";
import type { Cents } from "../payment/money.ts";
import type { Payment } from "../payment/payment.ts";

/**
 * What a 202 promises: `log`: the log holds the payment, which survives the death of every process; `store`: Postgres has
 * committed it as well, so that it survives the machine.
 */
export type AckLevel = "log" | "store";

/** What became of a payment that was handed in. */
export type Acceptance =
  /** covered by what the acknowledgement level promises; also for an id that was accepted before with the same amount */
  | "accepted"
  /** the id is taken by a payment with another amount */
  | "conflict"
  /** a limit is reached, nothing was acknowledged: later it may be taken */
  | "queue-full"
  /** the log takes nothing more: its limit is reached, or the disk is full */
  | "log-full"
  /** the totals could not be exact any more with this payment */
  | "total-full"
  /** the store did not commit in time; the payment is taken, but not covered: asking again is safe */
  | "uncovered"
  /** the replica is starting or stopping and takes nothing */
  | "not-serving";

/** What one processor looks like from here. */
export interface ProcessorStatus {
  readonly state: "up" | "down";
  /** typical time of an answer, in milliseconds */
  readonly latencyMs: number;
  readonly inFlight: number;
}

/** The state of a replica, for `/readyz` and the people who read it. */
export interface Readiness {
  readonly ready: boolean;
  readonly replica: ReplicaId;
  readonly phase: "starting" | "reading" | "serving" | "draining" | "stopped";
  /** what a 202 means */
  readonly ack: AckLevel;
  readonly peer: "none" | "linked" | "unreachable" | "dead";
  readonly store: "none" | "connecting" | "ready" | "unavailable";
  /** why it is not ready, or what is not as it should be, one line each */
  readonly notes: readonly string[];
  /** payments waiting to be dispatched by this replica */
  readonly queue: number;
  /** payments not settled, of both replicas */
  readonly pending: number;
  readonly settled: number;
  readonly processors: Readonly<Record<Processor, ProcessorStatus>>;
}

export interface Payments {
  /** Takes a payment in; resolved when the acknowledgement level is reached or cannot be. */
  accept(id: string, cents: Cents): Acceptance | Promise<Acceptance>;
  /** What is known of a payment, up to the end of the log. */
  find(id: string): Payment | undefined;
  /**
   * The totals of both replicas over `from <= requestedAt <= to` (milliseconds, each may be left out), up to the end of
   * the log.
   *
   * @returns undefined while the replica is starting
   */
  summary(from?: number, to?: number): Summary | undefined;
  /** Forgets every payment, at both replicas, but what may be booked. @returns false where the log did not take it */
  purge(): boolean;
  readiness(): Readiness;
}
