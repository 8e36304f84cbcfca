/** What people may see of a running replica, as types. @module */
import type { Processor, Reason, ReplicaId } from "../payment/fact.ts";
import type { Stage } from "../payment/payment.ts";
import type { Watch } from "./watch.ts";

/** One thing that happened to a payment; times are milliseconds since 1970, UTC. */
export interface StoryStep {
  /** when, by that replica's clock; for a dispatch, and for a snapshot's last line, the `requestedAt` of the attempt */
  readonly at: number;
  /** the replica that did it; for `accepted`, and for a snapshot's last line, the owner now */
  readonly replica: ReplicaId;
  /** the payment's stage after it */
  readonly stage: Stage;
  /** 0 before the first */
  readonly attempt: number;
  /** where the attempt is bound; null before the first */
  readonly processor: Processor | null;
  /** why it happened */
  readonly reason: Reason;
}

/** Everything that happened to a payment, oldest first. */
export interface Story {
  /** the steps, oldest first */
  readonly facts: readonly StoryStep[];
  /** where they come from: `snapshot` is the state now, if nothing else is left or can be reached */
  readonly source: "memory" | "postgres" | "snapshot";
  /** false if steps are missing */
  readonly complete: boolean;
}

/** A stretch of time in which a processor took nothing. */
export interface Outage {
  /** milliseconds since 1970, UTC; so is `to` */
  readonly from: number;
  /** null while it lasts */
  readonly to: number | null;
}

/** One second of the charts, or several; null if nothing is known. */
export interface Point {
  /** its end, in milliseconds since 1970, UTC */
  readonly at: number;
  /** requests of `POST /payments` a second at all replicas */
  readonly posts: number;
  /** the greater of all replicas' medians, in milliseconds */
  readonly medianMs: number | null;
  /** the greatest of the replicas' */
  readonly p99Ms: number | null;
  /** payments that are not settled, of all replicas */
  readonly pending: number;
}

/** A decision, as the page lists it. */
export type Decision = StoryStep & { readonly id: string };

/** The state of all replicas as one of them knows it. */
export type Live = ReturnType<Watch["live"]>;

/** An open live page. */
export interface Watcher {
  /** Every second. */
  tell(live: Live, point: Point): void;
  /** The replica stops. */
  end(): void;
}

/** What the HTTP edge asks for the pages. */
export type Watching = Pick<Watch, "points" | "live" | "watch" | "story">;
