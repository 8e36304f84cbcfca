/** Figures of a run at which no rule of the bottleneck report finds anything, for its tests. @module */
import type { Figures, Spread } from "../../bench/report/figures.ts";

/** A spread whose every figure is the same, but for a p99 and a maximum. */
export function spread(median: number, p99 = median, count = 100): Spread {
  return { count, mean: median, median, p99, max: p99 };
}

/** The quiet run. */
export const QUIET: Figures = {
  startedAt: "2026-01-01T00:00:00.000Z",
  seconds: 10,
  users: 100,
  processorMs: 20,
  targetMs: 11,
  settings: {
    STORE_INTERVAL_MS: 20,
    MAX_IN_FLIGHT: 300,
    ACK: "log",
  },
  p99: 5.5,
  client: spread(1, 5.5),
  clientLag: 2,
  accepted: 1_000,
  failed: 0,
  booked: { default: { count: 1_000, cents: 1_990_000 }, fallback: { count: 0, cents: 0 } },
  inconsistencies: 0,
  lag: 0,
  single: { cold: 12, coldDirect: 11, warm: spread(1.2, 6), warmDirect: spread(0.6, 2) },
  machineLag: spread(0.2, 0.5),
  edge: { through: spread(0.7, 4), direct: spread(0.25, 1.5) },
  timings: {
    post: spread(0.5, 2.5),
    "route-wait": spread(2, 5),
    processor: spread(21.5, 24),
    "store-write": spread(1.5, 8),
    "store-rows": spread(5, 40),
    "loop-lag": spread(0.8, 2.5),
  },
  inFlightMax: 3,
  summary: {
    memory: spread(0.25, 0.6),
    sql: {
      medianMs: 0.8,
      maxMs: 2.5,
      books: { default: { count: 1_000, cents: 1_990_000 }, fallback: { count: 0, cents: 0 } },
      plan: ["Aggregate", "  ->  Index Scan using payment_settled on payment"],
    },
    same: true,
  },
  database: {
    counters: { commits: 900, rowsInserted: 1_200, rowsUpdated: 1_500, rowsHot: 0, seqScans: 8, indexScans: 2_700 },
    indexes: { payment_pkey: 2_696, payment_settled: 4 },
    connectionsMax: 3,
    activeMax: 2,
    catchUp: 16,
  },
  processes: [{
    name: "replica a",
    cpuCores: 0.15,
    peakMiB: 83.5,
    limitMiB: 110,
    limitCores: 0.45,
    throttled: { periods: 0, ms: 0 },
  }],
};

/** The quiet run with other timings. */
export function withTimings(timings: Partial<Figures["timings"]>, rest: Partial<Figures> = {}): Figures {
  return { ...QUIET, ...rest, timings: { ...QUIET.timings, ...timings } };
}
