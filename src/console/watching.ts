/** What people may see of a running replica, and who shows it. @module */
import type { Processor, Reason, ReplicaId } from "../payment/fact.ts";
import type { Stage } from "../payment/payment.ts";
import type { Watch } from "./watch.ts";

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

/** One second of the charts, or several; null where nothing is known. */
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
export type Decision = Told & { readonly id: string };

/** The state of both replicas as one of them knows it. */
export type Live = ReturnType<Watch["live"]>;

/** Somebody who watches. */
export interface Watcher {
  /** Every second. */
  tell(live: Live, point: Point): void;
  /** The replica stops. */
  end(): void;
}

/** What the HTTP edge asks for people. */
export type Watching = Pick<Watch, "points" | "live" | "watch" | "story">;
