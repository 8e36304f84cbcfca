/** Everything that a report rests on. Milliseconds unless a name says otherwise. @module */
import type { TimingName } from "../../src/telemetry/timings.ts";
import type { BothBooks } from "../graded/score.ts";
import type { Counters, SqlSummary } from "./database.ts";
import type { ProcessFigures } from "./processes.ts";

/** Some times, or other figures, in figures. */
export interface Spread {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

/** What the rules look at, and what is shown. */
export interface Figures {
  readonly startedAt: string;
  readonly seconds: number;
  readonly users: number;
  readonly processorMs: number;
  readonly targetMs: number;
  /** what of the settings the rules look at */
  readonly settings: {
    readonly STORE_POOL: number;
    readonly STORE_INTERVAL_MS: number;
    readonly MAX_IN_FLIGHT: number;
    readonly DISPATCH_PER_SECOND: number;
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
  /** how late a timer is in a thread that does nothing else: what the machine makes everybody wait for */
  readonly machineLag: Spread;
  /** of both replicas together */
  readonly timings: Readonly<Record<TimingName, Spread>>;
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
