/** What people may see of a running replica, and who shows it. @module */
import type { Summary } from "../payment/book.ts";
import type { Processor, Reason, ReplicaId } from "../payment/fact.ts";
import type { Payment, Stage } from "../payment/payment.ts";
import type { Status } from "../peer/frame.ts";
import type { ProcessorStatus } from "../routing/dispatcher.ts";
import type { Readiness } from "../service/readiness.ts";
import type { AckLevel } from "../service/service.ts";

/** One thing that happened to a payment; times are milliseconds since 1970, UTC. */
export interface Told {
  /** when, by the clock of the replica that did it; of an attempt's beginning, and of a snapshot's last line, what the processor is told */
  readonly at: number;
  /** the replica that did it; of `accepted`, the one that dispatches it now, and so of a snapshot's last line */
  readonly replica: ReplicaId;
  readonly stage: Stage;
  /** 0 before the first */
  readonly attempt: number;
  readonly processor: Processor | null;
  readonly reason: Reason;
}

/** Everything that happened to a payment, oldest first. */
export interface Story {
  readonly facts: readonly Told[];
  /** where they come from: `snapshot` is where the payment is now, when nothing else is left or can be reached */
  readonly source: "memory" | "postgres" | "snapshot";
  /** false where steps in between are not known any more */
  readonly complete: boolean;
}

/** A stretch of time in which a processor took nothing. */
export interface Outage {
  readonly from: number;
  /** null while it lasts */
  readonly to: number | null;
}

/** One second of the charts; null where nothing is known. */
export interface Point {
  readonly at: number;
  /** requests of `POST /payments` a second at both replicas */
  readonly posts: number;
  readonly medianMs: number | null;
  /** the greater of both replicas' */
  readonly p99Ms: number | null;
  readonly pending: number;
}

/** A decision, as the page lists it. */
export interface Decision extends Told {
  readonly id: string;
}

/** The state of both replicas as one of them knows it. */
export interface Live {
  readonly at: number;
  /** since when it has looked */
  readonly since: number;
  /** who tells this */
  readonly replica: ReplicaId;
  readonly ack: AckLevel;
  /** what is not as it should be, one line each */
  readonly notes: readonly string[];
  /** null for a replica that this one does not hear */
  readonly replicas: Readonly<Record<ReplicaId, Status | null>>;
  readonly peer: Readiness["peer"];
  /** how long ago the peer was heard; null when never, or where there is none */
  readonly silentMs: number | null;
  /** for how long the peer has not read what it was told of; 0 where it has */
  readonly lagMs: number;
  readonly pending: number;
  readonly settled: number;
  /** why what waits is not sent; null where nothing waits */
  readonly held: Reason | null;
  readonly totals: Summary;
  /** what the fees are below those of a router that knows the fallback only; rounded down */
  readonly savedCents: number;
  readonly processors: Readonly<Record<Processor, ProcessorStatus & { readonly outages: readonly Outage[] }>>;
  /** newest first */
  readonly decisions: readonly Decision[];
}

/** Somebody who watches. */
export interface Watcher {
  /** Every second. */
  tell(live: Live, point: Point): void;
  /** The replica stops. */
  end(): void;
}

/** What the HTTP edge asks for people. */
export interface Watching {
  /** the charts so far, oldest first */
  readonly points: readonly Point[];
  live(): Live;
  /** @returns how to stop watching; undefined where as many watch as may, or the replica stops */
  watch(watcher: Watcher): (() => void) | undefined;
  story(payment: Payment): Promise<Story>;
}
