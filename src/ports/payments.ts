/** What HTTP asks of a replica. @module */
import type { Summary } from "../payment/book.ts";
import type { Fact, Processor, ReplicaId } from "../payment/fact.ts";
import type { Cents } from "../payment/money.ts";

/** What an acknowledgement says at least: this process, both replicas, or Postgres holds the payment. */
export type AckLevel = "memory" | "peer" | "store";

/** What became of a payment that was handed in. */
export type Acceptance =
  /** covered by what the acknowledgement level promises; also for an id that was accepted before with the same amount */
  | "accepted"
  /** the id is taken by a payment with another amount */
  | "conflict"
  /** a limit is reached, nothing was acknowledged: later it may be taken */
  | "queue-full"
  /** the totals could not be exact any more with this payment */
  | "total-full"
  /** the acknowledgement level cannot be reached now; the payment may or may not be taken, asking again is safe */
  | "uncovered"
  /** the replica is stopping and takes nothing new */
  | "stopping";

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
  /** what a 202 means at this moment */
  readonly ack: AckLevel;
  readonly peer: "none" | "linked" | "unreachable";
  readonly store: "none" | "connecting" | "ready" | "unavailable";
  /** why it is not ready, or what is not as it should be, one line each */
  readonly notes: readonly string[];
  readonly epoch: number;
  /** payments waiting to be dispatched by this replica */
  readonly queue: number;
  /** payments not settled, of both replicas, as far as this one knows */
  readonly pending: number;
  readonly settled: number;
  readonly processors: Readonly<Record<Processor, ProcessorStatus>>;
}

export interface Payments {
  /** Takes a payment in; resolved when the acknowledgement level is reached or cannot be. */
  accept(id: string, cents: Cents): Promise<Acceptance>;
  /** What is known of a payment. */
  find(id: string): Fact | undefined;
  /**
   * The totals of both replicas over `from <= requestedAt <= to` (milliseconds, each may be left out).
   *
   * @returns undefined while it is not known yet what was known before this start; `staleMs`: null when the peer's
   * knowledge is in (or there is no peer), else how long ago it was last heard
   */
  summary(
    from?: number,
    to?: number,
  ): Promise<{ readonly summary: Summary; readonly staleMs: number | null } | undefined>;
  /** Forgets every payment, at both replicas, before it resolves. */
  purge(): Promise<void>;
  readiness(): Readiness;
}
