/** Everything that a report rests on. Milliseconds unless a name says otherwise. @module */
import type { BothBooks } from "../graded/score.ts";
import type { Counters, SqlSummary } from "./database.ts";
import type { ProcessFigures } from "./processes.ts";

/** Some times, or other figures, in figures. */
export interface Quantiles {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  readonly p99: number;
}

/** The same where every one of them was seen. */
export interface Spread extends Quantiles {
  readonly max: number;
}

/** What replicas say of themselves; milliseconds, but for `store-rows`. */
export type TimingName =
  /** `POST /payments`, from the request's head to the answer's; with `ACK=store` it waits for the commit */
  | "post"
  /** from accepted until bound for the first time */
  | "route-wait"
  /** a call to a processor */
  | "processor"
  /** one batch, until its commit */
  | "store-write"
  /** payments in one batch */
  | "store-rows"
  /** how much later than asked a timer fires */
  | "loop-lag";

/** What the rules look at, and what is shown. */
export interface Figures {
  readonly startedAt: string;
  readonly seconds: number;
  readonly users: number;
  readonly processorMs: number;
  readonly targetMs: number;
  /** what of the settings the rules look at */
  readonly settings: {
    readonly STORE_INTERVAL_MS: number;
    readonly MAX_IN_FLIGHT: number;
    readonly ACK: string;
  };
  /** every successful request, as the grader counts */
  readonly p99: number;
  /** payments alone, as the load generator saw them */
  readonly client: Pick<Spread, "count" | "median" | "p99" | "max">;
  readonly clientLag: number;
  readonly accepted: number;
  readonly failed: number;
  readonly booked: BothBooks;
  readonly inconsistencies: number;
  readonly lag: number;
  /** a payment on an idle system: the first ever on a new connection, and the median of many after it */
  readonly single: {
    readonly cold: number;
    readonly warm: Spread;
    readonly coldDirect: number;
    readonly warmDirect: Spread;
  };
  /** `GET /livez` under load, through Caddy and directly at a replica's socket */
  readonly edge: { readonly through: Spread; readonly direct: Spread };
  /** how late a timer is in a thread that does nothing else: the delay that the machine causes in every process */
  readonly machineLag: Spread;
  /** of both replicas together, from their `/metrics`; median and p99 are interpolated between the bounds of a bucket */
  readonly timings: Readonly<Record<TimingName, Quantiles>>;
  /** calls under way of one replica to one processor, the most of all looks */
  readonly inFlightMax: number;
  readonly summary: { readonly memory: Spread; readonly sql: SqlSummary; readonly same: boolean };
  readonly database: {
    readonly counters: Counters;
    readonly indexes: Readonly<Record<string, number>>;
    readonly connectionsMax: number;
    readonly activeMax: number;
    /** from the end of the run until all that is settled was stored; undefined: it did not come to that in time */
    readonly catchUp: number | undefined;
  };
  readonly processes: readonly ProcessFigures[];
}
